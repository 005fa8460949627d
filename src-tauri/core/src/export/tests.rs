//! What is exported, word for word, and read back by parsers that nobody here wrote.

use super::*;
use crate::plan::tests::fixture::{id, wanted, wanted_in_company_subnet, whole, whole_of};

fn all() -> Vec<Resource> {
    let rules = [
        GroupRule { id: id("sgr-00000001"), outbound: true },
        GroupRule { id: id("sgr-00000002"), outbound: false },
    ];
    resources(&wanted(), &whole(), &rules)
}

#[test]
fn pulumi_s_file() {
    let text = pulumi(&all());
    insta::assert_snapshot!(text, @"");
    // As https://www.pulumi.com/docs/iac/cli/commands/pulumi_import/ documents it, and no other field.
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Import {
        resources: Vec<Imported>,
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Imported {
        r#type: String,
        name: String,
        id: String,
    }
    let import: Import = serde_json::from_str(&text).unwrap();
    let names: std::collections::BTreeSet<&str> =
        import.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(names.len(), import.resources.len(), "a name is there twice");
    for resource in &import.resources {
        // package:module/file:Type
        let parts: Vec<&str> = resource.r#type.split([':', '/']).collect();
        let [package, module, file, kind] = parts[..] else { panic!("{}", resource.r#type) };
        assert_eq!((package, file.to_lowercase()), ("aws", kind.to_lowercase()));
        assert!(!module.is_empty() && !resource.id.is_empty());
    }
}

#[test]
fn terraform_s_blocks() {
    let text = terraform(&wanted(), &all());
    insta::assert_snapshot!(text, @"");
    let body: hcl::Body = hcl::from_str(&text).unwrap();
    let blocks: Vec<&hcl::Block> = body.blocks().collect();
    assert_eq!((blocks.len(), body.attributes().count()), (all().len(), 0));
    for (block, resource) in blocks.iter().zip(all()) {
        assert_eq!((block.identifier(), block.labels().len()), ("import", 0));
        let attributes: Vec<(&str, String)> = block
            .body()
            .attributes()
            .map(|attribute| (attribute.key(), hcl::format::to_string(attribute.expr()).unwrap()))
            .collect();
        let to = format!("{}.{}", resource.terraform, resource.name.replace('-', "_"));
        assert_eq!(attributes, [("to", to), ("id", format!("{:?}", resource.id))]);
    }
}

#[test]
fn an_id_is_no_template() {
    let odd = Resource { id: "a\"b${c}%{d}\\".to_owned(), ..all().remove(0) };
    let body: hcl::Body = hcl::from_str(&terraform(&wanted(), std::slice::from_ref(&odd))).unwrap();
    let block = body.blocks().next().unwrap();
    let id = block.body().attributes().find(|attribute| attribute.key() == "id").unwrap();
    let hcl::Expression::String(text) = id.expr() else { panic!("{:?}", id.expr()) };
    assert_eq!(text.replace("$${", "${").replace("%%{", "%{"), odd.id);
}

#[test]
fn what_the_company_provides_is_not_exported() {
    let desired = wanted_in_company_subnet();
    let way_out = crate::machine::Fact::Present(crate::machine::WayOut::Gateway);
    let account = Observed {
        subnets: crate::machine::Fact::Present(vec![crate::plan::tests::fixture::company_subnet(way_out)]),
        ..crate::plan::tests::fixture::empty()
    };
    let kinds: Vec<&str> =
        resources(&desired, &whole_of(&desired, account), &[]).iter().map(|r| r.terraform).collect();
    assert_eq!(
        kinds,
        [
            "aws_security_group",
            "aws_iam_role",
            "aws_iam_role_policy_attachment",
            "aws_iam_role_policy",
            "aws_iam_instance_profile",
            "aws_instance",
        ]
    );
    let mut world = whole();
    for tags in [&mut crate::plan::tests::fixture::role(&mut world).tags] {
        tags.clear();
    }
    assert!(resources(&wanted(), &world, &[]).iter().all(|resource| resource.terraform != "aws_iam_role"));
}

#[test]
fn holdfast_lets_go_by_its_tags() {
    let desired = Desired { profile: Some(id("my company's")), ..wanted() };
    insta::assert_snapshot!(letting_go(&desired, &whole()).join("\n"), @"");
}
