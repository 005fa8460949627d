use super::*;

fn open(dir: &std::path::Path) -> Sandbox {
    Sandbox::open(dir, Options { clock: Clock::Virtual, ..Options::default() }).unwrap()
}

#[tokio::test]
async fn a_stored_world_is_there_again() {
    let dir = tempfile::tempdir().unwrap();
    let (id, at, next) = {
        let client = Client::new(&open(dir.path()));
        client.profile().await;
        let net = client.network().await;
        let launch = client.launch(&net).await;
        let id = client.run(&launch).await.get("instanceId");
        let next = client.make("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).await.get("vpcId");
        (id, client.sandbox.now(), next)
    };
    let client = Client::new(&open(dir.path()));
    assert!(client.sandbox.now() >= at, "time does not run back");
    assert_eq!(client.state(&id).await, "pending");
    client.sandbox.advance(Duration::from_secs(3));
    assert_eq!(client.state(&id).await, "running");
    let other = client.make("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).await.get("vpcId");
    assert_ne!(other, next, "ids go on");
    client.sandbox.reset();
    let client = Client::new(&open(dir.path()));
    assert!(client.sandbox.world().accounts.is_empty());
}

#[tokio::test]
async fn a_world_from_before_capacity_was_reserved_and_volumes_were_made_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let id = {
        let client = Client::new(&open(dir.path()));
        client.profile().await;
        let net = client.network().await;
        let id = client.run(&client.launch(&net).await).await.get("instanceId");
        let volume = client.make("DescribeVolumes", &[]).await.get("volumeId");
        client.make("ModifyVolume", &[("VolumeId", &volume), ("Size", "50")]).await;
        client.sandbox.advance(Duration::from_secs(60));
        client.make("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).await;
        id
    };
    let file = dir.path().join("world.json");
    let mut stored: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let region = &mut stored["world"]["accounts"][ACCOUNT]["regions"][REGION];
    let forget = |value: &mut Value, names: &[&str]| {
        for name in names {
            value.as_object_mut().unwrap().remove(*name).unwrap();
        }
    };
    forget(region, &["capacity_reservations", "capacity_reservation_tokens", "policies", "volume_tokens"]);
    for volume in region["volumes"].as_object_mut().unwrap().values_mut() {
        forget(volume, &["ready", "fails"]);
        forget(&mut volume["attached"], &["done", "gone", "pending"]);
    }
    forget(&mut region["instances"][&id], &["capacity_reservation"]);
    for modification in region["modifications"].as_object_mut().unwrap().values_mut() {
        forget(modification, &["pending", "fails"]);
    }
    std::fs::write(&file, stored.to_string()).unwrap();
    let client = Client::new(&open(dir.path()));
    assert_eq!(client.state(&id).await, "running");
    assert_eq!(client.make("DescribeVolumes", &[]).await.get("size"), "50");
    assert_eq!(client.make("DescribeCapacityReservations", &[]).await.all("state").len(), 0);
}

#[test]
fn an_unreadable_world_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("world.json"), "{ \"version\": 99 ").unwrap();
    assert!(open(dir.path()).world().accounts.is_empty());
    assert!(dir.path().join("world.unreadable.json").exists());
}
