//! Entering a machine from outside.

use std::env;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::panic::resume_unwind;
use std::path::Path;
use std::{ffi, process, thread};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces};
use tokio::process::Command;
use tokio::runtime::Handle;

use super::Nspawn;
use crate::guest::process::is_executable;

const SESSION: &str = include_str!("session.sh");
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Nspawn {
    /// A program of a session, to be started [inside](Self::inside): with the environment of the agent.
    pub(in crate::guest) fn command(&self, program: &str, arguments: &[String]) -> io::Result<Command> {
        let agent = self.group.agent().ok_or_else(|| io::Error::other("the agent is gone"))?;
        let environment = environment(agent)?;
        let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        let found = self.inside(|| match path {
            _ if program.contains('/') => is_executable(Path::new(program)),
            Some(path) => env::split_paths(&path).any(|folder| is_executable(&folder.join(program))),
            None => false,
        })?;
        if !found {
            return Err(io::Error::new(io::ErrorKind::NotFound, "executable file not found"));
        }
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SESSION, "sh", program])
            .args(arguments)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .envs(environment)
            .env("TERM", "xterm-256color")
            .env("HOME", "/home/ssm-user");
        Ok(command)
    }

    /// Does something with the eyes of the machine: the paths are its own, terminals are among its own, and processes
    /// are started in it.
    pub(in crate::guest) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> io::Result<T> {
        let first = self
            .group
            .first()
            .ok_or_else(|| io::Error::other("the machine is off or has just begun to boot"))?;
        inside(first, act)
    }

    pub(super) fn exec_root(&self, argv: &[&str]) -> io::Result<process::Output> {
        self.inside(|| root(argv).output())?
    }
}

/// Runs a program as root on the machine with this first process.
pub(super) fn run(first: Pid, argv: &[&str]) -> io::Result<process::Output> {
    inside(first, || root(argv).output())?
}

/// Asks for what the power button of a machine asks for.
pub(super) fn power_off(first: Pid) -> io::Result<()> {
    let status = inside(first, || root(&["kill", "-s", "RTMIN+4", "1"]).status())??;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

fn root(argv: &[&str]) -> process::Command {
    let mut command = process::Command::new("nsenter");
    command
        .args(["--target=1", "--cgroup", "--"])
        .args(argv)
        .env_clear()
        .env("PATH", ROOT_PATH)
        .stdin(process::Stdio::null());
    command
}

/// On a thread of its own, which can leave the name spaces of the others. Not that of control groups: a process has to
/// join a group of the machine while it still sees both that and its own.
fn inside<T: Send>(first: Pid, act: impl FnOnce() -> T + Send) -> io::Result<T> {
    let machine = pidfd_open(first, PidfdFlags::empty())?;
    let runtime = Handle::try_current().ok();
    let enter = || {
        #[expect(deprecated, reason = "it is unsound only for file descriptors, which stay shared here")]
        rustix::thread::unshare(UnshareFlags::FS)?;
        let spaces = ThreadNameSpaceType::MOUNT
            | ThreadNameSpaceType::PROCESS_ID
            | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
            | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
            | ThreadNameSpaceType::NETWORK;
        move_into_thread_name_spaces(machine.as_fd(), spaces)?;
        let _tokio = runtime.as_ref().map(Handle::enter);
        Ok(act())
    };
    thread::scope(|scope| scope.spawn(enter).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

fn environment(process: Pid) -> io::Result<Vec<(ffi::OsString, ffi::OsString)>> {
    let block = fs::read(format!("/proc/{}/environ", process.as_raw_pid()))?;
    let pair = |entry: &[u8]| {
        let equals = entry.iter().position(|byte| *byte == b'=')?;
        let text = |bytes: &[u8]| ffi::OsString::from_vec(bytes.to_vec());
        Some((text(&entry[..equals]), text(&entry[equals + 1..])))
    };
    Ok(block.split(|byte| *byte == 0).filter_map(pair).collect())
}
