//! What Holdfast itself runs on the machine: a script whose answer it reads, and a file that it puts there.

use std::future::Future;
use std::pin::Pin;

use holdfast_core::app::harmless::harmless;
use holdfast_core::machine::Desired;
use holdfast_core::names::InstanceId;
use holdfast_core::script::{self, Between};
use holdfast_core::session::Stream;
use holdfast_core::upload::{Said, Upload};
use tokio::sync::mpsc;

use crate::aws::Aws;
use crate::aws::session::Document;
use crate::connect::{End, Ends, Input, Program, connect};
use crate::problem::Problem;

/// The machine that something is to be done on.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// How AWS is reached.
    pub aws: &'a Aws,
    /// What the settings say.
    pub desired: &'a Desired,
    /// The machine.
    pub instance: &'a InstanceId,
}

/// What a script answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status.
    pub status: i32,
    /// What it wrote.
    pub out: Vec<u8>,
    /// What it complained of.
    pub err: Vec<u8>,
}

type Session<'a> = Pin<Box<dyn Future<Output = Result<End, Problem>> + 'a>>;

/// The code of the problem that a machine is none of its own.
pub const NO_SYSTEM: &str = "no_system";
/// Pieces of output or input that wait.
const WAITING: usize = 16;
/// A script that answers more than this answers nonsense.
const LONGEST_ANSWER: usize = 16 << 20;
/// How much of a file goes into the connection at once.
const PIECE: usize = 64 << 10;

