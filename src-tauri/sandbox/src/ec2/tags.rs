//! Tags: given at creation, added, removed, listed.

use super::select::{Row, Select};
use super::{Kind, ok};
use crate::wire::{Fail, Form, Service, Xml};
use crate::world::{Ctx, Region, Tags};

/// The tags that a creating request gives to one kind of resource; other kinds are refused.
pub(crate) fn given(ctx: &Ctx<'_>, form: &Form<'_>, kind: Kind) -> Result<Tags, Fail> {
    Ok(given_to(ctx, form, &[kind])?.into_iter().next().unwrap_or_default())
}

/// The tags that a creating request gives to each of these kinds. Tagging at creation needs `ec2:CreateTags` too
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html).
pub(crate) fn given_to(ctx: &Ctx<'_>, form: &Form<'_>, kinds: &[Kind]) -> Result<Vec<Tags>, Fail> {
    given_as(ctx, form, "TagSpecification", kinds)
}

/// The same under the name that the operation has for them: `TagSpecifications` where EC2's API model leaves the name
/// of the member as it is.
pub(crate) fn given_as(
    ctx: &Ctx<'_>,
    form: &Form<'_>,
    parameter: &str,
    kinds: &[Kind],
) -> Result<Vec<Tags>, Fail> {
    let mut all = vec![Tags::new(); kinds.len()];
    for specification in form.items(parameter) {
        let named = specification.need("ResourceType")?;
        let Some(tags) =
            kinds.iter().position(|kind| kind.resource_type() == named).and_then(|i| all.get_mut(i))
        else {
            return Err(Fail::new(
                "InvalidParameterValue",
                format!("'{named}' is not a valid taggable resource type for this operation."),
            ));
        };
        read(&specification, tags)?;
    }
    if all.iter().any(|tags| !tags.is_empty()) {
        ctx.allow(Service::Ec2, "CreateTags", &format!("arn:aws:ec2:{}:{}:*/*", ctx.region, ctx.owner()))?;
    }
    Ok(all)
}

/// AWS's own tags: nobody else sets or removes them, and they do not count
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions).
fn is_reserved(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("aws:")
}

fn reserved() -> Fail {
    Fail::new("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
}

/// Limits: docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions.
fn read(form: &Form<'_>, tags: &mut Tags) -> Result<(), Fail> {
    let invalid = |message: String| Fail::new("InvalidParameterValue", message);
    for tag in form.items("Tag") {
        let key = tag.raw("Key").unwrap_or_default();
        let value = tag.raw("Value").unwrap_or_default();
        if key.is_empty() {
            return Err(invalid("Tag keys cannot be empty or null".to_owned()));
        }
        if is_reserved(key) {
            return Err(reserved());
        }
        if key.chars().count() > 128 {
            return Err(invalid(format!("Tag key '{key}' exceeds the maximum length of 128 characters")));
        }
        if value.chars().count() > 256 {
            return Err(invalid(format!("Tag value '{value}' exceeds the maximum length of 256 characters")));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    if tags.len() > 50 {
        return Err(Fail::new(
            "TagLimitExceeded",
            "The maximum number of tags for a resource has been reached.",
        ));
    }
    Ok(())
}

pub(crate) fn xml(xml: &mut Xml, tags: &Tags) {
    xml.list("tagSet", tags, |xml, (key, value)| {
        xml.text("key", key).text("value", value);
    });
}

pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let mut new = Tags::new();
    read(form, &mut new)?;
    if new.is_empty() {
        return Err(form.missing("Tag"));
    }
    for id in resources(form)? {
        let tags = tags_of(ctx.here(), id)?;
        tags.extend(new.clone());
        if tags.keys().filter(|key| !is_reserved(key)).count() > 50 {
            return Err(Fail::new(
                "TagLimitExceeded",
                "The maximum number of tags for a resource has been reached.",
            ));
        }
    }
    Ok(ok())
}

/// A tag with a value goes only when it has that value; without `Tag` all tags go but AWS's own
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html).
pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    for id in resources(form)? {
        let tags = tags_of(ctx.here(), id)?;
        let named = form.items("Tag");
        if named.is_empty() {
            tags.retain(|key, _| is_reserved(key));
        }
        for tag in named {
            let key = tag.need("Key")?;
            if is_reserved(key) {
                return Err(reserved());
            }
            if tag.raw("Value").is_none_or(|value| tags.get(key).is_some_and(|have| have == value)) {
                tags.remove(key);
            }
        }
    }
    Ok(ok())
}

