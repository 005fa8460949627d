//! Settings as they are read from the file, and as somebody typed them in the window.

#![expect(clippy::wildcard_enum_match_arm, reason = "most settings are a text at a path of their own")]

use super::Setup;
use super::harmless::harmless;
use super::show::sentence;
use super::view::{Changed, Draft, FieldError, Key};
use crate::machine::ConfigSource;
use crate::names::{MachineName, UserName};
use crate::settings::{self, Origin, Settings, SettingsError, ShownValue, Wrong};

/// The user who is proposed where the login name of this computer cannot serve, as `root` cannot.
const FALLBACK_USER: &str = "dev";

/// What [`Key::Config`] says of a configuration that ships with Holdfast, of one in a repository, and of one in a folder.
const EMBEDDED: &str = "embedded";
const GIT: &str = "git";
const DIRECTORY: &str = "directory";
/// An address is missing.
const WHERE: &str = "Say where it is.";

impl Setup {
    /// Reads the text of the settings file for the machine that is `chosen`, or its default one where there is none of that
    /// name. `login` is the user of a machine whose settings name none.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(
        text: String,
        login: Option<UserName>,
        chosen: Option<&MachineName>,
    ) -> Result<Self, Vec<SettingsError>> {
        let user = login.clone().or_else(|| FALLBACK_USER.parse().ok());
        let settings = Settings::parse(&text, user.as_ref())?;
        let desired = settings.machine(chosen).or_else(|| settings.machine(None)).cloned();
        let Some(desired) = desired else { return Err(Vec::new()) };
        let ours = |shown: &settings::Shown| {
            shown.machine.as_ref().is_none_or(|machine| machine == &desired.machine)
        };
        let set =
            settings::show(&settings).into_iter().filter(|shown| shown.origin == Origin::Set && ours(shown));
        let set: Vec<String> = set.map(|shown| shown.key).collect();
        let is_given = |key: &Key| match key {
            Key::Config => set.iter().any(|set| set == "config" || set.starts_with("config.")),
            Key::Tags => set.iter().any(|set| set.starts_with("tags.")),
            key => set.iter().any(|set| set == key.word()),
        };
        let given = Key::ALL.into_iter().filter(is_given).collect();
        Ok(Self { text, desired, settings, given, login, met: false })
    }

    /// The value of a setting in force; empty where there is none.
    pub fn value(&self, key: Key) -> String {
        let desired = &self.desired;
        match key {
            Key::Terminal => settings::shown_terminal(&self.settings),
            Key::Mute => settings::muted(&self.settings),
            Key::Updates => self.settings.updates.to_string(),
            Key::Config => match desired.config {
                ConfigSource::Embedded => EMBEDDED.to_owned(),
                ConfigSource::Git { .. } => GIT.to_owned(),
                ConfigSource::Directory { .. } => DIRECTORY.to_owned(),
            },
            Key::Tags => {
                let tags = desired.tags.iter().map(|(key, value)| format!("{key}={value}"));
                tags.collect::<Vec<_>>().join(", ")
            }
            key => match settings::value(desired, key.word()) {
                ShownValue::Nothing => String::new(),
                value @ (ShownValue::Text(_) | ShownValue::Number(_)) => value.to_string(),
            },
        }
    }
}

/// The settings with a draft in them. What the draft leaves as it is in force is not written into the file.
///
/// # Errors
/// Everything that is wrong with what was typed, by its field.
pub fn drafted(setup: &Setup, draft: &Draft) -> Result<Setup, Vec<FieldError>> {
    with_draft(setup, draft, false)
}

/// The same for somebody who decides: what is in force by default is written down, too.
///
/// # Errors
/// As for [`drafted`].
pub fn decided(setup: &Setup, draft: &Draft) -> Result<Setup, Vec<FieldError>> {
    with_draft(setup, draft, true)
}

fn with_draft(setup: &Setup, draft: &Draft, decided: bool) -> Result<Setup, Vec<FieldError>> {
    let mut edited = Edited { setup, text: setup.text.clone(), wrong: Vec::new() };
    for key in Key::ALL {
        let Some(typed) = draft.get(key).map(str::trim) else { continue };
        // A user that nobody has named must stand in the file, or the command line would not know it.
        let assumed = key == Key::User && setup.login.is_none() && !setup.given.contains(&Key::User);
        let written = decided && !setup.given.contains(&key) && !typed.is_empty();
        if typed == setup.value(key) && !assumed && !written {
            continue;
        }
        match key {
            Key::Config => edited.source(draft, typed),
            Key::Tags => edited.tags(typed),
            // A list of words is a program that runs here: whoever means one writes it into the file.
            Key::Terminal if typed.starts_with('[') => edited.wrong.push(FieldError {
                key,
                text: "A command of your own is set in the settings file.".to_owned(),
            }),
            key if key.is_part_of_config() => edited.part_of_config(draft, key, typed),
            key => edited.put(key, key.word(), typed),
        }
    }
    if !edited.wrong.is_empty() {
        return Err(edited.wrong);
    }
    Setup::read(edited.text, setup.login.clone(), Some(&setup.desired.machine)).map_err(|errors| {
        let machine = format!("{}.", settings::dotted(&["machine", setup.desired.machine.as_str()]));
        let of = |key: &str| {
            let key = key.strip_prefix(&machine).unwrap_or(key);
            let same = |known: &Key| key == known.word() || (*known == Key::Tags && key.starts_with("tags."));
            Key::ALL.into_iter().find(same)
        };
        errors.iter().map(|e| field_error(of(&e.key).unwrap_or(Key::User), &e.wrong)).collect()
    })
}

