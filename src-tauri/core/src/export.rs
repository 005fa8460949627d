//! Leaving Holdfast: what Pulumi or Terraform need to take the machine over as it is.

use serde::Serialize;

use crate::machine::{
    Desired, Fact, Observed, TAG_CARRIED, TAG_GENERATION, TAG_HOME, TAG_MACHINE, TAG_MAKER, TAG_NETWORK,
    TAG_OWNER, TAG_REPLACES, TAG_RESIZE, TAG_RETIRED, Tags,
};
use crate::names::RuleId;
use crate::plan;
use crate::script::quote;

/// A rule of the machine's security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRule {
    /// Its id.
    pub id: RuleId,
    /// It is about what leaves.
    pub outbound: bool,
}

/// A resource as the two tools know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The type of Terraform's provider `hashicorp/aws`.
    pub terraform: &'static str,
    /// The type token of Pulumi's provider `aws`, which takes the same ids.
    pub pulumi: &'static str,
    /// A name for it, with hyphens, beginning with a letter.
    pub name: String,
    /// What the provider finds it by.
    pub id: String,
}

/// The machine's resources, those first that others need. What the company provides is not among them, and the volume comes with its
/// instance.
///
/// The ids are those of the section "Import" of each resource's page in
/// <https://registry.terraform.io/providers/hashicorp/aws/latest/docs>, the type tokens those of
/// <https://www.pulumi.com/registry/packages/aws/api-docs/>.
pub fn resources(desired: &Desired, observed: &Observed, rules: &[GroupRule]) -> Vec<Resource> {
    let mut all = Vec::new();
    let mut add = |terraform, pulumi, part: &str, id: String| {
        all.push(Resource { terraform, pulumi, name: format!("{}-{part}", desired.machine), id });
    };
    let winners = observed.winners(desired);
    if let Some(vpc) = winners.vpc {
        add("aws_vpc", "aws:ec2/vpc:Vpc", "vpc", vpc.id.to_string());
        if let Some(subnet) = winners.subnet {
            add("aws_subnet", "aws:ec2/subnet:Subnet", "subnet", subnet.id.to_string());
        }
    }
    if let Some(gateway) = winners.gateway {
        let id = gateway.id.to_string();
        add("aws_internet_gateway", "aws:ec2/internetGateway:InternetGateway", "gateway", id);
    }
    if let Some(table) = winners.route_table {
        add("aws_route_table", "aws:ec2/routeTable:RouteTable", "routes", table.id.to_string());
        if table.default_gateway.is_some() {
            add("aws_route", "aws:ec2/route:Route", "way-out", format!("{}_0.0.0.0/0", table.id));
        }
        for (_, subnet) in table.associations.iter().filter(|(_, subnet)| winners.is_subnet(subnet)) {
            add(
                "aws_route_table_association",
                "aws:ec2/routeTableAssociation:RouteTableAssociation",
                "routes-of-subnet",
                format!("{subnet}/{}", table.id),
            );
        }
    }
    if let Some(group) = winners.group {
        add("aws_security_group", "aws:ec2/securityGroup:SecurityGroup", "group", group.id.to_string());
        for (number, rule) in rules.iter().enumerate() {
            let id = rule.id.to_string();
            if rule.outbound {
                let pulumi = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule";
                add("aws_vpc_security_group_egress_rule", pulumi, &format!("out-{number}"), id);
            } else {
                let pulumi = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
                add("aws_vpc_security_group_ingress_rule", pulumi, &format!("in-{number}"), id);
            }
        }
    }
    let ours = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&desired.key());
    if let Some(role) = observed.role.present().filter(|role| ours(&role.tags)) {
        add("aws_iam_role", "aws:iam/role:Role", "role", role.name.clone());
        for (number, arn) in role.managed.iter().enumerate() {
            let pulumi = "aws:iam/rolePolicyAttachment:RolePolicyAttachment";
            let id = format!("{}/{arn}", role.name);
            add("aws_iam_role_policy_attachment", pulumi, &format!("policy-{number}"), id);
        }
        for (number, policy) in role.inline.keys().enumerate() {
            let id = format!("{}:{policy}", role.name);
            add("aws_iam_role_policy", "aws:iam/rolePolicy:RolePolicy", &format!("own-policy-{number}"), id);
        }
    }
    if let Some(profile) = observed.profile.present().filter(|profile| ours(&profile.tags)) {
        let pulumi = "aws:iam/instanceProfile:InstanceProfile";
        add("aws_iam_instance_profile", pulumi, "profile", profile.name.clone());
    }
    for policy in observed.lifecycles.all().iter().filter(|policy| ours(&policy.tags)) {
        let id = policy.id.to_string();
        add("aws_dlm_lifecycle_policy", "aws:dlm/lifecyclePolicy:LifecyclePolicy", "snapshots", id);
    }
    if let Some(role) = observed.backup_role.present().filter(|role| ours(&role.tags)) {
        add("aws_iam_role", "aws:iam/role:Role", "backup", role.name.clone());
        for (number, policy) in role.inline.keys().enumerate() {
            let id = format!("{}:{policy}", role.name);
            add(
                "aws_iam_role_policy",
                "aws:iam/rolePolicy:RolePolicy",
                &format!("backup-policy-{number}"),
                id,
            );
        }
    }
    if let Some(instance) = winners.instance {
        add("aws_instance", "aws:ec2/instance:Instance", "machine", instance.id.to_string());
    }
    for (number, old) in plan::kept_instances(desired, observed).enumerate() {
        add("aws_instance", "aws:ec2/instance:Instance", &format!("old-{number}"), old.id.to_string());
    }
    all
}

