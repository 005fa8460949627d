//! What a connection asks of AWS.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_core::connection::{Action, Outcome, Trouble, Way};
use holdfast_core::machine::Desired;
use holdfast_core::names::{InstanceId, SessionName};
use holdfast_core::script;
use holdfast_core::session::DataKey;
use holdfast_core::status::{State, Status};
use tokio::time::timeout;

use crate::aws::Aws;
use crate::aws::session::{Document, Socket};
use crate::problem::{CallError, CallErrorKind, Problem};

/// How long a call may take that keeps a session alive. What takes longer goes over a connection that is dead.
const CALL: Duration = Duration::from_secs(5);
/// How long the first one may take, which the SDK repeats by itself.
const FIRST: Duration = Duration::from_secs(60);

/// What runs on the machine.
#[derive(Clone, Debug)]
pub enum Program {
    /// The user's terminal in this zellij session: it is attached to again whenever a session is lost.
    Attach(SessionName),
    /// Something that runs once.
    Once {
        /// What the session runs.
        document: Document,
        /// What is typed into it first.
        typed: Option<Vec<u8>>,
    },
}

/// How a call went, and the socket that it opened.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) socket: Option<Socket>,
}

/// Makes the calls of one connection.
pub(super) struct Calls<'a> {
    aws: &'a Aws,
    /// Used instead once credentials had to be read anew.
    renewed: RefCell<Option<std::rc::Rc<Aws>>>,
    desired: &'a Desired,
    instance: RefCell<InstanceId>,
    program: Program,
    /// This terminal, among all that are attached.
    terminal: String,
    started: Cell<bool>,
    /// The document that takes a command is denied.
    denied: Cell<bool>,
    /// Credentials are to be read anew.
    stale: Cell<bool>,
    refusal: RefCell<Option<Problem>>,
}

/// AWS as it is to be called now.
enum Via<'a> {
    First(&'a Aws),
    Renewed(std::rc::Rc<Aws>),
}

impl std::ops::Deref for Via<'_> {
    type Target = Aws;
    fn deref(&self) -> &Aws {
        match self {
            Self::First(aws) => aws,
            Self::Renewed(aws) => aws,
        }
    }
}

impl<'a> Calls<'a> {
    pub(super) fn new(aws: &'a Aws, desired: &'a Desired, instance: &InstanceId, program: Program) -> Self {
        Self {
            aws,
            renewed: RefCell::default(),
            desired,
            instance: RefCell::new(instance.clone()),
            program,
            terminal: uuid::Uuid::new_v4().simple().to_string(),
            started: Cell::new(false),
            denied: Cell::new(false),
            stale: Cell::new(false),
            refusal: RefCell::default(),
        }
    }

