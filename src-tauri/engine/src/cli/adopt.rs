//! `holdfast adopt`.

use std::fmt::Write as _;

use holdfast_core::app::harmless::harmless;
use holdfast_core::names::InstanceId;
use holdfast_core::plan::{Adoption, Setting, Tool, forget};
use holdfast_core::settings;

use super::ask::ask;
use super::out::{self, Style};
use super::plan::render;
use super::progress::{Asking, Watcher};
use super::{Context, Global, login};
use crate::adopt::{self, Looked};
use crate::problem::Problem;

/// The longest that a name or a tag of somebody else's is shown.
const LONGEST: usize = 200;

pub(super) async fn adopt(global: &Global, named: Option<InstanceId>, yes: bool) -> Result<u8, Problem> {
    let context = Context::open(global).await?;
    let desired = &context.desired;
    let adoption = match context.look(|| adopt::look(&context.aws, desired, named.as_ref())).await? {
        Looked::OfOther(found) => {
            let (observed, plan) = *found;
            out::talk(&render(desired, &observed, &plan, Style::stderr()));
            out::talk("From then on it is yours, and blocked for whoever has it now.");
            agreed(&context, yes).await?;
            let watcher = Watcher::new(desired, Asking::Given);
            adopt::take_over(&context.aws, &context.store, desired, &watcher).await?;
            drop(watcher);
            out::talk(&format!("{} is yours.", desired.machine));
            return match adopt::with_other_names(desired, &observed) {
                Some(id) => Box::pin(adopt(global, Some(id), yes)).await,
                None => Ok(0),
            };
        }
        Looked::Foreign(adoption) => adoption,
    };
    let id = &adoption.instance;
    if !adoption.refused.is_empty() {
        return Err(Problem::not_adoptable(&adoption.desired, id, &adoption.refused));
    }
    if !adoption.is_done() {
        out::talk(&show(&context, &adoption, Style::stderr()));
        agreed(&context, yes).await?;
    }
    let watcher = Watcher::new(desired, Asking::Given);
    let save = |changes: &[Setting]| save(&context, global, changes);
    adopt::adopt(&context.aws, &context.store, desired, &adoption, save, &watcher).await?;
    drop(watcher);
    if adoption.is_done() {
        out::talk(&format!("{id} is {} already; there is nothing to take over.", desired.machine));
        return Ok(0);
    }
    out::talk(&format!("{id} is {} from now on.", desired.machine));
    let style = Style::stderr();
    if !adoption.afterwards.steps.is_empty() {
        out::talk(&format!("{} holdfast plan  {}", style.soft("→"), style.soft("what is left to do")));
    }
    say_how_to_forget(&adoption);
    Ok(0)
}

async fn agreed(context: &Context, yes: bool) -> Result<(), Problem> {
    let name = context.desired.machine.as_str();
    if yes || ask(&format!("Type {name} to go on: ")).await.is_some_and(|answer| answer == name) {
        return Ok(());
    }
    Err(Problem::not_adopted())
}

/// Writes the settings as they are to be from then on, into the file as it is by then.
fn save(context: &Context, global: &Global, changes: &[Setting]) -> Result<(), Problem> {
    let before = context.store.read_settings_text()?.unwrap_or_default();
    let (login, machine) = (login(global), &context.desired.machine);
    let mut text = before.clone();
    let mut left: Vec<&Setting> = changes.iter().collect();
    // One may hold only together with another that comes later.
    while !left.is_empty() {
        let (count, mut wrong) = (left.len(), Vec::new());
        left.retain(|Setting { key, value, .. }| {
            let edited = match value {
                Some(value) => settings::set(&text, login.as_ref(), machine, key, value),
                None => settings::unset(&text, login.as_ref(), machine, key),
            };
            match edited {
                Ok(edited) => text = edited,
                Err(errors) => wrong = errors,
            }
            !wrong.is_empty()
        });
        if left.len() == count {
            return Err(Problem::settings(&context.store.settings_path(), &wrong));
        }
    }
    if text != before {
        context.store.write_settings(&text)?;
    }
    Ok(())
}

/// What it would mean, before anybody is asked.
fn show(context: &Context, adoption: &Adoption, style: Style) -> String {
    let desired = &context.desired;
    let mut text = String::new();
    let title = format!(
        "{} becomes {} in {}, for {}",
        adoption.instance, desired.machine, desired.region, desired.user
    );
    let _ = writeln!(text, "{}", style.bold(&title));
    let _ = writeln!(text, "\nTaken over, by tags alone: nothing restarts, nothing is made anew");
    for taken in &adoption.takes {
        let name = taken.name.as_ref().map(|name| style.soft(&harmless(name, LONGEST)));
        let line = format!("  ~ {:18} {:24} {}", taken.what, taken.id, name.unwrap_or_default());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if !adoption.leaves.is_empty() {
        let _ = writeln!(text, "\nUsed, and not taken: it stays when the machine goes");
        for left in &adoption.leaves {
            let _ = writeln!(text, "  ! {}: {}", left.id, harmless(&left.why, 2 * LONGEST));
        }
    }
    if !adoption.settings.is_empty() {
        let _ = writeln!(text, "\nThe settings will say what is there");
        for Setting { key, value, was } in &adoption.settings {
            let value = value.as_deref().unwrap_or("left out");
            let was = was.as_ref().map(|was| style.soft(&format!("(now {was})"))).unwrap_or_default();
            let _ = writeln!(text, "{}", format!("  ~ {key:18} {value:24} {was}").trim_end());
        }
    }
    if !adoption.keeps.is_empty() {
        let _ = writeln!(text, "\nOther than Holdfast would have made it, and stays so");
        for keeps in &adoption.keeps {
            let _ = writeln!(text, "  - {}", harmless(keeps, LONGEST));
        }
    }
    if !adoption.marks.is_empty() {
        let _ = writeln!(text, "\nTags that others gave it, and that stay");
        for ((key, value), count) in &adoption.marks {
            let tag = harmless(&format!("{key} = {value}"), LONGEST);
            let things = if *count == 1 { "1 thing" } else { &format!("{count} things") };
            let _ = writeln!(text, "  {tag}  {}", style.soft(&format!("on {things}")));
        }
    }
    let _ = writeln!(text, "\nAfter that holdfast apply would do:");
    text += &render(&adoption.desired, &adoption.world, &adoption.afterwards, style);
    text
}

/// The commands for the tool that made it. Nobody can know for certain which one that was.
fn say_how_to_forget(adoption: &Adoption) {
    let tools = match adoption.tool {
        Some(tool) => vec![tool],
        None => vec![Tool::Pulumi, Tool::Terraform],
    };
    for tool in tools {
        let (name, again, protected) = match tool {
            Tool::Pulumi => ("Pulumi", "pulumi up", " (with --force also what is protected)"),
            Tool::Terraform => ("Terraform", "terraform apply", ""),
        };
        let sure = if adoption.tool.is_some() { "Its tags name" } else { "If it was made by" };
        out::talk(&format!(
            "\n{sure} {name}: run these in its project (they need jq). The first lists what {name} has of the machine, the second makes it \
             forget that and deletes nothing{protected}. Take the machine out of the program, too, or the next {again} makes another one."
        ));
        for command in forget(adoption, tool) {
            out::data(&command);
        }
    }
}
