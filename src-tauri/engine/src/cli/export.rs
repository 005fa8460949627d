//! `holdfast export`.

use clap::Args;
use holdfast_core::export;
use holdfast_core::plan::{self, Blocked, Goal};

use super::Context;
use super::out::{self, Style};
use crate::problem::Problem;
use crate::world::World;

/// For which tool.
#[derive(Args, Clone, Copy, Debug)]
#[group(id = "tool", required = true, multiple = false, args = ["pulumi", "terraform"])]
pub(super) struct Export {
    /// The file for `pulumi import --file`.
    #[arg(long)]
    pulumi: bool,
    /// Import blocks for Terraform from 1.5 on, or OpenTofu.
    #[arg(long)]
    terraform: bool,
}

pub(super) async fn export(context: &Context, args: Export) -> Result<u8, Problem> {
    let desired = &context.desired;
    let observed = context.aws.observe(desired, Goal::Settings).await?;
    // What belongs to somebody else, or cannot be seen whole, is nobody's to hand on.
    let decides = |blocked: &&Blocked| {
        matches!(
            blocked,
            Blocked::CannotSee { .. } | Blocked::OtherOwner { .. } | Blocked::SeveralInstances { .. }
        )
    };
    if let Some(blocked) = plan::plan(desired, &observed, Goal::Settings).blocked.iter().find(decides) {
        return Err(Problem::blocked(desired, blocked));
    }
    let winners = observed.winners(desired);
    if winners.instance.is_none() {
        return Err(Problem::no_machine(desired));
    }
    let rules = match winners.group {
        Some(group) => context.aws.rules(&group.id).await?,
        None => Vec::new(),
    };
    let resources = export::resources(desired, &observed, &rules);
    let machine = &desired.machine;
    if args.terraform {
        out::data_bytes(export::terraform(desired, &resources).as_bytes());
        out::talk(&format!(
            "terraform plan -generate-config-out={machine}.tf shows it as resources to import."
        ));
    } else {
        out::data(&export::pulumi(&resources));
        out::talk(&format!(
            "pulumi config set aws:region {}, then pulumi import --file FILE takes it in and prints the program.",
            desired.region
        ));
    }
    let style = Style::stderr();
    out::talk("\nWhen that is done, Holdfast lets go of the machine as soon as its tags are gone:");
    for command in export::letting_go(desired, &observed) {
        out::talk(&format!("{} {command}", style.soft("→")));
    }
    out::talk(
        "From then on it is somebody else's to Holdfast, which changes nothing of it. Termination protection stays on.",
    );
    Ok(0)
}
