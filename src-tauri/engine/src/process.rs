//! Processes that go on without us.

use std::process::Command;

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
