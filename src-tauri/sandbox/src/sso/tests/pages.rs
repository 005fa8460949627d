//! The pages, as a browser meets them.

use super::pkce::{BACK, page, parameter};
use super::*;
use crate::Principal;

/// The values of a page's hidden fields and buttons, as a browser would send them.
fn fields(html: &str) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        Some(rest.split('"').next()?.replace("&amp;", "&").replace("&lt;", "<"))
    };
    let hidden = html.split('<').filter(|tag| tag.starts_with("input type=\"hidden\""));
    hidden.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect()
}

async fn press(lab: &Lab, path: &str, html: &str, more: &[(&str, &str)]) -> Heard {
    let fields = fields(html);
    let mut all: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    all.extend(more);
    lab.submit(path, &all).await
}

#[tokio::test]
async fn a_page_asks_and_brings_the_browser_back() {
    let lab = Lab::new().await;
    let shown = lab.get(&page(&lab, &[])).await;
    assert_eq!((shown.status, shown.header("content-type")), (200, "text/html; charset=utf-8"));
    for part in
        ["id=\"allow\"", "id=\"deny\"", "method=\"post\" action=\"/authorize\"", "Holdfast on laptop", START]
    {
        assert!(shown.body.contains(part), "{part}: {}", shown.body);
    }
    assert!(!shown.body.contains("src=") && !shown.body.contains("password"), "{}", shown.body);
    assert!(shown.header("content-security-policy").contains("frame-ancestors 'none'"));
    for (answer, name) in [("allow", "code"), ("deny", "error")] {
        let back = press(&lab, "/authorize", &shown.body, &[("answer", answer)]).await;
        assert_eq!(back.status, 302);
        assert!(back.header("location").starts_with(BACK));
        assert!(!parameter(back.header("location"), name).is_empty());
        assert_eq!(parameter(back.header("location"), "state"), "a state/with+all=kinds&of");
    }
    assert_eq!(press(&lab, "/authorize", &shown.body, &[]).await.kind(), "InvalidRequestException");
    let operations: Vec<_> = lab.sandbox.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations[1..4], ["ShowAuthorization", "AnswerAuthorization", "AnswerAuthorization"]);
}

#[tokio::test]
async fn a_devices_page_confirms_its_code() {
    let lab = Lab::new().await;
    assert!(lab.get("/device").await.body.contains("id=\"user_code\""));
    for (answer, title, kind) in
        [("allow", "Request approved", ""), ("deny", "Request denied", "AccessDeniedException")]
    {
        let device = lab.start().await;
        let user = device.get("userCode");
        let shown = lab.get(&format!("/device?user_code={}", user.to_lowercase())).await;
        assert!(shown.body.contains(&user), "{}", shown.body);
        let done = press(&lab, "/device", &shown.body, &[("answer", answer)]).await;
        assert!(done.status == 200 && done.body.contains(title), "{}", done.body);
        assert_eq!(lab.poll(&device.get("deviceCode")).await.kind(), kind);
        assert_eq!(lab.get(&format!("/device?user_code={user}")).await.kind(), "InvalidGrantException");
    }
    let unknown = lab.get("/device?user_code=%3Cb%3E").await;
    assert_eq!((unknown.status, unknown.header("content-type")), (400, "text/html; charset=utf-8"));
    assert!(unknown.body.contains("Invalid grant provided"));
}

#[tokio::test]
async fn what_a_client_says_is_shown_as_text() {
    let mut request = registration();
    request["clientName"] = json!("<script>alert(1)</script>");
    let lab = Lab::bare(|_| {}).registered(&request).await;
    let shown = lab.get(&page(&lab, &[("state", "\"><script>")])).await;
    assert!(!shown.body.contains("<script>"), "{}", shown.body);
}

#[tokio::test]
async fn where_keys_are_secret_yes_takes_one() {
    let lab = Lab::with(|conditions| {
        conditions.principals = vec![Principal::user(ACCOUNT, "sandbox", "AKIASECRET")];
    })
    .await;
    let device = lab.start().await;
    let shown = lab.get(&format!("/device?user_code={}", device.get("userCode"))).await;
    assert!(shown.body.contains("id=\"password\""), "{}", shown.body);
    for wrong in [vec![], vec![("password", "")], vec![("password", crate::ACCESS_KEY)]] {
        let fields = [&wrong[..], &[("answer", "allow")]].concat();
        let answer = press(&lab, "/device", &shown.body, &fields).await;
        assert_eq!((answer.kind(), answer.status), ("AccessDeniedException", 403));
        let url = page(&lab, &[]);
        let asked = lab.get(&url).await;
        assert_eq!(press(&lab, "/authorize", &asked.body, &fields).await.status, 403);
    }
    let right = [("password", "AKIASECRET"), ("answer", "allow")];
    assert_eq!(press(&lab, "/device", &shown.body, &right).await.status, 200);
    assert_eq!(lab.poll(&device.get("deviceCode")).await.status, 200);
    let device = lab.start().await;
    let shown = lab.get(&format!("/device?user_code={}", device.get("userCode"))).await;
    assert_eq!(press(&lab, "/device", &shown.body, &[("answer", "deny")]).await.status, 200, "no is free");
}
