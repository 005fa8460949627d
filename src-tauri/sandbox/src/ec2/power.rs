//! Instances over time: start, stop, reboot, terminate, and what happens by itself.

use super::instance::{Instance, SHUT_DOWN_INSIDE, State};
use super::{Attached, Kind, Volume, capacity, ok, run, types};
use crate::backend::{Power, Storage};
use crate::clock::At;
use crate::conditions::Pace;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, News, Region};

/// Instance id, state before, state after.
type Change = (String, State, State);

fn answer(changes: Vec<Change>) -> Xml {
    let mut xml = Xml::new();
    xml.list("instancesSet", changes, |xml, (id, before, after)| {
        xml.text("instanceId", id);
        after.xml(xml, "currentState");
        before.xml(xml, "previousState");
    });
    xml
}

fn named<'a>(ctx: &mut Ctx<'_>, form: &Form<'a>) -> Result<Vec<&'a str>, Fail> {
    let ids = form.texts("InstanceId");
    if ids.is_empty() {
        return Err(form.missing("InstanceId"));
    }
    for id in &ids {
        Kind::Instance.check(id)?;
        if !ctx.here().instances.contains_key(*id) {
            return Err(Kind::Instance.not_found(id));
        }
    }
    Ok(ids)
}

fn get<'a>(ctx: &'a mut Ctx<'_>, id: &str) -> Result<&'a mut Instance, Fail> {
    ctx.here().instances.get_mut(id).ok_or_else(|| Kind::Instance.not_found(id))
}

fn wrong_state(id: &str, verb: &str) -> Fail {
    Fail::new(
        "IncorrectInstanceState",
        format!("The instance '{id}' is not in a state from which it can be {verb}."),
    )
}

/// A start needs a zone that offers the type, quota and capacity again, and brings a new public address
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-ec2-instance-stop-start-works.html).
pub(crate) fn start(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let mut changes = Vec::new();
    for id in named(ctx, form)? {
        let due = ctx.now.plus(ctx.conditions.pace.boot);
        let now = ctx.now;
        let instance = get(ctx, id)?;
        let before = instance.state;
        match before {
            State::Running | State::Pending => {
                changes.push((id.to_owned(), before, before));
                continue;
            }
            State::Stopping | State::ShuttingDown | State::Terminated => {
                return Err(wrong_state(id, "started"));
            }
            State::Stopped => {}
        }
        let (kind, zone, root) = (instance.kind.clone(), instance.zone.clone(), instance.root_device.clone());
        check_root(ctx.here(), id, &root)?;
        if !types::offered(ctx.conditions, &zone, &kind) {
            return Err(run::not_offered(ctx, &kind, &zone));
        }
        let vcpus = types::named(&kind).map_or(0, |kind| kind.vcpus);
        run::check_room(ctx, &kind, vcpus, 1, &zone)?;
        let number = ctx.ids.number();
        for interface in ctx.here().interfaces.values_mut().filter(|interface| interface.instance == id) {
            interface.public_address = interface.wants_public.then(|| run::public_address(number));
        }
        let instance = get(ctx, id)?;
        (instance.state, instance.due, instance.launched, instance.reason) =
            (State::Pending, Some(due), now, None);
        capacity::fill(ctx.here(), now);
        changes.push((id.to_owned(), before, State::Pending));
    }
    Ok(answer(changes))
}

/// The message is EC2's own (docs.aws.amazon.com/ebs/latest/userguide/ebs-detaching-volume.html says that the root volume
/// has to be put back before a start).
fn check_root(region: &Region, id: &str, root: &str) -> Result<(), Fail> {
    let here = |attached: &Attached| attached.instance == id && attached.device == root;
    if region.volumes.values().filter_map(|volume| volume.attached.as_ref()).any(here) {
        return Ok(());
    }
    Err(Fail::new(
        "InvalidParameterValue",
        format!(
            "Invalid value '{id}' for instanceId. Instance does not have a volume attached at root ({root})"
        ),
    ))
}

pub(crate) fn stop(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let mut changes = Vec::new();
    for id in named(ctx, form)? {
        let (now, pace) = (ctx.now, ctx.conditions.pace);
        let instance = get(ctx, id)?;
        let before = instance.state;
        match before {
            State::Stopping | State::Stopped => {}
            State::Pending | State::ShuttingDown | State::Terminated => {
                return Err(wrong_state(id, "stopped"));
            }
            State::Running => {
                begin_stop(instance, now, &pace, user("Client.UserInitiatedShutdown", now));
                ctx.news.push(News::Power(id.to_owned(), Power::Off));
            }
        }
        let after = get(ctx, id)?.state;
        changes.push((id.to_owned(), before, after));
    }
    Ok(answer(changes))
}

fn user(code: &str, now: At) -> (String, String) {
    (code.to_owned(), format!("User initiated ({})", now.gmt()))
}

fn begin_stop(instance: &mut Instance, now: At, pace: &Pace, reason: (String, String)) {
    instance.state = State::Stopping;
    instance.due = Some(now.plus(pace.stop));
    instance.reason = Some(reason);
}

