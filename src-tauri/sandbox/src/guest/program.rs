//! What a session runs, by its document. The facts are those of `amazon-ssm-agent` 3.3 on Linux.
//!
//! - No document, or `SSM-SessionManagerRunShell`: `sh` without arguments on a pseudo terminal. Not a login shell.
//! - `AWS-StartInteractiveCommand`: `sh -c COMMAND` on a pseudo terminal, the string handed over whole: the quoting is
//!   that of one shell. The session ends with the command.
//! - `AWS-StartNonInteractiveCommand`: the agent splits the string itself ([`split_command`](super::split_command)) and
//!   executes the result: the first word is looked up in the agent's `PATH`. No terminal; standard input is `/dev/null`.
//!   The input bytes 0x03 and 0x1c become SIGINT and SIGQUIT for that one process (not its group; the first such
//!   byte of a message counts), all other input is ignored, window sizes too.
//!   - By default stdout and stderr go to one file, which is sent when the process has ended. No exit code is sent.
//!   - With `separateOutputStream` both are sent as they come, stderr under its own payload type, then the exit code once
//!     BOTH pipes are closed: -1 when a signal ended the process, 1 when it could not be started.
//!     The prefixes (at most 30 of letters, digits, CR, LF, `_`, `:`, `-`) go before a READ, not a line: before the first
//!     and before each that follows one which ended in LF.
//!   - What cannot be started or split is told as stderr text, also without separate streams.
//! - Output goes out in whole UTF-8 characters (see `utf8.rs`). A U+FFFD that the program itself wrote arrives as its first
//!   byte only, which is not imitated here.
//! - Everywhere: the agent's environment plus `TERM=xterm-256color`, `LANG=C.UTF-8` if unset, and `HOME`; a new terminal has
//!   the size 0×0 until the client says one; the working directory is the agent's, not the home.

use std::collections::BTreeMap;

/// The account's default shell document.
const SHELL: &str = "SSM-SessionManagerRunShell";

/// What a session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// An interactive shell.
    Shell,
    /// One command line for a shell, on a terminal.
    Interactive(String),
    /// One command that the agent splits itself, without a terminal.
    NonInteractive {
        /// The string before splitting.
        command: String,
        /// How its output is sent.
        streams: Streams,
    },
}

/// How the output of a non-interactive command is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Both in one, when the command has ended, without an exit code.
    Together,
    /// Each on its own as it comes, then the exit code.
    Separate {
        /// Put before reads of stdout.
        stdout_prefix: String,
        /// Put before reads of stderr.
        stderr_prefix: String,
    },
}

impl Program {
    /// Reads document and parameters; the error is what the client is told as the session's last words.
    pub fn new(document: Option<&str>, parameters: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        match document.unwrap_or(SHELL) {
            SHELL => Ok(Self::Shell),
            "AWS-StartInteractiveCommand" => {
                Ok(Self::Interactive(command(parameters, "InteractiveCommands")?))
            }
            "AWS-StartNonInteractiveCommand" => Ok(Self::NonInteractive {
                command: command(parameters, "NonInteractiveCommands")?,
                streams: streams(parameters)?,
            }),
            other => Err(format!("the sandbox has no sessions of the document {other}")),
        }
    }
}

fn one<'p>(parameters: &'p BTreeMap<String, Vec<String>>, name: &str) -> &'p str {
    parameters.get(name).and_then(|values| values.first()).map_or("", String::as_str)
}

fn command(parameters: &BTreeMap<String, Vec<String>>, session_type: &str) -> Result<String, String> {
    let command = one(parameters, "command");
    if command.trim().is_empty() {
        return Err(format!("Commands cannot be empty for session type {session_type}"));
    }
    Ok(command.to_owned())
}

fn streams(parameters: &BTreeMap<String, Vec<String>>) -> Result<Streams, String> {
    match one(parameters, "separateOutputStream") {
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => return Ok(Streams::Together),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => {}
        other => {
            return Err(format!("Fail to get separateOutPutStream property: invalid input {other:?}"));
        }
    }
    Ok(Streams::Separate {
        stdout_prefix: prefix(parameters, "stdOutSeparatorPrefix", "invalid stdoutSeparatorPrefix")?,
        stderr_prefix: prefix(parameters, "stdErrSeparatorPrefix", "invalid stderrSeparatorPrefix")?,
    })
}

fn prefix(parameters: &BTreeMap<String, Vec<String>>, name: &str, complaint: &str) -> Result<String, String> {
    let prefix = one(parameters, name);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"\r\n_:-".contains(&b);
    if prefix.len() > 30 || !prefix.bytes().all(allowed) {
        return Err(format!("{complaint} {prefix}"));
    }
    Ok(prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
    }

    #[test]
    fn reads_documents() {
        assert_eq!(Program::new(None, &parameters(&[])), Ok(Program::Shell));
        assert_eq!(Program::new(Some(SHELL), &parameters(&[])), Ok(Program::Shell));
        assert_eq!(
            Program::new(Some("AWS-StartInteractiveCommand"), &parameters(&[("command", "top")])),
            Ok(Program::Interactive("top".to_owned()))
        );
        let separate = parameters(&[
            ("command", "ls"),
            ("separateOutputStream", "true"),
            ("stdOutSeparatorPrefix", "OUT:\n"),
        ]);
        assert_eq!(
            Program::new(Some("AWS-StartNonInteractiveCommand"), &separate),
            Ok(Program::NonInteractive {
                command: "ls".to_owned(),
                streams: Streams::Separate {
                    stdout_prefix: "OUT:\n".to_owned(),
                    stderr_prefix: String::new()
                }
            })
        );
    }

    #[test]
    fn refuses_in_the_agents_words() {
        let refusal = |pairs: &[(&str, &str)]| {
            Program::new(Some("AWS-StartNonInteractiveCommand"), &parameters(pairs)).unwrap_err()
        };
        assert_eq!(
            refusal(&[("command", " ")]),
            "Commands cannot be empty for session type NonInteractiveCommands"
        );
        assert!(refusal(&[("command", "ls"), ("separateOutputStream", "yes")]).contains("\"yes\""));
        let spaced = [("command", "ls"), ("separateOutputStream", "1"), ("stdErrSeparatorPrefix", "a b")];
        assert_eq!(refusal(&spaced), "invalid stderrSeparatorPrefix a b");
        assert!(Program::new(Some("AWS-StartSSHSession"), &parameters(&[])).is_err());
    }
}
