//! `holdfast sandbox`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::out;
use crate::problem::Problem;
use crate::sandbox::{admin, empty, end, running, serve};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show whether it runs, and which machines are in it.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// End it. What is in it stays, and is there again with the next command that uses it.
    Stop,
    /// Remove everything in it.
    Reset,
    /// Run it, in the foreground.
    #[command(hide = true)]
    Serve,
}

/// `holdfast sandbox status --json`.
#[derive(Serialize)]
struct StatusJson {
    version: u32,
    running: bool,
    pid: Option<u32>,
    port: Option<u16>,
    instances: Vec<Instance>,
}

/// An instance as the sandbox itself tells of it.
#[derive(Serialize, Deserialize)]
struct Instance {
    id: String,
    name: Option<String>,
    region: String,
    state: String,
    #[serde(rename = "type")]
    instance_type: String,
}

pub(super) async fn run(command: Command) -> Result<u8, Problem> {
    match command {
        Command::Serve => serve().await?,
        Command::Status { json } => status(json).await?,
        Command::Stop => match running().await? {
            Some(running) => {
                end(&running).await?;
                out::talk("The sandbox has ended; what is in it stays.");
            }
            None => out::talk("No sandbox runs."),
        },
        Command::Reset => {
            if let Some(running) = running().await? {
                end(&running).await?;
            }
            empty()?;
            out::talk("The sandbox is empty.");
        }
    }
    Ok(0)
}

async fn status(json: bool) -> Result<(), Problem> {
    let running = running().await?;
    let answer = match &running {
        Some(running) => admin(running, "GET", "/_holdfast/status").await,
        None => None,
    };
    let answer: Option<serde_json::Value> = answer.and_then(|text| serde_json::from_str(&text).ok());
    let instances = answer.and_then(|mut answer| serde_json::from_value(answer["instances"].take()).ok());
    let instances: Vec<Instance> = instances.unwrap_or_default();
    if json {
        let (pid, port) =
            (running.as_ref().map(|running| running.pid), running.as_ref().map(|running| running.port));
        return out::json(&StatusJson { version: 1, running: running.is_some(), pid, port, instances });
    }
    let Some(running) = running else {
        out::data("No sandbox runs. The next command with --sandbox starts it.");
        return Ok(());
    };
    out::data(&format!("The sandbox runs on 127.0.0.1:{}, process {}.", running.port, running.pid));
    for instance in instances {
        let Instance { id, name, region, state, instance_type } = instance;
        out::data(&format!("  {id}  {}, {instance_type} in {region}, {state}", name.unwrap_or_default()));
    }
    Ok(())
}
