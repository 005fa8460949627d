//! Changes of a volume's size and performance.
//!
//! docs.aws.amazon.com/ebs/latest/userguide/ebs-modify-volume.html

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Kind;
use super::select::{Row, Select};
use super::volume::{check_gp3, check_made, check_size, find, gp2_iops};
use crate::backend::Storage;
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, News, Region, Tags};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A change of a volume's size or performance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Modification {
    pub volume: String,
    pub from: Shape,
    pub to: Shape,
    pub started: At,
    pub optimizing: At,
    pub completed: At,
    /// When this volume was modified before, the last one included.
    pub history: Vec<At>,
    /// The volume does not have its new shape yet.
    #[serde(default)]
    pub pending: bool,
    /// It ends as `failed` instead of `optimizing`.
    #[serde(default)]
    pub fails: bool,
    none: Tags,
}

/// What a modification changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Shape {
    pub gib: u32,
    pub kind: String,
    pub iops: Option<u32>,
    pub throughput: Option<u32>,
}

impl Row for Modification {
    fn id(&self) -> &str {
        &self.volume
    }
    fn tags(&self) -> &Tags {
        &self.none
    }
}

impl Modification {
    fn state(&self, now: At) -> &'static str {
        if now < self.optimizing {
            "modifying"
        } else if self.fails {
            "failed"
        } else if now < self.completed {
            "optimizing"
        } else {
            "completed"
        }
    }

    /// When it is over, one way or the other.
    fn end(&self) -> At {
        if self.fails { self.optimizing } else { self.completed }
    }

    fn progress(&self, now: At) -> u128 {
        if self.fails {
            return 0;
        }
        let whole = self.completed.since(self.optimizing).as_millis().max(1);
        if now >= self.completed { 100 } else { now.since(self.optimizing).as_millis() * 100 / whole }
    }

    fn xml(&self, xml: &mut Xml, now: At) {
        let over = now >= self.end();
        xml.text("volumeId", &self.volume)
            .text("modificationState", self.state(now))
            .maybe("statusMessage", (over && self.fails).then_some("The modification failed. Try it again."))
            .text("targetSize", self.to.gib)
            .text("targetVolumeType", &self.to.kind)
            .maybe("targetIops", self.to.iops)
            .maybe("targetThroughput", self.to.throughput)
            .text("targetMultiAttachEnabled", false)
            .text("originalSize", self.from.gib)
            .text("originalVolumeType", &self.from.kind)
            .maybe("originalIops", self.from.iops)
            .maybe("originalThroughput", self.from.throughput)
            .text("originalMultiAttachEnabled", false)
            .text("progress", self.progress(now))
            .text("startTime", self.started.iso())
            .maybe("endTime", over.then(|| self.end().iso()));
    }
}

/// What the volume is to become. IOPS and throughput stay where the type does; another type begins with its own
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html).
fn wanted(form: &Form<'_>, from: &Shape) -> Result<Shape, Fail> {
    let gib = form.number("Size")?.unwrap_or(from.gib);
    let kind = form.text("VolumeType").unwrap_or(&from.kind);
    let (asked_iops, asked_throughput) = (form.number("Iops")?, form.number("Throughput")?);
    let same = kind == from.kind;
    check_size(kind, gib)?;
    let takes_iops = matches!(kind, "gp3" | "io1" | "io2");
    for (name, wrong) in [
        ("iops", asked_iops.is_some() && !takes_iops),
        ("throughput", asked_throughput.is_some() && kind != "gp3"),
    ] {
        if wrong {
            return Err(Fail::new(
                "InvalidParameterCombination",
                format!("The parameter {name} is not supported for {kind} volumes."),
            ));
        }
    }
    let iops = match kind {
        "gp2" => Some(gp2_iops(gib)),
        _ if takes_iops => Some(asked_iops.or(from.iops.filter(|_| same)).unwrap_or(3000)),
        _ => None,
    };
    let throughput =
        (kind == "gp3").then(|| asked_throughput.or(from.throughput.filter(|_| same)).unwrap_or(125));
    if let (Some(iops), Some(throughput)) = (iops, throughput) {
        check_gp3(gib, iops, throughput)?;
    }
    Ok(Shape { gib, kind: kind.to_owned(), iops, throughput })
}

