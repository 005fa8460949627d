//! The command `holdfast` as a child process, on a computer of its own: nothing of the user's environment reaches it.

use std::path::Path;
use std::process::Command;

/// The program, which cargo builds before this test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// The environment of a computer whose user is ada and whose files are in `home`.
pub(crate) fn environment(home: &Path) -> Vec<(String, String)> {
    let path = |name: &str| home.join(name).display().to_string();
    // The last two are what Windows cannot do without.
    let kept = ["PATH", "TMPDIR", "SystemRoot", "LLVM_PROFILE_FILE"].into_iter();
    let mut all: Vec<(String, String)> =
        kept.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
    for (name, value) in [
        ("HOME", path("home")),
        ("HOLDFAST_CONFIG_DIR", path("config")),
        ("HOLDFAST_STATE_DIR", path("state")),
        ("AWS_CONFIG_FILE", path("aws/config")),
        ("AWS_SHARED_CREDENTIALS_FILE", path("aws/credentials")),
        ("USER", "ada".to_owned()),
        ("TERM", "xterm-256color".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ] {
        all.push((name.to_owned(), value));
    }
    all
}

/// The command with the arguments of `line`.
#[allow(dead_code, reason = "not every suite needs it")]
pub(crate) fn holdfast(home: &Path, line: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(line.split_whitespace()).env_clear().envs(environment(home));
    command
}
