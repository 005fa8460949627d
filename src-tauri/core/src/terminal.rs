//! Which program opens a terminal window, and how it is told what to run in it.

use crate::script::quote_all;

mod known;
pub mod on_screen;
mod template;
#[cfg(test)]
mod tests;

pub use known::Known;
pub use template::Template;

/// A system with windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux and the other free ones.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

/// The terminal that the user wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one that the desktop takes, or else the first that is there.
    #[default]
    Default,
    /// This one and no other.
    Known(Known),
    /// What the user wrote, and nothing else.
    Custom(Template),
}

impl Choice {
    /// What the setting says for [`Self::Default`].
    pub const DEFAULT: &str = "default";
}

/// Something that may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A program: its name where it is in `PATH`, or its path.
    Program(&'a str),
    /// An application of macOS, by the name of its bundle, e.g. `kitty.app`.
    Bundle(&'a str),
}

/// A window that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// What stands above it until a program in it says something else.
    pub title: &'a str,
    /// What runs in it, the program first, which has to be a path: no terminal takes one for an option.
    pub command: &'a [String],
    /// Where a script may be written for a terminal that runs nothing but files.
    pub script: &'a str,
}

/// How a terminal is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// What a person calls it.
    pub name: String,
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The text of the script that has to be at [`Window::script`], for a terminal that runs nothing but files. iTerm2
    /// asks the user first whether to run it.
    /// Source: <https://github.com/orbstack/orbstack/issues/16>
    pub script: Option<String>,
}

/// The ways to open `window`, to be tried in this order; none where nothing of the kind is installed.
///
/// Whoever chose a terminal gets that one or none, since another one in its place is never what was meant.
pub fn launches(
    system: System,
    choice: &Choice,
    window: &Window<'_>,
    installed: impl Fn(Part<'_>) -> bool,
) -> Vec<Launch> {
    let known = |known: Known| {
        let start = known.start(system)?;
        if installed(start.part()) { start.launch(known.name(), window) } else { None }
    };
    match choice {
        Choice::Default => {
            let all = Known::ALL.into_iter().filter_map(known);
            of_the_desktop(system, window, &installed).into_iter().chain(all).collect()
        }
        Choice::Known(chosen) => known(*chosen).into_iter().collect(),
        Choice::Custom(template) => {
            let launch = template.launch(window.command);
            launch.into_iter().filter(|launch| installed(Part::Program(&launch.program))).collect()
        }
    }
}

/// The terminals that are installed beside the one that was chosen.
pub fn alternatives(system: System, choice: &Choice, installed: impl Fn(Part<'_>) -> bool) -> Vec<Known> {
    let there = |known: &Known| known.start(system).is_some_and(|start| installed(start.part()));
    Known::ALL.into_iter().filter(there).filter(|known| *choice != Choice::Known(*known)).collect()
}

/// What a free desktop itself takes for its terminal. No title is given, since not every one that may be behind these
/// names knows how to take it.
///
/// - `xdg-terminal-exec` takes the command as its arguments:
///   <https://github.com/Vladimir-csp/xdg-terminal-exec>
/// - `x-terminal-emulator` takes everything after `-e`:
///   <https://www.debian.org/doc/debian-policy/ch-customized-programs.html#packages-providing-a-terminal-emulator>
fn of_the_desktop(system: System, window: &Window<'_>, installed: impl Fn(Part<'_>) -> bool) -> Vec<Launch> {
    let all: &[(&str, &str, &[&str])] = match system {
        System::Linux => &[
            ("the desktop's terminal", "xdg-terminal-exec", &[]),
            ("the default terminal", "x-terminal-emulator", &["-e"]),
        ],
        System::Mac | System::Windows => &[],
    };
    let there = all.iter().filter(|(_, program, _)| installed(Part::Program(program)));
    there.map(|(name, program, before)| Launch::new(name, program, before, window.command)).collect()
}

impl Launch {
    fn new(name: &str, program: &str, before: &[&str], command: &[String]) -> Self {
        let before = before.iter().map(|argument| (*argument).to_owned());
        let arguments = before.chain(command.iter().cloned()).collect();
        Self { name: name.to_owned(), program: program.to_owned(), arguments, script: None }
    }
}

/// `command` as one line for a POSIX shell; `None` where an argument cannot be one.
fn one_line(command: &[String]) -> Option<String> {
    quote_all(command.iter().map(String::as_str)).ok()
}
