//! [`Session`] and [`Agent`] against each other under virtual time, over a link that does its worst.
//!
//! Each seed makes one story: what is typed and printed and when, and what the link loses, doubles, delays, turns round,
//! garbles and cuts. Whatever happens, what was typed arrives once and in order, and so does what was printed.

pub(crate) mod story;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use self::story::{Kind, Rng, Weather};
use super::agent::{Agent, AgentConfig, AgentEvent, AgentKms};
use super::wire::{Ids, OpenDataChannel, channel_closed, pause_publication, start_publication};
use super::{
    CLIENT_VERSION, Closed, Config, DataKey, Event, MAX_PENDING_OUTPUT, SEND_BUFFER, Session, Stream,
    Transmit,
};
use crate::time::Moment;

#[derive(Debug)]
enum Happening {
    ToClient {
        link: u64,
        bytes: Vec<u8>,
    },
    ToAgent {
        link: u64,
        bytes: Vec<u8>,
    },
    Pong {
        link: u64,
    },
    Type(Vec<u8>),
    Resize(u16, u16),
    Print(Stream, Vec<u8>),
    Exit(i32),
    Cut {
        silent: bool,
    },
    /// A silent cut heals before anyone notices.
    Heal {
        link: u64,
    },
    Connect,
    AgentDown,
    AgentUp,
    Wake,
    ClientKey(DataKey),
    AgentKey,
}

struct Sim {
    kind: Kind,
    rng: Rng,
    weather: Weather,
    now: Moment,
    started: Moment,
    queue: BTreeMap<(Moment, u64), Happening>,
    count: u64,
    session: Session,
    agent: Agent,
    agent_up: bool,
    /// Counts the client's websockets.
    link: u64,
    /// Whether that websocket carries anything.
    carries: bool,
    first_transmit: bool,
    gateway: Ids,
    key: [u8; 64],
    context: BTreeMap<String, String>,
    /// Yet to be printed once the guest runs.
    guest: Vec<(Duration, Happening)>,
    typed: Vec<u8>,
    backlog: VecDeque<u8>,
    arrived: Vec<u8>,
    printed: [Vec<u8>; 2],
    shown: [Vec<u8>; 2],
    size: Option<(u16, u16)>,
    agent_size: Option<(u16, u16)>,
    exit: Option<i32>,
    exited: Option<i32>,
    ready: bool,
    scripted: usize,
}

/// What a seed went through.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    took: Duration,
    links: u64,
    resent: u64,
    steps: u64,
}

const LONGEST: Duration = Duration::from_secs(3600);
const MOST_STEPS: u64 = 200_000;
const SESSION_ID: &str = "alice-0123456789abcdef0";

