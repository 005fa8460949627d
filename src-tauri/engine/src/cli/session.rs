//! `holdfast connect` and `holdfast exec`.

use std::cell::Cell;
use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use holdfast_core::names::{InstanceId, SessionName};
use holdfast_core::plan::Goal;
use holdfast_core::script::{self, Between, NotQuotable};
use holdfast_core::session::Stream;
use holdfast_core::status::{State, Status};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::ask::confirm;
use super::machine::reach;
use super::out;
use super::progress::Asking;
use super::{Context, INTERRUPTED, Interrupts, SIGNALLED};
use crate::aws::session::Document;
use crate::connect::{End, Ends, Input, Program, connect as carry, write_out};
use crate::problem::{Exit, Problem};
use crate::terminal::{self, Asked, Raw};

/// How many pieces of input wait, each at most some KiB.
const WAITING: usize = 64;
/// How many pieces of output wait, each at most 64 KiB. With more of them a slow terminal would go on for long after a
/// Ctrl-C.
const UNWRITTEN: usize = 16;
/// How long a session that is left may take to end in good order.
const PARTING: Duration = Duration::from_secs(3);
/// The exit code of a command whose output nobody reads any more, as shells give it for SIGPIPE.
const UNREAD: u8 = 141;

pub(super) async fn connect(
    context: &Context,
    name: &SessionName,
    interrupts: &Interrupts,
) -> Result<u8, Problem> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(terminal::none());
    }
    let instance = reachable(context).await?;
    let mut asked = Asked::listen()?;
    interrupts.take_over();
    let raw = Raw::enter()?;
    let (to_session, input) = mpsc::channel(WAITING);
    let keyboard = to_session.clone();
    std::thread::spawn(move || terminal::read_keys(&keyboard));
    tokio::spawn(terminal::watch_size(to_session.clone()));
    let (to_user, output) = mpsc::channel(UNWRITTEN);
    let writer = tokio::task::spawn_blocking(move || write_out(output));

    let ends = Ends { input, output: to_user, terminal: Some(terminal::columns_and_rows()), talks: false };
    let code = Cell::new(0);
    let left = async {
        code.set(SIGNALLED + asked.come().await);
        leave(&to_session).await;
    };
    let program = Program::Attach(name.clone());
    let end = until(carry(&context.aws, &context.desired, &instance, program, ends), left).await?;
    flushed(&end, writer).await;
    drop(raw);
    match end {
        End::Exited(code) => Ok(code.map_or(0, exit_code)),
        End::Left => Ok(code.get()),
        End::Closed(why) => Err(Problem::session_closed(why)),
    }
}

/// Carries a session until it ends, or until `left` does.
async fn until(
    session: impl Future<Output = Result<End, Problem>>,
    left: impl Future<Output = ()>,
) -> Result<End, Problem> {
    tokio::select! {
        end = session => end,
        () = left => Ok(End::Left),
    }
}

/// Has the session end in good order, and gives it some time for that: it may have no line.
async fn leave(input: &mpsc::Sender<Input>) {
    let _ = timeout(PARTING, input.send(Input::Leave)).await;
    sleep(PARTING).await;
}

/// Waits until the output is written; whoever left does not wait for a reader that hangs.
async fn flushed(end: &End, writer: JoinHandle<()>) {
    match end {
        End::Exited(_) | End::Closed(_) => drop(writer.await),
        End::Left => drop(timeout(PARTING, writer).await),
    }
}

pub(super) async fn exec(
    context: &Context,
    command: &[String],
    interrupts: &Interrupts,
) -> Result<u8, Problem> {
    let script = script::run(&context.desired.user, command).map_err(not_quotable)?;
    let instance = reachable(context).await?;
    let document = Document::Command(script::without_shell(&script).map_err(not_quotable)?);
    interrupts.take_over();
    let mut asked = Asked::listen()?;
    let mut end = run(context, &instance, &document, None, &mut asked).await;
    if end.as_ref().is_err_and(Problem::is_denied) {
        end = typed_run(context, &instance, &script, &mut asked).await;
    }
    let (end, code) = end?;
    match end {
        // The agent has no number for a command that a signal ended.
        End::Exited(Some(-1)) if code == INTERRUPTED => Ok(code),
        End::Exited(Some(code)) => Ok(exit_code(code)),
        // Not to know is no reason to say that all is well.
        End::Exited(None) => Err(Problem::no_exit_code()),
        End::Left => Ok(code),
        End::Closed(why) => Err(Problem::session_closed(why)),
    }
}

