//! The price list.

use holdfast_core::price::Money;
use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::Principal;

/// A call to the price list in a region, in the real shape.
async fn ask(sandbox: &Sandbox, region: &str, key: &str, operation: &str, body: &Value) -> Answer {
    let scope = format!("{key}/20260115/{region}/pricing/aws4_request");
    let request = Request::post(format!("https://api.pricing.{region}.amazonaws.com/"))
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
        )
        .header("x-amz-target", format!("AWSPriceListService.{operation}"))
        .body(Bytes::from(body.to_string()))
        .unwrap();
    read(sandbox.handle(request).await).unwrap()
}

async fn list(sandbox: &Sandbox, service: &str, filters: &[(&str, &str)]) -> Vec<Value> {
    let filters: Vec<Value> = filters
        .iter()
        .map(|(field, value)| json!({ "Type": "TERM_MATCH", "Field": field, "Value": value }))
        .collect();
    let mut request = json!({ "ServiceCode": service, "Filters": filters, "FormatVersion": "aws_v1" });
    let mut products = Vec::new();
    loop {
        let answer = ask(sandbox, "us-east-1", ACCESS_KEY, "GetProducts", &request).await.json();
        let page: Vec<Value> = answer["PriceList"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap())
            .collect();
        assert!(page.len() <= 100);
        products.extend(page);
        match answer["NextToken"].as_str() {
            Some(token) => request["NextToken"] = json!(token),
            None => return products,
        }
    }
}

/// The only price of a product, as AWS writes it.
fn price(product: &Value) -> &str {
    let offer = product["terms"]["OnDemand"].as_object().unwrap().values().next().unwrap();
    let dimension = offer["priceDimensions"].as_object().unwrap().values().next().unwrap();
    dimension["pricePerUnit"]["USD"].as_str().unwrap()
}

const LINUX: [(&str, &str); 5] = [
    ("regionCode", "us-west-2"),
    ("operatingSystem", "Linux"),
    ("tenancy", "Shared"),
    ("capacitystatus", "Used"),
    ("preInstalledSw", "NA"),
];

#[tokio::test]
async fn products_are_found_by_their_attributes_and_cost_what_the_table_says() {
    let sandbox = sandbox();
    let one = [LINUX.as_slice(), &[("instanceType", "m8g.xlarge")]].concat();
    let found = list(&sandbox, "AmazonEC2", &one).await;
    assert_eq!(found.len(), 1);
    assert_eq!(price(&found[0]), "0.1795200000");
    assert_eq!(found[0]["product"]["attributes"]["usagetype"], "USW2-BoxUsage:m8g.xlarge");
    assert_eq!(found[0]["product"]["productFamily"], "Compute Instance");

    let all = list(&sandbox, "AmazonEC2", &LINUX).await;
    assert!(all.len() > 100, "more than a page: {}", all.len());
    let windows = list(&sandbox, "AmazonEC2", &[LINUX[0], ("instanceType", "m8g.xlarge")]).await;
    assert_eq!(windows.len(), 3, "other systems and reservations are products of their own");

    let gp3 = list(&sandbox, "AmazonEC2", &[LINUX[0], ("volumeApiName", "gp3")]).await;
    let prices: Vec<&str> = gp3.iter().map(price).collect();
    assert_eq!(prices, ["0.0800000000", "0.0050000000", "40.9600000000"], "throughput is sold by the GiB/s");
    let snapshots = list(&sandbox, "AmazonEC2", &[LINUX[0], ("productFamily", "Storage Snapshot")]).await;
    assert_eq!(snapshots.iter().map(price).collect::<Vec<_>>(), ["0.0500000000"]);
    let address = list(&sandbox, "AmazonVPC", &[LINUX[0], ("group", "VPCPublicIPv4Address")]).await;
    assert_eq!(address.iter().map(price).collect::<Vec<_>>(), ["0.0050000000"]);
    assert!(address[0]["product"].get("productFamily").is_none());

    sandbox.set(|conditions| conditions.prices.insert("m8g.xlarge".to_owned(), Money::from_micros(200_000)));
    assert_eq!(price(&list(&sandbox, "AmazonEC2", &one).await[0]), "0.2000000000");
}

#[tokio::test]
async fn what_the_price_list_refuses() {
    let sandbox = sandbox_with(|options| {
        let poor = Principal::user(ACCOUNT, "poor", "AKIAPOOR").denying("pricing:GetProducts");
        options.conditions.principals.push(poor);
    });
    let filter = |kind: &str, field: &str| json!({ "ServiceCode": "AmazonEC2", "Filters": [{ "Type": kind, "Field": field, "Value": "x" }] });
    let plain = json!({ "ServiceCode": "AmazonEC2" });
    let with = |name: &str, value: Value| {
        let mut request = plain.clone();
        request[name] = value;
        request
    };
    for (region, key, operation, request, code) in [
        ("us-east-1", ACCESS_KEY, "GetProducts", plain.clone(), ""),
        ("eu-central-1", ACCESS_KEY, "GetProducts", plain.clone(), ""),
        ("ap-south-1", ACCESS_KEY, "GetProducts", plain.clone(), ""),
        ("us-west-2", ACCESS_KEY, "GetProducts", plain.clone(), "UnsupportedOperation"),
        ("us-east-1", ACCESS_KEY, "DescribeServices", plain.clone(), "UnsupportedOperation"),
        ("us-east-1", "AKIAPOOR", "GetProducts", plain.clone(), "AccessDeniedException"),
        ("us-east-1", "AKIANOBODY", "GetProducts", plain.clone(), "UnrecognizedClientException"),
        ("us-east-1", ACCESS_KEY, "GetProducts", json!({}), "InvalidParameterException"),
        (
            "us-east-1",
            ACCESS_KEY,
            "GetProducts",
            with("ServiceCode", json!("Amazon EC2")),
            "InvalidParameterException",
        ),
        (
            "us-east-1",
            ACCESS_KEY,
            "GetProducts",
            with("ServiceCode", json!("AmazonMars")),
            "NotFoundException",
        ),
        (
            "us-east-1",
            ACCESS_KEY,
            "GetProducts",
            filter("TERM_MATCH", "flavour"),
            "InvalidParameterException",
        ),
        ("us-east-1", ACCESS_KEY, "GetProducts", filter("LIKE", "instanceType"), "InvalidParameterException"),
        ("us-east-1", ACCESS_KEY, "GetProducts", with("MaxResults", json!(101)), "InvalidParameterException"),
        (
            "us-east-1",
            ACCESS_KEY,
            "GetProducts",
            with("FormatVersion", json!("v2")),
            "InvalidParameterException",
        ),
        ("us-east-1", ACCESS_KEY, "GetProducts", with("NextToken", json!("?")), "InvalidNextTokenException"),
    ] {
        let answer = ask(&sandbox, region, key, operation, &request).await;
        assert_eq!(answer.code(), code, "{region} {key} {operation} {request}");
    }
    assert!(sandbox.calls().iter().all(|call| call.service == Service::Pricing && !call.changes()));
}
