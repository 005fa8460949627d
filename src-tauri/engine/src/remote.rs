//! What Holdfast itself runs on the machine: a script whose answer it reads, and a file that it puts there.

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
        let session = connect(self.aws, self.desired, self.instance, program, ends);
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
        let sent = self.send(Document::Interactive(script.clone()), None, &nonce, body).await;
        if !sent.as_ref().is_err_and(Problem::is_denied) {
            return sent;
        }
        let typed = script::typed(&script).map_err(|error| not_sent(&error.to_string()))?;
        self.send(Document::Shell, Some(typed.into_bytes()), &nonce, body).await
    }

    async fn send(
        self,
        document: Document,
        typed: Option<Vec<u8>>,
        nonce: &str,
        body: &[u8],
    ) -> Result<(), Problem> {
        let (input, from_us) = mpsc::channel(WAITING);
        let (to_us, mut output) = mpsc::channel(WAITING);
        let ends = Ends { input: from_us, output: to_us, terminal: None, talks: false };
        let session = connect(self.aws, self.desired, self.instance, Program::Once { document, typed }, ends);
        let talk = async {
            let mut upload = Upload::new(nonce);
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
        let (end, said) = tokio::join!(session, talk);
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

fn not_sent(why: &str) -> Problem {
    Problem::new("command", "The command cannot be sent").because(why)
}

fn not_taken(why: &str) -> Problem {
    Problem::new("upload", "The machine did not take the file")
        .because(why)
        .hint("see whether the folder is there and has room: holdfast connect")
}
