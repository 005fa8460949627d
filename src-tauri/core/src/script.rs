//! What Holdfast tells a shell on the machine. Every word that is not ours goes through [`quote`].

use crate::config::checksum;
use crate::jobs::JobId;
use crate::names::{SessionName, UserName};

/// A text that no shell word can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NUL character cannot be passed to a shell")]
pub struct NotQuotable;

/// One shell word that means exactly `text`, for a POSIX shell and for the agent's own splitting alike.
///
/// # Errors
/// A NUL, which no argument can hold.
pub fn quote(text: &str) -> Result<String, NotQuotable> {
    if text.contains('\0') {
        return Err(NotQuotable);
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The words of `argv` as one command line.
///
/// # Errors
/// A NUL.
pub fn quote_all<'a>(argv: impl IntoIterator<Item = &'a str>) -> Result<String, NotQuotable> {
    let words: Result<Vec<String>, NotQuotable> = argv.into_iter().map(quote).collect();
    Ok(words?.join(" "))
}

/// Finds the `sudo` of NixOS, whose setuid wrapper is not in the agent's PATH everywhere, or the system's.
const FIND_SUDO: &str = "s=/run/wrappers/bin/sudo; [ -x \"$s\" ] || s=sudo";

/// A new session has come in, so what the machine runs on trial is good. On a machine of its own alone.
const MARK_GOOD: &str = "[ -n \"${HOLDFAST_GUEST-}\" ] || [ ! -e /var/lib/holdfast/trial ] || \
                         \"$s\" -n sh /var/lib/holdfast/bin/machine good </dev/null >/dev/null 2>&1";

/// Sees the machine's user into a zellij session, and says so and how it ended with the marks of
/// [`Connection`](crate::connection::Connection). See the script for what it minds.
///
/// `nonce` belongs to this session alone, `terminal` to this terminal, and `turn` grows with each session that is opened
/// for it; the first two are letters and digits.
pub fn attach(user: &UserName, session: &SessionName, nonce: &str, terminal: &str, turn: u32) -> String {
    let script = compact(include_str!("script/attach.sh"));
    format!("user={user} session={session} nonce={nonce} terminal={terminal} turn={turn}\n{script}")
}

/// Lists the user's zellij sessions: [`sessions::parse`](crate::sessions::parse) reads it. Ends with [`NO_ZELLIJ`],
/// [`NO_USER`] or [`NO_SYSTEM`] where there can be none.
pub fn sessions(user: &UserName, nonce: &str) -> String {
    format!("user={user} nonce={nonce}\n{}", compact(include_str!("script/sessions.sh")))
}

/// Says how the machine is: [`Health::parse`](crate::doctor::Health::parse) reads it. It changes nothing.
pub fn health(user: &UserName) -> String {
    format!("user={user}\n{}", compact(include_str!("script/health.sh")))
}

/// Ends a zellij session for good, whether anything runs in it or not. Ends with [`NO_ZELLIJ`], [`NO_USER`],
/// [`NO_SYSTEM`] or [`NO_SESSION`] where there is none.
pub fn kill_session(user: &UserName, session: &SessionName) -> String {
    format!("user={user} session={session}\n{}", compact(include_str!("script/kill.sh")))
}

/// The machine has no zellij.
pub const NO_ZELLIJ: i32 = 3;
/// The machine does not have the user yet.
pub const NO_USER: i32 = 4;
/// There is no such session.
pub const NO_SESSION: i32 = 5;

/// Takes a file on its terminal, as the machine's user, and puts it to `path` (from the home on) with this mode:
/// [`Upload`](crate::upload::Upload) says what.
///
/// # Errors
/// A NUL in the path.
pub fn upload(user: &UserName, path: &str, mode: u32, nonce: &str) -> Result<String, NotQuotable> {
    let script = compact(include_str!("script/upload.sh"));
    Ok(format!("user={user} path={} mode={:o} nonce={nonce}\n{script}", quote(path)?, mode & 0o777))
}

/// The program that is the machine's half of all jobs; it says itself what it does.
pub const MACHINE: &str = include_str!("script/machine.sh");
/// Where it is uploaded to, from the home of the machine's user on, or of the agent's where there is none.
pub const MACHINE_UPLOAD: &str = ".holdfast-machine";
/// The machine has another text of it, or none.
pub const OTHER_MACHINE: i32 = 90;
/// It is a shell on the user's computer, which has no system to change.
pub const NO_SYSTEM: i32 = 91;

/// Runs [`MACHINE`] with these words; with [`OTHER_MACHINE`] where it is not there.
///
/// # Errors
/// A NUL.
pub fn machine<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<String, NotQuotable> {
    Ok(format!("{}exec \"$s\" -n sh \"$p\" {}", find_machine(), quote_all(words)?))
}

/// What switches a machine off by itself is not there: nothing of the kind is set.
pub const NO_POWER: i32 = 92;

/// Runs `nixos/power.sh` with these words; with [`NO_POWER`] where it is not there.
///
/// # Errors
/// A NUL.
pub fn power<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<String, NotQuotable> {
    Ok(format!(
        "[ -z \"${{HOLDFAST_GUEST-}}\" ] || exit {NO_SYSTEM}; {FIND_SUDO}; p=/run/current-system/sw/bin/holdfast-power; \
         [ -x \"$p\" ] || p=$(command -v holdfast-power) || exit {NO_POWER}; exec \"$s\" -n -- \"$p\" {}",
        quote_all(words)?
    ))
}

fn find_machine() -> String {
    format!(
        "[ -z \"${{HOLDFAST_GUEST-}}\" ] || exit {NO_SYSTEM}; {FIND_SUDO}; p=/var/lib/holdfast/bin/machine; \
         [ \"$(sha256sum \"$p\" 2>/dev/null | cut -c1-64)\" = {} ] || exit {OTHER_MACHINE}; ",
        checksum(MACHINE.as_bytes())
    )
}

/// Puts [`MACHINE`] from [`MACHINE_UPLOAD`] to where it belongs, if it is what it should be.
pub fn install_machine(user: &UserName) -> String {
    let sum = checksum(MACHINE.as_bytes());
    let root = format!(
        "set -e; b=/var/lib/holdfast/bin; install -D -m 755 \"$0\" $b/new; rm -f \"$0\"; \
         [ \"$(sha256sum $b/new | cut -c1-64)\" = {sum} ]; mv -f $b/new $b/machine"
    );
    format!(
        "{FIND_SUDO}; h=$(getent passwd {user} | cut -d: -f6); [ -n \"$h\" ] || h=$(cd && pwd); \
         exec \"$s\" -n sh -c '{root}' \"$h/{MACHINE_UPLOAD}\""
    )
}

/// Follows the log of a job from a cursor on, on a terminal, where a line `refuse` may be typed. The end is a line
/// `HF-NONCE exit STATUS`.
///
/// # Errors
/// A NUL.
pub fn follow(id: &JobId, cursor: Option<&str>, nonce: &str) -> Result<String, NotQuotable> {
    let words = quote_all(["follow", id.as_str()].into_iter().chain(cursor))?;
    Ok(format!(
        "stty raw -echo; ({}\"$s\" -n sh \"$p\" {words}); printf '\\nHF-%s exit %s\\n' {nonce} \"$?\"",
        find_machine()
    ))
}

/// Makes a user's login shell say that it starts, as the machine's check of itself does from inside.
pub fn enters(user: &UserName) -> String {
    format!(
        "{FIND_SUDO}; exec \"$s\" -Hu {user} -- \"$(getent passwd {user} | cut -d: -f7)\" -l -c \
         'cd && [ \"$(id -un)\" = {user} ]'"
    )
}

/// A script without its comments and indentation: it travels in a parameter, or has to be typed.
fn compact(script: &str) -> String {
    let lines = script.lines().map(str::trim_start);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    lines.join("\n")
}

/// Runs a command as the machine's user in a login environment, or as whoever the agent is on a machine without that
/// user.
///
/// One argument is a line for the shell; several are one program and its arguments, handed over as they are.
///
/// Not through `sudo -i`: that joins its arguments and leaves `$` to the login shell, so the line would be read twice.
/// The login shell may be any, so the line travels in a variable and not in its syntax.
///
/// # Errors
/// A NUL.
pub fn run(user: &UserName, argv: &[String]) -> Result<String, NotQuotable> {
    let line = match argv {
        [line] => line.clone(),
        argv => quote_all(argv.iter().map(String::as_str))?,
    };
    let line = quote(&line)?;
    Ok(format!(
        "{FIND_SUDO}; {MARK_GOOD}; if id -u {user} >/dev/null 2>&1; then \
         exec \"$s\" -Hu {user} -- env HOLDFAST_RUN={line} \"$(getent passwd {user} | cut -d: -f7)\" -l -c \
         'cd; exec env -u HOLDFAST_RUN sh -c \"$HOLDFAST_RUN\"'; fi; cd ~ 2>/dev/null || :; exec sh -c {line}"
    ))
}

/// The `command` of AWS-StartNonInteractiveCommand that runs `script`: there the agent splits the string itself and no
/// shell sees it.
/// Source: `shlex.Split` of `github.com/google/shlex`, called in `amazon-ssm-agent` `agent/session/shell/shell_unix.go`.
///
/// # Errors
/// A NUL.
pub fn without_shell(script: &str) -> Result<String, NotQuotable> {
    Ok(format!("sh -c {}", quote(script)?))
}

/// The longest line that may be typed: a terminal in line mode holds 4096 bytes on Linux and drops the rest.
pub const LONGEST_TYPED: usize = 4000;

/// What is typed into the default document's shell to run `script` there, where company policy denies the documents
/// that take a command.
///
/// # Errors
/// A NUL.
pub fn typed(script: &str) -> Result<String, NotQuotable> {
    Ok(format!(" exec sh -c {}\r", quote(script)?))
}

/// Like [`typed`], for a command whose output and exit status are wanted: [`Between`] finds both.
///
/// `nonce` must be letters and digits that no output can know.
///
/// # Errors
/// A NUL.
pub fn typed_command(script: &str, nonce: &str) -> Result<String, NotQuotable> {
    Ok(format!(
        " stty -echo -onlcr; printf 'HF-%s\\n' {nonce}; sh -c {} </dev/null; printf '\\nHF-%s %s\\n' {nonce} \"$?\"; \
         exit\r",
        quote(script)?
    ))
}

/// Cuts a command's output out of what a terminal shows, between the marks of [`typed_command`].
#[derive(Debug)]
pub struct Between {
    begin: Vec<u8>,
    end: Vec<u8>,
    held: Vec<u8>,
    begun: bool,
    status: Option<i32>,
}

impl Between {
    /// For the marks made with `nonce`.
    pub fn new(nonce: &str) -> Self {
        let begin = format!("HF-{nonce}\n").into_bytes();
        let end = format!("\nHF-{nonce} ").into_bytes();
        Self { begin, end, held: Vec::new(), begun: false, status: None }
    }

    /// Takes what the terminal shows next and gives what the command wrote of it.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend(bytes);
        if !self.begun {
            // The carriage return is there when the terminal could not be told to leave line ends alone.
            let Some(at) = find(&self.held, &self.begin[..self.begin.len() - 1]) else {
                let keep = self.held.len().saturating_sub(self.begin.len());
                self.held.drain(..keep);
                return Vec::new();
            };
            let after = at + self.begin.len() - 1;
            let line_end = match self.held.get(after..) {
                Some([b'\r', b'\n', ..]) => 2,
                Some([b'\n', ..]) => 1,
                Some([] | [b'\r']) | None => return Vec::new(),
                Some(_) => 0,
            };
            self.held.drain(..after + line_end);
            self.begun = true;
        }
        let Some(at) = find(&self.held, &self.end) else {
            let keep = self.held.len().saturating_sub(self.end.len() - 1);
            return self.held.drain(..keep).collect();
        };
        let tail = &self.held[at + self.end.len()..];
        let digits: String = tail.iter().map(|&b| char::from(b)).take_while(char::is_ascii_digit).collect();
        if digits.len() < tail.len() {
            self.status = digits.parse().ok();
            let output = self.held[..at].to_vec();
            self.held.clear();
            return output;
        }
        self.held.drain(..at).collect()
    }

    /// The exit status, once the command has ended.
    pub fn status(&self) -> Option<i32> {
        self.status
    }
}

