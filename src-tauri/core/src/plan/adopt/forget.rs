//! How the tool that made a machine forgets it, so that it has no second owner.

use super::{Adoption, Taken};
use crate::script::quote;

/// A tool that makes machines and keeps a list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Pulumi.
    Pulumi,
    /// Terraform, or OpenTofu.
    Terraform,
}

/// Whether it is one of a kind.
type Kind = fn(&Taken) -> bool;

/// The tool that the tags name. Neither of them tags by itself, so no tag means nothing.
pub(super) fn made_by(marks: &[((String, String), usize)]) -> Option<Tool> {
    let says = |words: &[&str]| {
        marks.iter().any(|((key, value), _)| {
            let text = format!("{key} {value}").to_lowercase();
            words.iter().any(|word| text.contains(word))
        })
    };
    if says(&["pulumi"]) {
        Some(Tool::Pulumi)
    } else {
        says(&["terraform", "opentofu", "terragrunt", "cdktf"]).then_some(Tool::Terraform)
    }
}

/// The command that lists what `tool` has of what is taken, and the one that makes it forget that. They delete nothing in AWS.
///
/// The names that a tool has for things are its own, so the commands look them up by id in its state, and by the route table, group and
/// role for what has no id of AWS's.
///
/// Pulumi lists what others need first, and refuses to forget that before them: the list is walked from its end.
/// Sources: <https://www.pulumi.com/docs/iac/cli/commands/pulumi_state_delete/>,
/// <https://www.pulumi.com/docs/iac/cli/commands/pulumi_stack_export/>,
/// <https://developer.hashicorp.com/terraform/cli/commands/state/rm>,
/// <https://developer.hashicorp.com/terraform/internals/json-format#state-representation>
pub fn forget(adoption: &Adoption, tool: Tool) -> [String; 2] {
    let taken = &adoption.takes;
    let all = |what: Kind| {
        let ids = taken.iter().filter(|taken| what(taken));
        ids.map(|taken| serde_json::Value::from(taken.id.as_str()).to_string()).collect::<Vec<_>>().join(", ")
    };
    let (fields, record, name) = match tool {
        Tool::Pulumi => (["id", "routeTableId", "securityGroupId", "role"], ".outputs", ".urn"),
        Tool::Terraform => (["id", "route_table_id", "security_group_id", "role"], ".values", ".address"),
    };
    let ids = match tool {
        Tool::Pulumi => format!(".{}", fields[0]),
        Tool::Terraform => format!("{record}.{}", fields[0]),
    };
    let mut tests = vec![format!("({ids} | IN({}))", all(|_| true))];
    let parts: [(&str, Kind); 3] = [
        (fields[1], |taken| taken.what == "route table"),
        (fields[2], |taken| taken.what == "security group"),
        (fields[3], |taken| taken.what == "role"),
    ];
    for (field, what) in parts {
        let of = all(what);
        if !of.is_empty() {
            tests.push(format!("{record}.{field} == {of}"));
        }
    }
    let select = tests.join(" or ");
    let (list, filter, delete) = match tool {
        Tool::Pulumi => (
            "pulumi stack export",
            format!(".deployment.resources | reverse | .[] | select(.custom and ({select})) | {name}"),
            "pulumi state delete --yes",
        ),
        Tool::Terraform => (
            "terraform show -json",
            format!("[.. | objects | select(.mode? == \"managed\" and ({select})) | {name}] | unique | .[]"),
            "terraform state rm",
        ),
    };
    // Ids and IAM's names hold nothing that a shell could not take.
    let filter = quote(&filter).unwrap_or_default();
    let find = format!("{list} | jq -r {filter}");
    let forget = format!("{find} | while read -r it; do {delete} \"$it\" </dev/null; done");
    [find, forget]
}
