use serde_json::{Value, json};

use super::*;
use crate::ec2;
use crate::tests::{ACCOUNT, Answer, Client, REGION, sandbox};
use std::time::Duration;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"dlm.amazonaws.com"}}]}"#;
const ROLE: &str = "arn:aws:iam::123456789012:role/keeper";
const HOUR: Duration = Duration::from_secs(3600);

impl Client {
    async fn dlm(&self, method: &str, path: &str, body: Value) -> Answer {
        self.rest(Service::Dlm, method, path, &body).await
    }

    /// A role that may do what such policies need.
    async fn keeper(&self) {
        for (operation, fields) in [
            ("CreateRole", [("RoleName", "keeper"), ("AssumeRolePolicyDocument", TRUST)]),
            ("AttachRolePolicy", [("RoleName", "keeper"), ("PolicyArn", iam::LIFECYCLE_POLICY)]),
        ] {
            let answer = self.iam(operation, &fields).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }

    async fn policy(&self, request: Value) -> String {
        let answer = self.dlm("POST", "/policies", request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["PolicyId"].as_str().unwrap().to_owned()
    }

    async fn look(&self, id: &str) -> Value {
        self.dlm("GET", &format!("/policies/{id}"), json!({})).await.json()["Policy"].clone()
    }

    /// A volume of this owner.
    async fn volume_of(&self, owner: &str) -> String {
        let fields = [
            ("AvailabilityZone", "us-west-2b"),
            ("Size", "8"),
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "owner"),
            ("TagSpecification.1.Tag.1.Value", owner),
        ];
        let id = self.make("CreateVolume", &fields).await.get("volumeId");
        self.sandbox.advance(Duration::from_secs(1));
        id
    }

    /// The snapshots, oldest first.
    fn snapshots(&self) -> Vec<ec2::Snapshot> {
        let world = self.sandbox.world();
        let mut all: Vec<ec2::Snapshot> =
            world.region(ACCOUNT, REGION).unwrap().snapshots.values().cloned().collect();
        all.sort_by_key(|snapshot| snapshot.started);
        all
    }
}

/// Keeps two snapshots of each volume of `me`, one every six hours.
fn request() -> Value {
    json!({
        "ExecutionRoleArn": ROLE,
        "Description": "of mine",
        "State": "ENABLED",
        "PolicyDetails": {
            "PolicyType": "EBS_SNAPSHOT_MANAGEMENT",
            "ResourceTypes": ["VOLUME"],
            "TargetTags": [{ "Key": "owner", "Value": "me" }],
            "Schedules": [{
                "Name": "often",
                "CopyTags": true,
                "TagsToAdd": [{ "Key": "holdfast:machine", "Value": "me/m/us-west-2" }],
                "CreateRule": { "Interval": 6, "IntervalUnit": "HOURS", "Times": ["03:00"] },
                "RetainRule": { "Count": 2 },
            }],
        },
        "Tags": { "holdfast:machine": "me/m/us-west-2" },
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut request = request();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = request.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        drop(parent.remove(name))
    } else {
        drop(parent.insert(name.to_owned(), value))
    }
    request
}

#[tokio::test]
async fn a_policy_that_cannot_be_is_refused() {
    let client = Client::new(&sandbox());
    let schedule = "/PolicyDetails/Schedules/0";
    let at = |rest: &str| format!("{schedule}/{rest}");
    assert_eq!(client.dlm("POST", "/policies", request()).await.code(), "InvalidRequestException", "no role");
    client.keeper().await;
    for (pointer, value) in [
        ("/ExecutionRoleArn".to_owned(), Value::Null),
        ("/Description".to_owned(), Value::Null),
        ("/Description".to_owned(), json!("mine, and more")),
        ("/State".to_owned(), Value::Null),
        ("/State".to_owned(), json!("ERROR")),
        ("/PolicyDetails".to_owned(), Value::Null),
        ("/DefaultPolicy".to_owned(), json!("VOLUME")),
        ("/PolicyDetails/PolicyType".to_owned(), json!("IMAGE_MANAGEMENT")),
        ("/PolicyDetails/ResourceTypes".to_owned(), json!(["VOLUME", "INSTANCE"])),
        ("/PolicyDetails/ResourceTypes".to_owned(), json!(["SNAPSHOT"])),
        ("/PolicyDetails/TargetTags".to_owned(), json!([])),
        ("/PolicyDetails/Schedules".to_owned(), json!([])),
        ("/PolicyDetails/Parameters".to_owned(), json!({ "NoReboot": true })),
        (at("Name"), Value::Null),
        (at("CreateRule"), Value::Null),
        (at("CreateRule/Interval"), json!(5)),
        (at("CreateRule/Interval"), json!(0)),
        (at("CreateRule/IntervalUnit"), json!("DAYS")),
        (at("CreateRule/Times"), json!(["3 o'clock"])),
        (at("CreateRule/Times"), json!(["03:00", "15:00"])),
        (at("RetainRule"), Value::Null),
        (at("RetainRule/Count"), json!(0)),
        (at("RetainRule/Count"), json!(1001)),
        (at("RetainRule/Interval"), json!(1)),
        (at("VariableTags"), json!([{ "Key": "i", "Value": "$(instance-id)" }])),
        (at("TagsToAdd"), json!([{ "Key": "aws:x", "Value": "" }])),
        (at("ShareRules"), json!([])),
    ] {
        let answer = client.dlm("POST", "/policies", with(&pointer, value.clone())).await;
        assert_eq!(
            (answer.code().as_str(), answer.status),
            ("InvalidRequestException", 400),
            "{pointer} {value}"
        );
    }
    for action in ["iam:PassRole", "dlm:CreateLifecyclePolicy", "dlm:TagResource"] {
        client.sandbox.set(|c| c.principals[0].denied = [action.to_owned()].into());
        let answer = client.dlm("POST", "/policies", request()).await;
        assert_eq!((answer.code().as_str(), answer.status), ("AccessDeniedException", 403), "{action}");
        assert!(answer.body.contains(action), "{}", answer.body);
    }
    client.sandbox.set(|c| c.principals[0].denied.clear());
    assert_eq!(client.dlm("GET", "/policies", json!({})).await.json(), json!({ "Policies": [] }));
    for _ in 0..100 {
        client.policy(request()).await;
    }
    let answer = client.dlm("POST", "/policies", request()).await;
    assert_eq!((answer.code().as_str(), answer.status), ("LimitExceededException", 429));
}

#[tokio::test]
async fn a_policy_is_found_changed_tagged_and_deleted() {
    let client = Client::new(&sandbox());
    client.keeper().await;
    let id = client.policy(request()).await;
    assert!(id.starts_with("policy-0"), "{id}");
    let policy = client.look(&id).await;
    assert_eq!(policy["PolicyDetails"]["Schedules"][0]["RetainRule"], json!({ "Count": 2 }));
    assert_eq!(policy["PolicyDetails"]["Schedules"][0]["CreateRule"]["Times"], json!(["03:00"]));
    assert_eq!((&policy["State"], &policy["ExecutionRoleArn"]), (&json!("ENABLED"), &json!(ROLE)));
    let arn = policy["PolicyArn"].as_str().unwrap();
    assert_eq!(arn, format!("arn:aws:dlm:us-west-2:123456789012:policy/{id}"));
    let other = client.policy(with("/State", json!("DISABLED"))).await;
    let two = [id.as_str(), other.as_str()];
    for (query, mut expected) in [
        (String::new(), two.to_vec()),
        (format!("?policyIds={id}"), vec![&*id]),
        ("?state=DISABLED".to_owned(), vec![&*other]),
        ("?state=ERROR".to_owned(), vec![]),
        ("?resourceTypes=VOLUME".to_owned(), two.to_vec()),
        ("?resourceTypes=INSTANCE".to_owned(), vec![]),
        ("?targetTags=owner%3Dme".to_owned(), two.to_vec()),
        ("?targetTags=owner%3Dyou".to_owned(), vec![]),
        ("?tagsToAdd=holdfast%3Amachine%3Dme%2Fm%2Fus-west-2".to_owned(), two.to_vec()),
    ] {
        let answer = client.dlm("GET", &format!("/policies{query}"), json!({})).await.json();
        let mut seen: Vec<&str> =
            answer["Policies"].as_array().unwrap().iter().map(|p| p["PolicyId"].as_str().unwrap()).collect();
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{query}");
    }
    let tags = format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"));
    client.dlm("POST", &tags, json!({ "Tags": { "more": "1" } })).await;
    client.dlm("DELETE", &format!("{tags}?tagKeys=holdfast%3Amachine"), json!({})).await;
    assert_eq!(client.dlm("GET", &tags, json!({})).await.json(), json!({ "Tags": { "more": "1" } }));

    let path = format!("/policies/{id}");
    let change = json!({ "State": "DISABLED", "Description": "off" });
    assert_eq!(client.dlm("PATCH", &path, change).await.status, 200);
    let policy = client.look(&id).await;
    assert_eq!((&policy["State"], &policy["Description"]), (&json!("DISABLED"), &json!("off")));
    assert_eq!(policy["PolicyDetails"]["TargetTags"][0]["Key"], "owner", "what is left out stays");
    assert_eq!(client.dlm("DELETE", &path, json!({})).await.status, 200);
    for (method, path) in [("GET", &path), ("PATCH", &path), ("DELETE", &path), ("GET", &tags)] {
        let answer = client.dlm(method, path, json!({})).await;
        assert_eq!(
            (answer.code().as_str(), answer.status),
            ("ResourceNotFoundException", 404),
            "{method} {path}"
        );
    }
    let answer = client.dlm("GET", &format!("/policies?policyIds={id}"), json!({})).await;
    assert_eq!(answer.code(), "ResourceNotFoundException");
}

#[tokio::test]
async fn snapshots_are_made_by_the_clock_and_the_oldest_deleted() {
    let client = Client::new(&sandbox());
    client.keeper().await;
    let (mine, _other) = (client.volume_of("me").await, client.volume_of("you").await);
    let id = client.policy(request()).await;
    // It is noon, and the schedule's hours begin at three, nine, three and nine.
    client.sandbox.advance(3 * HOUR - Duration::from_secs(60));
    assert_eq!(client.snapshots().len(), 0);
    client.sandbox.advance(HOUR);
    let [first] = &client.snapshots()[..] else { panic!("one snapshot") };
    assert_eq!(first.volume, mine);
    let expected = [
        ("aws:dlm:lifecycle-policy-id", id.as_str()),
        ("aws:dlm:lifecycle-schedule-name", "often"),
        ("dlm:managed", "true"),
        ("holdfast:machine", "me/m/us-west-2"),
        ("owner", "me"),
    ];
    assert_eq!(first.tags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let by_hand = client.make("CreateSnapshot", &[("VolumeId", &mine)]).await.get("snapshotId");
    client.sandbox.advance(24 * HOUR);
    let left = client.snapshots();
    assert_eq!(left.len(), 3, "two, and the one that is nobody's business: {left:?}");
    assert!(left.iter().any(|snapshot| snapshot.id == by_hand) && left.iter().all(|s| s.id != first.id));
    let hours: Vec<Duration> = left[1..].windows(2).map(|two| two[1].started.since(two[0].started)).collect();
    assert_eq!(hours, [6 * HOUR]);

    for (state, made) in [("DISABLED", 0), ("ENABLED", 1)] {
        let before = client.snapshots().last().unwrap().started;
        client.dlm("PATCH", &format!("/policies/{id}"), json!({ "State": state })).await;
        client.sandbox.advance(7 * HOUR);
        let new = client.snapshots().iter().filter(|snapshot| snapshot.started > before).count();
        assert_eq!(new, made, "{state}");
    }
    client.dlm("DELETE", &format!("/policies/{id}"), json!({})).await;
    client.sandbox.advance(100 * HOUR);
    assert_eq!(client.snapshots().len(), 3, "they stay");
}

#[tokio::test]
async fn a_policy_of_instances_takes_all_their_volumes() {
    let client = Client::new(&sandbox());
    client.keeper().await;
    client.profile().await;
    let net = client.network().await;
    let launch = client.launch(&net).await.with(&[
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "owner"),
        ("TagSpecification.1.Tag.1.Value", "me"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sdf"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"),
    ]);
    let instance = client.run(&launch).await.get("instanceId");
    client.sandbox.advance(Duration::from_secs(60));
    let mut request = with("/PolicyDetails/ResourceTypes", json!(["INSTANCE"]));
    request["PolicyDetails"]["Schedules"][0]["VariableTags"] =
        json!([{ "Key": "of", "Value": "$(instance-id)" }, { "Key": "at", "Value": "$(timestamp)" }]);
    client.policy(request).await;
    client.sandbox.advance(4 * HOUR);
    let made = client.snapshots();
    assert_eq!(made.len(), 2);
    for snapshot in &made {
        assert_eq!(snapshot.tags["of"], instance);
        assert_eq!(snapshot.tags["at"], snapshot.started.iso_seconds());
        assert!(!snapshot.tags.contains_key("owner"), "the volumes have no such tag");
    }
    client.make("TerminateInstances", &[("InstanceId.1", &instance)]).await;
    client.sandbox.advance(100 * HOUR);
    assert_eq!(client.snapshots().len(), 2, "nobody manages them any more");
}

#[tokio::test]
async fn a_role_that_may_not_makes_the_policy_err() {
    let client = Client::new(&sandbox());
    client.keeper().await;
    client.volume_of("me").await;
    let id = client.policy(request()).await;
    let detach = [("RoleName", "keeper"), ("PolicyArn", iam::LIFECYCLE_POLICY)];
    let ec2 = TRUST.replace("dlm.", "ec2.");
    let trust = |document: &str| {
        vec![("RoleName".to_owned(), "keeper".to_owned()), ("PolicyDocument".to_owned(), document.to_owned())]
    };
    let detach: Vec<(String, String)> =
        detach.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (bad, good) in [
        (("DetachRolePolicy", detach.clone()), ("AttachRolePolicy", detach)),
        (("UpdateAssumeRolePolicy", trust(&ec2)), ("UpdateAssumeRolePolicy", trust(TRUST))),
    ] {
        let before = client.snapshots().len();
        for ((operation, fields), state, made) in [(bad, "ERROR", before), (good, "ENABLED", before + 1)] {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(client.iam(operation, &fields).await.status, 200);
            let path = format!("/policies/{id}");
            assert_eq!(client.dlm("PATCH", &path, json!({ "State": "ENABLED" })).await.status, 200);
            client.sandbox.advance(6 * HOUR);
            let policy = client.look(&id).await;
            assert_eq!(
                (policy["State"].as_str().unwrap(), client.snapshots().len()),
                (state, made),
                "{operation}"
            );
            let why = policy["StatusMessage"].as_str().unwrap();
            assert_eq!(why.contains("sufficient permissions"), state == "ERROR", "{why}");
        }
    }
}
