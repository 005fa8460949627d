//! What policy documents allow, as far as the sandbox has to know: of a role that a service acts with.
//!
//! docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

use serde_json::Value;

use super::{Iam, Role};
use crate::conditions::Conditions;
use crate::world::Tags;

/// AWS's own policy for roles of the Data Lifecycle Manager.
pub const LIFECYCLE_POLICY: &str = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole";

/// What of it matters here (docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDataLifecycleManagerServiceRole.html).
const LIFECYCLE: &str = r#"{"Statement":[
    {"Effect":"Allow","Resource":"*","Action":["ec2:CreateSnapshot","ec2:CreateSnapshots","ec2:DeleteSnapshot",
        "ec2:DescribeInstances","ec2:DescribeVolumes","ec2:DescribeSnapshots"]},
    {"Effect":"Allow","Resource":"arn:aws:ec2:*::snapshot/*","Action":["ec2:CreateTags"]}]}"#;
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
    let attached = role.attached.iter().filter_map(|arn| match arn.as_str() {
        LIFECYCLE_POLICY => Some(LIFECYCLE),
        "arn:aws:iam::aws:policy/AdministratorAccess" => Some(EVERYTHING),
        other => conditions.policies.get(other).map(String::as_str),
    });
    let documents: Vec<Value> = attached.chain(role.inline.values().map(String::as_str)).map(parse).collect();
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
    all.iter().filter_map(Value::as_str).collect()
}

fn is(statement: &Value, member: &str, value: &str) -> bool {
    statement.get(member).and_then(Value::as_str) == Some(value)
}

impl Wish<'_> {
    fn acts(&self, statement: &Value) -> bool {
        let action = self.action.to_ascii_lowercase();
        let like = |pattern: &&str| crate::ec2::matches(&pattern.to_ascii_lowercase(), &action);
        statement.get("Action").map(texts).unwrap_or_default().iter().any(like)
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
                match operator.as_str() {
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
    use std::collections::{BTreeMap, BTreeSet};

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