/// Carries a command to its end. With the end comes the exit code for the case that the user's side ended it.
async fn run(
    context: &Context,
    instance: &InstanceId,
    document: &Document,
    between: Option<(String, Between)>,
    asked: &mut Asked,
) -> Result<(End, u8), Problem> {
    let (input, from_user) = mpsc::channel(WAITING);
    let (to_user, mut output) = mpsc::channel::<(Stream, Vec<u8>)>(UNWRITTEN);
    let (typed, mut cut) = between.unzip();
    let program = Program::Once { document: document.clone(), typed: typed.map(String::into_bytes) };
    let (to_writer, written) = mpsc::channel(UNWRITTEN);
    let writer = tokio::task::spawn_blocking(move || write_out(written));
    let sorter = tokio::spawn(async move {
        while let Some((stream, bytes)) = output.recv().await {
            let bytes = match cut.as_mut() {
                Some(between) => between.feed(&bytes),
                None => bytes,
            };
            if to_writer.send((stream, bytes)).await.is_err() {
                break;
            }
        }
        cut.and_then(|between| between.status())
    });
    let ends =
        Ends { input: from_user, output: to_user, terminal: None, talks: std::io::stderr().is_terminal() };
    // Nobody but the reader of the output leaves without another code.
    let code = Cell::new(UNREAD);
    let left = async {
        code.set(tokio::select! {
            () = second_interrupt(&input, &code) => INTERRUPTED,
            signal = asked.come() => SIGNALLED + signal,
        });
        leave(&input).await;
    };
    let end = until(carry(&context.aws, &context.desired, instance, program, ends), left).await?;
    let status = if end == End::Left { None } else { sorter.await.ok().flatten() };
    flushed(&end, writer).await;
    let end = match end {
        End::Exited(None) | End::Closed(_) if status.is_some() => End::Exited(status),
        end @ (End::Exited(_) | End::Closed(_) | End::Left) => end,
    };
    Ok((end, code.get()))
}

/// Company policy may allow the account's own shell document only; then the command is typed into it.
async fn typed_run(
    context: &Context,
    instance: &InstanceId,
    script: &str,
    asked: &mut Asked,
) -> Result<(End, u8), Problem> {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let typed = script::typed_command(script, &nonce).map_err(not_quotable)?;
    if typed.lines().any(|line| line.len() > script::LONGEST_TYPED) {
        return Err(Problem::new("too_long", "The command is too long to be typed")
            .because("your AWS identity may not start AWS-StartNonInteractiveCommand, so it would have to be")
            .hint("put it into a file on the machine"));
    }
    run(context, instance, &Document::Shell, Some((typed, Between::new(&nonce))), asked).await
}

/// Gives the first Ctrl-C to the command and waits for the second one, which leaves.
async fn second_interrupt(input: &mpsc::Sender<Input>, code: &Cell<u8>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        code.set(INTERRUPTED);
        let _ = input.send(Input::Bytes(vec![0x03])).await;
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The instance, when a session can be opened on it. A machine that is off is started if the user agrees.
pub(super) async fn reachable(context: &Context) -> Result<InstanceId, Problem> {
    let desired = &context.desired;
    let mut observed = context.observe(Goal::Reachable).await?;
    let status = Status::of(desired, &observed);
    match (status.state, status.reachable) {
        (State::Absent | State::Ending, _) => return Err(Problem::no_machine(desired)),
        (State::Off, _) => {
            let off = Problem::new("machine_off", format!("{} is off", desired.machine))
                .hint("switch it on: holdfast start")
                .exit(Exit::Problem);
            let cost = status.monthly.total().map(|money| format!(" ({money} a month while it is on)"));
            if !confirm(&format!("{} is off. Start it{}? [y/N] ", desired.machine, cost.unwrap_or_default()))
                .await
            {
                return Err(off);
            }
            observed = reach(context, "start", Goal::Reachable, Asking::Given).await?.observed;
        }
        (State::Starting | State::Stopping, _) => {
            out::talk(&format!("{} is {}.", desired.machine, status.state.word()));
            observed = reach(context, "start", Goal::Reachable, Asking::YesOrNo).await?.observed;
        }
        (State::On, Some(false)) => {
            return Err(Problem::new("agent_offline", format!("{} is on, but its agent has not called SSM", desired.machine))
                .because("a machine that was just started needs a minute; else the agent needs its instance profile and a way out to port 443")
                .hint("wait for it: holdfast up"));
        }
        (State::On | State::Unknown, _) => {}
    }
    let instance = observed.winners(desired).instance.map(|instance| instance.id.clone());
    instance.ok_or_else(|| Problem::no_machine(desired))
}

fn not_quotable(error: NotQuotable) -> Problem {
    Problem::new("command", "The command cannot be sent").because(error.to_string()).exit(Exit::Usage)
}

fn exit_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(255)
}