pub(crate) fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    fn shell(shell: &str, script: &str) -> Vec<u8> {
        Command::new(shell).arg("-c").arg(script).output().unwrap().stdout
    }

    /// The plain one, and the one that the machine's user has.
    fn shells() -> Vec<&'static str> {
        let there = |name: &&str| Command::new(name).arg("-c").arg(":").status().is_ok();
        ["sh", "zsh"].into_iter().filter(there).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_real_shell_reads_what_was_quoted(text in "[^\0]{0,40}") {
            for name in shells() {
                let out = shell(name, &format!("printf %s {}", quote(&text).unwrap()));
                prop_assert_eq!(out, text.as_bytes(), "{}", name);
            }
        }

        #[test]
        fn two_layers_of_quoting_survive(words in prop::collection::vec("[^\0]{0,12}", 2..5)) {
            let line = quote_all(words.iter().map(String::as_str)).unwrap();
            let inner = format!("for w in {line}; do printf '%s|' \"$w\"; done");
            let out = shell("sh", &format!("sh -c {}", quote(&inner).unwrap()));
            prop_assert_eq!(String::from_utf8(out).unwrap(), words.join("|") + "|");
        }

        #[test]
        fn output_is_found_however_it_is_cut(
            output in prop::collection::vec(any::<u8>(), 0..80), cuts in prop::collection::vec(1usize..9, 0..40),
        ) {
            let mut shown = b"$ stty; printf 'HF-%s\\n' n0nce\r\nHF-n0nce\n".to_vec();
            shown.extend(&output);
            shown.extend(b"\nHF-n0nce 42\nbye");
            let (mut between, mut found, mut at) = (Between::new("n0nce"), Vec::new(), 0);
            for cut in cuts.into_iter().chain([shown.len()]) {
                let to = (at + cut).min(shown.len());
                if between.status().is_none() {
                    found.extend(between.feed(&shown[at..to]));
                }
                at = to;
            }
            prop_assert_eq!(found, output);
            prop_assert_eq!(between.status(), Some(42));
        }
    }

    #[test]
    fn hostile_words_stay_words() {
        for text in
            ["", "$(id)", "`id`", "a'b", "'", "''", "-rf", "a\nb", "\\", "\"", "*", "~", "a;b", "ü\u{202e}"]
        {
            let out = shell("sh", &format!("printf %s {}", quote(text).unwrap()));
            assert_eq!(out, text.as_bytes(), "{text:?}");
        }
        assert_eq!(quote("a\0b"), Err(NotQuotable));
    }

    #[test]
    fn scripts_are_one_line_of_valid_shell() {
        let user: UserName = "ada".parse().unwrap();
        let run = run(&user, &["echo".into(), "it's".into(), "a\tb".into()]).unwrap();
        for script in [run, without_shell("echo 'x'").unwrap()] {
            assert!(!script.contains('\n'), "{script}");
            let check = Command::new("sh").args(["-n", "-c", &script]).status().unwrap();
            assert!(check.success(), "{script}");
        }
    }

    /// All that is sent to the machine, as it is sent, with the worst names that there can be.
    #[test]
    fn what_is_sent_passes_shellcheck() {
        if Command::new("shellcheck").arg("--version").output().is_err() {
            return;
        }
        let user: UserName = "a_b-c".parse().unwrap();
        let hostile = "it's $(id) `id` \"\\ *\n-rf ~ ü\u{202e}";
        let id = JobId::new(1, 2);
        let scripts = [
            attach(&user, &SessionName::default(), "n0nce", "t0", 3),
            sessions(&user, "n0nce"),
            kill_session(&user, &SessionName::default()),
            upload(&user, hostile, 0o600, "n0nce").unwrap(),
            machine(["start", hostile, "-x", ""]).unwrap(),
            machine(["grow", hostile]).unwrap(),
            power(["keep", hostile]).unwrap(),
            install_machine(&user),
            follow(&id, Some(hostile), "n0nce").unwrap(),
            enters(&user),
            run(&user, &[hostile.to_owned(), "-x".to_owned()]).unwrap(),
            MACHINE.to_owned(),
        ];
        for script in scripts {
            let mut check = Command::new("shellcheck");
            // What is quoted for another shell expands there; assignments before the text are seen here.
            check.args(["--shell=sh", "--exclude=SC2016,SC1003,SC2034,SC2088", "-"]);
            let mut child = check.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stdout));
        }
    }

    #[test]
    fn what_may_have_to_be_typed_fits_into_the_lines_of_a_terminal() {
        let name: SessionName = "a".repeat(32).parse().unwrap();
        let user: UserName = "a".repeat(31).parse().unwrap();
        for script in [
            attach(&user, &name, &"f".repeat(24), &"f".repeat(32), u32::MAX),
            sessions(&user, &"f".repeat(32)),
            kill_session(&user, &name),
            upload(&user, "it's here", 0o600, &"f".repeat(32)).unwrap(),
            machine(["lock_of", &"f".repeat(40)]).unwrap(),
            install_machine(&user),
            follow(&JobId::new(1, 2), Some(&"c".repeat(200)), &"f".repeat(32)).unwrap(),
            enters(&user),
        ] {
            let check = Command::new("sh").args(["-n", "-c", &script]).status().unwrap();
            assert!(check.success(), "{script}");
            let typed = typed(&script).unwrap();
            assert!(typed.lines().all(|line| line.len() < LONGEST_TYPED && !line.contains('\t')), "{typed}");
        }
    }

    #[test]
    fn a_machine_without_the_user_says_so() {
        let user: UserName = "nobody-has-this-name".parse().unwrap();
        let script = attach(&user, &SessionName::default(), "n0nce", "t0", 3);
        let out = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(said.contains("no user nobody-has-this-name"), "{said}");
        assert!(said.contains("\x1b_holdfast;n0nce;in;shell\x1b\\"), "{said:?}");
        assert!(said.ends_with("\x1b_holdfast;n0nce;out;0\x1b\\"), "{said:?}");
        let argv = ["printf".to_owned(), "%s,".to_owned(), "a b".to_owned(), "$HOME".to_owned()];
        assert_eq!(shell("sh", &run(&user, &argv).unwrap()), b"a b,$HOME,");
        assert_eq!(shell("sh", &run(&user, &["echo $((6*7))".to_owned()]).unwrap()), b"42\n");
    }
}
