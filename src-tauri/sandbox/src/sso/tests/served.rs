//! On 127.0.0.1, and in a world that is stored.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{ACCESS_KEY, Clock, Options};

async fn send(port: u16, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\nAuthorization: Bearer {ACCESS_KEY}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_served_sandbox_finds_these_services_by_their_paths() {
    let lab = Lab::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sandbox = lab.sandbox.clone();
    tokio::spawn(async move { sandbox.serve(listener).await });
    let request = lab.own(json!({ "startUrl": START })).to_string();
    let answer = send(port, "POST /device_authorization", &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let device: Value = serde_json::from_str(body).unwrap();
    let page = device["verificationUriComplete"].as_str().unwrap();
    let path = page.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap();
    let shown = send(port, &format!("GET {path}"), "").await;
    assert!(shown.contains("id=\"allow\""), "{shown}");
    let answer = json!({ "user_code": device["userCode"], "allow": true }).to_string();
    assert!(send(port, "POST /_holdfast/device", &answer).await.starts_with("HTTP/1.1 200"));
    assert!(send(port, "POST /_holdfast/device", &answer).await.starts_with("HTTP/1.1 404"));
    let request = lab.own(json!({ "grantType": DEVICE, "deviceCode": device["deviceCode"] })).to_string();
    let answer = send(port, "POST /token", &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let url = pkce::page(&lab, &[]);
    let answer = json!({ "url": url, "allow": true }).to_string();
    let answer = send(port, "POST /_holdfast/authorization", &answer).await;
    assert!(answer.contains("\"location\":\"http://127.0.0.1:53682/oauth/callback?code="), "{answer}");
    let answer = json!({ "url": "/authorize?client_id=nobody", "allow": true }).to_string();
    assert!(send(port, "POST /_holdfast/authorization", &answer).await.starts_with("HTTP/1.1 400"));
    let strange = send(port, "POST /token", "[]").await;
    assert!(strange.contains("x-amzn-errortype: InvalidRequestException:"), "{strange}");
    assert!(send(port, "GET /assignment/accounts", "").await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn whoever_is_signed_in_is_so_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let options = Options { clock: Clock::Virtual, ..Options::default() };
        Sandbox::open(dir.path(), options).unwrap()
    };
    let lab = Lab { sandbox: open(), id: String::new(), secret: String::new() };
    let lab = lab.registered(&registration()).await;
    let tokens = lab.sign_in().await;
    let alice = lab.role(ACCOUNT, "AdministratorAccess").await;
    alice.make("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await;
    let lab = Lab { sandbox: open(), ..lab };
    let alice = Client { sandbox: lab.sandbox.clone(), ..alice };
    assert_eq!(lab.ask("/assignment/accounts", &tokens.get("accessToken")).await.status, 200);
    assert_eq!(lab.refresh(&tokens.get("refreshToken")).await.status, 200);
    assert_eq!(alice.ec2("DescribeVpcs", &[]).await.code(), "");

    // A world from before anybody signed in.
    let file = dir.path().join("world.json");
    let mut stored: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for name in ["sso", "temporary", "used_codes"] {
        stored["world"].as_object_mut().unwrap().remove(name).unwrap();
    }
    std::fs::write(&file, stored.to_string()).unwrap();
    let lab = Lab { sandbox: open(), ..lab };
    assert!(lab.sandbox.world().region(ACCOUNT, "us-west-2").is_some());
    assert_eq!(lab.start().await.kind(), "InvalidClientException");
}
