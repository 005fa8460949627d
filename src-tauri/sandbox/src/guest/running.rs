//! A program of a session while it runs: its output as it comes, its input queued, and its end.

use std::fs::{File, OpenOptions};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use holdfast_core::session::Stream;
use pty_process::{OwnedWritePty, Size};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::kind::Guest;
use super::program::{Program, Streams};
use super::utf8::Utf8Hold;
use super::{Failure, Input, Next, Output, Reading, split_command, sweep};

/// The most bytes that the agent puts into one message.
const MESSAGE: usize = 1024;
/// Messages read ahead of the session; the program is held up beyond that.
const READ_AHEAD: usize = 16;
/// Inputs the program has not taken yet before the session stops reading its socket.
const INPUTS: usize = 64;
/// Exit code the client is told when there is none.
const SIGNALLED: i32 = -1;

/// A running program. Dropping it kills the program and all of its process group and terminal session.
#[derive(Debug)]
pub(crate) struct Running {
    output: mpsc::Receiver<Output>,
    input: mpsc::Sender<Input>,
    leader: Option<Pid>,
    task: JoinHandle<()>,
}

/// The first process of a program, and the task that attends to it.
type Started = (Option<Pid>, JoinHandle<()>);

impl Running {
    pub(super) fn start(guest: &Guest, program: &Program, reading: Reading) -> Result<Self, Failure> {
        let (output_tx, output) = mpsc::channel(READ_AHEAD);
        let (input, input_rx) = mpsc::channel(INPUTS);
        let (leader, task) = match program {
            Program::Shell => terminal(guest, &[], reading, output_tx, input_rx)?,
            Program::Interactive(line) => {
                terminal(guest, &["-c".to_owned(), line.clone()], reading, output_tx, input_rx)?
            }
            Program::NonInteractive { command, streams } => {
                let words = split_command(command)
                    .map_err(|error| Failure::before(&format!("Failed to parse commands input: {error}")))?;
                let Some((name, arguments)) = words.split_first() else {
                    return Err(Failure::before("Failed to parse commands input: no command"));
                };
                let start = || {
                    let mut command = guest.command(name, arguments)?;
                    command.stdin(Stdio::null()).process_group(0);
                    match streams {
                        Streams::Together => together(guest, command, reading, output_tx, input_rx),
                        Streams::Separate { stdout_prefix, stderr_prefix } => {
                            let prefixes = [stdout_prefix.clone(), stderr_prefix.clone()];
                            separate(guest, command, prefixes, reading, output_tx, input_rx)
                        }
                    }
                };
                start().map_err(|error| Failure {
                    text: format!("Error occurred starting the command: {name}: {error}\n"),
                    exit: matches!(streams, Streams::Separate { .. }).then_some(1),
                })?
            }
        };
        Ok(Self { output, input, leader, task })
    }

    /// Waits for output, if it may be `read`, and for the program to take input again, if there is some to `write`.
    pub(crate) async fn next(&mut self, read: bool, write: bool) -> Next {
        tokio::select! {
            output = self.output.recv(), if read => {
                if matches!(output, None | Some(Output::End(_))) {
                    // Its id may belong to another process by now.
                    self.leader = None;
                }
                Next::Output(output.unwrap_or(Output::End(None)))
            }
            // An error means that the program is at its end, and then any input is taken and dropped.
            _permit = self.input.reserve(), if write => Next::TakesInput,
            else => std::future::pending().await,
        }
    }

    /// Hands input over; gives it back when the program takes none for now.
    pub(crate) fn input(&self, input: Input) -> Result<(), Input> {
        match self.input.try_send(input) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(input)) => Err(input),
        }
    }

    /// Lets go of the program as an agent does that dies: its terminal hangs up, and what happens then is its own affair.
    pub(crate) fn hang_up(mut self) {
        self.leader = None;
        self.task.abort();
    }
}

impl Drop for Running {
    /// Ends the program and whatever it left in its terminal session. What makes itself a session of its own (a daemon)
    /// stays until the machine is off, as on a real machine.
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            sweep::kill_session(leader);
        }
    }
}

fn no_terminal(error: pty_process::Error) -> Failure {
    Failure::before(&format!("Failed to start pty: {error}"))
}

fn terminal(
    guest: &Guest,
    arguments: &[String],
    reading: Reading,
    output: mpsc::Sender<Output>,
    mut input: mpsc::Receiver<Input>,
) -> Result<Started, Failure> {
    let no_command = |error: io::Error| no_terminal(error.into());
    let command = guest.command("sh", arguments).map_err(no_command)?;
    let start = || {
        let (pty, pts) = pty_process::open()?;
        Ok((pty_process::Command::from(command).spawn(pts)?, pty))
    };
    let (mut child, pty) = guest.inside(start).map_err(no_command)?.map_err(no_terminal)?;
    let leader = pid(&child);
    let (reader, mut writer) = pty.into_split();
    let task = tokio::spawn(async move {
        let typing = async {
            while let Some(input) = input.recv().await {
                if let Err(error) = put(&mut writer, input).await {
                    tracing::debug!(%error, "terminal takes no input");
                }
            }
            std::future::pending().await
        };
        let showing = async {
            tokio::time::sleep(reading.first).await;
            relay(reader, Stream::Out, "", reading.rest, &output).await;
            child.wait().await
        };
        let status = tokio::select! {
            status = typing => status,
            status = showing => status,
        };
        end(leader, status, None, &output).await;
    });
    Ok((leader, task))
}