/// The text of the file, on its way to what a draft wants.
struct Edited<'a> {
    setup: &'a Setup,
    text: String,
    wrong: Vec<FieldError>,
}

impl Edited<'_> {
    /// Sets what stands in the file at `path`, or takes it out where nothing was typed.
    fn put(&mut self, key: Key, path: &str, typed: &str) {
        match settings::write(&self.text, &self.setup.desired.machine, path, typed) {
            Ok(edited) => self.text = edited,
            Err(errors) => self.wrong.extend(errors.first().map(|error| field_error(key, &error.wrong))),
        }
    }

    /// Another kind of source for the machine's configuration, with its address as the draft or the file has it.
    fn source(&mut self, draft: &Draft, kind: &str) {
        let address =
            |key: Key| draft.get(key).map_or_else(|| self.setup.value(key), |typed| typed.trim().to_owned());
        match kind {
            EMBEDDED => {
                self.put(Key::Config, Key::Config.word(), "");
                self.put(Key::Config, Key::Config.word(), EMBEDDED);
            }
            GIT | DIRECTORY => {
                let key = if kind == GIT { Key::ConfigGit } else { Key::ConfigDirectory };
                match address(key) {
                    address if address.is_empty() => {
                        self.wrong.push(FieldError { key, text: WHERE.to_owned() });
                    }
                    address => self.put(key, key.word(), &address),
                }
            }
            _ => self.wrong.push(FieldError {
                key: Key::Config,
                text: format!("Not one of {EMBEDDED}, {GIT} and {DIRECTORY}."),
            }),
        }
    }

    /// A part of a source; parts of other kinds are of no matter.
    fn part_of_config(&mut self, draft: &Draft, key: Key, typed: &str) {
        let kind = draft.get(Key::Config).map_or_else(|| self.setup.value(Key::Config), ToOwned::to_owned);
        let of_kind = match key {
            Key::ConfigGit | Key::ConfigBranch | Key::ConfigFolder => kind == GIT,
            Key::ConfigDirectory => kind == DIRECTORY,
            _ => kind != EMBEDDED,
        };
        let is_address = matches!(key, Key::ConfigGit | Key::ConfigDirectory);
        if !of_kind {
            return;
        }
        if is_address && typed.is_empty() {
            self.wrong.push(FieldError { key, text: WHERE.to_owned() });
        } else {
            self.put(key, key.word(), typed);
        }
    }

    /// All tags as `key=value, key=value`: those that are not named are taken away.
    fn tags(&mut self, typed: &str) {
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        for tag in typed.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            match tag.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => wanted.push((key.trim(), value.trim())),
                Some(_) | None => {
                    let text = "Tags are written name=value, with commas between them.".to_owned();
                    return self.wrong.push(FieldError { key: Key::Tags, text });
                }
            }
        }
        let path = |key: &str| format!("tags.\"{key}\"");
        let is_default = |key: &str| settings::DEFAULT_TAGS.iter().any(|(default, _)| *default == key);
        let setup = self.setup;
        for key in setup.desired.tags.keys().map(crate::names::TagKey::as_str) {
            if wanted.iter().all(|(wanted, _)| *wanted != key) {
                // One that is there by default is told to stay away.
                self.put(Key::Tags, &path(key), if is_default(key) { "false" } else { "" });
            }
        }
        for (key, value) in wanted {
            let there = setup.desired.tags.iter().any(|(k, v)| k.as_str() == key && v.as_str() == value);
            let by_default = settings::DEFAULT_TAGS.contains(&(key, value));
            if !there {
                self.put(Key::Tags, &path(key), if by_default { "" } else { value });
            }
        }
    }
}

fn field_error(key: Key, wrong: &Wrong) -> FieldError {
    // Whoever types into a field knows nothing of the types of TOML.
    let words =
        if let Wrong::Type { allowed, .. } = wrong { format!("not {allowed}") } else { wrong.to_string() };
    FieldError { key, text: sentence(&harmless(&words, 300)) }
}

/// What differs between the settings in force and those of a draft.
pub(super) fn changes(setup: &Setup, drafted: &Setup) -> Vec<Changed> {
    let both =
        Key::ALL.into_iter().map(|key| Changed { key, from: setup.value(key), to: drafted.value(key) });
    both.filter(|changed| changed.from != changed.to).collect()
}
