//! `holdfast config`: the machine's NixOS configuration as it is on this computer.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use holdfast_core::app::harmless::harmless_line;
use holdfast_core::config::{DATA, FLAKE, SHIPPED, Tree, credential, credential_scope};
use holdfast_core::jobs::{Checkout, Declared, Standing};
use holdfast_core::machine::{ConfigSource, Desired};
use secrecy::ExposeSecret as _;
use similar::TextDiff;

use super::ask::{self, confirm};
use super::out::{self, Style};
use super::session::reachable;
use super::{Context, Global};
use crate::config::{data, edits_folder, expand, gather, read_tree, write_tree};
use crate::editor;
use crate::jobs::{placed, state};
use crate::problem::{Exit, Problem};
use crate::rebuild::{Changes, bless, changes, declared};
use crate::remote::Machine;
use crate::repository::{self, TOKEN};
use crate::secrets::Vault;
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Edit a file of the configuration: configuration.nix, home.nix, machine.json, or one of your own.
    Edit {
        /// The file.
        #[arg(default_value = "configuration.nix")]
        file: String,
    },
    /// Show what you changed of the configuration that ships with Holdfast.
    Diff,
    /// Print the folder that your changes are in.
    Path,
    /// Write the whole configuration into a folder of yours, to be used from there or to become a repository.
    Eject {
        /// The folder, which must not be there yet.
        folder: PathBuf,
    },
    /// Bring here what was changed on the machine.
    Pull {
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Show whether the machine runs what is here.
    Status,
    /// Keep a token for the repository of the configuration in this computer's keyring.
    ///
    /// It is asked for, or read from standard input. It goes to the machine whenever that has to ask the repository's host, and only there.
    #[command(
        after_help = "Examples:\n  holdfast config token\n  gh auth token | holdfast config token\nWithout a keyring: HOLDFAST_GIT_TOKEN=… holdfast rebuild"
    )]
    Token {
        /// Have the keyring forget it.
        #[arg(long)]
        forget: bool,
    },
}

pub(super) async fn run(global: &Global, command: Command) -> Result<u8, Problem> {
    match command {
        Command::Pull { yes } => pull(&Context::open(global).await?, yes).await,
        Command::Status => status(&Context::open(global).await?).await,
        Command::Token { forget } => {
            let store = super::store(global)?;
            token(&store.vault(), &super::desired(global, &super::load(global, &store)?)?, forget).await
        }
        Command::Edit { .. } | Command::Diff | Command::Path | Command::Eject { .. } => {
            let store = super::store(global)?;
            let desired = super::desired(global, &super::load(global, &store)?)?;
            local(&store, &desired, command)
        }
    }
}

fn local(store: &Store, desired: &Desired, command: Command) -> Result<u8, Problem> {
    match command {
        Command::Edit { file } => edit(store, desired, &file)?,
        Command::Diff => diff(store, desired)?,
        Command::Path => out::data(&folder(store, desired)?.display().to_string()),
        Command::Eject { folder } => eject(store, desired, &folder)?,
        Command::Pull { .. } | Command::Status | Command::Token { .. } => {}
    }
    Ok(0)
}

/// Where the user's own files are.
fn folder(store: &Store, desired: &Desired) -> Result<PathBuf, Problem> {
    match &desired.config {
        ConfigSource::Embedded => Ok(edits_folder(store, desired)),
        ConfigSource::Directory { path, .. } => expand(path),
        ConfigSource::Git { url, .. } => Err(Problem::new("config", "The configuration is in a repository")
            .because(url.clone())
            .hint("edit it there, or on the machine in ~/remote-dev, and then: holdfast rebuild")
            .exit(Exit::Usage)),
    }
}

