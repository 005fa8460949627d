use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::{
    Key, NoMachines, Pace, Power, SessionBackend, Source, StartError, StartRequest, Storage, Unreachable,
    UpgradeResponse,
};

async fn machine(client: &Client) -> (Net, String) {
    client.profile().await;
    let net = client.network().await;
    let launch = client.launch(&net).await.with(&[("IamInstanceProfile.Name", "profile")]);
    let id = client.run(&launch).await.get("instanceId");
    client.sandbox.advance(Duration::from_secs(60));
    (net, id)
}

async fn start(client: &Client, more: Value) -> Answer {
    client.json(Service::Ssm, "StartSession", more).await
}

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Heard {
    powers: Mutex<Vec<(String, Power)>>,
    disks: Mutex<Vec<(String, u32)>>,
    started: Mutex<Vec<StartRequest>>,
    storage: Mutex<Vec<Storage>>,
}

impl SessionBackend for Heard {
    fn start(&self, request: StartRequest) -> Result<String, StartError> {
        self.started.lock().unwrap().push(request.clone());
        NoMachines.start(request)
    }
    fn resume(&self, _: &str) -> Option<String> {
        None
    }
    fn terminate(&self, _: &str) {}
    fn stream_url(&self, session_id: &str) -> String {
        NoMachines.stream_url(session_id)
    }
    fn listening(&self, _: std::net::SocketAddr) {}
    fn upgrade(&self, request: Request<hyper::body::Incoming>) -> UpgradeResponse {
        NoMachines.upgrade(request)
    }
    fn power(&self, instance_id: &str, power: Power) {
        self.powers.lock().unwrap().push((instance_id.to_owned(), power));
    }
    fn resize_disk(&self, instance_id: &str, gib: u32) {
        self.disks.lock().unwrap().push((instance_id.to_owned(), gib));
    }
    fn storage(&self, event: Storage) {
        self.storage.lock().unwrap().push(event);
    }
}

