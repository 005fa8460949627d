//! Snapshots.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::select::Select;
use super::{Kind, Volume, ok, row, tags, volume};
use crate::backend::{Source, Storage};
use crate::clock::At;
use crate::conditions::Conditions;
use crate::ids::Ids;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, News, Region, Tags};

/// "Wait at least 15 seconds between concurrent volume snapshots" (errors-overview.html,
/// `SnapshotCreationPerVolumeRateExceeded`).
const APART: Duration = Duration::from_secs(15);

/// A snapshot of a volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Snapshot {
    pub id: String,
    pub volume: String,
    pub gib: u32,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub description: String,
    pub started: At,
    pub completed: At,
    /// It ends as `error` instead of `completed`.
    #[serde(default)]
    pub fails: bool,
    /// Another account, which shares it with this one.
    #[serde(default)]
    pub owner: Option<String>,
    pub tags: Tags,
}

row!(Snapshot);

impl Snapshot {
    pub(crate) fn status(&self, now: At) -> &'static str {
        if now < self.completed {
            "pending"
        } else if self.fails {
            "error"
        } else {
            "completed"
        }
    }

    fn owner<'a>(&'a self, account: &'a str) -> &'a str {
        self.owner.as_deref().unwrap_or(account)
    }

    fn progress(&self, now: At) -> String {
        let whole = self.completed.since(self.started).as_millis().max(1);
        if now >= self.completed {
            return if self.fails { "0%" } else { "100%" }.to_owned();
        }
        format!("{}%", now.since(self.started).as_millis() * 100 / whole)
    }

    fn xml(&self, xml: &mut Xml, account: &str, now: At) {
        let done = now >= self.completed && !self.fails;
        xml.text("snapshotId", &self.id)
            .text("volumeId", &self.volume)
            .text("status", self.status(now))
            .maybe("statusMessage", (self.status(now) == "error").then_some("The snapshot failed."))
            .text("startTime", self.started.iso())
            .text("progress", self.progress(now))
            .text("ownerId", self.owner(account))
            .text("volumeSize", self.gib)
            .text("description", &self.description)
            .text("encrypted", self.encrypted)
            .maybe("kmsKeyId", self.kms_key.as_ref())
            .text("storageTier", "standard")
            .maybe("completionTime", done.then(|| self.completed.iso()));
        tags::xml(xml, &self.tags);
    }
}

pub(crate) fn find<'a>(region: &'a Region, id: &str) -> Result<&'a Snapshot, Fail> {
    Kind::Snapshot.check(id)?;
    region.snapshots.get(id).ok_or_else(|| Kind::Snapshot.not_found(id))
}

/// The volume as it is at this moment, whatever happens to it until the snapshot is completed
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html).
pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let tags = tags::given(ctx, form, Kind::Snapshot)?;
    let (owner, now) = (ctx.owner(), ctx.now);
    let volume = volume::find(ctx.here(), form)?.clone();
    let mut taker = Taker {
        region: ctx.account.regions.entry(ctx.region.to_owned()).or_default(),
        ids: &mut *ctx.ids,
        conditions: ctx.conditions,
        now,
        news: &mut ctx.news,
    };
    let snapshot = taker.take(&volume, form.text("Description").unwrap_or_default(), tags)?;
    let mut xml = Xml::new();
    snapshot.xml(&mut xml, owner, now);
    Ok(xml)
}

/// Takes snapshots, for whoever wants them.
pub(crate) struct Taker<'a> {
    pub(crate) region: &'a mut Region,
    pub(crate) ids: &'a mut Ids,
    pub(crate) conditions: &'a Conditions,
    pub(crate) now: At,
    pub(crate) news: &'a mut Vec<News>,
}