/// The file for `pulumi import --file`.
/// Source: <https://www.pulumi.com/docs/iac/cli/commands/pulumi_import/>
pub fn pulumi(resources: &[Resource]) -> String {
    #[derive(Serialize)]
    struct Import<'a> {
        resources: Vec<Imported<'a>>,
    }
    #[derive(Serialize)]
    struct Imported<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        id: &'a str,
    }
    let imported =
        resources.iter().map(|Resource { pulumi: kind, name, id, .. }| Imported { kind, name, id });
    let import = Import { resources: imported.collect() };
    serde_json::to_string_pretty(&import).unwrap_or_default()
}

/// Import blocks, for Terraform from 1.5 on and for OpenTofu.
/// Source: <https://developer.hashicorp.com/terraform/language/import>,
/// <https://developer.hashicorp.com/terraform/language/import/generating-configuration>
pub fn terraform(desired: &Desired, resources: &[Resource]) -> String {
    let machine = &desired.machine;
    let mut text = format!(
        "# {machine} in {}, as Holdfast made or adopted it. The provider is hashicorp/aws, for that region.\n\
         #   terraform plan -generate-config-out={machine}.tf\n\
         # Of what that writes keep the routes and rules in one place: in the route table and the security group, or beside them.\n",
        desired.region
    );
    for Resource { terraform, name, id, .. } in resources {
        let name = name.replace('-', "_");
        let id = serde_json::Value::from(id.as_str()).to_string().replace("${", "$${").replace("%{", "%%{");
        text += &format!("\nimport {{\n  to = {terraform}.{name}\n  id = {id}\n}}\n");
    }
    text
}

/// The commands that take Holdfast's tags off, so that it lets go of the machine: what has only its names it never touches.
pub fn letting_go(desired: &Desired, observed: &Observed) -> Vec<String> {
    let winners = observed.winners(desired);
    let kept = plan::kept_instances(desired, observed).map(|old| old.id.as_str());
    let ids: Vec<&str> = winners.tagged().into_iter().map(|(id, ..)| id).chain(kept).collect();
    let how = desired.profile.as_ref().and_then(|profile| quote(profile.as_str()).ok());
    let how = how.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    let mut commands = Vec::new();
    if !ids.is_empty() {
        let keys = [
            TAG_MACHINE,
            TAG_OWNER,
            TAG_MAKER,
            TAG_GENERATION,
            TAG_RESIZE,
            TAG_HOME,
            TAG_CARRIED,
            TAG_REPLACES,
            TAG_RETIRED,
        ];
        let keys: Vec<String> = keys.iter().map(|key| format!("Key={key}")).collect();
        commands.push(format!(
            "aws ec2 delete-tags{how} --region {} --resources {} --tags {}",
            desired.region,
            ids.join(" "),
            keys.join(" ")
        ));
    }
    let ours = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&desired.key());
    let name = |name: &str| quote(name).unwrap_or_default();
    if let Some(caller) = observed.caller.present() {
        for policy in observed.lifecycles.all().iter().filter(|policy| ours(&policy.tags)) {
            let (region, account) = (&desired.region, caller.account());
            let arn = format!("arn:{}:dlm:{region}:{account}:policy/{}", region.partition(), policy.id);
            commands.push(format!(
                "aws dlm untag-resource{how} --region {region} --resource-arn {arn} --tag-keys {TAG_MACHINE} {TAG_OWNER}"
            ));
        }
    }
    let roles = [&observed.role, &observed.backup_role].into_iter().filter_map(Fact::present);
    for role in roles.filter(|role| ours(&role.tags)) {
        let role = name(&role.name);
        commands
            .push(format!("aws iam untag-role{how} --role-name {role} --tag-keys {TAG_MACHINE} {TAG_OWNER}"));
    }
    if let Some(profile) = observed.profile.present().filter(|profile| ours(&profile.tags)) {
        let profile = name(&profile.name);
        commands.push(format!(
            "aws iam untag-instance-profile{how} --instance-profile-name {profile} --tag-keys {TAG_MACHINE} {TAG_OWNER} {TAG_NETWORK}"
        ));
    }
    commands
}

#[cfg(test)]
mod tests;
