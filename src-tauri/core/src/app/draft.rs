//! Settings as they are read from the file, and as somebody typed them in the window.

use super::Setup;
use super::harmless::harmless;
use super::show::sentence;
use super::view::{Changed, Draft, FieldError, Key};
use crate::machine::Desired;
use crate::names::UserName;
use crate::settings::{self, Origin, Settings, SettingsError, ShownValue, Wrong};

/// The user who is proposed where the login name of this computer cannot serve, as `root` cannot.
const FALLBACK_USER: &str = "dev";

/// What a draft makes of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drafted {
    /// The text of the file.
    pub text: String,
    /// What is wanted of the machine then.
    pub desired: Desired,
}

impl Setup {
    /// Reads the text of the settings file for its default machine. `login` is the user of a machine whose settings
    /// name none.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(text: String, login: Option<UserName>) -> Result<Self, Vec<SettingsError>> {
        let user = login.clone().or_else(|| FALLBACK_USER.parse().ok());
        let settings = Settings::parse(&text, user.as_ref())?;
        let Some(desired) = settings.machine(None).cloned() else { return Err(Vec::new()) };
        let set = settings::show(&settings)
            .into_iter()
            .filter(|shown| shown.origin == Origin::Set && shown.machine.as_ref() == Some(&desired.machine));
        let set: Vec<String> = set.map(|shown| shown.key).collect();
        let given = Key::ALL.into_iter().filter(|key| set.iter().any(|set| set == key.word())).collect();
        Ok(Self { text, desired, given, login })
    }

    /// The value of a setting in force; empty where there is none.
    pub fn value(&self, key: Key) -> String {
        value(&self.desired, key)
    }
}

fn value(desired: &Desired, key: Key) -> String {
    match settings::value(desired, key.word()) {
        ShownValue::Nothing => String::new(),
        value @ (ShownValue::Text(_) | ShownValue::Number(_)) => value.to_string(),
    }
}

/// The settings with a draft in them. What the draft leaves as it is in force is not written into the file.
///
/// # Errors
/// Everything that is wrong with what was typed, by its field.
pub fn drafted(setup: &Setup, draft: &Draft) -> Result<Drafted, Vec<FieldError>> {
    let Setup { desired, login, given, .. } = setup;
    let mut text = setup.text.clone();
    let mut wrong = Vec::new();
    for key in Key::ALL {
        let Some(typed) = draft.get(key).map(str::trim) else { continue };
        // A user that nobody has named must stand in the file, or the command line would not know it.
        let assumed = key == Key::User && login.is_none() && !given.contains(&Key::User);
        if typed == setup.value(key) && !assumed {
            continue;
        }
        let edited = if typed.is_empty() {
            settings::unset(&text, login.as_ref(), &desired.machine, key.word())
        } else {
            settings::set(&text, login.as_ref(), &desired.machine, key.word(), typed)
        };
        match edited {
            Ok(edited) => text = edited,
            Err(errors) => wrong.extend(errors.first().map(|error| field_error(key, &error.wrong))),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    match Setup::read(text, login.clone()) {
        Ok(setup) => Ok(Drafted { text: setup.text, desired: setup.desired }),
        Err(errors) => {
            let word = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
            let of = |key: &str| Key::ALL.into_iter().find(|known| word(key) == known.word());
            Err(errors.iter().map(|e| field_error(of(&e.key).unwrap_or(Key::User), &e.wrong)).collect())
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
pub(super) fn changes(setup: &Setup, desired: &Desired) -> Vec<Changed> {
    let both =
        Key::ALL.into_iter().map(|key| Changed { key, from: setup.value(key), to: value(desired, key) });
    both.filter(|changed| changed.from != changed.to).collect()
}