impl Taker<'_> {
    pub(crate) fn take(&mut self, volume: &Volume, description: &str, tags: Tags) -> Result<Snapshot, Fail> {
        volume::check_made(volume, self.now)?;
        check_rate(self.region, volume, self.now)?;
        let snapshot = Snapshot {
            id: self.ids.resource(Kind::Snapshot.prefix()),
            volume: volume.id.clone(),
            gib: volume.gib,
            encrypted: volume.encrypted,
            kms_key: volume.kms_key.clone(),
            description: description.to_owned(),
            started: self.now,
            completed: self.now.plus(self.conditions.pace.snapshot),
            fails: self.conditions.snapshots_fail,
            owner: None,
            tags,
        };
        self.region.snapshots.insert(snapshot.id.clone(), snapshot.clone());
        let of = match &volume.attached {
            Some(attached) if attached.is_root(self.region) => Source::Root(attached.instance.clone()),
            attached => Source::Volume(volume.id.clone(), attached.as_ref().map(|a| a.instance.clone())),
        };
        self.news.push(News::Storage(Storage::Taken { snapshot: snapshot.id.clone(), of }));
        Ok(snapshot)
    }
}

/// A volume has five snapshots under way at most (st1 and sc1 one), begun 15 seconds apart
/// (docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html; errors-overview.html). The messages are EC2's own
/// (repost.aws/knowledge-center/ebs-snapshot-stuck,
/// support.n2ws.com/portal/en/kb/articles/volume-snapshot-may-fail-with-error-the-maximum-per-volume-createsnapshot-request-rate-has-been-exceeded).
fn check_rate(region: &Region, volume: &Volume, now: At) -> Result<(), Fail> {
    let pending: Vec<&Snapshot> = region
        .snapshots
        .values()
        .filter(|snapshot| snapshot.volume == volume.id && snapshot.status(now) == "pending")
        .collect();
    if pending.iter().any(|snapshot| now.since(snapshot.started) < APART) {
        return Err(Fail::new(
            "SnapshotCreationPerVolumeRateExceeded",
            "The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing or variable \
             sleep interval between requests.",
        ));
    }
    let most = if matches!(volume.kind.as_str(), "st1" | "sc1") { 1 } else { 5 };
    if pending.len() >= most {
        return Err(Fail::new(
            "ConcurrentSnapshotLimitExceeded",
            format!("Maximum allowed in-progress snapshots for a single volume exceeded ({most})."),
        ));
    }
    Ok(())
}

/// The account's own snapshots and those that others share with it; the public ones are left out. Of owners that are
/// named, `self` is the account (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html).
pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (owner, now) = (ctx.owner(), ctx.now);
    let owners = form.texts("Owner");
    let wanted = |snapshot: &&Snapshot| {
        let by = snapshot.owner(owner);
        owners.is_empty() || owners.iter().any(|name| *name == by || (*name == "self" && by == owner))
    };
    let select = Select {
        ids: Some((Kind::Snapshot, "SnapshotId")),
        filters: &[
            "description",
            "encrypted",
            "owner-id",
            "progress",
            "snapshot-id",
            "start-time",
            "status",
            "storage-tier",
            "volume-id",
            "volume-size",
        ],
        page: None,
    };
    let rows = ctx.here().snapshots.values().filter(wanted);
    let selection = select.from(form, rows, |snapshot, name| {
        vec![match name {
            "description" => snapshot.description.clone(),
            "encrypted" => snapshot.encrypted.to_string(),
            "owner-id" => snapshot.owner(owner).to_owned(),
            "progress" => snapshot.progress(now),
            "start-time" => snapshot.started.iso(),
            "status" => snapshot.status(now).to_owned(),
            "storage-tier" => "standard".to_owned(),
            "volume-id" => snapshot.volume.clone(),
            "volume-size" => snapshot.gib.to_string(),
            _ => snapshot.id.clone(),
        }]
    })?;
    Ok(selection.xml("snapshotSet", |xml, snapshot| snapshot.xml(xml, owner, now)))
}

/// Also one that is pending; volumes made from it stay
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html). That page has no code for a snapshot of
/// somebody else; `AuthFailure` is what EC2 has for things that are not yours (errors-overview.html).
pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let id = form.need("SnapshotId")?;
    if find(ctx.here(), id)?.owner.is_some() {
        return Err(Fail::new("AuthFailure", format!("Not authorized for snapshot: {id}")));
    }
    ctx.here().snapshots.remove(id);
    ctx.news.push(News::Storage(Storage::Forgotten { snapshot: id.to_owned() }));
    Ok(ok())
}
