//! The Price List Query API: the prices of the embedded table in the shape of AWS's price list.
//!
//! Source: <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html>

use std::collections::BTreeMap;

use holdfast_core::price::{self, Money, Rate};
use serde_json::{Value, json};

use crate::ids::hash;
use crate::wire::{Fail, Json};
use crate::world::Ctx;

/// Where the API is (docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html).
const REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-south-1"];
/// The most and the usual number of products in an answer.
const PAGE: u64 = 100;
/// The term of what is paid on demand, and the rate of its price by the hour or month, the same for all products.
const ON_DEMAND: (&str, &str) = ("JRTCKXETXF", "6YS6EN2CT7");

type Attributes = BTreeMap<&'static str, String>;

struct Product {
    service: &'static str,
    family: Option<&'static str>,
    attributes: Attributes,
    unit: &'static str,
    price: Money,
}

/// Does one call.
pub(crate) fn call(ctx: &Ctx<'_>, operation: &str, json: Json<'_>) -> Result<Value, Fail> {
    if !REGIONS.contains(&ctx.region) {
        let message = format!("There is no Price List Query API in {}.", ctx.region);
        return Err(Fail::new("UnsupportedOperation", message));
    }
    match operation {
        "GetProducts" => products(ctx, json),
        _ => Err(Fail::new(
            "UnsupportedOperation",
            format!("The sandbox has no operation {operation} in the Price List Query API."),
        )),
    }
}

fn products(ctx: &Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let invalid = |message: String| Fail::new("InvalidParameterException", message);
    // The words of both refusals: github.com/aws/aws-sdk/issues/51, github.com/cloud-barista/cb-spider/issues/1055.
    let service = json.text("ServiceCode").ok_or_else(|| {
        invalid("Input Parameters are invalid. serviceCode cannot be null or empty".to_owned())
    })?;
    if !service.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(invalid("ServiceCode can only contain a-z, A-Z, 0-9".to_owned()));
    }
    if !["AmazonEC2", "AmazonVPC"].contains(&service) {
        return Err(Fail::new("NotFoundException", format!("The sandbox lists no products of {service}.")));
    }
    if json.text("FormatVersion").is_some_and(|version| version != "aws_v1") {
        return Err(invalid("Input Parameters are invalid. formatVersion must be aws_v1".to_owned()));
    }
    let most = json.number("MaxResults").unwrap_or(PAGE);
    if !(1..=PAGE).contains(&most) {
        return Err(invalid("Input Parameters are invalid. maxResults must be between 1 and 100".to_owned()));
    }
    let mut filters = Vec::new();
    for filter in json.items("Filters") {
        let (kind, field) =
            (filter.text("Type").unwrap_or_default(), filter.text("Field").unwrap_or_default());
        if kind != "TERM_MATCH" || !FIELDS.contains(&field) {
            return Err(invalid(format!(
                "Input Parameters are invalid. The filter {kind} of {field} is not known"
            )));
        }
        filters.push((field, filter.text("Value").unwrap_or_default()));
    }
    let fits = |product: &Product| {
        product.service == service
            && filters.iter().all(|(field, value)| product.attribute(field) == Some(value))
    };
    let from = match json.text("NextToken") {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| Fail::new("InvalidNextTokenException", "The pagination token is invalid."))?,
    };
    let all: Vec<Product> = catalogue(ctx).into_iter().filter(fits).collect();
    let until = all.len().min(from.saturating_add(usize::try_from(most).unwrap_or(usize::MAX)));
    let page: Vec<String> = all.get(from..until).unwrap_or_default().iter().map(Product::text).collect();
    let mut answer = json!({ "FormatVersion": "aws_v1", "PriceList": page });
    if until < all.len() {
        answer["NextToken"] = json!(until.to_string());
    }
    Ok(answer)
}

/// The attributes that products here have, which are those that can be filtered by.
const FIELDS: [&str; 16] = [
    "ServiceCode",
    "servicecode",
    "productFamily",
    "regionCode",
    "locationType",
    "usagetype",
    "operation",
    "instanceType",
    "operatingSystem",
    "tenancy",
    "capacitystatus",
    "preInstalledSw",
    "marketoption",
    "volumeApiName",
    "storageMedia",
    "group",
];

fn catalogue(ctx: &Ctx<'_>) -> Vec<Product> {
    price::regions().iter().flat_map(|region| of_region(ctx, region)).collect()
}

