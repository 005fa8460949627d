//! `holdfast resize` and `holdfast types`.

use clap::Args;
use holdfast_core::kinds::{Choice, choices};
use holdfast_core::machine::{Desired, Observed};
use holdfast_core::names::InstanceType;
use holdfast_core::plan::{Consent, Goal, Plan};
use holdfast_core::settings;
use serde::Serialize;

use super::machine::{asking, end, hint};
use super::out::{self, Style};
use super::progress::Watcher;
use super::{Context, Global, Yes, login};
use crate::converge::{Event, Report, Witness, converge};
use crate::problem::{Exit, Problem};
use crate::world::World;

/// What the machine is to be. What is left out stays as the settings say.
#[derive(Args, Debug)]
#[group(id = "what", required = true, multiple = true, args = ["instance_type", "volume", "iops", "throughput"])]
pub(super) struct Resize {
    /// The instance type; the machine is off for a moment, and everything on it ends.
    #[arg(long = "type", value_name = "TYPE")]
    instance_type: Option<InstanceType>,
    /// The volume's size in GiB; it grows while the machine runs, and never shrinks.
    #[arg(long, value_name = "GIB")]
    volume: Option<u32>,
    /// The volume's operations a second.
    #[arg(long, value_name = "N")]
    iops: Option<u32>,
    /// The volume's throughput in MiB a second.
    #[arg(long, value_name = "MIB")]
    throughput: Option<u32>,
    #[command(flatten)]
    yes: Yes,
}

/// `holdfast types --json`, version 1: what the machine `machine` could become where it is. `types` holds the fields of
/// [`Choice`].
#[derive(Serialize)]
struct TypesJson<'a> {
    version: u32,
    machine: &'a str,
    region: &'a str,
    zone: Option<&'a str>,
    architecture: &'a str,
    prices_of: String,
    types: &'a [Choice],
}

pub(super) async fn resize(global: &Global, args: Resize) -> Result<u8, Problem> {
    let mut context = Context::open(global).await?;
    let text = context.store.read_settings_text()?.unwrap_or_default();
    let login = login(global);
    let given = [
        ("instance_type", args.instance_type.as_ref().map(ToString::to_string)),
        ("volume_size", args.volume.map(|gib| gib.to_string())),
        ("volume_iops", args.iops.map(|iops| iops.to_string())),
        ("volume_throughput", args.throughput.map(|mib| mib.to_string())),
    ];
    let (machine, path) = (context.desired.machine.clone(), context.store.settings_path());
    let with_given = |text: &str| {
        let values = given.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        values.into_iter().try_fold(text.to_owned(), |text, (key, value)| {
            settings::set(&text, login.as_ref(), &machine, key, value).map_err(|errors| Problem {
                what: "Nothing was changed, since that does not hold".to_owned(),
                ..Problem::settings(&path, &errors)
            })
        })
    };
    let wanted = settings::Settings::parse(&with_given(&text)?, login.as_ref())
        .map_err(|errors| Problem::settings(&path, &errors))?;
    let wanted = wanted.machine(Some(&machine)).cloned();
    context.desired = wanted.ok_or_else(|| Problem::no_machine(&context.desired))?;
    let desired = &context.desired;

    let observed = context.observe(Goal::Settings).await?;
    must_be_possible(desired, &observed, &args)?;
    // Into the file as it is by then: somebody may have edited it while this was looked at and asked about.
    let save = || {
        let text = context.store.read_settings_text()?.unwrap_or_default();
        let changed = with_given(&text)?;
        if changed != text {
            context.store.write_settings(&changed)?;
        }
        Ok(())
    };
    let watcher = Watcher::new(desired, asking(args.yes.yes)).of(&context);
    let saving = Saving { watcher, save: &save };
    let report = converge(&context.aws, &context.store, "resize", desired, Goal::Settings, &saving).await?;
    // Nothing was asked where there was nothing to do.
    save()?;
    drop(saving);
    // Also where AWS had it larger already: an earlier run may have ended before the machine knew.
    let report = Report { grown: report.grown || args.volume.is_some(), ..report };
    let code = end(&context, &report).await?;
    if report.performed == 0 {
        out::talk("It is so already; nothing was changed.");
    }
    hint(&context, &report);
    Ok(code)
}