impl Sim {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut rng = Rng(seed);
        let weather = Weather::new(&mut rng);
        let now = Moment::from_epoch(Duration::from_millis(1_700_000_000_000 + rng.below(1 << 40)));
        let mut seeds = || <[u8; 32]>::try_from(rng.bytes(32)).unwrap();
        let (client_seed, agent_seed, gateway) = (seeds(), seeds(), Ids::new(seeds()));
        let size = (!kind.is_command() && kind != Kind::Port).then_some((80, 24));
        let config = Config {
            session_id: SESSION_ID.into(),
            target_id: "i-0123456789abcdef0".into(),
            client_id: [7; 16],
            client_version: CLIENT_VERSION.into(),
            seed: client_seed,
            expects_handshake: kind.is_command() || kind == Kind::Port,
            size,
        };
        let agent_config = AgentConfig {
            session_id: config.session_id.clone(),
            target_id: config.target_id.clone(),
            session_type: kind.session_type(),
            agent_version: "3.3.1345.0".into(),
            seed: agent_seed,
            kms: kind
                .is_secret()
                .then(|| AgentKms { key_id: "arn:aws:kms:key".into(), require_challenge: true }),
        };
        let key = rng.bytes(64).try_into().unwrap();
        let mut this = Self {
            kind,
            weather,
            now,
            started: now,
            queue: BTreeMap::new(),
            count: 0,
            session: Session::new(config, now),
            agent: Agent::new(agent_config, now),
            agent_up: false,
            link: 0,
            carries: false,
            first_transmit: false,
            gateway,
            key,
            context: BTreeMap::new(),
            guest: Vec::new(),
            typed: Vec::new(),
            backlog: VecDeque::new(),
            arrived: Vec::new(),
            printed: [Vec::new(), Vec::new()],
            shown: [Vec::new(), Vec::new()],
            size,
            agent_size: None,
            exit: None,
            exited: None,
            ready: false,
            scripted: 0,
            rng,
        };
        this.write_script();
        this
    }

    fn write_script(&mut self) {
        let length = if self.rng.chance(300) { 60_000 } else { 8_000 };
        for _ in 0..=self.rng.below(15) {
            let bytes = if self.rng.chance(50) { 6000 } else { 1 + self.rng.below(60) };
            let (at, typed) = (self.rng.millis(0, length), self.rng.bytes(bytes));
            self.script(at, Happening::Type(typed));
        }
        for _ in 0..=self.rng.below(15) {
            let at = self.rng.millis(800, length);
            let both = self.kind.is_command() && self.rng.chance(300);
            let stream = if both { Stream::Err } else { Stream::Out };
            let bytes = if self.rng.chance(100) { 12_000 } else { 1 + self.rng.below(200) };
            self.guest.push((at, Happening::Print(stream, self.rng.bytes(bytes))));
        }
        if self.kind.is_command() {
            self.guest.push((Duration::from_millis(length), Happening::Exit(self.rng.below(256) as i32)));
        }
        self.scripted += self.guest.len();
        if self.size.is_some() {
            for _ in 0..self.rng.below(4) {
                let (at, cols) = (self.rng.millis(0, length), self.rng.below(300) as u16);
                self.script(at, Happening::Resize(cols, 50));
            }
        }
        self.write_trouble(length);
        self.after(Duration::ZERO, Happening::Connect);
        let late = if self.rng.chance(200) { self.rng.millis(0, 8000) } else { Duration::ZERO };
        self.after(late, Happening::AgentUp);
    }

    /// The agent gives up a handshake after 15 s, so in that time only short outages befall it.
    fn write_trouble(&mut self, length: u64) {
        let busy = if self.kind.has_handshake() { 40_000 } else { 0 };
        for _ in 0..self.rng.below(5) {
            let at = self.rng.millis(0, length);
            self.after(at, Happening::Cut { silent: false });
        }
        for _ in 0..self.rng.below(3) {
            let at = self.rng.millis(busy, busy + length);
            self.after(at, Happening::Cut { silent: true });
        }
        if self.rng.chance(200) {
            let at = self.rng.millis(busy, busy + length);
            self.after(at, Happening::AgentDown);
        }
    }

    fn script(&mut self, after: Duration, happening: Happening) {
        self.scripted += 1;
        self.after(after, happening);
    }

    fn after(&mut self, after: Duration, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now + after, self.count), happening);
    }

    fn run(mut self) -> Result<Report, String> {
        let mut steps = 0;
        while !self.is_done() {
            steps += 1;
            self.step()?;
            self.drain()?;
            self.check_bounds()?;
            if self.now.since(self.started) > LONGEST || steps > MOST_STEPS {
                return Err(format!("stalled after {steps} steps: {}", self.state()));
            }
        }
        self.close()?;
        let took = self.now.since(self.started);
        Ok(Report { took, links: self.link, resent: self.session.stats().resent, steps })
    }

    fn is_done(&self) -> bool {
        self.scripted == 0
            && self.arrived.len() >= self.typed.len()
            && self.shown[0].len() >= self.printed[0].len()
            && self.shown[1].len() >= self.printed[1].len()
            && self.exited == self.exit
            && self.agent.unacked() == 0
            && self.session.unacknowledged() == 0
            && (self.agent_size == self.size)
            && self.ready
    }

    fn step(&mut self) -> Result<(), String> {
        let happening = self.queue.first_key_value().map(|((at, _), _)| *at);
        let due = [happening, self.session.poll_timeout(), self.agent.poll_timeout()];
        let next = due.into_iter().flatten().min().ok_or_else(|| format!("deaf: {}", self.state()))?;
        self.now = self.now.max(next);
        if self.session.poll_timeout().is_some_and(|due| due <= self.now) {
            self.session.handle_timeout(self.now);
            // A timer that stays due makes its owner spin. What waits for the socket is not on any timer.
            if self.session.poll_timeout().is_some_and(|due| due <= self.now) {
                return Err(format!("still due: {}", self.state()));
            }
        }
        if self.agent.poll_timeout().is_some_and(|due| due <= self.now) {
            self.agent.handle_timeout(self.now);
        }
        if happening.is_some_and(|at| at <= self.now)
            && let Some((_, happening)) = self.queue.pop_first()
        {
            self.happen(happening);
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToClient { link, bytes } => {
                if self.carries && link == self.link {
                    self.session.handle_frame(self.now, &bytes);
                }
            }
            Happening::ToAgent { link, bytes } => {
                if self.agent_up && (self.weather.lingers || self.carries && link == self.link) {
                    self.agent.handle_frame(self.now, &bytes);
                }
            }
            Happening::Pong { link } => {
                if self.carries && link == self.link {
                    self.session.handle_pong(self.now);
                }
            }
            Happening::Type(bytes) => {
                self.scripted -= 1;
                self.typed.extend_from_slice(&bytes);
                self.backlog.extend(bytes);
            }
            Happening::Resize(cols, rows) => {
                self.scripted -= 1;
                self.size = Some((cols, rows));
                self.session.resize(self.now, cols, rows);
            }
            Happening::Print(stream, bytes) => {
                self.scripted -= 1;
                self.printed[stream as usize].extend_from_slice(&bytes);
                self.agent.write_output(self.now, stream, &bytes);
            }
            Happening::Exit(code) => {
                self.scripted -= 1;
                self.exit = Some(code);
                self.agent.exit_code(self.now, code);
            }
            Happening::Cut { silent } => self.cut(silent),
            Happening::Heal { link } => self.carries |= link == self.link && self.first_transmit,
            Happening::Connect => self.connect(),
            Happening::AgentDown => {
                self.agent_up = false;
                self.agent.link_lost(self.now);
                let outage = self.rng.millis(0, 10_000);
                self.after(outage, Happening::AgentUp);
            }
            Happening::AgentUp => {
                self.agent_up = true;
                self.agent.link_up(self.now);
            }
            Happening::Wake => {}
            Happening::ClientKey(key) => self.session.provide_key(self.now, key),
            Happening::AgentKey => self.agent.provide_key(self.now, self.key),
        }
    }

    fn cut(&mut self, silent: bool) {
        if !self.carries {
            return;
        }
        self.carries = false;
        if self.weather.pauses && self.agent_up {
            let pause = pause_publication(self.gateway.next_id(), self.now);
            self.agent.handle_frame(self.now, &pause);
        }
        if !silent {
            self.session.link_lost(self.now);
            let outage = self.rng.millis(0, 3000);
            self.after(outage, Happening::Connect);
        } else if self.rng.chance(300) {
            let outage = self.rng.millis(0, 20_000);
            self.after(outage, Happening::Heal { link: self.link });
        }
    }

    fn connect(&mut self) {
        self.link += 1;
        self.carries = true;
        self.first_transmit = true;
        self.session.link_up(self.now, &format!("token {}", self.link));
        if self.weather.pauses && self.agent_up {
            let start = start_publication(self.gateway.next_id(), self.now);
            self.agent.handle_frame(self.now, &start);
        }
    }

    fn drain(&mut self) -> Result<(), String> {
        let (front, _) = self.backlog.as_slices();
        let taken = self.session.write(self.now, front);
        self.backlog.drain(..taken);
        while let Some(event) = self.agent.poll_event() {
            self.agent_event(event)?;
        }
        while let Some(bytes) = self.agent.poll_transmit() {
            let link = self.link;
            self.carry(bytes, |bytes| Happening::ToClient { link, bytes });
        }
        if self.rng.chance(self.weather.lazy) {
            let nap = self.rng.millis(1, 100);
            self.after(nap, Happening::Wake);
            return Ok(());
        }
        while let Some(transmit) = self.session.poll_transmit(self.now) {
            self.transmit(transmit)?;
        }
        while let Some(event) = self.session.poll_event() {
            self.event(event)?;
        }
        Ok(())
    }

    fn transmit(&mut self, transmit: Transmit) -> Result<(), String> {
        let link = self.link;
        match transmit {
            Transmit::Text(text) => {
                let open: OpenDataChannel = serde_json::from_str(&text).map_err(|e| e.to_string())?;
                if !self.first_transmit || open.token_value != format!("token {link}") {
                    return Err(format!("the link {link} opens with {text}"));
                }
            }
            Transmit::Ping(_) => {
                let delay = self.delay();
                self.after(delay, Happening::Pong { link });
            }
            Transmit::Binary(bytes) => self.carry(bytes, |bytes| Happening::ToAgent { link, bytes }),
        }
        self.first_transmit = false;
        Ok(())
    }

    fn delay(&mut self) -> Duration {
        self.rng.millis(self.weather.delay.0, self.weather.delay.1)
    }

    fn carry(&mut self, mut bytes: Vec<u8>, arrive: impl Fn(Vec<u8>) -> Happening) {
        if self.rng.chance(self.weather.junk) {
            let length = self.rng.below(300);
            let (delay, junk) = (self.delay(), self.rng.bytes(length));
            self.after(delay, arrive(junk));
        }
        if self.rng.chance(self.weather.lose) {
            return;
        }
        if self.rng.chance(self.weather.double) {
            let delay = self.delay();
            self.after(delay, arrive(bytes.clone()));
        }
        if self.rng.chance(self.weather.garble) {
            self.garble(&mut bytes);
        }
        let delay = self.delay();
        self.after(delay, arrive(bytes));
    }

    /// Damage that the digest can find; against any other there is TLS.
    fn garble(&mut self, bytes: &mut Vec<u8>) {
        if self.rng.chance(300) {
            bytes.truncate(self.rng.below(bytes.len() as u64) as usize);
            return;
        }
        let bit = self.rng.below(8 * (bytes.len() as u64 - 120 + 36)) as usize;
        let place = match bit / 8 {
            header @ 0..4 => header,
            digest @ 4..36 => digest + 76,
            payload => payload + 84,
        };
        bytes[place] ^= 1 << (bit % 8);
    }

    fn agent_event(&mut self, event: AgentEvent) -> Result<(), String> {
        match event {
            AgentEvent::HandshakeDone => {
                if self.kind != Kind::SilentShell {
                    self.start_guest();
                }
            }
            AgentEvent::HandshakeFailed(why) => return Err(format!("handshake: {why}")),
            AgentEvent::DecryptKey { ciphertext, context } => {
                if ciphertext != b"sealed" || context != self.context || context.len() != 3 {
                    return Err(format!("the agent is to decrypt {ciphertext:?} with {context:?}"));
                }
                let delay = self.rng.millis(0, 1000);
                self.after(delay, Happening::AgentKey);
            }
            AgentEvent::Input(bytes) => {
                self.arrived.extend_from_slice(&bytes);
                if !self.typed.starts_with(&self.arrived) {
                    return Err("the agent got other input than was typed".into());
                }
                self.start_guest();
            }
            AgentEvent::Resize { cols, rows } => self.agent_size = Some((cols, rows)),
            AgentEvent::Terminate | AgentEvent::Disconnect => return Err(format!("unasked {event:?}")),
        }
        Ok(())
    }

    fn start_guest(&mut self) {
        for (at, happening) in std::mem::take(&mut self.guest) {
            self.after(at, happening);
        }
    }

    fn event(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Ready if !self.ready => self.ready = true,
            Event::Output { stream, bytes } => {
                let shown = &mut self.shown[stream as usize];
                shown.extend_from_slice(&bytes);
                if !self.printed[stream as usize].starts_with(shown) {
                    return Err("other output than was printed".into());
                }
            }
            Event::ExitCode(code) => {
                if self.shown != self.printed || self.exited.is_some() {
                    return Err("the exit code is not the last".into());
                }
                self.exited = Some(code);
            }
            Event::Message(text) if self.kind.is_secret() && text.contains("KMS") => {}
            Event::KeyNeeded { context, .. } => {
                self.context = context;
                let key = DataKey { plaintext: self.key, ciphertext: b"sealed".to_vec() };
                let delay = self.rng.millis(0, 2000);
                self.after(delay, Happening::ClientKey(key));
            }
            Event::LinkDead => {
                self.carries = false;
                self.session.link_lost(self.now);
                let outage = self.rng.millis(0, 5000);
                self.after(outage, Happening::Connect);
            }
            Event::Ready
            | Event::Message(_)
            | Event::PortUnreachable
            | Event::Closed(_)
            | Event::Failed(_) => {
                return Err(format!("unasked {event:?}"));
            }
        }
        Ok(())
    }

    fn check_bounds(&self) -> Result<(), String> {
        let input = self.session.unacknowledged();
        if input > SEND_BUFFER + SEND_BUFFER / 4
            || self.session.pending_output() > MAX_PENDING_OUTPUT + (16 << 20)
        {
            return Err(format!("memory: {}", self.state()));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        if !self.carries || self.session.poll_timeout().is_none() {
            self.connect();
        }
        let closed = channel_closed(SESSION_ID, "bye", self.gateway.next_id(), self.now);
        self.session.handle_frame(self.now, &closed);
        let expected = Event::Closed(Closed { output: "bye".into(), incomplete: false });
        match self.session.poll_event() {
            Some(event) if event == expected => {}
            other => return Err(format!("instead of closed: {other:?}")),
        }
        let silent = self.session.poll_transmit(self.now).is_none() && self.session.poll_timeout().is_none();
        let same = self.typed == self.arrived && self.printed == self.shown;
        if silent && same && !self.session.can_write() {
            Ok(())
        } else {
            Err(format!("after the end: {}", self.state()))
        }
    }

    fn state(&self) -> String {
        let (shown, printed) = (self.shown.each_ref().map(Vec::len), self.printed.each_ref().map(Vec::len));
        format!(
            "{:?} in, arrived {}/{}, shown {shown:?}/{printed:?}, size {:?}/{:?}, exit {:?}/{:?}, ready {}, scripted {}, \
             agent unacked {} paused {} up {}, client unacked {} {:?}, link {} carries {}, queue {}",
            self.now.since(self.started),
            self.arrived.len(),
            self.typed.len(),
            self.agent_size,
            self.size,
            self.exited,
            self.exit,
            self.ready,
            self.scripted,
            self.agent.unacked(),
            self.agent.paused(),
            self.agent_up,
            self.session.unacknowledged(),
            self.session.stats(),
            self.link,
            self.carries,
            self.queue.len()
        )
    }
}

