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
    insta::assert_snapshot!(text, @r#"
    {
      "resources": [
        {
          "type": "aws:ec2/vpc:Vpc",
          "name": "remote-dev-vpc",
          "id": "vpc-00000001"
        },
        {
          "type": "aws:ec2/subnet:Subnet",
          "name": "remote-dev-subnet",
          "id": "subnet-00000001"
        },
        {
          "type": "aws:ec2/internetGateway:InternetGateway",
          "name": "remote-dev-gateway",
          "id": "igw-00000001"
        },
        {
          "type": "aws:ec2/routeTable:RouteTable",
          "name": "remote-dev-routes",
          "id": "rtb-00000001"
        },
        {
          "type": "aws:ec2/route:Route",
          "name": "remote-dev-way-out",
          "id": "rtb-00000001_0.0.0.0/0"
        },
        {
          "type": "aws:ec2/routeTableAssociation:RouteTableAssociation",
          "name": "remote-dev-routes-of-subnet",
          "id": "subnet-00000001/rtb-00000001"
        },
        {
          "type": "aws:ec2/securityGroup:SecurityGroup",
          "name": "remote-dev-group",
          "id": "sg-00000001"
        },
        {
          "type": "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
          "name": "remote-dev-out-0",
          "id": "sgr-00000001"
        },
        {
          "type": "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
          "name": "remote-dev-in-1",
          "id": "sgr-00000002"
        },
        {
          "type": "aws:iam/role:Role",
          "name": "remote-dev-role",
          "id": "ada-remote-dev-us-west-2-role"
        },
        {
          "type": "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
          "name": "remote-dev-policy-0",
          "id": "ada-remote-dev-us-west-2-role/arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
        },
        {
          "type": "aws:iam/rolePolicy:RolePolicy",
          "name": "remote-dev-own-policy-0",
          "id": "ada-remote-dev-us-west-2-role:holdfast-deny-parameters"
        },
        {
          "type": "aws:iam/instanceProfile:InstanceProfile",
          "name": "remote-dev-profile",
          "id": "ada-remote-dev-us-west-2-profile"
        },
        {
          "type": "aws:ec2/instance:Instance",
          "name": "remote-dev-machine",
          "id": "i-00000001"
        }
      ]
    }
    "#);
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
    insta::assert_snapshot!(text, @r#"
    # remote-dev in us-west-2, as Holdfast made or adopted it. The provider is hashicorp/aws, for that region.
    #   terraform plan -generate-config-out=remote-dev.tf
    # Of what that writes keep the routes and rules in one place: in the route table and the security group, or beside them.

    import {
      to = aws_vpc.remote_dev_vpc
      id = "vpc-00000001"
    }

    import {
      to = aws_subnet.remote_dev_subnet
      id = "subnet-00000001"
    }

    import {
      to = aws_internet_gateway.remote_dev_gateway
      id = "igw-00000001"
    }

    import {
      to = aws_route_table.remote_dev_routes
      id = "rtb-00000001"
    }

    import {
      to = aws_route.remote_dev_way_out
      id = "rtb-00000001_0.0.0.0/0"
    }

    import {
      to = aws_route_table_association.remote_dev_routes_of_subnet
      id = "subnet-00000001/rtb-00000001"
    }

    import {
      to = aws_security_group.remote_dev_group
      id = "sg-00000001"
    }

    import {
      to = aws_vpc_security_group_egress_rule.remote_dev_out_0
      id = "sgr-00000001"
    }

    import {
      to = aws_vpc_security_group_ingress_rule.remote_dev_in_1
      id = "sgr-00000002"
    }

    import {
      to = aws_iam_role.remote_dev_role
      id = "ada-remote-dev-us-west-2-role"
    }

    import {
      to = aws_iam_role_policy_attachment.remote_dev_policy_0
      id = "ada-remote-dev-us-west-2-role/arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    }

    import {
      to = aws_iam_role_policy.remote_dev_own_policy_0
      id = "ada-remote-dev-us-west-2-role:holdfast-deny-parameters"
    }

    import {
      to = aws_iam_instance_profile.remote_dev_profile
      id = "ada-remote-dev-us-west-2-profile"
    }

    import {
      to = aws_instance.remote_dev_machine
      id = "i-00000001"
    }
    "#);
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
    let way_out = Fact::Present(crate::machine::WayOut::Gateway);
    let account = Observed {
        subnets: Fact::Present(vec![plan::tests::fixture::company_subnet(way_out)]),
        ..plan::tests::fixture::empty()
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
    plan::tests::fixture::role(&mut world).tags.clear();
    assert!(resources(&wanted(), &world, &[]).iter().all(|resource| resource.terraform != "aws_iam_role"));
}

#[test]
fn holdfast_lets_go_by_its_tags() {
    let desired = Desired { profile: Some(id("my company's")), ..wanted() };
    insta::assert_snapshot!(letting_go(&desired, &whole()).join("\n"), @r"
    aws ec2 delete-tags --profile 'my company'\''s' --region us-west-2 --resources vpc-00000001 subnet-00000001 igw-00000001 rtb-00000001 sg-00000001 i-00000001 vol-00000001 --tags Key=holdfast:machine Key=holdfast:owner Key=holdfast:maker Key=holdfast:generation Key=holdfast:resize Key=holdfast:home Key=holdfast:carried Key=holdfast:replaces Key=holdfast:retired
    aws iam untag-role --profile 'my company'\''s' --role-name 'ada-remote-dev-us-west-2-role' --tag-keys holdfast:machine holdfast:owner
    aws iam untag-instance-profile --profile 'my company'\''s' --instance-profile-name 'ada-remote-dev-us-west-2-profile' --tag-keys holdfast:machine holdfast:owner holdfast:network
    ");
}
