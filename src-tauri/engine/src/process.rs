//! Processes of others, and those that go on without us.

use std::process::Command;

/// Keeps what opens something from a process that has no use for it: keys, tokens and the like of our environment.
pub fn without_secrets(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_secret)) {
        command.env_remove(name);
    }
}

/// Whether the value of an environment variable opens something, or is part of what does.
pub fn is_secret(name: &str) -> bool {
    let ours = name.starts_with("AWS_") || name.starts_with("HOLDFAST_");
    ours && ["SECRET", "TOKEN", "ACCESS_KEY", "AUTHORIZATION"].iter().any(|word| name.contains(word))
}

/// Lets the process outlive this one: neither Ctrl-C at our terminal nor the end of our window reaches it.
#[cfg(unix)]
pub fn detach(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Lets the process outlive this one: neither Ctrl-C at our console nor its end reaches it.
///
/// `DETACHED_PROCESS`: no console of ours.
/// Source: <https://learn.microsoft.com/windows/win32/procthread/process-creation-flags>
#[cfg(windows)]
pub fn detach(command: &mut Command) {
    std::os::windows::process::CommandExt::creation_flags(command, 0x0000_0008);
}
