use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Fault, Rule, When};

async fn served(sandbox: &Sandbox) -> (u16, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sandbox = sandbox.clone();
    (port, tokio::spawn(async move { sandbox.serve(listener).await }))
}

/// Sends one request and returns everything that comes back.
async fn send(port: u16, head: &str, body: &str) -> String {
    send_to(([127, 0, 0, 1], port).into(), head, body).await
}

async fn send_to(address: SocketAddr, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

fn call(host: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential={ACCESS_KEY}/20260115/{REGION}/ec2/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn admin(method: &str, path: &str, key: &str) -> String {
    format!("{method} /_holdfast/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}")
}

#[tokio::test]
async fn the_same_handler_answers_over_a_socket() {
    let sandbox = sandbox();
    let (port, _) = served(&sandbox).await;
    let answer = send(port, &call("127.0.0.1"), "Action=DescribeVpcs").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("<DescribeVpcsResponse"), "{answer}");
    let foreign = send(port, &call("evil.example"), "Action=DescribeVpcs").await;
    assert!(foreign.starts_with("HTTP/1.1 421"), "a page of another host gets nothing: {foreign}");
    let other = send(port, &call(&format!("192.0.2.1:{port}")), "Action=DescribeVpcs").await;
    assert!(other.starts_with("HTTP/1.1 421"), "an address that it is not reached at: {other}");
    let local = send(port, &call(&format!("ec2.localhost:{port}")), "Action=DescribeVpcs").await;
    assert!(local.starts_with("HTTP/1.1 200"), "{local}");
    sandbox.fault(Rule::on(Service::Ec2, "DescribeVpcs", When::Every, Fault::DropAfterCommit));
    assert_eq!(send(port, &call("localhost"), "Action=DescribeVpcs").await, "", "broken off");
}

/// Other systems have only one loopback address of IPv4.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_answers_to_the_address_that_it_is_reached_at() {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sandbox = sandbox();
    tokio::spawn(async move { sandbox.serve(listener).await });
    for (host, code) in [(address.to_string(), "200"), ("127.0.0.2:1".to_owned(), "421")] {
        let answer = send_to(address, &call(&host), "Action=DescribeVpcs").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{host}: {answer}");
    }
}

#[tokio::test]
async fn it_is_administered_by_those_who_know_its_key() {
    let sandbox = sandbox();
    let (port, serving) = served(&sandbox).await;
    for key in ["", "wrong"] {
        let answer = send(port, &admin("POST", "shutdown", key), "").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    let rule = r#"{"service":"ec2","operation":"DescribeVpcs","when":{"nth":1},"fault":"throttle"}"#;
    assert!(send(port, &admin("POST", "faults", ACCESS_KEY), rule).await.starts_with("HTTP/1.1 200"));
    assert!(send(port, &admin("POST", "faults", ACCESS_KEY), "{}").await.starts_with("HTTP/1.1 400"));
    assert!(send(port, &call("127.0.0.1"), "Action=DescribeVpcs").await.starts_with("HTTP/1.1 503"));
    let calls = send(port, &admin("GET", "calls", ACCESS_KEY), "").await;
    assert!(calls.contains(r#""error":"RequestLimitExceeded""#), "{calls}");
    let before = sandbox.now();
    send(port, &admin("POST", "advance", ACCESS_KEY), r#"{"seconds":90}"#).await;
    assert_eq!(sandbox.now().since(before), Duration::from_secs(90));
    assert!(send(port, &admin("GET", "status", ACCESS_KEY), "").await.contains(r#""instances":[]"#));
    assert!(send(port, &admin("GET", "nothing", ACCESS_KEY), "").await.starts_with("HTTP/1.1 404"));
    send(port, &admin("POST", "shutdown", ACCESS_KEY), "").await;
    tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap().unwrap();
}
