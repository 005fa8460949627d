//! Snapshots.

use serde::{Deserialize, Serialize};

use super::select::Select;
use super::{Kind, ok, row, tags, volume};
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

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
    pub tags: Tags,
}

row!(Snapshot);

impl Snapshot {
    fn status(&self, now: At) -> &'static str {
        if now < self.completed { "pending" } else { "completed" }
    }

    fn progress(&self, now: At) -> String {
        let whole = self.completed.since(self.started).as_millis().max(1);
        format!("{}%", (now.since(self.started).as_millis() * 100 / whole).min(100))
    }

    fn xml(&self, xml: &mut Xml, owner: &str, now: At) {
        let done = now >= self.completed;
        xml.text("snapshotId", &self.id)
            .text("volumeId", &self.volume)
            .text("status", self.status(now))
            .text("startTime", self.started.iso())
            .text("progress", if done { "100%".to_owned() } else { self.progress(now) })
            .text("ownerId", owner)
            .text("volumeSize", self.gib)
            .text("description", &self.description)
            .text("encrypted", self.encrypted)
            .maybe("kmsKeyId", self.kms_key.as_ref())
            .text("storageTier", "standard")
            .maybe("completionTime", done.then(|| self.completed.iso()));
        tags::xml(xml, &self.tags);
    }
}

pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let tags = tags::given(ctx, form, Kind::Snapshot)?;
    let (owner, now, pace) = (ctx.owner(), ctx.now, ctx.conditions.pace);
    let id = ctx.ids.resource("snap");
    let region = ctx.here();
    let volume = volume::find(region, form)?;
    let snapshot = Snapshot {
        id,
        volume: volume.id.clone(),
        gib: volume.gib,
        encrypted: volume.encrypted,
        kms_key: volume.kms_key.clone(),
        description: form.text("Description").unwrap_or_default().to_owned(),
        started: now,
        completed: now.plus(pace.snapshot),
        tags,
    };
    let mut xml = Xml::new();
    snapshot.xml(&mut xml, owner, now);
    region.snapshots.insert(snapshot.id.clone(), snapshot);
    Ok(xml)
}

/// Only the account's own snapshots; the public ones of AWS are left out.
pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (owner, now) = (ctx.owner(), ctx.now);
    let owners = form.texts("Owner");
    let ours = owners.is_empty() || owners.iter().any(|name| *name == "self" || *name == owner);
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
            "volume-id",
            "volume-size",
        ],
        page: None,
    };
    let rows = ctx.here().snapshots.values().filter(|_| ours);
    let selection = select.from(form, rows, |snapshot, name| {
        vec![match name {
            "description" => snapshot.description.clone(),
            "encrypted" => snapshot.encrypted.to_string(),
            "owner-id" => owner.to_owned(),
            "progress" => snapshot.progress(now),
            "start-time" => snapshot.started.iso(),
            "status" => snapshot.status(now).to_owned(),
            "volume-id" => snapshot.volume.clone(),
            "volume-size" => snapshot.gib.to_string(),
            _ => snapshot.id.clone(),
        }]
    })?;
    Ok(selection.xml("snapshotSet", |xml, snapshot| snapshot.xml(xml, owner, now)))
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let id = form.need("SnapshotId")?;
    Kind::Snapshot.check(id)?;
    ctx.here().snapshots.remove(id).ok_or_else(|| Kind::Snapshot.not_found(id))?;
    Ok(ok())
}
