//! The other side of a connection: AWS, and sessions that all show the same terminal.

use std::time::Duration;

use crate::connection::{Outcome, Trouble, Way};
use crate::session::Stream;
use crate::session::agent::{Agent, AgentConfig, AgentEvent, SessionType};
use crate::session::sim::story::Rng;
use crate::time::Moment;

/// One session at AWS, with its agent.
pub(super) struct Guest {
    pub(super) agent: Agent,
    /// AWS knows it.
    pub(super) alive: bool,
    /// Its agent works.
    pub(super) works: bool,
    /// What opens it, and which address is the newest: both change with every resume.
    pub(super) version: u64,
    pub(super) arrived: Vec<u8>,
    pub(super) printed: u64,
    pub(super) ending: Option<Moment>,
    pub(super) size: Option<(u16, u16)>,
    nonce: String,
}

/// How AWS and the machine are just now.
pub(super) struct Aws {
    pub(super) guests: Vec<Guest>,
    pub(super) signed_in: bool,
    pub(super) machine_on: bool,
    /// A policy that lets nobody resume a session.
    pub(super) may_resume: bool,
    /// What ran in the terminal has ended.
    pub(super) over: bool,
}

pub(super) const STATUS: i32 = 7;

impl Aws {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let may_resume = !rng.chance(50);
        Self { guests: Vec::new(), signed_in: true, machine_on: true, may_resume, over: false }
    }

    fn refusal(&self) -> Option<Outcome> {
        (!self.signed_in).then(|| Outcome::Failed(Trouble::Credentials("expired".into())))
    }

    fn way(&self, index: usize) -> Way {
        let version = self.guests[index].version;
        Way {
            session_id: index.to_string(),
            url: format!("{index}:{version}"),
            token: format!("token {version}"),
            typed: None,
        }
    }

    pub(super) fn start(&mut self, now: Moment, nonce: &str, rng: &mut Rng) -> Outcome {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        if !self.machine_on {
            return Outcome::Failed(Trouble::Machine("it is off".into()));
        }
        let config = AgentConfig {
            session_id: self.guests.len().to_string(),
            target_id: "i-0".into(),
            session_type: SessionType::InteractiveCommands,
            agent_version: "3.3.1345.0".into(),
            seed: rng.bytes(32).try_into().unwrap(),
            kms: None,
        };
        self.guests.push(Guest {
            agent: Agent::new(config, now),
            alive: true,
            works: true,
            version: 0,
            arrived: Vec::new(),
            printed: 0,
            ending: None,
            size: None,
            nonce: nonce.to_owned(),
        });
        Outcome::Way(self.way(self.guests.len() - 1))
    }

    pub(super) fn resume(&mut self, session_id: &str) -> Outcome {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        if !self.may_resume {
            return Outcome::Failed(Trouble::Refused);
        }
        let index: usize = session_id.parse().unwrap();
        let guest = &mut self.guests[index];
        if !guest.alive {
            return Outcome::Over;
        }
        guest.version += 1;
        Outcome::Way(self.way(index))
    }

    pub(super) fn terminate(&mut self, session_id: &str) -> Outcome {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        self.guests[session_id.parse::<usize>().unwrap()].die();
        Outcome::Done
    }

    /// Which session the address leads to, if it is the newest one.
    pub(super) fn dial(&self, url: &str) -> Result<usize, Outcome> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let (index, version) = url.split_once(':').unwrap();
        let index: usize = index.parse().unwrap();
        let guest = &self.guests[index];
        if guest.alive && guest.version.to_string() == version {
            Ok(index)
        } else {
            Err(Outcome::Failed(Trouble::Refused))
        }
    }

    pub(super) fn reboot(&mut self) {
        self.guests.iter_mut().for_each(Guest::die);
    }
}

impl Guest {
    pub(super) fn die(&mut self) {
        self.alive = false;
        self.works = false;
    }

    pub(super) fn is_token(&self, token: &str) -> bool {
        token == format!("token {}", self.version)
    }

    /// The wrapper begins, and with it the terminal that was there all the time.
    pub(super) fn begin(&mut self, now: Moment) {
        let mark = format!("noise\x1b_holdfast;{};in;zellij\x1b\\", self.nonce);
        self.agent.write_output(now, Stream::Out, mark.as_bytes());
    }

    pub(super) fn print(&mut self, now: Moment, index: usize) {
        let text = format!("{index}:{};", self.printed);
        self.printed += 1;
        self.agent.write_output(now, Stream::Out, text.as_bytes());
    }

    /// The program ends by itself.
    pub(super) fn exit(&mut self, now: Moment) {
        if self.ending.is_none() {
            let mark = format!("\x1b_holdfast;{};out;{STATUS}\x1b\\bye", self.nonce);
            self.agent.write_output(now, Stream::Out, mark.as_bytes());
            self.ending = Some(now + Duration::from_secs(2));
        }
    }

    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            match event {
                AgentEvent::Input(bytes) => self.arrived.extend(bytes),
                AgentEvent::Resize { cols, rows } => self.size = Some((cols, rows)),
                AgentEvent::HandshakeDone => {}
                AgentEvent::HandshakeFailed(_)
                | AgentEvent::DecryptKey { .. }
                | AgentEvent::Terminate
                | AgentEvent::Disconnect => panic!("unasked {event:?}"),
            }
        }
    }
}