impl Machine<'_> {
    /// Runs a script as the agent's user and reads its answer. Where policy denies the documents that take a command, it is
    /// typed.
    ///
    /// # Errors
    /// AWS refuses the session, or it does not come to a good end.
    pub async fn run(self, script: &str) -> Result<Answer, Problem> {
        let command = script::without_shell(script).map_err(|error| not_sent(&error.to_string()))?;
        let answer = self.answer(Document::Command(command), None).await;
        if !answer.as_ref().is_err_and(Problem::is_denied) {
            return answer;
        }
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let typed = script::typed_command(script, &nonce).map_err(|error| not_sent(&error.to_string()))?;
        self.answer(Document::Shell, Some((typed, Between::new(&nonce)))).await
    }

    /// Runs the machine's half of Holdfast ([`script::MACHINE`]) with these words, as root. Where another text of it is there
    /// it is put there first.
    ///
    /// # Errors
    /// What [`Machine::run`] and [`Machine::upload`] may meet.
    pub async fn order(self, words: &[&str]) -> Result<Answer, Problem> {
        let script = script::machine(words.iter().copied()).map_err(|error| not_sent(&error.to_string()))?;
        let answer = self.run(&script).await?;
        match answer.status {
            script::OTHER_MACHINE => {
                self.install().await?;
                self.run(&script).await
            }
            script::NO_SYSTEM => Err(no_system()),
            _ => Ok(answer),
        }
    }

    async fn install(self) -> Result<(), Problem> {
        self.upload(script::MACHINE_UPLOAD, 0o600, script::MACHINE.as_bytes()).await?;
        let answer = self.run(&script::install_machine(&self.desired.user)).await?;
        if answer.status == 0 {
            return Ok(());
        }
        Err(Problem::new("machine_program", "Holdfast's program on the machine cannot be put in its place")
            .because(format!(
                "status {} {}",
                answer.status,
                harmless(&String::from_utf8_lossy(&answer.err), 300)
            ))
            .hint("see whether the disk is full: holdfast exec -- df -h /"))
    }

    /// Runs a script on a terminal of its own, as long as it takes, while `talk` has what it writes and may type. Where policy
    /// denies the document that takes a command, it is typed, and `talk` begins again.
    ///
    /// # Errors
    /// AWS refuses the session, or it cannot go on.
    pub async fn converse<T>(
        self,
        script: &str,
        mut talk: impl AsyncFnMut(mpsc::Sender<Input>, mpsc::Receiver<(Stream, Vec<u8>)>) -> T,
    ) -> (Result<End, Problem>, T) {
        let document = Document::Interactive(script.to_owned());
        let held = self.hold(Program::Once { document, typed: None }, &mut talk).await;
        if !held.0.as_ref().is_err_and(Problem::is_denied) {
            return held;
        }
        match script::typed(script) {
            Ok(typed) => {
                let program = Program::Once { document: Document::Shell, typed: Some(typed.into_bytes()) };
                self.hold(program, &mut talk).await
            }
            Err(error) => (Err(not_sent(&error.to_string())), held.1),
        }
    }

    async fn hold<T>(
        self,
        program: Program,
        talk: &mut impl AsyncFnMut(mpsc::Sender<Input>, mpsc::Receiver<(Stream, Vec<u8>)>) -> T,
    ) -> (Result<End, Problem>, T) {
        let (to_machine, input) = mpsc::channel(WAITING);
        let (output, from_machine) = mpsc::channel(WAITING);
        let ends = Ends { input, output, terminal: None, talks: false };
        // A type of its own, or those of the futures around it grow beyond what the compiler takes.
        let session: Session<'_> = Box::pin(connect(self.aws, self.desired, self.instance, program, ends));
        tokio::join!(session, talk(to_machine, from_machine))
    }

    async fn answer(self, document: Document, typed: Option<(String, Between)>) -> Result<Answer, Problem> {
        let (_input, from_us) = mpsc::channel(1);
        let (to_us, mut output) = mpsc::channel(WAITING);
        let (typed, mut between) = typed.unzip();
        let program = Program::Once { document, typed: typed.map(String::into_bytes) };
        let ends = Ends { input: from_us, output: to_us, terminal: None, talks: false };
        let collect = async {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            while let Some((stream, bytes)) = output.recv().await {
                let (to, bytes) = match (stream, &mut between) {
                    (Stream::Out, Some(between)) => (&mut out, between.feed(&bytes)),
                    (Stream::Out, None) => (&mut out, bytes),
                    (Stream::Err, _) => (&mut err, bytes),
                };
                if to.len() + bytes.len() <= LONGEST_ANSWER {
                    to.extend(bytes);
                }
            }
            (out, err, between.and_then(|between| between.status()))
        };
        let session: Session<'_> = Box::pin(connect(self.aws, self.desired, self.instance, program, ends));
        let (end, (out, err, marked)) = tokio::join!(session, collect);
        match (end?, marked) {
            (_, Some(status)) | (End::Exited(Some(status)), None) => Ok(Answer { status, out, err }),
            (End::Exited(None) | End::Left, None) => Err(Problem::no_exit_code()),
            (End::Closed(why), None) => Err(Problem::session_closed(why)),
        }
    }

    /// Puts a file on the machine, as its user, whole or not at all; an older one of the name is replaced in one step.
    /// `path` counts from the user's home; `mode` is made of the nine bits of permissions. The body goes through no
    /// parameter and is not echoed, so it is on no record but its own.
    ///
    /// # Errors
    /// AWS refuses the session, it is lost, or the machine does not take the file.
    pub async fn upload(self, path: &str, mode: u32, body: &[u8]) -> Result<(), Problem> {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let script = script::upload(&self.desired.user, path, mode, &nonce);
        let script = script.map_err(|error| not_sent(&error.to_string()))?;
        let talk = async |input: mpsc::Sender<Input>, mut output: mpsc::Receiver<(Stream, Vec<u8>)>| {
            let mut upload = Upload::new(&nonce);
            let mut said = async |output: &mut mpsc::Receiver<(Stream, Vec<u8>)>| {
                while let Some((_, bytes)) = output.recv().await {
                    if let Some(said) = upload.feed(&bytes) {
                        return Some(said);
                    }
                }
                None
            };
            let mut last = said(&mut output).await;
            if last == Some(Said::Ready) {
                let write = async {
                    let head = Upload::head(body).into_bytes();
                    for piece in std::iter::once(head.as_slice()).chain(body.chunks(PIECE)) {
                        if input.send(Input::Bytes(piece.to_vec())).await.is_err() {
                            break;
                        }
                    }
                };
                // The machine may refuse before it has it all.
                let ((), answer) = tokio::join!(write, said(&mut output));
                last = answer;
            }
            while output.recv().await.is_some() {}
            last
        };
        let (end, said) = self.converse(&script, talk).await;
        match said {
            Some(Said::Done) => Ok(()),
            Some(Said::Refused(why)) => Err(not_taken(&harmless(&why, 300))),
            Some(Said::Torn) => Err(not_taken("it did not arrive as it was sent")),
            Some(Said::Ready) | None => match end? {
                End::Closed(why) => Err(Problem::session_closed(why)),
                End::Exited(_) | End::Left => Err(not_taken("the session ended before it was there")),
            },
        }
    }
}

pub(crate) fn no_system() -> Problem {
    Problem::new(NO_SYSTEM, "This machine has no NixOS").because(
        "a machine of the sandbox is a shell on this computer, which has no system of its own to rebuild",
    )
}

fn not_sent(why: &str) -> Problem {
    Problem::new("command", "The command cannot be sent").because(why)
}

fn not_taken(why: &str) -> Problem {
    Problem::new("upload", "The machine did not take the file")
        .because(why)
        .hint("see whether the folder is there and has room: holdfast connect")
}