    fn via(&self) -> Via<'a> {
        match &*self.renewed.borrow() {
            Some(aws) => Via::Renewed(aws.clone()),
            None => Via::First(self.aws),
        }
    }

    /// Why the last action failed for good.
    pub(super) fn refusal(&self) -> Problem {
        let unknown = || Problem::new("session_closed", "The session could not be opened");
        self.refusal.borrow_mut().take().unwrap_or_else(unknown)
    }

    pub(super) fn drop_connections(&self) {
        self.via().drop_connections();
    }

    pub(super) async fn terminate(&self, session_id: &str) -> Result<(), CallError> {
        self.via().terminate_session(session_id).await
    }

    pub(super) async fn data_key(
        &self,
        key_id: &str,
        context: BTreeMap<String, String>,
    ) -> Result<DataKey, CallError> {
        self.via().data_key(key_id, context).await
    }

    /// Does what the connection asks for. To be dropped when it asks for something else.
    pub(super) async fn make(&self, action: Action) -> Answer {
        tracing::info!(?action, "connection");
        if self.stale.take() {
            let aws = self.via().renew().await;
            *self.renewed.borrow_mut() = Some(std::rc::Rc::new(aws));
        }
        let aws = self.via();
        let mut socket = None;
        let is_start = matches!(action, Action::Start { .. });
        let result = match aws.sign_in().await {
            Err(error) => Err(error),
            Ok(()) => match action {
                Action::Start { turn, nonce } => self.start(&aws, turn, &nonce).await.map(Outcome::Way),
                Action::Resume { session_id } => {
                    in_time(CALL, "ResumeSession", aws.resume_session(&session_id))
                        .await
                        .map(|way| way.map_or(Outcome::Over, Outcome::Way))
                }
                Action::Terminate { session_id } => {
                    in_time(CALL, "TerminateSession", aws.terminate_session(&session_id))
                        .await
                        .map(|()| Outcome::Done)
                }
                Action::Dial { url } => aws.dial(&url).await.map(|opened| {
                    socket = Some(opened);
                    Outcome::Done
                }),
            },
        };
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(self.trouble(&aws, error, is_start).await),
        };
        tracing::info!(?outcome, "connection");
        Answer { outcome, socket }
    }

    async fn start(&self, aws: &Aws, turn: u32, nonce: &str) -> Result<Way, CallError> {
        let is_first = !self.started.get();
        let patience = if is_first { FIRST } else { CALL };
        let target = self.instance.borrow().clone();
        let start = async |document: Document, typed: Option<Vec<u8>>| {
            let call = aws.start_session(&target, &document, is_first);
            let mut way = in_time(patience, "StartSession", call).await?;
            self.started.set(true);
            way.typed = typed;
            Ok(way)
        };
        let name = match &self.program {
            Program::Once { document, typed } => return start(document.clone(), typed.clone()).await,
            Program::Attach(name) => name,
        };
        let script = script::attach(&self.desired.user, name, nonce, &self.terminal, turn);
        if !self.denied.get() {
            let started = start(Document::Interactive(script.clone()), None).await;
            if !started.as_ref().is_err_and(CallError::is_denied) {
                return started;
            }
            self.denied.set(true);
        }
        // Company policy may allow the account's own shell document only; then the script is typed into it.
        let typed = script::typed(&script).unwrap_or_default();
        start(Document::Shell, Some(typed.into_bytes())).await
    }

    /// What a failed call means for the connection.
    async fn trouble(&self, aws: &Aws, error: CallError, is_start: bool) -> Trouble {
        let offline = error.code() == "TargetNotConnected";
        let server = matches!(&error.kind, CallErrorKind::Service { code, .. } if is_passing(code));
        let kind = error.kind.clone();
        let problem = Problem::from(error);
        let words = match &kind {
            CallErrorKind::Timeout => "no answer".to_owned(),
            CallErrorKind::Unreachable { .. } | CallErrorKind::Garbled(_) => {
                "AWS cannot be reached".to_owned()
            }
            CallErrorKind::Service { code, .. } => code.clone(),
            CallErrorKind::Credentials(_) | CallErrorKind::Here(_) => String::new(),
        };
        let trouble = match kind {
            CallErrorKind::Timeout | CallErrorKind::Unreachable { .. } | CallErrorKind::Garbled(_) => {
                Trouble::Network(words)
            }
            _ if problem.is_about_credentials() && aws.takes_new_credentials() => {
                self.stale.set(true);
                let command = crate::aws::profile::sign_in_command(self.desired);
                Trouble::Credentials(command.map_or_else(
                    || "your AWS sign-in is over".to_owned(),
                    |command| format!("in another terminal: {command}"),
                ))
            }
            CallErrorKind::Service { .. } if server => Trouble::Network(words),
            CallErrorKind::Service { .. } if offline && is_start && self.started.get() => {
                Trouble::Machine(self.look(aws).await)
            }
            CallErrorKind::Service { .. } | CallErrorKind::Credentials(_) | CallErrorKind::Here(_) => {
                Trouble::Refused
            }
        };
        *self.refusal.borrow_mut() = Some(problem);
        trouble
    }

    /// Why the machine cannot be reached. It may be another one by now, of the same name.
    async fn look(&self, aws: &Aws) -> String {
        let Ok(Ok(observed)) = timeout(CALL, aws.glance(self.desired)).await else {
            return "its agent does not answer".to_owned();
        };
        if let Some(instance) = observed.winners(self.desired).instance {
            *self.instance.borrow_mut() = instance.id.clone();
        }
        crate::hints::naming(match Status::of(self.desired, &observed).state {
            State::Off => "it is off; in another terminal: holdfast start",
            State::Starting => "it is starting",
            State::Stopping => "it is stopping",
            State::Absent | State::Ending => "it is gone; in another terminal: holdfast up",
            State::On | State::Unknown => "its agent does not answer",
        })
    }
}

/// Whether an error of AWS's goes by itself.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "InternalServerError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "Http500"
            | "Http502"
            | "Http503"
            | "Http504"
            | "Http429"
    )
}

async fn in_time<T>(
    patience: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let late = || CallError { service: "ssm", operation, kind: CallErrorKind::Timeout, request_id: None };
    timeout(patience, call).await.unwrap_or_else(|_| Err(late()))
}
