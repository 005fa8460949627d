//! What policy documents allow, as far as the sandbox has to know: of a role that a service acts with, or a caller.
//!
//! docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Iam, Role};
use crate::conditions::Conditions;
use crate::principal::Principal;
use crate::world::Tags;

/// AWS's own policy for roles of the Data Lifecycle Manager.
pub const LIFECYCLE_POLICY: &str = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole";

/// What of it matters here (docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDataLifecycleManagerServiceRole.html).
const LIFECYCLE: &str = r#"{"Statement":[
    {"Effect":"Allow","Resource":"*","Action":["ec2:CreateSnapshot","ec2:CreateSnapshots","ec2:DeleteSnapshot",
        "ec2:DescribeInstances","ec2:DescribeVolumes","ec2:DescribeSnapshots"]},
    {"Effect":"Allow","Resource":"arn:aws:ec2:*::snapshot/*","Action":["ec2:CreateTags"]}]}"#;
/// docs.aws.amazon.com/aws-managed-policy/latest/reference/PowerUserAccess.html
const POWER_USER: &str = r#"{"Statement":[
    {"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"}]}"#;
/// What of it matters here (docs.aws.amazon.com/aws-managed-policy/latest/reference/ReadOnlyAccess.html).
const READ_ONLY: &str = r#"{"Statement":[{"Effect":"Allow","Resource":"*","Action":["ec2:Describe*","ec2:Get*","dlm:Get*",
    "dlm:List*","iam:Get*","iam:List*","kms:Describe*","kms:Get*","kms:List*","servicequotas:Get*","servicequotas:List*",
    "ssm:Describe*","ssm:Get*","ssm:List*","sts:GetCallerIdentity"]}]}"#;
const EVERYTHING: &str = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// One thing that a role wants to do.
#[derive(Debug, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) action: &'a str,
    /// An ARN, or `*` where the action knows no resources.
    pub(crate) resource: &'a str,
    /// The tags of that.
    pub(crate) resource_tags: Option<&'a Tags>,
    /// The tags that are to be given.
    pub(crate) request_tags: Option<&'a Tags>,
    /// Further facts that conditions may ask for.
    pub(crate) facts: &'a [(&'a str, &'a str)],
}

/// The role with this ARN.
pub(crate) fn role<'a>(iam: &'a Iam, arn: &str) -> Option<&'a Role> {
    iam.roles.values().find(|role| role.arn == arn)
}

/// Whether the role trusts the service.
pub(crate) fn trusts(role: &Role, service: &str, facts: &[(&str, &str)]) -> bool {
    let wish = Wish { action: "sts:AssumeRole", facts, ..Wish::default() };
    let document = parse(&role.trust);
    statements(&document).any(|statement| {
        let principals = statement.pointer("/Principal/Service").map(texts).unwrap_or_default();
        is(statement, "Effect", "Allow")
            && principals.contains(&service)
            && wish.acts(statement)
            && wish.holds(statement)
    })
}

/// Whether the role's policies, inline and attached, allow this and none denies it.
pub(crate) fn allows(conditions: &Conditions, role: &Role, wish: &Wish<'_>) -> bool {
    let documents: Vec<Value> = documents(conditions, role).iter().map(|text| parse(text)).collect();
    let effects = |effect: &str| {
        documents.iter().flat_map(statements).any(|statement| {
            is(statement, "Effect", effect)
                && wish.acts(statement)
                && wish.touches(statement)
                && wish.holds(statement)
        })
    };
    effects("Allow") && !effects("Deny")
}

/// The documents of a role's policies, attached and inline.
pub(crate) fn documents(conditions: &Conditions, role: &Role) -> Vec<String> {
    let mut documents = texts_of(conditions, &role.attached);
    documents.extend(role.inline.values().cloned());
    documents
}

/// The documents of policies with these ARNs; of AWS's own the sandbox knows a few.
pub(crate) fn texts_of(conditions: &Conditions, arns: &BTreeSet<String>) -> Vec<String> {
    let text = |arn: &String| match arn.as_str() {
        LIFECYCLE_POLICY => Some(LIFECYCLE),
        "arn:aws:iam::aws:policy/AdministratorAccess" => Some(EVERYTHING),
        "arn:aws:iam::aws:policy/PowerUserAccess" => Some(POWER_USER),
        "arn:aws:iam::aws:policy/ReadOnlyAccess" => Some(READ_ONLY),
        other => conditions.policies.get(other).map(String::as_str),
    };
    arns.iter().filter_map(text).map(str::to_owned).collect()
}

