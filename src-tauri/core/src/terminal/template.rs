//! A terminal that the user describes.

use super::{Launch, one_line};
use crate::names::NotAllowed;

/// How the user starts a terminal: its program and arguments, with a place for what is to run in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<String>);

/// The word in whose place the words of the command come, each as an argument of its own.
const WORDS: &str = "{}";
/// The part of a word in whose place the command comes, quoted for a POSIX shell.
const LINE: &str = "{command}";

impl Template {
    /// What this type allows, as the end of a sentence.
    pub const ALLOWED: &str = "a list of words, a program first, with one \"{}\" among them for the command's words or one \
                               {command} in them for the command as one word";

    /// The template of these words.
    ///
    /// # Errors
    /// No program, not exactly one place for the command, or a control character.
    pub fn new(words: Vec<String>) -> Result<Self, NotAllowed> {
        let places = |word: &String| usize::from(word == WORDS) + word.matches(LINE).count();
        let program = words.first().is_some_and(|word| !word.trim().is_empty() && places(word) == 0);
        let one_place = words.iter().map(places).sum::<usize>() == 1;
        let plain = !words.iter().any(|word| word.contains(char::is_control));
        if program && one_place && plain {
            Ok(Self(words))
        } else {
            Err(NotAllowed { value: words.join(" "), allowed: Self::ALLOWED })
        }
    }

    /// The words as they were given.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    pub(super) fn launch(&self, command: &[String]) -> Option<Launch> {
        let line = one_line(command)?;
        let (program, rest) = self.0.split_first()?;
        let filled = rest.iter().flat_map(|word| match word.as_str() {
            WORDS => command.to_vec(),
            word => vec![word.replace(LINE, &line)],
        });
        Some(Launch {
            name: program.clone(),
            program: program.clone(),
            arguments: filled.collect(),
            script: None,
        })
    }
}
