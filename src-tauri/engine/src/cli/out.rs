//! Data goes to stdout, talk to stderr; colour only where somebody looks.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::hints::naming;
use crate::problem::Problem;

/// Prints a line of data. A reader that has gone (`holdfast … | head`) is no error.
pub(super) fn data(text: &str) {
    data_bytes(text.as_bytes());
    data_bytes(b"\n");
}

/// Prints data as it is.
pub(super) fn data_bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Prints a value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Problem::new("internal", "The answer cannot be written as JSON").because(error.to_string())
    })?;
    data(&text);
    Ok(())
}

/// Prints a value as JSON in one line, for those who follow.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), Problem> {
    let text = serde_json::to_string(value).map_err(|error| {
        Problem::new("internal", "The answer cannot be written as JSON").because(error.to_string())
    })?;
    data(&text);
    Ok(())
}

/// Prints data that is rendered for people: the commands in it are those to type.
pub(super) fn page(text: &str) {
    data(&naming(text));
}

/// Says something to the person. The commands in it are those to type.
pub(super) fn talk(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{}", naming(text));
}

/// Says what is wrong, why, and what to do.
pub(super) fn problem(problem: &Problem) {
    let style = Style::stderr();
    talk(&format!("{} {}.", style.red("Problem:"), problem.what));
    for line in problem.cause.iter().flat_map(|cause| cause.lines()) {
        talk(&format!("  {line}"));
    }
    for hint in &problem.hints {
        talk(&format!("{} {hint}", style.soft("→")));
    }
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style(bool);

impl Style {
    /// For stdout.
    pub(super) fn stdout() -> Self {
        Self(std::io::stdout().is_terminal() && colour_wanted())
    }

    /// For stderr.
    pub(super) fn stderr() -> Self {
        Self(std::io::stderr().is_terminal() && colour_wanted())
    }

    /// For what is shown by another program.
    pub(super) fn none() -> Self {
        Self(false)
    }

    /// Whether there are any.
    pub(super) fn is_coloured(self) -> bool {
        self.0
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn soft(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }
}

/// <https://no-color.org>
fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
