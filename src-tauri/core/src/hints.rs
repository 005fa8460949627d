//! Commands in texts for people: what is to be typed is about the machine that the text is about, also where that is not the one
//! that is meant when a command names none.

use crate::names::MachineName;
use crate::settings::OWN_KEYS;

/// The commands of `holdfast` that are about a machine, whatever else they are given. `login`, `logout` and `settings` may be.
pub const OF_MACHINE: [&str; 29] = [
    "adopt",
    "apply",
    "config",
    "connect",
    "cost",
    "destroy",
    "doctor",
    "exec",
    "export",
    "generations",
    "job",
    "jobs",
    "open",
    "plan",
    "policy",
    "power",
    "rebuild",
    "replace",
    "resize",
    "restart",
    "rollback",
    "sessions",
    "snapshot",
    "start",
    "status",
    "stop",
    "types",
    "up",
    "upload",
];

/// The text with `machine` named in each command in it that is about one.
pub fn naming(text: &str, machine: &MachineName) -> String {
    const PROGRAM: &str = "holdfast ";
    let mut named = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(PROGRAM) {
        let (before, words) = (&rest[..at], &rest[at + PROGRAM.len()..]);
        let is_program = !before.ends_with(|c: char| c.is_alphanumeric() || "-_./".contains(c));
        named.push_str(before);
        named.push_str(PROGRAM);
        if is_program && is_about_machine(words) {
            named.push_str("--machine ");
            named.push_str(machine.as_str());
            named.push(' ');
        }
        rest = words;
    }
    named.push_str(rest);
    named
}

/// Whether the words after the program's name begin with a command that is about the machine.
fn is_about_machine(words: &str) -> bool {
    // A command ends with its sentence.
    let end = words.find([';', ',', ')', ':', '\n', '`']).unwrap_or(words.len());
    let mut words = words[..end].split_whitespace();
    let command = words.next().unwrap_or_default().trim_end_matches('.');
    match command {
        // Without a profile it is the machine's.
        "login" | "logout" => words.next().is_none(),
        "settings" => {
            let change = matches!(words.next(), Some("set" | "unset"));
            change && words.next().is_some_and(|key| !OWN_KEYS.contains(&key))
        }
        _ => OF_MACHINE.contains(&command),
    }
}

#[cfg(test)]
mod tests {
    use super::naming;

    #[test]
    fn a_command_names_the_machine_that_it_is_about() {
        for (text, named) in [
            ("holdfast start", "holdfast --machine spare start"),
            ("switch it on: holdfast start.", "switch it on: holdfast --machine spare start."),
            ("(holdfast up)", "(holdfast --machine spare up)"),
            (
                "go on: holdfast replace; or take it back: holdfast replace --cancel, holdfast start",
                "go on: holdfast --machine spare replace; or take it back: holdfast --machine spare replace --cancel, \
                 holdfast --machine spare start",
            ),
            (
                "see: holdfast exec -- git -C remote-dev status",
                "see: holdfast --machine spare exec -- git -C remote-dev status",
            ),
            ("holdfast connect opens a plain shell", "holdfast --machine spare connect opens a plain shell"),
            ("holdfast settings set config.git URL", "holdfast --machine spare settings set config.git URL"),
            ("sign in now: holdfast login", "sign in now: holdfast --machine spare login"),
            // The profile is named, and so nothing else is needed.
            ("sign in: holdfast login work", "sign in: holdfast login work"),
            (
                "let Holdfast find one: holdfast settings unset terminal",
                "let Holdfast find one: holdfast settings unset terminal",
            ),
            (
                "see whether it is right: holdfast settings show",
                "see whether it is right: holdfast settings show",
            ),
            ("see which there are: holdfast profiles", "see which there are: holdfast profiles"),
            (
                "save what belongs in a report: holdfast diagnostics",
                "save what belongs in a report: holdfast diagnostics",
            ),
            // Named already, whichever it is.
            ("holdfast --machine other start", "holdfast --machine other start"),
            (
                "remove the entries of the program holdfast there",
                "remove the entries of the program holdfast there",
            ),
            ("in /var/lib/holdfast start", "in /var/lib/holdfast start"),
            ("Holdfast starts", "Holdfast starts"),
            ("holdfast ", "holdfast "),
            ("", ""),
        ] {
            let machine = "spare".parse().unwrap();
            assert_eq!(naming(text, &machine), named);
            assert_eq!(naming(named, &machine), named, "once is enough");
        }
    }
}
