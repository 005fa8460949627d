//! Every step as it is shown.

use std::fmt::Write;

use super::fixture::*;
use crate::machine::{Desired, LifecycleRule, Tags};
use crate::plan::{Change, NetworkId, Step, plan};

#[test]
fn steps_read_well() {
    let by_plan =
        plan(&wanted(), &empty(), crate::plan::Goal::Settings).steps.into_iter().map(|planned| planned.step);
    let (vpc, subnet, gateway) = (|| id("vpc-1234abcd"), || id("subnet-1234abcd"), || id("igw-1234abcd"));
    let (table, group, instance) = (|| id("rtb-1234abcd"), || id("sg-1234abcd"), || id("i-1234abcd"));
    let device = || "/dev/xvda".to_owned();
    let rules = |n: usize| std::iter::repeat_n(id("sgr-1234abcd"), n).collect();
    let rule = |every, keep| {
        let desired = Desired { snapshot_every: Some(every), snapshot_keep: keep, ..wanted() };
        LifecycleRule::of(&desired, &me()).unwrap()
    };
    let others = [
        Step::EnableDnsSupport { vpc: vpc() },
        Step::RevokeInbound { group: group(), rules: rules(1) },
        Step::RevokeInbound { group: group(), rules: rules(2) },
        Step::AllowOutbound { group: group() },
        Step::NextGeneration { network: NetworkId::Vpc(vpc()), generation: 2 },
        Step::Protect { instance: instance() },
        Step::StopOnShutdown { instance: instance() },
        Step::GuardMetadata { instance: instance() },
        Step::Tag { resources: vec!["vpc-1234abcd".to_owned(), "i-1234abcd".to_owned()], tags: Tags::new() },
        Step::TagRole { role: "r".to_owned(), tags: Tags::new() },
        Step::TagProfile { profile: "p".to_owned(), tags: Tags::new() },
        Step::Start { instance: instance() },
        Step::Stop { instance: instance() },
        Step::Reboot { instance: instance() },
        Step::Snapshot { instance: instance(), volume: id("vol-1234abcd"), last: true },
        Step::Unprotect { instance: instance() },
        Step::KeepVolume { instance: instance(), device: device() },
        Step::ReleaseVolume { instance: instance(), device: device() },
        Step::Terminate { instance: instance(), volume_goes: true },
        Step::Terminate { instance: instance(), volume_goes: false },
        Step::DeleteVolume { volume: id("vol-1234abcd") },
        Step::DeleteGroup { group: group() },
        Step::DisassociateRouteTable { association: id("rtbassoc-1234abcd") },
        Step::DeleteRouteTable { table: table() },
        Step::DetachGateway { gateway: gateway(), vpc: vpc() },
        Step::DeleteGateway { gateway: gateway() },
        Step::DeleteSubnet { subnet: subnet() },
        Step::DeleteVpc { vpc: vpc() },
        Step::RemoveRoleFromProfile { profile: "p".to_owned(), role: "admin".to_owned() },
        Step::DeleteProfile { profile: "p".to_owned() },
        Step::DetachManagedPolicy {
            role: "r".to_owned(),
            policy: "arn:aws:iam::aws:policy/AdministratorAccess".to_owned(),
        },
        Step::DeleteInlinePolicy { role: "r".to_owned(), policy: "mine".to_owned() },
        Step::DeleteRole { role: "r".to_owned() },
        Step::CreateBackupRole,
        Step::AllowSnapshots { role: "r-backup".to_owned() },
        Step::CreateLifecycle { rule: rule(1, 1) },
        Step::ChangeLifecycle { policy: id("policy-1234abcd"), rule: rule(6, 20) },
        Step::TagLifecycle { policy: id("policy-1234abcd"), tags: Tags::new() },
        Step::DeleteLifecycle { policy: id("policy-1234abcd") },
        Step::DeleteRole { role: "r-backup".to_owned() },
    ];
    let mut text = String::new();
    for step in by_plan.chain(others) {
        let words = step.words();
        let mark = match words.change {
            Change::Add => '+',
            Change::Alter => '~',
            Change::Remove => '-',
        };
        let _ = writeln!(text, "{:?} {mark} {}: {}", words.area, words.what, words.why);
    }
    insta::assert_snapshot!(text, @"
    Network + Internet gateway: the way out
    Network + Private network (VPC): the machine's own network
    Identity + Role for EC2: lets the machine's agent talk to SSM
    Network ~ Turn on DNS names in the new network: AWS gives the machine a name
    Network ~ Attach the new gateway to the new network: the way out
    Network + Subnet in us-west-2a: the machine is to be in this zone
    Network + Route table: the subnet's own routes
    Network + Security group, nothing inbound: nobody reaches the machine from outside
    Identity + Policy AmazonSSMManagedInstanceCore: all that the agent needs
    Identity + Policy that denies ssm:GetParameter*: the other policy lets the machine read every parameter of the account
    Identity + Instance profile: hands the role to the machine
    Network ~ Give public addresses in the new subnet: the machine reaches AWS by itself
    Network + Route 0.0.0.0/0 to the new gateway: the way out
    Network ~ Use the new route table in the new subnet: the subnet's own routes
    Identity ~ Put the role into the instance profile: hands the role to the machine
    Machine + Instance m8g.xlarge with 100 GiB gp3, encrypted: the machine itself
    Network ~ Turn on DNS in vpc-1234abcd: the machine must resolve names
    Network - 1 inbound rule of sg-1234abcd: the machine needs no open port
    Network - 2 inbound rules of sg-1234abcd: the machine needs no open port
    Network + All outbound traffic of sg-1234abcd: the agent calls out to AWS
    Machine ~ Count instance generation 2: the last instance is gone
    Machine ~ Protect i-1234abcd from termination: only destroy may end it
    Machine ~ Powering off inside stops i-1234abcd: it must not delete the machine
    Machine ~ Guard the metadata service of i-1234abcd (IMDSv2, one hop): keeps containers away from the machine's credentials
    Machine ~ Set tags of vpc-1234abcd, i-1234abcd: tags tell Holdfast and account cleaners what is whose
    Identity ~ Set tags of the role: as the settings say
    Identity ~ Set tags of the instance profile: as the settings say
    Machine ~ Start i-1234abcd: it is off
    Machine ~ Stop i-1234abcd: everything on it ends
    Machine ~ Restart i-1234abcd: everything on it ends, and its disk stays
    Machine + Final snapshot of vol-1234abcd: the data outlives the machine
    Machine ~ Lift termination protection of i-1234abcd: it is to go
    Machine ~ Keep volume /dev/xvda: its data is asked for
    Machine ~ Let volume /dev/xvda go with the instance: it is to go
    Machine - Instance i-1234abcd and its volume with all data: it is to go
    Machine - Instance i-1234abcd, without its volume: it is to go
    Machine - Volume vol-1234abcd with all data: it is to go
    Network - Security group sg-1234abcd: not needed any more
    Network - Use of a route table (rtbassoc-1234abcd): not needed any more
    Network - Route table rtb-1234abcd: not needed any more
    Network ~ Detach igw-1234abcd from vpc-1234abcd: not needed any more
    Network - Internet gateway igw-1234abcd: not needed any more
    Network - Subnet subnet-1234abcd: not needed any more
    Network - Private network vpc-1234abcd: not needed any more
    Identity ~ Take admin out of the instance profile: not needed any more
    Identity - Instance profile: not needed any more
    Identity - Policy AdministratorAccess: the machine does not need it
    Identity - Policy mine: the machine does not need it
    Identity - Role: not needed any more
    Identity + Role for snapshots: Data Lifecycle Manager takes them with it
    Identity + Policy of that role: snapshots of this machine's volume: and of nothing else
    Machine + A snapshot every hour; the newest stays: Data Lifecycle Manager takes it; each costs what has changed
    Machine ~ A snapshot every 6 hours; the newest 20 stay: as the settings say; each costs what has changed
    Machine ~ Set tags of policy-1234abcd: as the settings say
    Machine - Snapshots by the clock (policy-1234abcd): those that there are stay
    Identity - Role for snapshots: not needed any more
    ");
}
