//! New volumes: CreateVolume, and what RunInstances shares with it.

use std::time::Duration;

use super::volume::{Volume, check_gp3, check_size, gp2_iops};
use super::{Kind, run, snapshot, tags, zones};
use crate::backend::Storage;
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, News, Region};

/// How long a client token is remembered at least
/// (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html).
const TOKEN: Duration = Duration::from_secs(24 * 3600);

/// The key of an encrypted volume.
pub(crate) struct Encryption {
    pub(crate) encrypted: bool,
    /// The key's ARN.
    pub(crate) key: Option<String>,
    /// EC2 finds out only later that the key cannot be used.
    pub(crate) unusable: bool,
}

/// What `Encrypted` and `KmsKeyId` mean for a volume; what comes from an encrypted snapshot is encrypted, with the
/// snapshot's key unless the request names another
/// (docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html#encryption-parameters).
pub(crate) fn encryption(
    ctx: &Ctx<'_>,
    encrypted: Option<bool>,
    key: Option<&str>,
    of_snapshot: Option<&str>,
) -> Result<Encryption, Fail> {
    if key.is_some() && encrypted != Some(true) {
        return Err(Fail::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    let encrypted = encrypted.unwrap_or(false) || of_snapshot.is_some();
    let name = key.or(of_snapshot).unwrap_or("alias/aws/ebs");
    let found = ctx.conditions.keys.iter().find(|known| encrypted && known.is_called(name));
    let arn = found.map(|key| key.arn(ctx.owner(), ctx.region));
    Ok(Encryption {
        encrypted,
        unusable: encrypted && !found.is_some_and(|key| key.enabled),
        key: arn.or_else(|| key.or(of_snapshot).map(str::to_owned)),
    })
}

/// The volume is there at once and `creating` for a while. An unusable key shows only then, as `error`
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html). A token answers with what it made, also
/// when that is gone.
pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (now, region_name, owner) = (ctx.now, ctx.region, ctx.owner());
    let token = run::client_token(form)?;
    let request = super::fingerprint(form);
    let mut xml = Xml::new();
    if let Some((made_by, made)) = token.as_ref().and_then(|token| ctx.here().volume_tokens.get(token)) {
        if *made_by != request {
            return Err(super::mismatch());
        }
        made.xml(&mut xml, region_name, owner, now);
        return Ok(xml);
    }
    let zone = zone(region_name, form)?;
    let source = source(ctx, form)?;
    let gib = match (form.number("Size")?, &source) {
        (None, None) => {
            return Err(Fail::new(
                "MissingParameter",
                "The request must contain the parameter size or snapshotId",
            ));
        }
        (None, Some(source)) => source.gib,
        (Some(gib), Some(source)) if gib < source.gib => {
            return Err(Fail::new(
                "InvalidParameterValue",
                format!(
                    "Volume of size {gib}GB is smaller than snapshot '{}', expect size >= {}GB",
                    source.id, source.gib
                ),
            ));
        }
        (Some(gib), _) => gib,
    };
    let kind = form.text("VolumeType").unwrap_or("gp2");
    let (iops, throughput) = performance(form, kind, gib)?;
    let key = source.as_ref().filter(|source| source.encrypted).and_then(|source| source.kms_key.as_deref());
    let encryption = encryption(ctx, form.flag("Encrypted")?, form.text("KmsKeyId"), key)?;
    let tags = tags::given(ctx, form, Kind::Volume)?;
    let volume = Volume {
        id: ctx.ids.resource(Kind::Volume.prefix()),
        gib,
        kind: kind.to_owned(),
        iops,
        throughput,
        encrypted: encryption.encrypted,
        kms_key: encryption.key,
        snapshot: source.map(|source| source.id),
        zone,
        created: now,
        ready: now.plus(ctx.conditions.pace.volume),
        fails: encryption.unusable,
        attached: None,
        tags,
    };
    volume.xml(&mut xml, region_name, owner, now);
    ctx.news.push(News::Storage(Storage::Created {
        volume: volume.id.clone(),
        gib,
        snapshot: volume.snapshot.clone(),
    }));
    let region = ctx.here();
    if let Some(token) = token {
        region.volume_tokens.insert(token, (request, volume.clone()));
    }
    region.volumes.insert(volume.id.clone(), volume);
    Ok(xml)
}

/// By name or by id, one of them.
fn zone(region: &str, form: &Form<'_>) -> Result<String, Fail> {
    let zones = zones::zones_of(region);
    let unknown =
        |zone: &str| Fail::new("InvalidZone.NotFound", format!("The zone '{zone}' does not exist."));
    let (wanted, found) = match (form.text("AvailabilityZone"), form.text("AvailabilityZoneId")) {
        (Some(name), None) => (name, zones.into_iter().find(|zone| zone.name == name)),
        (None, Some(id)) => (id, zones.into_iter().find(|zone| zone.id == id)),
        (None, None) => return Err(form.missing("AvailabilityZone")),
        (Some(_), Some(_)) => {
            return Err(Fail::new(
                "InvalidParameterCombination",
                "The parameter AvailabilityZone cannot be used with the parameter AvailabilityZoneId",
            ));
        }
    };
    found.map(|zone| zone.name).ok_or_else(|| unknown(wanted))
}

/// The snapshot to begin with, which must be completed (errors-overview.html, `IncorrectState`).
fn source(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Option<super::Snapshot>, Fail> {
    let now = ctx.now;
    let Some(id) = form.text("SnapshotId") else { return Ok(None) };
    let source = snapshot::find(ctx.here(), id)?;
    match source.status(now) {
        "completed" => Ok(Some(source.clone())),
        state => Err(Fail::new("IncorrectState", format!("Snapshot is in invalid state - {state}"))),
    }
}

/// IOPS and throughput, each only where the type takes it and required where it has no default
/// (API_CreateVolume.html; the messages are EC2's own: github.com/kubernetes-retired/kube-aws/issues/1208,
/// github.com/kubernetes-sigs/aws-ebs-csi-driver/issues/766).
fn performance(form: &Form<'_>, kind: &str, gib: u32) -> Result<(Option<u32>, Option<u32>), Fail> {
    let (iops, throughput) = (form.number("Iops")?, form.number("Throughput")?);
    check_size(kind, gib)?;
    for (name, wrong) in [
        ("iops", iops.is_some() && !matches!(kind, "gp3" | "io1" | "io2")),
        ("throughput", throughput.is_some() && kind != "gp3"),
    ] {
        if wrong {
            return Err(Fail::new(
                "InvalidParameterCombination",
                format!("The parameter {name} is not supported for {kind} volumes."),
            ));
        }
    }
    Ok(match kind {
        "gp3" => {
            let (iops, throughput) = (iops.unwrap_or(3000), throughput.unwrap_or(125));
            check_gp3(gib, iops, throughput)?;
            (Some(iops), Some(throughput))
        }
        "gp2" => (Some(gp2_iops(gib)), None),
        "io1" | "io2" => {
            let missing = || {
                let message = format!("The parameter iops must be specified for {kind} volumes.");
                Fail::new("InvalidParameterCombination", message)
            };
            (Some(iops.ok_or_else(missing)?), None)
        }
        _ => (None, None),
    })
}

/// Forgets the tokens of a day ago.
pub(crate) fn settle(region: &mut Region, now: At) {
    region.volume_tokens.retain(|_, (_, made)| now.since(made.created) < TOKEN);
}