#[tokio::test]
async fn a_machine_is_reached_only_with_everything_in_place() {
    let client = Client::new(&sandbox());
    let (net, id) = machine(&client).await;
    let why = || client.sandbox.unreachable(ACCOUNT, REGION, &id);
    let status = || async {
        let answer = client.json(Service::Ssm, "GetConnectionStatus", json!({ "Target": id })).await.json();
        let known = client.json(Service::Ssm, "DescribeInstanceInformation", json!({})).await.json();
        let listed = known["InstanceInformationList"].as_array().unwrap().len();
        let started = start(&client, json!({ "Target": id })).await.code();
        (answer["Status"].as_str().unwrap().to_owned(), listed, started)
    };
    let connected = ("connected".to_owned(), 1, String::new());
    let not = ("notconnected".to_owned(), 0, "TargetNotConnected".to_owned());
    assert_eq!((why(), status().await), (None, connected.clone()));

    let policy = [("RoleName", "role"), ("PolicyArn", crate::iam::CORE_POLICY)];
    client.iam("DetachRolePolicy", &policy).await;
    assert_eq!((why(), status().await), (Some(Unreachable::NoPolicy), not.clone()));
    client.iam("AttachRolePolicy", &policy).await;

    let role = [("InstanceProfileName", "profile"), ("RoleName", "role")];
    client.iam("RemoveRoleFromInstanceProfile", &role).await;
    assert_eq!((why(), status().await), (Some(Unreachable::NoRole), not.clone()));
    client.iam("AddRoleToInstanceProfile", &role).await;

    client.make("DisassociateRouteTable", &[("AssociationId", &net.association)]).await;
    assert_eq!((why(), status().await), (Some(Unreachable::NoWayOut), not.clone()));
    client.make("AssociateRouteTable", &[("RouteTableId", &net.table), ("SubnetId", &net.subnet)]).await;

    let all = [
        ("GroupId", &*net.group),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    client.make("RevokeSecurityGroupEgress", &all).await;
    assert_eq!((why(), status().await), (Some(Unreachable::Port443Closed), not.clone()));
    let https = [
        ("GroupId", &*net.group),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "443"),
        ("IpPermissions.1.ToPort", "443"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    client.make("AuthorizeSecurityGroupEgress", &https).await;
    assert_eq!((why(), status().await), (None, connected.clone()));

    client.make("StopInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!((why(), status().await), (Some(Unreachable::NotRunning), not.clone()));
    client.sandbox.advance(Duration::from_secs(60));
    client.make("StartInstances", &[("InstanceId.1", &id)]).await;
    client.sandbox.advance(Duration::from_secs(4));
    assert_eq!((why(), status().await), (Some(Unreachable::Booting), not));
    client.sandbox.advance(Duration::from_secs(2));
    assert_eq!((why(), status().await), (None, connected));
}

#[tokio::test]
async fn a_session_is_started_resumed_and_ended() {
    let heard = Arc::new(Heard::default());
    let client = Client::new(&sandbox_with(|options| options.backend = heard.clone()));
    let (_, id) = machine(&client).await;
    let command = json!({
        "Target": id,
        "DocumentName": "AWS-StartInteractiveCommand",
        "Parameters": { "command": ["uptime"] },
    });
    let session = start(&client, command.clone()).await.json();
    let session_id = session["SessionId"].as_str().unwrap();
    assert!(session_id.starts_with("sandbox-0"), "{session_id}");
    assert!(session["StreamUrl"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    let started = heard.started.lock().unwrap().pop().unwrap();
    assert_eq!(started.document.as_deref(), Some("AWS-StartInteractiveCommand"));
    assert_eq!((started.instance_id, started.kms_key_id), (id.clone(), None));
    assert_eq!(started.parameters["command"], ["uptime"]);

    let over = client.json(Service::Ssm, "ResumeSession", json!({ "SessionId": session_id })).await.json();
    assert!(over["TokenValue"].is_null(), "over, but known");
    client.json(Service::Ssm, "TerminateSession", json!({ "SessionId": session_id })).await;
    let gone = client.json(Service::Ssm, "ResumeSession", json!({ "SessionId": session_id })).await;
    assert_eq!(gone.code(), "DoesNotExistException");

    for (more, code) in [
        (json!({ "Target": id, "DocumentName": "Nobody" }), "InvalidDocument"),
        (json!({ "Target": id, "DocumentName": "AWS-StartInteractiveCommand" }), "InvalidParameters"),
        (json!({ "Target": id, "Parameters": { "command": ["x"] } }), "InvalidParameters"),
        (json!({}), "ValidationException"),
    ] {
        assert_eq!(start(&client, more.clone()).await.code(), code, "{more}");
    }
    client.sandbox.set(|c| c.denied_documents.insert("AWS-StartInteractiveCommand".to_owned()));
    let denied = start(&client, command).await;
    assert_eq!(denied.code(), "AccessDeniedException");
    assert!(denied.body.contains("::document/AWS-StartInteractiveCommand"), "{}", denied.body);
}

#[tokio::test]
async fn the_accounts_preferences_bring_a_key() {
    let heard = Arc::new(Heard::default());
    let client = Client::new(&sandbox_with(|options| options.backend = heard.clone()));
    let (_, id) = machine(&client).await;
    let document = json!({ "Name": "SSM-SessionManagerRunShell" });
    assert_eq!(client.json(Service::Ssm, "GetDocument", document.clone()).await.code(), "InvalidDocument");
    client.sandbox.set(|c| {
        c.keys.push(Key::new("alias/sessions"));
        c.session_preferences.kms_key_id = Some("alias/sessions".to_owned());
    });
    start(&client, json!({ "Target": id })).await;
    let port = json!({
        "Target": id,
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": { "portNumber": ["80"] },
    });
    start(&client, port).await;
    let keys: Vec<bool> = heard.started.lock().unwrap().iter().map(|s| s.kms_key_id.is_some()).collect();
    assert_eq!(keys, [true, false]);
    let content = client.json(Service::Ssm, "GetDocument", document).await.json();
    assert!(content["Content"].as_str().unwrap().contains("alias/sessions"));
}

#[tokio::test]
async fn the_machines_hear_of_every_change_of_power() {
    let heard = Arc::new(Heard::default());
    let client = Client::new(&sandbox_with(|options| options.backend = heard.clone()));
    let (_, id) = machine(&client).await;
    let one = [("InstanceId.1", &*id)];
    client.make("RebootInstances", &one).await;
    client.make("StopInstances", &one).await;
    client.make("StopInstances", &one).await;
    client.sandbox.advance(Duration::from_secs(60));
    client.make("StartInstances", &one).await;
    client.sandbox.advance(Duration::from_secs(60));
    client.make("TerminateInstances", &one).await;
    let powers: Vec<Power> = heard.powers.lock().unwrap().iter().map(|(_, power)| *power).collect();
    assert_eq!(powers, [Power::On, Power::Reboot, Power::Off, Power::On, Power::Destroyed]);
}

#[tokio::test]
async fn a_machine_sees_its_disk_grow_once_its_volume_is_being_optimized() {
    let heard = Arc::new(Heard::default());
    let client = Client::new(&sandbox_with(|options| options.backend = heard.clone()));
    let (_, id) = machine(&client).await;
    let volume = client.make("DescribeVolumes", &[]).await.get("volumeId");
    let disks = || heard.disks.lock().unwrap().clone();
    client.make("ModifyVolume", &[("VolumeId", &volume), ("Size", "120")]).await;
    assert_eq!(disks(), [], "not while it is being modified");
    let pace = Pace::default();
    client.sandbox.advance(pace.modify);
    assert_eq!(disks(), [(id.clone(), 120)]);
    client.sandbox.advance(pace.optimize);
    client.make("ModifyVolume", &[("VolumeId", &volume), ("Iops", "4000")]).await;
    client.sandbox.advance(Duration::from_secs(3600));
    assert_eq!(disks(), [(id.clone(), 120)], "once, and only what the machine can see");
}

/// A call that fails does not swallow what was due before it.
#[tokio::test]
async fn what_is_due_is_told_whatever_call_comes_next() {
    let heard = Arc::new(Heard::default());
    let client = Client::new(&sandbox_with(|options| {
        options.backend = heard.clone();
        options.clock = Clock::default();
    }));
    client.profile().await;
    let net = client.network().await;
    let launch = client.launch(&net).await.with(&[("IamInstanceProfile.Name", "profile")]);
    client.sandbox.set(|conditions| conditions.pace.boot = Duration::ZERO);
    client.run(&launch).await;
    assert_eq!(heard.powers.lock().unwrap().len(), 1);
    client.sandbox.set(|conditions| conditions.pace.modify = Duration::from_millis(1));
    let volume = client.make("DescribeVolumes", &[]).await.get("volumeId");
    client.make("ModifyVolume", &[("VolumeId", &volume), ("Size", "120")]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(start(&client, json!({ "Target": "i-00000000000000000" })).await.code(), "TargetNotConnected");
    assert_eq!(heard.disks.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_machines_hear_of_volumes_and_snapshots_in_their_order() {
    let heard = Arc::new(Heard::default());
    let client = Client::new(&sandbox_with(|options| options.backend = heard.clone()));
    let (_, id) = machine(&client).await;
    let told = || std::mem::take(&mut *heard.storage.lock().unwrap());
    let root = client.make("DescribeVolumes", &[]).await.get("volumeId");
    let snapshot = client.make("CreateSnapshot", &[("VolumeId", &root)]).await.get("snapshotId");
    let of = Source::Root(id.clone());
    assert_eq!(told(), [Storage::Taken { snapshot: snapshot.clone(), of }]);
    client.sandbox.advance(Duration::from_secs(60));

    let fields = [("AvailabilityZone", "us-west-2b"), ("SnapshotId", &*snapshot), ("Size", "9")];
    client.ec2("CreateVolume", &[&fields[..], &[("DryRun", "true")]].concat()).await;
    client.ec2("CreateVolume", &[&fields[..], &[("VolumeType", "gp9")]].concat()).await;
    assert_eq!(told(), [], "nothing of what is only asked or refused");
    let volume = client.make("CreateVolume", &fields).await.get("volumeId");
    let from = Some(snapshot.clone());
    assert_eq!(told(), [Storage::Created { volume: volume.clone(), gib: 9, snapshot: from }]);
    client.sandbox.advance(Duration::from_secs(1));
    client.make("AttachVolume", &[("VolumeId", &volume), ("InstanceId", &id), ("Device", "/dev/sdf")]).await;
    assert_eq!(told(), [], "it is attaching");
    client.sandbox.advance(Pace::default().attach);
    let (instance, root_device) = (id.clone(), false);
    let attached =
        Storage::Attached { volume: volume.clone(), instance: instance.clone(), root: root_device };
    assert_eq!(told(), [attached]);
    client.make("ModifyVolume", &[("VolumeId", &volume), ("Size", "10")]).await;
    client.sandbox.advance(Duration::from_secs(60));
    let other = client.make("CreateSnapshot", &[("VolumeId", &volume)]).await.get("snapshotId");
    let of = Source::Volume(volume.clone(), Some(id.clone()));
    assert_eq!(
        told(),
        [Storage::Grown { volume: volume.clone(), gib: 10 }, Storage::Taken { snapshot: other, of }]
    );
    client.make("DetachVolume", &[("VolumeId", &volume)]).await;
    client.sandbox.advance(Pace::default().attach);
    client.make("DeleteVolume", &[("VolumeId", &volume)]).await;
    client.make("DeleteSnapshot", &[("SnapshotId", &snapshot)]).await;
    let gone = Storage::Detached { volume: volume.clone(), instance, root: false };
    assert_eq!(told(), [gone, Storage::Deleted { volume }, Storage::Forgotten { snapshot }]);

    let keep = [
        ("InstanceId", &*id),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
    ];
    client.make("ModifyInstanceAttribute", &keep).await;
    client.make("TerminateInstances", &[("InstanceId.1", &id)]).await;
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(told(), [Storage::Detached { volume: root, instance: id, root: true }]);
}