fn of_region(ctx: &Ctx<'_>, region: &str) -> Vec<Product> {
    let set = |name: &str, listed: Option<Money>| ctx.conditions.prices.get(name).copied().or(listed);
    let prefix = prefix(region);
    let product = |service, family, usage: String, more: &[(&'static str, &str)], unit, price| Product {
        service,
        family,
        attributes: more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .chain([
                ("servicecode", service.to_owned()),
                ("regionCode", region.to_owned()),
                ("locationType", "AWS Region".to_owned()),
                ("usagetype", usage),
            ])
            .collect(),
        unit,
        price,
    };
    let mut products = Vec::new();
    for (name, listed) in price::hourly_of_all(region) {
        let Some(price) = set(&name, Some(listed)) else { continue };
        // The same machine with another system, or as part of a reservation, is another product.
        for (system, status, usage, price) in [
            ("Linux", "Used", "BoxUsage", price),
            ("Windows", "Used", "BoxUsage", price + price),
            ("Linux", "AllocatedCapacityReservation", "Reservation", Money::ZERO),
        ] {
            let more = [
                ("instanceType", name.as_str()),
                ("operatingSystem", system),
                ("tenancy", "Shared"),
                ("capacitystatus", status),
                ("preInstalledSw", "NA"),
                ("marketoption", "OnDemand"),
                ("operation", if system == "Linux" { "RunInstances" } else { "RunInstances:0002" }),
            ];
            let usage = format!("{prefix}{usage}:{name}");
            products.push(product("AmazonEC2", Some("Compute Instance"), usage, &more, "Hrs", price));
        }
    }
    let (iops, mib) = price::gp3_speed_month(region).unzip();
    let gp3 = [("volumeApiName", "gp3")];
    let snapshot = [("storageMedia", "Amazon S3")];
    let group = [("group", "VPCPublicIPv4Address")];
    for (rate, service, family, more, unit, name, listed) in [
        (Rate::Gp3Gib, "AmazonEC2", Some("Storage"), gp3, "GB-Mo", "gp3", price::gp3_gib_month(region)),
        (Rate::Gp3Iops, "AmazonEC2", Some("System Operation"), gp3, "IOPS-Mo", "gp3-iops", iops),
        (Rate::Gp3Mib, "AmazonEC2", Some("Provisioned Throughput"), gp3, "GiBps-mo", "gp3-throughput", mib),
        (
            Rate::SnapshotGib,
            "AmazonEC2",
            Some("Storage Snapshot"),
            snapshot,
            "GB-Mo",
            "snapshot",
            price::snapshot_gib_month(region),
        ),
        (Rate::AddressHour, "AmazonVPC", None, group, "Hrs", "address", Some(price::public_ipv4_hour())),
    ] {
        let Some(price) = set(name, listed) else { continue };
        // The services differ in whether the first region has a prefix.
        let prefix = if service == "AmazonVPC" && prefix.is_empty() { "USE1-" } else { prefix };
        let units = Money::from_micros(price.micros().saturating_mul(rate.in_a_unit()));
        products.push(product(service, family, format!("{prefix}{}", rate.usage()), &more, unit, units));
    }
    products
}

impl Product {
    fn attribute(&self, field: &str) -> Option<&str> {
        match field {
            "ServiceCode" => Some(self.service),
            "productFamily" => self.family,
            _ => self.attributes.get(field).map(String::as_str),
        }
    }

    fn text(&self) -> String {
        let sku = format!("{:016X}", hash(&format!("{}{:?}", self.service, self.attributes)));
        let (term, rate) = ON_DEMAND;
        let offer = format!("{sku}.{term}");
        let code = format!("{offer}.{rate}");
        let mut product = json!({ "attributes": self.attributes, "sku": sku });
        if let Some(family) = self.family {
            product["productFamily"] = json!(family);
        }
        let dimension = json!({
            "unit": self.unit,
            "beginRange": "0",
            "endRange": "Inf",
            "description": format!("{:.6} per {}", self.price, self.unit),
            "appliesTo": [],
            "rateCode": code,
            "pricePerUnit": { "USD": format!("{:.6}0000", self.price).trim_start_matches('$') },
        });
        let offered = json!({
            "sku": sku,
            "offerTermCode": term,
            "effectiveDate": format!("{}T00:00:00Z", price::AS_OF),
            "termAttributes": {},
            "priceDimensions": { code: dimension },
        });
        json!({
            "product": product,
            "serviceCode": self.service,
            "terms": { "OnDemand": { offer: offered } },
            "version": price::AS_OF.replace('-', ""),
            "publicationDate": format!("{}T00:00:00Z", price::AS_OF),
        })
        .to_string()
    }
}

/// What bills call a region; the first one has no such name in EC2's
/// (docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html).
fn prefix(region: &str) -> &'static str {
    match region {
        "us-east-2" => "USE2-",
        "us-west-1" => "USW1-",
        "us-west-2" => "USW2-",
        "ca-central-1" => "CAN1-",
        "eu-west-1" => "EU-",
        "eu-west-2" => "EUW2-",
        "eu-west-3" => "EUW3-",
        "eu-central-1" => "EUC1-",
        "eu-north-1" => "EUN1-",
        "ap-southeast-1" => "APS1-",
        "ap-southeast-2" => "APS2-",
        "ap-northeast-1" => "APN1-",
        "ap-south-1" => "APS3-",
        "sa-east-1" => "SAE1-",
        _ => "",
    }
}