/// Whether documents allow a caller an action at all. Which things, and under which conditions, is not looked at; so what is
/// denied only of some things, or under some conditions, is not denied.
pub(crate) fn permits(documents: &[String], action: &str) -> bool {
    let wish = Wish { action, resource: "*", ..Wish::default() };
    let documents: Vec<Value> = documents.iter().map(|text| parse(text)).collect();
    let all = || documents.iter().flat_map(statements).filter(|statement| wish.acts(statement));
    let whole = |statement: &&Value| wish.touches(statement) && statement.get("Condition").is_none();
    all().any(|statement| is(statement, "Effect", "Allow"))
        && !all().filter(whole).any(|statement| is(statement, "Effect", "Deny"))
}

/// How a role's trust policy speaks of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// Not at all, or it denies it.
    No,
    /// It trusts the caller's whole account, which then decides itself by its own policies.
    Account,
    /// It names the caller.
    Caller,
}

/// Whether the role trusts a caller
/// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html).
pub(crate) fn trust(role: &Role, caller: &Principal, facts: &[(&str, &str)]) -> Trust {
    let wish = Wish { action: "sts:AssumeRole", facts, ..Wish::default() };
    let document = parse(&role.trust);
    let of = |effect: &str| {
        let statements = statements(&document);
        let fits = statements.filter(|statement| {
            is(statement, "Effect", effect) && wish.acts(statement) && wish.holds(statement)
        });
        let named = fits.flat_map(|statement| match statement.get("Principal") {
            Some(named) if named.is_string() => texts(named),
            Some(named) => named.get("AWS").map(texts).unwrap_or_default(),
            None => Vec::new(),
        });
        named.map(|named| names(named, caller)).max().unwrap_or(Trust::No)
    };
    if of("Deny") == Trust::No { of("Allow") } else { Trust::No }
}

fn names(named: &str, caller: &Principal) -> Trust {
    let account = &caller.account;
    if named == "*" || named == account || named == format!("arn:aws:iam::{account}:root") {
        return Trust::Account;
    }
    // A session is also named by its role, whose path its own ARN does not show.
    let role = caller.arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.split('/').next());
    let of_role = named.strip_prefix(&format!("arn:aws:iam::{account}:role/"));
    let same_role = of_role.is_some_and(|path| path.rsplit('/').next() == role);
    if named == caller.arn || same_role { Trust::Caller } else { Trust::No }
}

fn parse(document: &str) -> Value {
    serde_json::from_str(document).unwrap_or_default()
}

/// A document has one statement or several.
fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    let statement = document.get("Statement").into_iter();
    statement.flat_map(|one| one.as_array().map_or(std::slice::from_ref(one), Vec::as_slice))
}

/// One text or several.
fn texts(value: &Value) -> Vec<&str> {
    let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    all.iter().filter_map(text).collect()
}

/// A condition's value may also be a plain `true` or `false`.
fn text(value: &Value) -> Option<&str> {
    let flag = value.as_bool().map(|flag| if flag { "true" } else { "false" });
    value.as_str().or(flag)
}

fn is(statement: &Value, member: &str, value: &str) -> bool {
    statement.get(member).and_then(Value::as_str) == Some(value)
}

