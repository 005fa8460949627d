//! `holdfast settings`.

use clap::Subcommand;
use holdfast_core::names::MachineName;
use holdfast_core::settings::{self, Origin, Settings, SettingsError, Shown};
use serde::Serialize;

use super::ask::confirm;
use super::out::{self, Style};
use super::{Global, load, login, store};
use crate::problem::Problem;
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show every setting in force, and where it comes from.
    Show {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change one setting.
    #[command(
        after_help = "Examples:\n  holdfast settings set instance_type m8g.2xlarge\n  holdfast settings set tags.team platform\n  holdfast settings set terminal kitty\n  holdfast -m gpu settings set region us-east-1"
    )]
    Set {
        /// The key, as `settings show` prints it.
        key: String,
        /// The value.
        value: String,
    },
    /// Take one setting away, so that its default is in force again.
    Unset {
        /// The key.
        key: String,
    },
    /// Put the settings file aside, and begin with the defaults.
    Reset,
    /// Open the settings file in your editor.
    Edit,
    /// Print where the settings file is.
    Path,
}

#[derive(Serialize)]
struct ShowJson {
    version: u32,
    path: String,
    settings: Vec<Shown>,
}

pub(super) async fn run(global: &Global, command: Command) -> Result<u8, Problem> {
    let store = store(global)?;
    match command {
        Command::Show { json } => show(global, &store, json)?,
        Command::Set { key, value } => {
            let text = text(&store)?;
            let machine = machine(global, &text)?;
            let changed = settings::set(&text, login(global).as_ref(), &machine, &key, &value);
            change(&store, &text, &key, changed)?;
        }
        Command::Unset { key } => {
            let text = text(&store)?;
            let machine = machine(global, &text)?;
            let changed = settings::unset(&text, login(global).as_ref(), &machine, &key);
            change(&store, &text, &key, changed)?;
        }
        Command::Reset => out::talk(&match store.set_settings_aside()? {
            Some(aside) => format!("What was set is in {} now. All defaults are in force.", aside.display()),
            None => "There are no settings: all defaults are in force.".to_owned(),
        }),
        Command::Edit => edit(global, &store).await?,
        Command::Path => out::data(&store.settings_path().display().to_string()),
    }
    Ok(0)
}

fn show(global: &Global, store: &Store, json: bool) -> Result<(), Problem> {
    let settings = load(global, store)?;
    let shown = settings::show(&settings);
    if json {
        let path = store.settings_path().display().to_string();
        return out::json(&ShowJson { version: 1, path, settings: shown });
    }
    let style = Style::stdout();
    let mut machine: Option<MachineName> = None;
    let width = shown.iter().map(|setting| setting.key.len()).max().unwrap_or_default();
    let defaults = shown.iter().filter(|setting| setting.origin == Origin::Default);
    let values = defaults.map(|setting| setting.value.to_string().chars().count()).max().unwrap_or_default();
    for setting in shown {
        if setting.machine != machine {
            machine.clone_from(&setting.machine);
            let name = machine.as_ref().map(ToString::to_string).unwrap_or_default();
            out::data(&format!("\n{}", style.bold(&name)));
        }
        let (key, value) = (setting.key, setting.value.to_string());
        out::data(&match setting.origin {
            Origin::Set => format!("{key:width$}  {value}"),
            Origin::Default => format!("{key:width$}  {value:values$}  {}", style.soft("default")),
        });
    }
    Ok(())
}

/// The machine that a change is about: the named one, else the default one, also of settings that do not hold.
fn machine(global: &Global, text: &str) -> Result<MachineName, Problem> {
    let named = global.machine.clone();
    let default = || Settings::parse(text, login(global).as_ref()).ok().map(|settings| settings.default);
    let fallback = || settings::DEFAULT_MACHINE.parse();
    named
        .or_else(default)
        .map_or_else(fallback, Ok)
        .map_err(|error| Problem::new("internal", error.to_string()))
}

fn text(store: &Store) -> Result<String, Problem> {
    Ok(store.read_settings_text()?.unwrap_or_default())
}

fn change(
    store: &Store,
    text: &str,
    key: &str,
    changed: Result<String, Vec<SettingsError>>,
) -> Result<(), Problem> {
    let path = store.settings_path();
    let changed = changed.map_err(|errors| Problem {
        what: "Nothing was changed, since that does not hold".to_owned(),
        ..Problem::settings(&path, &errors)
    })?;
    if changed == text {
        out::talk("It is so already.");
        return Ok(());
    }
    store.write_settings(&changed)?;
    out::talk(match key {
        "terminal" => "Saved, for the next window.",
        _ => "Saved. What it changes in AWS: holdfast plan",
    });
    Ok(())
}

/// Lets the user edit a copy, and puts it in place once it holds.
async fn edit(global: &Global, store: &Store) -> Result<(), Problem> {
    let text = store.read_settings_text()?.unwrap_or_else(|| settings::template().to_owned());
    let path = store.settings_path();
    let mut edited = text.clone();
    loop {
        edited = crate::editor::edit(&edited, "holdfast-settings-", ".toml")?;
        match Settings::parse(&edited, login(global).as_ref()) {
            Ok(_) if edited == text => out::talk("Nothing was changed."),
            Ok(_) => {
                store.write_settings(&edited)?;
                out::talk("Saved. What it changes in AWS: holdfast plan");
            }
            Err(errors) => {
                let problem = Problem::settings(&path, &errors);
                out::problem(&problem);
                if confirm("Edit it again? [y/N] ").await {
                    continue;
                }
                return Err(Problem { what: "Nothing was saved".to_owned(), cause: None, ..problem });
            }
        }
        return Ok(());
    }
}
