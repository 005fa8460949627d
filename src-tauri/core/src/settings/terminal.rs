//! Which terminal opens.

use toml_edit::{Array, Value};

use super::read::{Field, Reader, Section};
use super::{Wrong, nearest};
use crate::terminal::{Choice, Known, Template};

/// What the setting may be, as the end of a sentence.
pub(super) fn allowed() -> String {
    let known: Vec<&str> = [Choice::DEFAULT].into_iter().chain(Known::ALL.map(Known::word)).collect();
    format!(
        "one of {}, or a list of words like [\"foot\", \"--app-id\", \"work\", \"{{}}\"]",
        known.join(", ")
    )
}

/// The value as [`set`](super::set) takes it.
pub(super) fn shown(choice: &Choice) -> String {
    match choice {
        Choice::Default => Choice::DEFAULT.to_owned(),
        Choice::Known(known) => known.word().to_owned(),
        Choice::Custom(template) => {
            template.words().iter().map(String::as_str).collect::<Array>().to_string()
        }
    }
}

/// What somebody wrote on a command line, as TOML: a list in brackets is one.
pub(super) fn literal(value: &str) -> Value {
    let list = value.trim().starts_with('[').then(|| value.trim().parse().ok()).flatten();
    list.unwrap_or_else(|| Value::from(value))
}

impl<'a> Reader<'a> {
    pub(super) fn terminal(&mut self, top: &Section<'a>) -> Choice {
        let Some(field) = self.field(top, "terminal") else { return Choice::Default };
        if let Some(words) = field.item().as_array() {
            let texts: Option<Vec<String>> =
                words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            return match texts.map(Template::new) {
                Some(Ok(template)) => Choice::Custom(template),
                Some(Err(_)) | None => self.refused(&field, Template::ALLOWED.to_owned()),
            };
        }
        match field.item().as_str() {
            Some(Choice::DEFAULT) => Choice::Default,
            Some(word) => match word.parse() {
                Ok(known) => Choice::Known(known),
                Err(()) => {
                    let near = nearest(word, Known::ALL.map(Known::word));
                    let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
                    self.refused(&field, allowed() + &near)
                }
            },
            None => {
                self.refuse_type(&field, allowed());
                Choice::Default
            }
        }
    }

    fn refused(&mut self, field: &Field<'_>, allowed: String) -> Choice {
        self.refuse(field, Wrong::Value { allowed });
        Choice::Default
    }
}