fn edit(store: &Store, desired: &Desired, file: &str) -> Result<(), Problem> {
    let folder = folder(store, desired)?;
    let path = folder.join(file);
    let embedded = desired.config == ConfigSource::Embedded;
    let shipped = SHIPPED.iter().find(|(name, _)| *name == file).map(|(_, text)| (*text).to_owned());
    let begin = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) if embedded && file == DATA => whole_data(desired)?,
        Err(_) if embedded => shipped.clone().unwrap_or_default(),
        Err(error) => {
            return Err(Problem::new("files", format!("{} cannot be read", path.display()))
                .because(error.to_string()));
        }
    };
    if embedded {
        let mut named = Tree::shipped();
        named.put(file, "");
        named.check("").map_err(|error| {
            Problem::new("config", format!("{file} cannot be part of the configuration"))
                .because(error.to_string())
        })?;
    }
    let suffix = Path::new(file).extension().map(|suffix| format!(".{}", suffix.to_string_lossy()));
    let text = editor::edit(&begin, "holdfast-config-", suffix.as_deref().unwrap_or_default())?;
    let unchanged = text == begin && !path.exists();
    if unchanged {
        out::talk("Nothing was changed.");
        return Ok(());
    }
    let mut tree = Tree::default();
    tree.put(file, text.clone());
    if file == DATA {
        data(desired, &tree, None).map_err(|error| not_saved(&error.to_string(), &text))?;
    }
    if embedded && shipped.as_ref() == Some(&text) {
        std::fs::remove_file(&path).map_err(|error| {
            Problem::new("files", format!("{} cannot be removed", path.display())).because(error.to_string())
        })?;
        out::talk(&format!("{file} is as it ships again."));
        return Ok(());
    }
    let mut whole = if embedded { Tree::shipped() } else { Tree::default() };
    whole.put(file, text.clone());
    if embedded {
        whole.check("").map_err(|error| not_saved(&error.to_string(), &text))?;
    }
    write_tree(&folder, &tree)?;
    out::talk(&format!("{} is saved.", path.display()));
    out::talk(&format!(
        "{} holdfast rebuild  {}",
        Style::stderr().soft("→"),
        Style::stderr().soft("has the machine run it")
    ));
    Ok(())
}

/// What was written is kept for another try.
fn not_saved(why: &str, text: &str) -> Problem {
    let problem = Problem::new("config", "Nothing was saved").because(why);
    let kept = tempfile::Builder::new().prefix("holdfast-config-").tempfile().and_then(|mut file| {
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.keep().map(|(_, path)| path).map_err(|error| error.error)
    });
    match kept {
        Ok(path) => problem.hint(format!("what you wrote is in {}", path.display())),
        Err(_) => problem,
    }
}

fn whole_data(desired: &Desired) -> Result<String, Problem> {
    let data =
        data(desired, &Tree::default(), None).map_err(|error| Problem::new("config", error.to_string()))?;
    // What is left out comes from the settings and the machine.
    Ok(format!("{{\n  \"locale\": \"{}\",\n  \"timeZone\": \"{}\"\n}}\n", data.locale, data.time_zone))
}

fn diff(store: &Store, desired: &Desired) -> Result<(), Problem> {
    let edits = read_tree(&folder(store, desired)?)?;
    let mut differs = false;
    for (path, body) in edits.files() {
        let shipped = SHIPPED.iter().find(|(name, _)| *name == path).map_or("", |(_, text)| *text);
        let text = String::from_utf8_lossy(body);
        let diff = TextDiff::from_lines(shipped, &text);
        if diff.ratio() < 1.0 {
            differs = true;
            let (old, new) = (format!("shipped/{path}"), format!("yours/{path}"));
            out::data_bytes(diff.unified_diff().header(&old, &new).to_string().as_bytes());
        }
    }
    if !differs {
        out::talk("Nothing differs from what ships with Holdfast.");
    }
    Ok(())
}

fn eject(store: &Store, desired: &Desired, folder: &Path) -> Result<(), Problem> {
    if desired.config != ConfigSource::Embedded {
        return Err(Problem::new("config", "The configuration is in a folder or a repository already")
            .exit(Exit::Usage));
    }
    let folder = &expand(&folder.to_string_lossy())?;
    let used = folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file();
    if used {
        return Err(Problem::new("files", format!("There is something in {} already", folder.display()))
            .exit(Exit::Usage));
    }
    let source = gather(store, desired, None)?;
    write_tree(folder, &source.tree.within(FLAKE))?;
    let whole = std::path::absolute(folder)
        .map_err(|error| Problem::new("files", "The folder cannot be found").because(error.to_string()))?;
    out::talk(&format!("The configuration is in {}.", folder.display()));
    out::talk(&format!(
        "{} holdfast settings set config.directory {:?}  {}",
        Style::stderr().soft("→"),
        whole.display().to_string(),
        Style::stderr().soft("uses it from now on")
    ));
    Ok(())
}

