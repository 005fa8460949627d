//! Asks AWS's price list.
//!
//! Source: <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html>

use std::collections::BTreeSet;

use aws_sdk_pricing::types::{Filter, FilterType};
use futures_util::future::try_join_all;
use holdfast_core::cost::Stored;
use holdfast_core::machine::{Desired, Fact, Why};
use holdfast_core::names::InstanceType;
use holdfast_core::price::Quote;
use tokio::try_join;

use super::clients::Aws;
use super::error::{call_error, garbled};
use super::observe;
use crate::problem::{CallError, CallErrorKind};

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// What shared Linux machines are that run and were not reserved, with no software that has a price of its own.
/// Source: <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html>
const LINUX: Pairs<'_> = &[
    ("operatingSystem", "Linux"),
    ("tenancy", "Shared"),
    ("capacitystatus", "Used"),
    ("preInstalledSw", "NA"),
];

/// Whether the price list can be asked.
pub(super) async fn may_ask(aws: &Aws) -> Result<(), CallError> {
    let filter = Filter::builder().r#type(FilterType::TermMatch).field("group").value("VPCPublicIPv4Address");
    let filter = filter.build().map_err(|error| garbled("pricing", "GetProducts", error.to_string()))?;
    let call = aws.pricing().get_products().service_code("AmazonVPC").filters(filter).max_results(1);
    call.send().await.map(drop).map_err(|error| call_error("pricing", "GetProducts", &error))
}

/// The prices of these types, or of all that the region has, and of what else a machine is made of.
pub(super) async fn quote(
    aws: &Aws,
    types: Option<&BTreeSet<InstanceType>>,
    now: u64,
) -> Result<Quote, CallError> {
    let mut quote = Quote {
        region: aws.region().to_string(),
        asked: now,
        whole: types.is_none(),
        hourly: types.into_iter().flatten().map(|instance_type| (instance_type.to_string(), None)).collect(),
        ..Quote::default()
    };
    let client = aws.pricing();
    let instances = async {
        let Some(types) = types else { return products(aws, &client, "AmazonEC2", LINUX, None).await };
        let each = types.iter().map(|one| products(aws, &client, "AmazonEC2", LINUX, Some(one)));
        Ok(try_join_all(each).await?.concat())
    };
    let (instances, gp3, snapshots, addresses) = try_join!(
        Box::pin(instances),
        Box::pin(products(aws, &client, "AmazonEC2", &[("volumeApiName", "gp3")], None)),
        Box::pin(products(aws, &client, "AmazonEC2", &[("productFamily", "Storage Snapshot")], None)),
        Box::pin(products(aws, &client, "AmazonVPC", &[("group", "VPCPublicIPv4Address")], None)),
    )?;
    for product in [instances, gp3, snapshots, addresses].iter().flatten() {
        quote.take_in(product);
    }
    Ok(quote)
}

/// The products of the region that match all of these, each a text of JSON.
async fn products(
    aws: &Aws,
    client: &aws_sdk_pricing::Client,
    service: &str,
    matching: Pairs<'_>,
    instance_type: Option<&InstanceType>,
) -> Result<Vec<String>, CallError> {
    let of_type = instance_type.map(|instance_type| ("instanceType", instance_type.as_str()));
    let mut call = client.get_products().service_code(service).format_version("aws_v1");
    let here = [("regionCode", aws.region().as_str())];
    for (field, value) in here.iter().chain(matching).copied().chain(of_type) {
        let filter = Filter::builder().r#type(FilterType::TermMatch).field(field).value(value).build();
        call = call.filters(filter.map_err(|error| garbled("pricing", "GetProducts", error.to_string()))?);
    }
    let pages = call.into_paginator().items().send();
    let failed = |error| call_error("pricing", "GetProducts", &error);
    pages.collect::<Result<Vec<_>, _>>().await.map_err(failed)
}

/// The machine's snapshots with their sizes. What they cost is good to know, so what forbids looking is no error.
pub(super) async fn stored(aws: &Aws, desired: &Desired) -> Result<Fact<Vec<Stored>>, CallError> {
    match observe::snapshots(aws, desired).await {
        Ok(found) => Ok(Fact::Present(found.iter().map(Stored::of).collect())),
        Err(error) if matches!(error.kind, CallErrorKind::Credentials(_)) => Err(error),
        Err(error) if error.is_denied() => Ok(Fact::Unknown(Why::Denied(error.action()))),
        Err(error) => {
            tracing::debug!(?error, "the snapshots cannot be seen");
            Ok(Fact::Unknown(Why::Failed(error.code().to_owned())))
        }
    }
}
