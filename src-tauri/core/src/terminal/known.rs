//! The terminals that Holdfast knows.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Launch, Part, System, Window, one_line};

/// A terminal that Holdfast knows how to start; in data it is called as in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Terminal of macOS.
    Terminal,
    /// iTerm2.
    Iterm2,
    /// GNOME Terminal.
    GnomeTerminal,
    /// Konsole.
    Konsole,
    /// Xfce Terminal.
    #[serde(rename = "xfce4-terminal")]
    XfceTerminal,
    /// kitty.
    Kitty,
    /// Alacritty.
    Alacritty,
    /// WezTerm.
    #[serde(rename = "wezterm")]
    WezTerm,
    /// Ghostty.
    Ghostty,
    /// foot.
    Foot,
    /// xterm.
    Xterm,
    /// Windows Terminal.
    WindowsTerminal,
    /// The console of Windows.
    Conhost,
}

/// How a terminal takes what it is to run.
pub(super) enum Start {
    /// As arguments of its program, behind these.
    Program(&'static str, &'static [&'static str]),
    /// The same, with a backslash before every semicolon.
    Escaped(&'static str, &'static [&'static str]),
    /// As arguments of a new process of an application, behind these.
    Process(&'static str, &'static [&'static str]),
    /// As a script that the application opens.
    Script(&'static str),
}

/// Stands for the window's title in a list of arguments.
const TITLE: &str = "{title}";

impl Known {
    /// All of them, in the order in which they are tried where nobody chose one.
    pub const ALL: [Self; 13] = [
        Self::Terminal,
        Self::Iterm2,
        Self::GnomeTerminal,
        Self::Konsole,
        Self::XfceTerminal,
        Self::Kitty,
        Self::Alacritty,
        Self::WezTerm,
        Self::Ghostty,
        Self::Foot,
        Self::Xterm,
        Self::WindowsTerminal,
        Self::Conhost,
    ];

    /// What the setting says.
    pub fn word(self) -> &'static str {
        self.words().0
    }

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Terminal => ("terminal", "Terminal"),
            Self::Iterm2 => ("iterm2", "iTerm2"),
            Self::GnomeTerminal => ("gnome-terminal", "GNOME Terminal"),
            Self::Konsole => ("konsole", "Konsole"),
            Self::XfceTerminal => ("xfce4-terminal", "Xfce Terminal"),
            Self::Kitty => ("kitty", "kitty"),
            Self::Alacritty => ("alacritty", "Alacritty"),
            Self::WezTerm => ("wezterm", "WezTerm"),
            Self::Ghostty => ("ghostty", "Ghostty"),
            Self::Foot => ("foot", "foot"),
            Self::Xterm => ("xterm", "xterm"),
            Self::WindowsTerminal => ("windows-terminal", "Windows Terminal"),
            Self::Conhost => ("conhost", "the console"),
        }
    }

    /// How it is started on this system; `None` where there is no such terminal.
    ///
    /// A title is given only to those that let a program in the window change it later. kitty, Alacritty, Ghostty and
    /// Konsole would keep it for good, and the programs on the machine name their windows themselves.
    ///
    /// - GNOME Terminal hands over to a server and takes everything after `--`; without `--window` its settings may make
    ///   it a tab: <https://manpages.debian.org/bookworm/gnome-terminal/gnome-terminal.1.en.html>
    /// - Konsole takes everything after `-e`:
    ///   <https://docs.kde.org/stable5/en/konsole/konsole/command-line-options.html>
    /// - Xfce Terminal takes everything after `-x`:
    ///   <https://docs.xfce.org/apps/xfce4-terminal/command-line>
    /// - kitty takes what follows its options: <https://sw.kovidgoyal.net/kitty/invocation/>. On macOS a file
    ///   `macos-launch-services-cmdline` of the user's takes the place of the arguments, and nothing opens:
    ///   <https://github.com/kovidgoyal/kitty/issues/7135>
    /// - Alacritty takes everything after `-e`:
    ///   <https://manpages.debian.org/bookworm/alacritty/alacritty.1.en.html>
    /// - WezTerm takes everything after `start --`: <https://wezterm.org/cli/start.html>
    /// - Ghostty takes everything after `-e`: <https://ghostty.org/docs/config/reference#command>. It asks before it opens
    ///   a script, so it is given arguments on macOS too: <https://github.com/ghostty-org/ghostty/pull/8442>
    /// - foot takes what follows its options: <https://codeberg.org/dnkl/foot/src/branch/master/doc/foot.1.scd>
    /// - xterm takes everything after `-e`: <https://invisible-island.net/xterm/manpage/xterm.html>
    /// - Terminal and iTerm2 run a file that ends in `.command`; anything else needs the permission to automate them.
    /// - Windows Terminal splits its arguments at every semicolon that no backslash stands before:
    ///   <https://learn.microsoft.com/windows/terminal/command-line-arguments>
    /// - `conhost.exe` takes what it does not know, and all that follows, for the command line:
    ///   <https://github.com/microsoft/terminal/blob/main/src/host/ConsoleArguments.cpp>
    pub(super) fn start(self, system: System) -> Option<Start> {
        use System::{Linux, Mac, Windows};
        Some(match (system, self) {
            (Linux, Self::GnomeTerminal) => {
                Start::Program("gnome-terminal", &["--window", "--title", TITLE, "--"])
            }
            (Linux, Self::Konsole) => Start::Program("konsole", &["-e"]),
            (Linux, Self::XfceTerminal) => {
                Start::Program("xfce4-terminal", &["--initial-title", TITLE, "-x"])
            }
            (Linux, Self::Kitty) => Start::Program("kitty", &[]),
            (Linux, Self::Alacritty) => Start::Program("alacritty", &["-e"]),
            (Linux, Self::WezTerm) => Start::Program("wezterm", &["start", "--"]),
            (Linux, Self::Ghostty) => Start::Program("ghostty", &["-e"]),
            (Linux, Self::Foot) => Start::Program("foot", &["--title", TITLE]),
            (Linux, Self::Xterm) => Start::Program("xterm", &["-T", TITLE, "-e"]),
            (Mac, Self::Terminal) => Start::Script("Terminal.app"),
            (Mac, Self::Iterm2) => Start::Script("iTerm.app"),
            (Mac, Self::Kitty) => Start::Process("kitty.app", &[]),
            (Mac, Self::Alacritty) => Start::Process("Alacritty.app", &["-e"]),
            (Mac, Self::WezTerm) => Start::Process("WezTerm.app", &["start", "--"]),
            (Mac, Self::Ghostty) => Start::Process("Ghostty.app", &["-e"]),
            (Windows, Self::WindowsTerminal) => {
                Start::Escaped("wt.exe", &["-w", "new", "--title", TITLE, "--"])
            }
            (Windows, Self::Conhost) => Start::Program("conhost.exe", &[]),
            (Linux | Mac | Windows, _) => return None,
        })
    }
}

impl FromStr for Known {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|known| known.word() == word).ok_or(())
    }
}

impl Start {
    /// What has to be installed.
    pub(super) fn part(&self) -> Part<'static> {
        match self {
            Self::Program(program, _) | Self::Escaped(program, _) => Part::Program(program),
            Self::Process(bundle, _) | Self::Script(bundle) => Part::Bundle(bundle),
        }
    }

    /// The launch that opens `window`; `None` where no script can hold what it is to run.
    pub(super) fn launch(self, name: &str, window: &Window<'_>) -> Option<Launch> {
        const OPEN: &str = "/usr/bin/open";
        let titled = |words: &[&'static str]| -> Vec<&str> {
            words.iter().map(|word| if *word == TITLE { window.title } else { word }).collect()
        };
        let command = window.command;
        Some(match self {
            Self::Program(program, before) => Launch::new(name, program, &titled(before), command),
            Self::Escaped(program, before) => {
                let launch = Launch::new(name, program, &titled(before), command);
                let arguments = launch.arguments.iter().map(|word| word.replace(';', r"\;")).collect();
                Launch { arguments, ..launch }
            }
            Self::Process(bundle, before) => {
                Launch::new(name, OPEN, &[&["-n", "-a", bundle, "--args"], before].concat(), command)
            }
            Self::Script(bundle) => {
                let text = format!("#!/bin/sh\nexec {}\n", one_line(command)?);
                let launch = Launch::new(name, OPEN, &["-a", bundle, window.script], &[]);
                Launch { script: Some(text), ..launch }
            }
        })
    }
}