/// Tells which story it was if the code under test panics.
struct Named(Kind, u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the story {:?} {}", self.0, self.1);
        }
    }
}

fn run(kind: Kind, seeds: std::ops::Range<u64>) {
    let count = seeds.end - seeds.start;
    let mut worst = Report::default();
    for seed in seeds {
        let named = Named(kind, seed);
        match Sim::new(kind, seed).run() {
            Ok(report) => {
                worst.took = worst.took.max(report.took);
                worst.links = worst.links.max(report.links);
                worst.resent = worst.resent.max(report.resent);
                worst.steps = worst.steps.max(report.steps);
            }
            Err(why) => panic!("{:?} {}: {why}", named.0, named.1),
        }
    }
    println!("{count} seeds of {kind:?}; at worst {worst:?}");
}

#[test]
fn shells() {
    run(Kind::Shell, 0..1500);
}

#[test]
fn silent_shells() {
    run(Kind::SilentShell, 0..500);
}

#[test]
fn commands() {
    run(Kind::Command, 0..700);
}

#[test]
fn ports() {
    run(Kind::Port, 0..500);
}

#[test]
fn encrypted_shells() {
    run(Kind::SecretShell, 0..400);
}

#[test]
fn encrypted_commands() {
    run(Kind::SecretCommand, 0..400);
}
