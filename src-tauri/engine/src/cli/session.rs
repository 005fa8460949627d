//! `holdfast connect` and `holdfast exec`.

use std::io::IsTerminal;

use holdfast_core::names::InstanceId;
use holdfast_core::plan::Goal;
use holdfast_core::script::{self, Between, NotQuotable};
use holdfast_core::session::Stream;
use holdfast_core::status::{State, Status};
use tokio::sync::mpsc;

use super::machine::reach;
use super::out;
use super::progress::Asking;
use super::{Context, confirm};
use crate::aws::session::Document;
use crate::connect::{End, Ends, Input, connect as carry, write_out};
use crate::problem::{Exit, Problem};
use crate::terminal::{self, Raw};
use crate::world::World;

/// How many pieces of input and output wait, each at most some KiB.
const WAITING: usize = 64;

pub(super) async fn connect(context: &Context) -> Result<u8, Problem> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(terminal::none());
    }
    let instance = reachable(context).await?;
    let enter = script::enter(&context.desired.user);
    let document = Document::Interactive(enter.clone());
    let raw = Raw::enter()?;
    let mut end = on_terminal(context, &instance, &document, None).await;
    if end.as_ref().is_err_and(is_denied) {
        let typed = script::typed(&enter).map_err(|error| not_quotable(error))?;
        end = on_terminal(context, &instance, &Document::Shell, Some(typed)).await;
    }
    drop(raw);
    match end? {
        End::Exited(code) => Ok(code.map_or(0, exit_code)),
        End::Left => Ok(0),
        End::Closed(why) => Err(Problem::session_closed(why)),
    }
}

async fn on_terminal(
    context: &Context,
    instance: &InstanceId,
    document: &Document,
    typed: Option<String>,
) -> Result<End, Problem> {
    let (input, from_user) = mpsc::channel(WAITING);
    let (to_user, output) = mpsc::channel(WAITING);
    if let Some(typed) = typed {
        // The channel has just been made, so there is room.
        let _ = input.try_send(Input::Bytes(typed.into_bytes()));
    }
    let keys = input.clone();
    std::thread::spawn(move || terminal::read_keys(&keys));
    tokio::spawn(terminal::watch_size(input.clone()));
    let leave = tokio::spawn(async move {
        terminal::asked_to_end().await;
        let _ = input.send(Input::Leave).await;
    });
    let writer = tokio::task::spawn_blocking(move || write_out(output));
    let ends = Ends { input: from_user, output: to_user };
    let size = Some(terminal::columns_and_rows());
    let end = carry(&context.aws, instance, document, size, ends).await;
    leave.abort();
    let _ = writer.await;
    end
}

pub(super) async fn exec(context: &Context, command: &[String]) -> Result<u8, Problem> {
    let script = script::run(&context.desired.user, command).map_err(not_quotable)?;
    let instance = reachable(context).await?;
    let document = Document::Command(script::without_shell(&script).map_err(not_quotable)?);
    let mut end = run(context, &instance, &document, None).await;
    if end.as_ref().is_err_and(is_denied) {
        end = typed_run(context, &instance, &script).await;
    }
    match end? {
        End::Exited(code) => Ok(code.map_or(0, exit_code)),
        End::Left => Ok(130),
        End::Closed(why) => Err(Problem::session_closed(why)),
    }
}

async fn run(
    context: &Context,
    instance: &InstanceId,
    document: &Document,
    between: Option<(String, Between)>,
) -> Result<End, Problem> {
    let (input, from_user) = mpsc::channel(WAITING);
    let (to_user, mut output) = mpsc::channel::<(Stream, Vec<u8>)>(WAITING);
    let mut size = None;
    let mut cut = None;
    if let Some((typed, between)) = between {
        let _ = input.try_send(Input::Bytes(typed.into_bytes()));
        size = Some((300, 100));
        cut = Some(between);
    }
    let interrupts = tokio::spawn(forward_interrupts(input));
    let (to_writer, written) = mpsc::channel(WAITING);
    let writer = tokio::task::spawn_blocking(move || write_out(written));
    let sorter = tokio::spawn(async move {
        while let Some((stream, bytes)) = output.recv().await {
            let bytes = cut.as_mut().map_or_else(|| bytes.clone(), |between| between.feed(&bytes));
            if to_writer.send((stream, bytes)).await.is_err() {
                break;
            }
        }
        cut.and_then(|between| between.status())
    });
    let ends = Ends { input: from_user, output: to_user };
    let end = carry(&context.aws, instance, document, size, ends).await;
    interrupts.abort();
    let status = sorter.await.ok().flatten();
    let _ = writer.await;
    match end? {
        End::Exited(None) if status.is_some() => Ok(End::Exited(status)),
        End::Closed(_) if status.is_some() => Ok(End::Exited(status)),
        end @ (End::Exited(_) | End::Closed(_) | End::Left) => Ok(end),
    }
}

/// Company policy may allow the account's own shell document only; then the command is typed into it.
async fn typed_run(context: &Context, instance: &InstanceId, script: &str) -> Result<End, Problem> {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let typed = script::typed_command(script, &nonce).map_err(not_quotable)?;
    if typed.len() > script::LONGEST_TYPED {
        return Err(Problem::new("too_long", "The command is too long to be typed")
            .because("your AWS identity may not start AWS-StartNonInteractiveCommand, so it would have to be")
            .hint("put it into a file on the machine"));
    }
    run(context, instance, &Document::Shell, Some((typed, Between::new(&nonce)))).await
}

/// The first Ctrl-C goes to the command, the second one leaves.
async fn forward_interrupts(input: mpsc::Sender<Input>) {
    let terminated = async {
        terminal::asked_to_end().await;
        let _ = input.send(Input::Leave).await;
    };
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = input.send(Input::Bytes(vec![0x03])).await;
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = input.send(Input::Leave).await;
        }
    };
    tokio::join!(terminated, interrupted);
}

/// The instance, when a session can be opened on it. A machine that is off is started if the user agrees.
async fn reachable(context: &Context) -> Result<InstanceId, Problem> {
    let desired = &context.desired;
    let mut observed = context.aws.observe(desired, Goal::Reachable).await?;
    let status = Status::of(desired, &observed);
    match (status.state, status.reachable) {
        (State::Absent | State::Ending, _) => return Err(Problem::no_machine(desired)),
        (State::Off, _) => {
            let off = Problem::new("machine_off", format!("{} is off", desired.machine))
                .hint("switch it on: holdfast start")
                .exit(Exit::Problem);
            let cost = status.monthly.total().map(|money| format!(" ({money} a month while it is on)"));
            if !confirm(&format!("{} is off. Start it{}? [y/N] ", desired.machine, cost.unwrap_or_default())) {
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

fn is_denied(problem: &Problem) -> bool {
    problem.code == "denied"
}

fn not_quotable(error: NotQuotable) -> Problem {
    Problem::new("command", "The command cannot be sent").because(error.to_string()).exit(Exit::Usage)
}

fn exit_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(255)
}
