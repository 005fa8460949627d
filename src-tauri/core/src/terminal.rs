//! Which program opens a terminal window, and how it is told what to run in it.

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

/// How a terminal is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// What a person calls it.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The text of the script that has to be at the path given, where the terminal runs nothing but files.
    pub script: Option<String>,
}

/// The ways to open a terminal that runs `command`, the best first. `installed` tells which programs there are; `script`
/// is where a script may be written.
///
/// - `xdg-terminal-exec` takes the command as its arguments:
///   <https://gitlab.freedesktop.org/terminal-wg/specifications/-/merge_requests/3>
/// - `x-terminal-emulator` takes everything after `-e`:
///   <https://www.debian.org/doc/debian-policy/ch-customized-programs.html#packages-providing-a-terminal-emulator>
/// - Terminal on macOS runs a file that ends in `.command`; anything else needs the permission to automate it.
/// - `wt` splits its arguments at every semicolon that no backslash stands before:
///   <https://learn.microsoft.com/windows/terminal/command-line-arguments>
pub fn launches(
    system: System,
    installed: impl Fn(&str) -> bool,
    command: &[String],
    script: &str,
) -> Vec<Launch> {
    let launch = |name, program, before: &[&str], command: &[String]| {
        let before = before.iter().map(|argument| (*argument).to_owned());
        Launch { name, program, arguments: before.chain(command.iter().cloned()).collect(), script: None }
    };
    let all = match system {
        System::Linux => vec![
            launch("the desktop's terminal", "xdg-terminal-exec", &[], command),
            launch("the default terminal", "x-terminal-emulator", &["-e"], command),
            launch("xterm", "xterm", &["-e"], command),
        ],
        System::Mac => {
            let words = crate::script::quote_all(command.iter().map(String::as_str)).unwrap_or_default();
            let text = format!("#!/bin/sh\nexec {words}\n");
            let open = launch("Terminal", "/usr/bin/open", &["-a", "Terminal", script], &[]);
            vec![Launch { script: Some(text), ..open }]
        }
        System::Windows => {
            let escaped: Vec<String> = command.iter().map(|word| word.replace(';', r"\;")).collect();
            vec![
                launch("Windows Terminal", "wt.exe", &["-w", "new", "--"], &escaped),
                launch("the console", "conhost.exe", &[], command),
            ]
        }
    };
    all.into_iter().filter(|launch| installed(launch.program)).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn every_system_has_its_terminals() {
        let command = ["/opt/my apps/holdfast", "window", "/home/ada/it's;here"].map(str::to_owned);
        let mut table = String::new();
        for (system, installed) in [
            (System::Linux, &["xdg-terminal-exec", "x-terminal-emulator", "xterm"][..]),
            (System::Linux, &["xterm"]),
            (System::Linux, &[]),
            (System::Mac, &["/usr/bin/open"]),
            (System::Windows, &["wt.exe", "conhost.exe"]),
            (System::Windows, &["conhost.exe"]),
        ] {
            let _ = writeln!(table, "{system:?} with {installed:?}");
            for launch in
                launches(system, |program| installed.contains(&program), &command, "/state/w.command")
            {
                let _ = writeln!(table, "  {}: {} {:?}", launch.name, launch.program, launch.arguments);
                if let Some(script) = launch.script {
                    let _ = writeln!(table, "    {script:?}");
                }
            }
        }
        insta::assert_snapshot!(table);
    }
}