fn resources<'a>(form: &Form<'a>) -> Result<Vec<&'a str>, Fail> {
    let ids = form.texts("ResourceId");
    if ids.is_empty() { Err(form.missing("ResourceId")) } else { Ok(ids) }
}

fn tags_of<'a>(region: &'a mut Region, id: &str) -> Result<&'a mut Tags, Fail> {
    let Some(kind) = Kind::of(id) else {
        return Err(Fail::new("InvalidID", format!("The ID '{id}' is not valid")));
    };
    let tags = match kind {
        Kind::Vpc => region.vpcs.get_mut(id).map(|vpc| &mut vpc.tags),
        Kind::Subnet => region.subnets.get_mut(id).map(|subnet| &mut subnet.tags),
        Kind::Gateway => region.gateways.get_mut(id).map(|gateway| &mut gateway.tags),
        Kind::RouteTable => region.route_tables.get_mut(id).map(|table| &mut table.tags),
        Kind::Group => region.groups.get_mut(id).map(|group| &mut group.tags),
        Kind::GroupRule => region
            .groups
            .values_mut()
            .flat_map(|group| &mut group.rules)
            .find(|rule| rule.id == id)
            .map(|rule| &mut rule.tags),
        Kind::Instance => region.instances.get_mut(id).map(|instance| &mut instance.tags),
        Kind::Interface => region.interfaces.get_mut(id).map(|interface| &mut interface.tags),
        Kind::Volume => region.volumes.get_mut(id).map(|volume| &mut volume.tags),
        Kind::Snapshot => region.snapshots.get_mut(id).map(|snapshot| &mut snapshot.tags),
        Kind::CapacityReservation => {
            region.capacity_reservations.get_mut(id).map(|reservation| &mut reservation.tags)
        }
        Kind::Image | Kind::Association => None,
    };
    tags.ok_or_else(|| kind.not_found(id))
}

struct Tagged<'a> {
    /// Resource and key: the order of the pages.
    id: String,
    kind: Kind,
    resource: &'a str,
    key: &'a str,
    value: &'a str,
    own: Tags,
}

impl Row for Tagged<'_> {
    fn id(&self) -> &str {
        &self.id
    }
    fn tags(&self) -> &Tags {
        &self.own
    }
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let region = &*ctx.here();
    let mut rows = Vec::new();
    for (kind, resource, tags) in all(region) {
        for (key, value) in tags {
            let own = Tags::from([(key.clone(), value.clone())]);
            rows.push(Tagged { id: format!("{resource} {key}"), kind, resource, key, value, own });
        }
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let select =
        Select { ids: None, filters: &["key", "resource-id", "resource-type", "value"], page: Some(1000) };
    let selection = select.from(form, rows.iter(), |row: &Tagged<'_>, name| {
        vec![match name {
            "key" => row.key.to_owned(),
            "value" => row.value.to_owned(),
            "resource-id" => row.resource.to_owned(),
            _ => row.kind.resource_type().to_owned(),
        }]
    })?;
    Ok(selection.xml("tagSet", |xml, row| {
        xml.text("key", row.key)
            .text("resourceId", row.resource)
            .text("resourceType", row.kind.resource_type())
            .text("value", row.value);
    }))
}

fn all(region: &Region) -> Vec<(Kind, &str, &Tags)> {
    fn of<'a, R: Row + 'a>(
        kind: Kind,
        rows: impl Iterator<Item = &'a R> + 'a,
    ) -> impl Iterator<Item = (Kind, &'a str, &'a Tags)> {
        rows.map(move |row| (kind, row.id(), row.tags()))
    }
    of(Kind::Vpc, region.vpcs.values())
        .chain(of(Kind::Subnet, region.subnets.values()))
        .chain(of(Kind::Gateway, region.gateways.values()))
        .chain(of(Kind::RouteTable, region.route_tables.values()))
        .chain(of(Kind::Group, region.groups.values()))
        .chain(of(Kind::GroupRule, region.groups.values().flat_map(|group| &group.rules)))
        .chain(of(Kind::Instance, region.instances.values()))
        .chain(of(Kind::Interface, region.interfaces.values()))
        .chain(of(Kind::Volume, region.volumes.values()))
        .chain(of(Kind::Snapshot, region.snapshots.values()))
        .chain(of(Kind::CapacityReservation, region.capacity_reservations.values()))
        .collect()
}