impl Wish<'_> {
    fn acts(&self, statement: &Value) -> bool {
        let action = self.action.to_ascii_lowercase();
        let like = |pattern: &&str| crate::ec2::matches(&pattern.to_ascii_lowercase(), &action);
        match (statement.get("Action"), statement.get("NotAction")) {
            (Some(listed), _) => texts(listed).iter().any(like),
            (None, Some(listed)) => !texts(listed).iter().any(like),
            (None, None) => false,
        }
    }

    fn touches(&self, statement: &Value) -> bool {
        let like = |pattern: &&str| crate::ec2::matches(pattern, self.resource);
        statement.get("Resource").map(texts).unwrap_or_default().iter().any(like)
    }

    /// All operators, each with all its keys; a condition that the sandbox does not know does not hold.
    fn holds(&self, statement: &Value) -> bool {
        let conditions = statement.get("Condition").and_then(Value::as_object);
        conditions.into_iter().flatten().all(|(operator, keys)| {
            keys.as_object().into_iter().flatten().all(|(key, wanted)| {
                let (found, wanted) = (self.fact(key), texts(wanted));
                let among = |value: &String, like: bool| {
                    wanted.iter().any(|wanted| {
                        if like { crate::ec2::matches(wanted, value) } else { *wanted == value.as_str() }
                    })
                };
                let operator = match operator.strip_suffix("IfExists") {
                    Some(_) if found.is_empty() => return true,
                    Some(operator) => operator,
                    None => operator,
                };
                match operator {
                    "Bool" => {
                        found.iter().any(|value| wanted.iter().any(|is| is.eq_ignore_ascii_case(value)))
                    }
                    "StringEquals" | "ArnEquals" => found.iter().any(|value| among(value, false)),
                    "StringLike" | "ArnLike" => found.iter().any(|value| among(value, true)),
                    "ForAllValues:StringEquals" => found.iter().all(|value| among(value, false)),
                    "ForAllValues:StringLike" => found.iter().all(|value| among(value, true)),
                    "ForAnyValue:StringEquals" => found.iter().any(|value| among(value, false)),
                    "ForAnyValue:StringLike" => found.iter().any(|value| among(value, true)),
                    _ => false,
                }
            })
        })
    }

    fn fact(&self, key: &str) -> Vec<String> {
        let tag = |tags: Option<&Tags>, name: &str| tags.and_then(|tags| tags.get(name).cloned());
        if key == "aws:TagKeys" {
            return self.request_tags.into_iter().flat_map(|tags| tags.keys().cloned()).collect();
        }
        if let Some((kind, name)) = key.split_once('/') {
            return match kind {
                "aws:ResourceTag" | "ec2:ResourceTag" => tag(self.resource_tags, name),
                "aws:RequestTag" => tag(self.request_tags, name),
                _ => None,
            }
            .into_iter()
            .collect();
        }
        let facts = self.facts.iter().filter(|(known, _)| *known == key);
        facts.map(|(_, value)| (*value).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::At;

    fn role(trust: &str, inline: &str) -> Role {
        Role {
            name: "role".to_owned(),
            path: "/".to_owned(),
            id: "AROA".to_owned(),
            arn: "arn:aws:iam::123456789012:role/role".to_owned(),
            created: At::default(),
            trust: trust.to_owned(),
            description: None,
            max_session: 3600,
            boundary: None,
            attached: BTreeSet::new(),
            inline: BTreeMap::from([("inline".to_owned(), inline.to_owned())]),
            tags: Tags::new(),
        }
    }

    #[test]
    fn a_role_trusts_whom_it_names() {
        let trust = |principal: &str, condition: &str| {
            let statement = format!(
                r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal},"Condition":{condition}}}"#
            );
            let role = role(&format!(r#"{{"Statement":{statement}}}"#), "{}");
            trusts(&role, "dlm.amazonaws.com", &[("aws:SourceAccount", "123456789012")])
        };
        assert!(trust(r#"{"Service":"dlm.amazonaws.com"}"#, "{}"));
        assert!(trust(r#"{"Service":["ec2.amazonaws.com","dlm.amazonaws.com"]}"#, "{}"));
        assert!(!trust(r#"{"Service":"ec2.amazonaws.com"}"#, "{}"));
        assert!(!trust(r#"{"AWS":"123456789012"}"#, "{}"));
        for (account, trusted) in [("123456789012", true), ("999999999999", false)] {
            let condition = format!(r#"{{"StringEquals":{{"aws:SourceAccount":"{account}"}}}}"#);
            assert_eq!(trust(r#"{"Service":"dlm.amazonaws.com"}"#, &condition), trusted);
        }
    }

    #[test]
    fn a_policy_allows_actions_on_resources_under_conditions_unless_one_denies() {
        let tags = Tags::from([("owner".to_owned(), "me".to_owned())]);
        let (action, resource) = ("ec2:DeleteSnapshot", "arn:aws:ec2:us-west-2::snapshot/snap-1");
        let wish = Wish { action, resource, resource_tags: Some(&tags), ..Wish::default() };
        let tagged = |value: &str| format!(r#"{{"StringEquals":{{"aws:ResourceTag/owner":"{value}"}}}}"#);
        for (action, resource, condition, allowed) in [
            ("ec2:DeleteSnapshot", "*", "{}".to_owned(), true),
            ("EC2:delete*", "arn:aws:ec2:*::snapshot/*", "{}".to_owned(), true),
            ("ec2:CreateSnapshot", "*", "{}".to_owned(), false),
            ("ec2:DeleteSnapshot", "arn:aws:ec2:*::volume/*", "{}".to_owned(), false),
            ("ec2:DeleteSnapshot", "*", tagged("me"), true),
            ("ec2:DeleteSnapshot", "*", tagged("you"), false),
            ("ec2:DeleteSnapshot", "*", r#"{"Unheard":{"of":"it"}}"#.to_owned(), false),
        ] {
            let document = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"{resource}","Condition":{condition}}}]}}"#
            );
            let role = role("{}", &document);
            let conditions = Conditions::of("123456789012");
            assert_eq!(allows(&conditions, &role, &wish), allowed, "{document}");
            let mut role = role;
            let deny = r#"{"Statement":{"Effect":"Deny","Action":"ec2:*","Resource":"*"}}"#;
            role.inline.insert("deny".to_owned(), deny.to_owned());
            assert!(!allows(&conditions, &role, &wish));
        }
    }
}
