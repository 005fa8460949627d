//! When requests were signed, by AWS's clock.

use serde_json::json;

use super::*;

/// A signed request whose signature is from this time.
async fn at(client: &Client, service: Service, operation: &str, signed: &str) -> (Answer, String) {
    let body = match service == Service::Ssm {
        true => json!({ "Target": "i-0123456789abcdef0" }).to_string(),
        false => format!("Action={operation}&Version=1"),
    };
    let mut request = client.request(service, operation, body);
    request.headers_mut().insert("x-amz-date", signed.parse().unwrap());
    let response = client.sandbox.handle(request).await.unwrap();
    let date = response.headers().get("date").map(|date| date.to_str().unwrap().to_owned());
    (read(Ok(response)).unwrap(), date.unwrap_or_default())
}

#[tokio::test]
async fn a_signature_from_another_time_is_refused_in_each_services_words() {
    let client = Client::new(&sandbox());
    let calls = [
        (Service::Ec2, "DescribeVpcs", "AuthFailure", 401),
        (Service::Iam, "ListRolePolicies", "SignatureDoesNotMatch", 403),
        (Service::Sts, "GetCallerIdentity", "SignatureDoesNotMatch", 403),
        (Service::Ssm, "GetConnectionStatus", "InvalidSignatureException", 400),
    ];
    let (early, now, late) = ("20260115T115459Z", "20260115T120000Z", "20260115T120501Z");
    for (service, operation, code, status) in calls {
        client.sandbox.set(|conditions| conditions.clock_skew = None);
        let (answer, date) = at(&client, service, operation, "20200101T000000Z").await;
        assert!(answer.code() != code && date.is_empty(), "nobody looks: {}", answer.body);
        client.sandbox.set(|conditions| conditions.clock_skew = Some(0));
        for (signed, words) in [(early, "Signature expired: "), (late, "Signature not yet current: ")] {
            let (answer, date) = at(&client, service, operation, signed).await;
            assert_eq!((&*answer.code(), answer.status), (code, status), "{service:?}");
            assert_eq!(date, "Thu, 15 Jan 2026 12:00:00 GMT");
            assert!(service == Service::Ec2 || answer.body.contains(words), "{}", answer.body);
        }
        assert_ne!(at(&client, service, operation, now).await.0.code(), code);
    }
    client.sandbox.set(|conditions| conditions.clock_skew = Some(600));
    let (answer, date) = at(&client, Service::Sts, "GetCallerIdentity", now).await;
    assert_eq!(date, "Thu, 15 Jan 2026 12:10:00 GMT");
    assert_eq!(
        answer.get("Message"),
        "Signature expired: 20260115T120000Z is now earlier than 20260115T120500Z (20260115T121000Z - 5 min.)"
    );
    assert_eq!(at(&client, Service::Sts, "GetCallerIdentity", "20260115T121000Z").await.0.code(), "");
    client.sandbox.set(|conditions| conditions.clock_skew = Some(-600));
    let (answer, date) = at(&client, Service::Sts, "GetCallerIdentity", now).await;
    assert_eq!(date, "Thu, 15 Jan 2026 11:50:00 GMT");
    assert!(answer.get("Message").contains("(20260115T115000Z + 5 min.)"));
}
