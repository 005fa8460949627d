use serde_json::json;

use super::*;
use crate::price::AS_OF;

/// 2026-11-29T11:00:00Z.
const NOW: u64 = 1_795_950_000;

fn quote() -> Quote {
    Quote { region: "us-west-2".to_owned(), asked: NOW, ..Quote::default() }
}

fn product(attributes: &[(&str, &str)], price: &Value) -> String {
    let dimensions = json!({ "SKU.JRTCKXETXF.6YS6EN2CT7": { "pricePerUnit": price } });
    let reserved = json!({ "SKU.X.Y": { "pricePerUnit": { "USD": "9.0" } } });
    let mut product = json!({
        "product": { "attributes": { "regionCode": "us-west-2", "locationType": "AWS Region" } },
        "terms": {
            "OnDemand": { "SKU.JRTCKXETXF": { "priceDimensions": dimensions } },
            "Reserved": { "SKU.X": { "priceDimensions": reserved } },
        },
    });
    for (name, value) in attributes {
        product["product"]["attributes"][*name] = json!(value);
    }
    product.to_string()
}

fn usd(price: &str) -> Value {
    json!({ "USD": price })
}

const LINUX: [(&str, &str); 6] = [
    ("instanceType", "m8g.xlarge"),
    ("operatingSystem", "Linux"),
    ("tenancy", "Shared"),
    ("capacitystatus", "Used"),
    ("preInstalledSw", "NA"),
    ("usagetype", "USW2-BoxUsage:m8g.xlarge"),
];

#[test]
fn what_is_listed_comes_before_the_table_and_the_table_fills_in() {
    let mut quote = quote();
    quote.take_in(&product(&LINUX, &usd("0.2000000000")));
    for (usage, price) in [
        ("USW2-EBS:VolumeUsage.gp3", "0.0900000000"),
        ("USW2-EBS:VolumeP-IOPS.gp3", "0.0060000000"),
        ("USW2-EBS:VolumeP-Throughput.gp3", "49.152"),
        ("EBS:SnapshotUsage", "0.051"),
        ("USW2-PublicIPv4:InUseAddress", "0.006"),
    ] {
        quote.take_in(&product(&[("usagetype", usage)], &usd(price)));
    }
    let prices = Prices::new(Some(quote));
    let shown = |money: Option<Money>| money.map(|money| format!("{money:.4}")).unwrap_or_default();
    assert_eq!(shown(prices.hourly("us-west-2", "m8g.xlarge")), "$0.2000");
    assert_eq!(shown(prices.hourly("us-west-2", "m8g.large")), "$0.0898");
    assert_eq!(shown(prices.hourly("us-east-1", "m8g.xlarge")), "$0.1795", "another region is another list");
    // 100 × 0.09 + 1000 × 0.006 + 25 × 0.048
    assert_eq!(shown(prices.gp3_month("us-west-2", 100, 4000, 150)), "$16.2000");
    assert_eq!(shown(prices.snapshot_gib_month("us-west-2")), "$0.0510");
    assert_eq!(shown(prices.address_hour("us-west-2")), "$0.0060");
    assert_eq!(prices.words(), "list prices of AWS, asked 2026-11-29; what was not asked for, 2026-07-20");
}

#[test]
fn what_is_something_else_is_no_price() {
    let but = |name: &'static str, value: &'static str| {
        let mut changed = LINUX;
        changed.iter_mut().filter(|(known, _)| *known == name).for_each(|pair| pair.1 = value);
        product(&changed, &usd("0.2"))
    };
    let gp3 = ("usagetype", "USW2-EBS:VolumeUsage.gp3");
    for text in [
        but("operatingSystem", "Windows"),
        but("tenancy", "Dedicated"),
        but("capacitystatus", "AllocatedCapacityReservation"),
        but("preInstalledSw", "SQL Std"),
        product(&LINUX, &json!({ "CNY": "1.0" })),
        product(&LINUX, &usd("0.0000000000")),
        product(&LINUX, &usd("-1")),
        product(&LINUX, &usd("1e3")),
        product(&[gp3, ("regionCode", "us-west-2-lax-1")], &usd("0.2")),
        product(&[gp3, ("locationType", "AWS Outposts")], &usd("0.2")),
        product(&[("usagetype", "USW2-XEBS:SnapshotUsage")], &usd("0.2")),
        product(&[("usagetype", "USW2-EBS:SnapshotUsageUnderBilling")], &usd("0.2")),
        "[]".to_owned(),
        "{".to_owned(),
    ] {
        let mut quote = quote();
        quote.take_in(&text);
        assert_eq!((quote.hourly.len(), quote.rates.len()), (0, 0), "{text}");
    }
}

#[test]
fn dollars_are_read_to_the_micro_dollar() {
    let read = |text| dollars(text).map(Money::micros);
    assert_eq!(read("0.1795200000"), Some(179_520));
    assert_eq!(read("49.1520000000"), Some(49_152_000));
    assert_eq!(read("0.0000005"), Some(1));
    assert_eq!(read("7"), Some(7_000_000));
    assert_eq!(["", ".5", "1.2.3", "é", "18446744073709551616"].map(read), [None; 5]);
}

#[test]
fn a_week_is_fresh_and_the_future_never() {
    let mut quote = quote();
    quote.hourly.insert("m8g.xlarge".to_owned(), None);
    assert!(quote.is_fresh(["m8g.xlarge"], NOW + FRESH - 1));
    assert!(!quote.is_fresh(["m8g.xlarge"], NOW + FRESH));
    assert!(!quote.is_fresh(["m8g.xlarge"], NOW - 1), "the clock was wrong");
    assert!(!quote.is_fresh(["m8g.large"], NOW), "nobody asked for that one");
    quote.whole = true;
    assert!(quote.is_fresh(["m8g.large"], NOW));
}

#[test]
fn a_list_that_is_older_than_the_table_is_not_used() {
    let mut old = quote();
    old.asked = crate::time::find_moment("2026-07-20T23:00:00Z").unwrap();
    old.hourly.insert("m8g.xlarge".to_owned(), Some(Money::from_micros(1)));
    let prices = Prices::new(Some(old));
    assert_eq!(prices, Prices::default());
    assert_eq!((prices.day().as_str(), prices.words().as_str()), (AS_OF, "list prices of AWS, 2026-07-20"));
}

#[test]
fn other_partitions_are_not_known() {
    for region in ["cn-north-1", "us-gov-west-1", "mars-north-1"] {
        let month = Prices::default().monthly(region, "m8g.xlarge", 100);
        assert_eq!((month.instance, month.volume, month.total()), (None, None, None), "{region}");
    }
    assert_eq!(Prices::default().address_hour("cn-north-1"), None);
}