/// A volume grows or changes its performance, never shrinks; the next change waits until the last is completed (or
/// failed: then it is to be tried again), and there are at most four in 24 hours
/// (docs.aws.amazon.com/ebs/latest/userguide/modify-volume-requirements.html, monitoring-volume-modifications.html).
pub(crate) fn modify(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (now, pace, fails) = (ctx.now, ctx.conditions.pace, ctx.conditions.modifications_fail);
    let region = ctx.here();
    let volume = find(region, form)?;
    check_made(volume, now)?;
    let id = volume.id.clone();
    let from = Shape {
        gib: volume.gib,
        kind: volume.kind.clone(),
        iops: volume.iops,
        throughput: volume.throughput,
    };
    let to = wanted(form, &from)?;
    if to.gib < from.gib {
        return Err(Fail::new("InvalidParameterValue", "New size cannot be smaller than existing size"));
    }
    let last = region.modifications.get(&id);
    if let Some(last) = last.filter(|last| now < last.end()) {
        return Err(Fail::new(
            "IncorrectModificationState",
            format!(
                "Volume {id} cannot be modified in modification state {}",
                last.state(now).to_ascii_uppercase()
            ),
        ));
    }
    let mut history = last.map(|last| last.history.clone()).unwrap_or_default();
    history.retain(|at| now.since(*at) < DAY);
    if let [first, _, _, _, ..] = history.as_slice() {
        return Err(Fail::new(
            "VolumeModificationRateExceeded",
            format!(
                "You've reached the maximum modification rate per volume limit. The next modification is possible at \
                 {}.",
                first.plus(DAY).iso()
            ),
        ));
    }
    history.push(now);
    let optimizing = now.plus(pace.modify);
    let completed = optimizing.plus(pace.optimize);
    let modification = Modification {
        volume: id.clone(),
        from,
        to,
        started: now,
        optimizing,
        completed,
        history,
        pending: true,
        fails,
        none: Tags::new(),
    };
    let mut xml = Xml::new();
    xml.node("volumeModification", |xml| modification.xml(xml, now));
    region.modifications.insert(id, modification);
    Ok(xml)
}

/// A new size counts as soon as the modification is `optimizing`
/// (docs.aws.amazon.com/ebs/latest/userguide/monitoring-volume-modifications.html); DescribeVolumes shows the new
/// performance from then on, too, though the volume reaches it only with `completed`.
pub(crate) fn settle(region: &mut Region, now: At, news: &mut Vec<News>) {
    let Region { modifications, volumes, instances, .. } = region;
    for due in modifications.values_mut().filter(|last| last.pending && last.optimizing <= now) {
        due.pending = false;
        let Some(volume) = volumes.get_mut(&due.volume).filter(|_| !due.fails) else { continue };
        (volume.gib, volume.iops, volume.throughput) = (due.to.gib, due.to.iops, due.to.throughput);
        volume.kind.clone_from(&due.to.kind);
        if due.to.gib == due.from.gib {
            continue;
        }
        let booted = volume.attached.as_ref().filter(|attached| {
            instances.get(&attached.instance).is_some_and(|instance| instance.root_device == attached.device)
        });
        news.push(match booted {
            Some(attached) => News::Resize(attached.instance.clone(), due.to.gib),
            None => News::Storage(Storage::Grown { volume: due.volume.clone(), gib: due.to.gib }),
        });
    }
}

/// The last modification of each volume. One that was never modified has none
/// (docs.aws.amazon.com/ebs/latest/userguide/monitoring-volume-modifications.html).
pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let now = ctx.now;
    let region = &*ctx.here();
    for id in form.texts("VolumeId") {
        Kind::Volume.check(id)?;
        if !region.volumes.contains_key(id) {
            return Err(Kind::Volume.not_found(id));
        }
        if !region.modifications.contains_key(id) {
            return Err(Fail::new(
                "InvalidVolumeModification.NotFound",
                format!("Modification for volume '{id}' does not exist."),
            ));
        }
    }
    let select = Select {
        ids: Some((Kind::Volume, "VolumeId")),
        filters: &[
            "modification-state",
            "original-iops",
            "original-size",
            "original-volume-type",
            "start-time",
            "target-iops",
            "target-size",
            "target-volume-type",
            "volume-id",
        ],
        page: None,
    };
    let selection = select.from(form, region.modifications.values(), |modification, name| {
        let iops = |shape: &Shape| shape.iops.map(|iops| iops.to_string()).into_iter().collect();
        match name {
            "modification-state" => vec![modification.state(now).to_owned()],
            "original-iops" => iops(&modification.from),
            "original-size" => vec![modification.from.gib.to_string()],
            "original-volume-type" => vec![modification.from.kind.clone()],
            "start-time" => vec![modification.started.iso()],
            "target-iops" => iops(&modification.to),
            "target-size" => vec![modification.to.gib.to_string()],
            "target-volume-type" => vec![modification.to.kind.clone()],
            _ => vec![modification.volume.clone()],
        }
    })?;
    Ok(selection.xml("volumeModificationSet", |xml, modification| modification.xml(xml, now)))
}
