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

#[test]
fn an_unreadable_world_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("world.json"), "{ \"version\": 99 ").unwrap();
    assert!(open(dir.path()).world().accounts.is_empty());
    assert!(dir.path().join("world.unreadable.json").exists());
}