/// Refuses what the plan would pass over in silence.
fn must_be_possible(desired: &Desired, observed: &Observed, args: &Resize) -> Result<(), Problem> {
    let winners = observed.winners(desired);
    if observed.instances.is_known() && winners.instance.is_none() {
        return Err(Problem::no_machine(desired));
    }
    if let (Some(volume), Some(wanted)) = (winners.volume, args.volume)
        && wanted < volume.size
    {
        return Err(Problem::new(
            "volume_smaller",
            format!("The volume has {} GiB, and AWS lets a volume grow, never shrink", volume.size),
        )
        .hint("nothing was changed; a smaller one takes a new machine, with the home of this one: holdfast settings set volume_size GIB, then holdfast replace")
        .exit(Exit::Refused));
    }
    Ok(())
}

/// Keeps the new settings as soon as the change is agreed to, so that whoever goes on after an interruption goes on to them.
struct Saving<'a, S> {
    watcher: Watcher<'a>,
    save: &'a S,
}

impl<S: Fn() -> Result<(), Problem>> Witness for Saving<'_, S> {
    async fn consent(&self, observed: &Observed, plan: &Plan) -> Consent {
        let consent = self.watcher.consent(observed, plan).await;
        if !consent.covers(plan.impact()) {
            return consent;
        }
        match (self.save)() {
            Ok(()) => consent,
            Err(error) => {
                out::problem(&error);
                Consent::NONE
            }
        }
    }

    fn event(&self, event: Event<'_>) {
        self.watcher.event(event);
    }
}

pub(super) async fn types(context: &Context, json: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let observed = context.aws.observe(desired, Goal::Settings).await?;
    let instance = observed.winners(desired).instance;
    let offered = observed.offer.present().map(|offer| offer.architecture.as_str());
    let architecture = instance
        .map(|instance| instance.architecture.as_str())
        .or(offered)
        .ok_or_else(|| Problem::blocked(desired, &holdfast_core::plan::Blocked::NoSuchType))?;
    let zone = instance.map(|instance| instance.zone.as_str());
    let is = instance.map_or(&desired.instance_type, |instance| &instance.instance_type);
    let mut kinds = context.aws.kinds(Some(architecture), zone).await?;
    kinds.retain(|kind| kind.offered);
    let choices = choices(&observed.prices, &desired.region, is, kinds);
    if json {
        let (machine, region) = (desired.machine.as_str(), desired.region.as_str());
        let prices_of = observed.prices.day();
        let types = &choices;
        out::json(&TypesJson { version: 1, machine, region, zone, architecture, prices_of, types })?;
        return Ok(0);
    }
    out::data(&table(&choices, Style::stdout()));
    let place = zone.unwrap_or(desired.region.as_str());
    out::talk(&format!(
        "\nWhat {place} offers for {architecture}, a month if it is on all the time; {}. Another architecture needs another \
         machine.",
        observed.prices.words()
    ));
    Ok(0)
}

fn table(choices: &[Choice], style: Style) -> String {
    let rows = choices.iter().map(|choice| {
        let gib = choice.memory_mib as f64 / 1024.0;
        let money = choice.monthly.map_or_else(|| "not known".to_owned(), |money| money.to_string());
        let difference = match choice.difference {
            Some(0) | None => String::new(),
            Some(micros) => {
                let amount = holdfast_core::price::Money::from_micros(micros.unsigned_abs());
                format!("{}{amount}", if micros < 0 { '-' } else { '+' })
            }
        };
        let mark = if choice.current { "as now" } else { "" };
        [
            choice.instance_type.to_string(),
            format!("{} vCPU", choice.vcpus),
            format!("{gib} GiB"),
            choice.network.clone().unwrap_or_default(),
            money,
            difference,
            mark.to_owned(),
        ]
    });
    let rows: Vec<[String; 7]> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..7).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 3 | 6 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        if row[6].is_empty() { line.to_owned() } else { style.bold(line) }
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