async fn pull(context: &Context, yes: bool) -> Result<u8, Problem> {
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    let Changes { folder, changed, removed, conflicts } = changes(machine, &context.store).await?;
    if changed.is_empty() && removed.is_empty() {
        out::talk("Nothing was changed on the machine.");
        return Ok(0);
    }
    for (path, _) in changed.files() {
        out::data(&harmless_line(path));
    }
    for path in &removed {
        out::talk(&format!(
            "{} is gone there; remove it here yourself, if that is meant.",
            harmless_line(path)
        ));
    }
    changed_may_come(&changed)?;
    let conflict = if conflicts.is_empty() {
        String::new()
    } else {
        let names: Vec<String> = conflicts.iter().map(|path| harmless_line(path)).collect();
        format!("Changed here, too, since they were put there: {}. What is here is lost.\n", names.join(", "))
    };
    if yes && !conflicts.is_empty() {
        return Err(Problem::new("conflict", "Files were changed here and on the machine")
            .because(conflict.trim().to_owned())
            .hint("decide at the prompt: holdfast config pull")
            .exit(Exit::Refused));
    }
    let question = format!("{conflict}Write these into {}? [y/N] ", folder.display());
    if !yes && !confirm(&question).await {
        return Err(Problem::new("no_consent", "Nothing was written")
            .hint("say yes at the prompt, or add --yes")
            .exit(Exit::Refused));
    }
    write_tree(&folder, &changed)?;
    bless(machine).await?;
    out::talk(&format!("They are in {}.", folder.display()));
    Ok(0)
}

/// Names from the machine become files here.
fn changed_may_come(changed: &Tree) -> Result<(), Problem> {
    let mut all = changed.clone();
    all.put("flake.nix", "");
    all.check("").map_err(|error| {
        Problem::new("config", "What is on the machine cannot come here").because(error.to_string())
    })
}

async fn token(vault: &Vault, desired: &Desired, forget: bool) -> Result<u8, Problem> {
    let ConfigSource::Git { url, .. } = &desired.config else {
        return Err(Problem::new("config", "The configuration is in no repository")
            .hint("name one: holdfast settings set config.git URL")
            .exit(Exit::Usage));
    };
    let Some(scope) = credential_scope(url) else {
        return Err(Problem::new("token", "A token goes over https alone")
            .because(url.clone())
            .hint("name the repository by its https address: holdfast settings set config.git URL")
            .exit(Exit::Usage));
    };
    let name = repository::name(&scope);
    if forget {
        let words = if vault.remove(&name).await? { "It is forgotten." } else { "There was none." };
        out::talk(words);
        return Ok(0);
    }
    let token = ask::secret(&format!("Token for {scope}: ")).await?;
    credential(url, token.expose_secret()).map_err(|error| {
        Problem::new("token", "Nothing was kept").because(error.to_string()).exit(Exit::Usage)
    })?;
    vault.write(&name, &token).await.map_err(|problem| {
        problem.hint(format!("or give it for one command alone: {TOKEN}=… holdfast rebuild"))
    })?;
    out::talk(&format!("The token for {scope} is in this computer's keyring."));
    Ok(0)
}

async fn status(context: &Context) -> Result<u8, Problem> {
    let desired = &context.desired;
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired, instance: &instance };
    let state = state(machine).await?;
    let runs = state.revision.clone().unwrap_or_else(|| "a configuration that is not Holdfast's".to_owned());
    out::data(&format!("runs   {runs}, generation {}", state.generation.unwrap_or_default()));
    if let Some(job) = state.running() {
        out::talk(&format!("A job of {} is at work on it: holdfast job follow {}", job.by, job.id));
    }
    let placed = placed(machine, &crate::config::place(desired), FLAKE).await?;
    let declared = declared(machine, &context.store, &placed).await?;
    let (row, edited) = match &declared {
        Declared::Here(here) => (format!("here   {}", here.revision), "holdfast config pull"),
        Declared::Repository(Checkout { is_other: true, .. }) => {
            ("there  another repository".to_owned(), "move the clone on the machine away, and rebuild")
        }
        Declared::Repository(checkout) => {
            let there = checkout.remote.as_ref().map_or("cannot be asked", |commit| &commit[..12]);
            (format!("there  {there}"), "holdfast rebuild --local")
        }
    };
    out::data(&row);
    match Standing::of(state.revision.as_deref(), &placed, &declared) {
        Standing::UpToDate => out::talk("The machine runs that."),
        Standing::Behind | Standing::NotHoldfasts => match &state.trial {
            Some(trial) if trial.waits_for_boot => out::talk(&format!(
                "The machine is behind; generation {} waits for its next boot: holdfast restart",
                trial.number
            )),
            Some(_) | None => out::talk("The machine is behind: holdfast rebuild"),
        },
        Standing::EditedThere => out::talk(&format!("Something was changed on the machine alone: {edited}")),
        Standing::Unknown => out::talk("Whether that is what the repository has cannot be said."),
    }
    Ok(0)
}