async fn put(terminal: &mut OwnedWritePty, input: Input) -> io::Result<()> {
    match input {
        Input::Bytes(bytes) => terminal.write_all(&bytes).await,
        Input::Resize { cols, rows } => terminal.resize(Size::new(rows, cols)).map_err(io::Error::other),
    }
}

/// One file takes both streams, in the order in which they were written, and is sent afterwards.
fn together(
    guest: &Guest,
    mut command: Command,
    reading: Reading,
    output: mpsc::Sender<Output>,
    input: mpsc::Receiver<Input>,
) -> io::Result<Started> {
    let path = guest.root().join(format!("output-{}", uuid::Uuid::new_v4()));
    let written = OpenOptions::new().append(true).create_new(true).open(&path)?;
    let read = File::open(&path);
    std::fs::remove_file(&path)?;
    command.stdout(written.try_clone()?).stderr(written);
    let mut child = guest.inside(|| command.spawn())??;
    let leader = pid(&child);
    let read = tokio::fs::File::from_std(read?);
    let task = tokio::spawn(async move {
        let status = attend(&mut child, input).await;
        relay(read, Stream::Out, "", reading.rest, &output).await;
        end(leader, status, None, &output).await;
    });
    Ok((leader, task))
}

fn separate(
    guest: &Guest,
    mut command: Command,
    prefixes: [String; 2],
    reading: Reading,
    output: mpsc::Sender<Output>,
    input: mpsc::Receiver<Input>,
) -> io::Result<Started> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = guest.inside(|| command.spawn())??;
    let leader = pid(&child);
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("no pipes"));
    };
    let task = tokio::spawn(async move {
        let (status, (), ()) = tokio::join!(
            attend(&mut child, input),
            relay(stdout, Stream::Out, &prefixes[0], reading.rest, &output),
            relay(stderr, Stream::Err, &prefixes[1], reading.rest, &output),
        );
        let code = status.as_ref().map_or(1, |status| status.code().unwrap_or(SIGNALLED));
        end(leader, status, Some(code), &output).await;
    });
    Ok((leader, task))
}

/// Waits for a program without a terminal, handing it the two signals that its input can carry.
async fn attend(child: &mut Child, mut input: mpsc::Receiver<Input>) -> io::Result<ExitStatus> {
    let leader = pid(child);
    loop {
        tokio::select! {
            status = child.wait() => return status,
            Some(input) = input.recv() => {
                if let (Some(leader), Some(signal)) = (leader, signal(&input)) {
                    // The child is not reaped before `wait` says so: the id is still its own.
                    kill_process(leader, signal).unwrap_or_else(|error| tracing::debug!(%error, "no signal"));
                }
            }
        }
    }
}

fn signal(input: &Input) -> Option<Signal> {
    let Input::Bytes(bytes) = input else { return None };
    bytes.iter().find_map(|byte| match byte {
        0x03 => Some(Signal::INT),
        0x1c => Some(Signal::QUIT),
        _ => None,
    })
}

async fn relay(
    mut from: impl AsyncRead + Unpin,
    stream: Stream,
    prefix: &str,
    rest: Duration,
    to: &mpsc::Sender<Output>,
) {
    let mut buffer = vec![0; MESSAGE - prefix.len()];
    let mut hold = Utf8Hold::default();
    let mut fresh = true;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            // A daemon may keep the other end open for ever.
            () = to.closed() => return,
        };
        // A terminal reports its end as an error, a pipe as nothing more to read.
        let Ok(count @ 1..) = read else { return };
        let read = &buffer[..count];
        let text = if fresh && !prefix.is_empty() {
            hold.pass(&[prefix.as_bytes(), read].concat())
        } else {
            hold.pass(read)
        };
        fresh = read.ends_with(b"\n");
        if !text.is_empty() && to.send(Output::Bytes(stream, text)).await.is_err() {
            return;
        }
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
    }
}

async fn end(
    leader: Option<Pid>,
    status: io::Result<ExitStatus>,
    code: Option<i32>,
    output: &mpsc::Sender<Output>,
) {
    if let Some(leader) = leader {
        sweep::kill_session(leader);
    }
    tracing::debug!(?status, "program ended");
    // Nobody listens any more when the session was terminated.
    drop(output.send(Output::End(code)).await);
}

fn pid(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}