fn begin_terminate(instance: &mut Instance, now: At, pace: &Pace, reason: (String, String)) {
    instance.state = State::ShuttingDown;
    instance.due = Some(now.plus(pace.terminate));
    instance.reason = Some(reason);
}

pub(crate) fn reboot(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    for id in named(ctx, form)? {
        let online = ctx.now.plus(ctx.conditions.pace.agent);
        let instance = get(ctx, id)?;
        if !instance.is_running() {
            return Err(wrong_state(id, "rebooted"));
        }
        instance.online = online;
        ctx.news.push(News::Power(id.to_owned(), Power::Reboot));
    }
    Ok(ok())
}

/// All or none: instances of one zone are terminated together
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html).
pub(crate) fn terminate(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let mut changes = Vec::new();
    for id in named(ctx, form)? {
        let (now, pace) = (ctx.now, ctx.conditions.pace);
        let instance = get(ctx, id)?;
        let before = instance.state;
        if !instance.is_gone() {
            if instance.protected {
                return Err(Fail::new(
                    "OperationNotPermitted",
                    format!(
                        "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance \
                         attribute and try again."
                    ),
                ));
            }
            begin_terminate(instance, now, &pace, user("Client.UserInitiatedShutdown", now));
            let mut news = std::mem::take(&mut ctx.news);
            destroy(ctx.here(), id, &mut news);
            ctx.news = news;
        }
        let after = get(ctx, id)?.state;
        changes.push((id.to_owned(), before, after));
    }
    Ok(answer(changes))
}

/// The machine powers itself off: it stops, or terminates, as its shutdown behavior says; termination protection does
/// not cover this (docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html).
pub(crate) fn power_off_inside(region: &mut Region, id: &str, now: At, pace: &Pace, news: &mut Vec<News>) {
    let Some(instance) = region.instances.get_mut(id).filter(|instance| instance.is_running()) else {
        return;
    };
    let reason = (SHUT_DOWN_INSIDE.to_owned(), "Instance initiated shutdown".to_owned());
    if instance.shutdown_terminates {
        begin_terminate(instance, now, pace, reason);
        return destroy(region, id, news);
    }
    begin_stop(instance, now, pace, reason);
    news.push(News::Power(id.to_owned(), Power::Off));
}

/// The machine goes; a root volume that outlives it is taken out before.
fn destroy(region: &Region, id: &str, news: &mut Vec<News>) {
    let of_this = |volume: &Volume| {
        volume.attached.as_ref().is_some_and(|attached| {
            attached.instance == id && attached.is_root(region) && !attached.delete_on_termination
        })
    };
    for volume in region.volumes.values().filter(|volume| of_this(volume)) {
        let (volume, instance) = (volume.id.clone(), id.to_owned());
        news.push(News::Storage(Storage::Detached { volume, instance, root: true }));
    }
    news.push(News::Power(id.to_owned(), Power::Destroyed));
}

/// Moves on whatever is due.
pub(crate) fn settle(region: &mut Region, now: At, pace: &Pace, news: &mut Vec<News>) {
    let due: Vec<String> = region
        .instances
        .values()
        .filter(|instance| instance.due.is_some_and(|due| due <= now))
        .map(|instance| instance.id.clone())
        .collect();
    for id in due {
        let Some(instance) = region.instances.get_mut(&id) else { continue };
        let at = instance.due.take().unwrap_or(now);
        match (instance.state, instance.doomed.clone()) {
            (State::Pending, Some((code, message))) => {
                instance.reason = Some((code, message));
                finish(region, &id, at, news);
            }
            (State::Pending, None) => {
                instance.state = State::Running;
                instance.online = at.plus(pace.agent);
                news.push(News::Power(id, Power::On));
            }
            (State::Stopping, _) => {
                instance.state = State::Stopped;
                for interface in region.interfaces.values_mut().filter(|interface| interface.instance == id) {
                    interface.public_address = None;
                }
            }
            (State::ShuttingDown, _) => finish(region, &id, at, news),
            (State::Running | State::Stopped | State::Terminated, _) => {}
        }
    }
    region.instances.retain(|_, instance| {
        instance.terminated.is_none_or(|terminated| now.since(terminated) < pace.forget)
    });
    capacity::settle(region, now, pace);
    run::forget_tokens(region, now);
}

/// The end of an instance: its interface goes, its volumes go or stay as `DeleteOnTermination` says.
fn finish(region: &mut Region, id: &str, now: At, news: &mut Vec<News>) {
    if let Some(instance) = region.instances.get_mut(id) {
        instance.state = State::Terminated;
        instance.terminated = Some(now);
    }
    region.interfaces.retain(|_, interface| interface.instance != id);
    let with = |volume: &Volume| {
        volume.attached.as_ref().filter(|attached| attached.instance == id).map(|a| a.delete_on_termination)
    };
    for volume in region.volumes.extract_if(.., |_, volume| with(volume) == Some(true)) {
        news.push(News::Storage(Storage::Deleted { volume: volume.0 }));
    }
    for volume in region.volumes.values_mut() {
        volume.attached.take_if(|attached| attached.instance == id);
    }
    let Region { modifications, volumes, .. } = region;
    modifications.retain(|volume, _| volumes.contains_key(volume));
}
