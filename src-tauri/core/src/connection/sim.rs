//! [`Connection`] against an AWS, agents and a network that do their worst, under virtual time.
//!
//! Each seed makes one story of hours or days: outages with a word and without, hourly closes, sessions that die or are
//! forgotten, reboots, agents that vanish, credentials that run out, nights of sleep, lost and doubled messages. In the end
//! the world is left in peace, and the story must come to a good end: what was typed has arrived once and in order, and so
//! was shown what was printed, or the session was declared new.

mod guest;

use std::collections::BTreeMap;
use std::time::Duration;

use self::guest::{Aws, STATUS};
use super::{Action, Config, Connection, End, Event, Outcome, Trouble};
use crate::session::sim::story::Rng;
use crate::session::wire::{Ids, OpenDataChannel, channel_closed, pause_publication, start_publication};
use crate::session::{CLIENT_VERSION, MAX_PENDING_OUTPUT, SEND_BUFFER, Transmit};
use crate::time::Moment;

#[derive(Debug)]
enum Happening {
    /// A call arrives at AWS.
    Effect {
        call: u64,
        action: Action,
    },
    /// Its answer arrives.
    Answer {
        call: u64,
        outcome: Outcome,
        link: Option<u64>,
    },
    ToClient {
        link: u64,
        bytes: Vec<u8>,
        /// The gateway closes the websocket right behind it.
        last: bool,
    },
    ToAgent {
        link: u64,
        bytes: Vec<u8>,
    },
    Pong {
        link: u64,
    },
    /// The program prints something.
    Print,
    Type(u32),
    Resize(u16, u16),
    Trouble(Plague),
    NetworkUp,
    MachineOn,
    SignedIn,
    /// The client's owner finds time again.
    Wake,
    Peace,
    Rested,
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plague {
    /// The connection is reset, with what was on its way.
    Reset,
    /// The gateway closes the websocket.
    Bye,
    /// The network is away for a while; whether anybody says so, and whether the line survives it.
    Outage {
        silent: bool,
        survives: bool,
    },
    /// AWS ends the session, saying so or not.
    SessionEnds {
        told: bool,
    },
    Reboot {
        told: bool,
    },
    /// The agent is gone, and nobody notices.
    AgentVanishes,
    SignedOut,
    /// The lid is closed.
    Sleep,
}

struct Sim {
    rng: Rng,
    now: Moment,
    started: Moment,
    queue: BTreeMap<(Moment, u64), Happening>,
    count: u64,
    aws: Aws,
    connection: Connection,
    network: bool,
    /// The client hears of the network's return.
    tells: bool,
    asleep_until: Option<Moment>,
    call: u64,
    calls: u64,
    /// The present websocket: its number, its session, whether it carries anything.
    link: Option<(u64, usize, bool)>,
    links: u64,
    opened: bool,
    gateway: Ids,
    lose: u64,
    double: u64,
    delay: (u64, u64),
    peace: bool,
    rested: bool,
    exiting: bool,
    /// What agents send just now.
    outbound: Vec<(u64, Vec<u8>)>,
    backlog: Vec<u8>,
    typed: u32,
    typed_in_peace: u32,
    shown: Vec<u8>,
    end: Option<End>,
}

/// What a seed went through.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    took: Duration,
    sessions: usize,
    links: u64,
    calls: u64,
}

const MOST_STEPS: u64 = 400_000;
/// After that much peace all must be well again.
const REST: Duration = Duration::from_secs(150);

impl Sim {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let now = Moment::from_epoch(Duration::from_millis(1_700_000_000_000 + rng.below(1 << 40)));
        let config = Config {
            target_id: "i-0".into(),
            client_id: [7; 16],
            client_version: CLIENT_VERSION.into(),
            seed: rng.bytes(32).try_into().unwrap(),
            expects_handshake: false,
            size: Some((80, 24)),
            lasting: true,
        };
        let fastest = 1 + rng.below(150);
        let mut this = Self {
            now,
            started: now,
            queue: BTreeMap::new(),
            count: 0,
            aws: Aws::new(&mut rng),
            connection: Connection::new(config, now),
            network: true,
            tells: rng.chance(500),
            asleep_until: None,
            call: 0,
            calls: 0,
            link: None,
            links: 0,
            opened: false,
            gateway: Ids::new([9; 32]),
            lose: if rng.chance(500) { 0 } else { rng.below(150) },
            double: if rng.chance(500) { 0 } else { rng.below(150) },
            delay: (fastest, fastest + 1 + rng.below(100)),
            peace: false,
            rested: false,
            exiting: false,
            outbound: Vec::new(),
            backlog: Vec::new(),
            typed: 0,
            typed_in_peace: 0,
            shown: Vec::new(),
            end: None,
            rng,
        };
        this.write_story();
        this
    }

    fn write_story(&mut self) {
        let hour = 3_600_000;
        let length = if self.rng.chance(200) { 3 * hour } else { 120_000 };
        for _ in 0..self.rng.below(40) {
            let (at, keys) = (self.rng.millis(0, length), 1 + self.rng.below(20) as u32);
            self.after(at, Happening::Type(keys));
        }
        for _ in 0..self.rng.below(3) {
            let (at, columns) = (self.rng.millis(0, length), 20 + self.rng.below(200) as u16);
            self.after(at, Happening::Resize(columns, 50));
        }
        for at in (1..=length / hour).map(|count| Duration::from_millis(count * hour)) {
            self.after(at, Happening::Trouble(Plague::Bye));
        }
        let mut end = Duration::from_millis(length);
        let mut longest = Duration::from_secs(900);
        for _ in 0..=self.rng.below(8) {
            let plague = match self.rng.below(12) {
                0..3 => Plague::Reset,
                3 => Plague::Bye,
                4..7 => Plague::Outage { silent: self.rng.chance(500), survives: self.rng.chance(500) },
                7 => Plague::SessionEnds { told: self.rng.chance(500) },
                8 => Plague::Reboot { told: self.rng.chance(500) },
                9 => Plague::AgentVanishes,
                10 => Plague::SignedOut,
                _ => {
                    longest = Duration::from_secs(13 * 3600);
                    Plague::Sleep
                }
            };
            // The first session must come about: what fails before it is told at once.
            let at = self.rng.millis(3000, length);
            self.after(at, Happening::Trouble(plague));
            end = end.max(at);
        }
        self.after(end + longest, Happening::Peace);
        self.after(Duration::ZERO, Happening::Print);
    }

    fn after(&mut self, after: Duration, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now + after, self.count), happening);
    }

    fn run(mut self) -> Result<Report, String> {
        let mut steps = 0;
        while self.end.is_none() {
            steps += 1;
            self.step()?;
            self.settle()?;
            if steps > MOST_STEPS {
                return Err(format!("stalled: {}", self.state()));
            }
        }
        if self.end != Some(End::Exited(Some(STATUS))) {
            return Err(format!("ended as {:?}", self.end));
        }
        self.check_typed()?;
        self.check_shown()?;
        let took = self.now.since(self.started);
        Ok(Report { took, sessions: self.aws.guests.len(), links: self.links, calls: self.calls })
    }

    fn step(&mut self) -> Result<(), String> {
        let happening = self.queue.first_key_value().map(|((at, _), _)| *at);
        let awake = self.asleep_until.is_none();
        let client = self.connection.poll_timeout(self.now).filter(|_| awake);
        let agents = self.aws.guests.iter().filter(|guest| guest.works);
        let agents =
            agents.filter_map(|guest| guest.agent.poll_timeout().into_iter().chain(guest.ending).min());
        let next = [happening, client, agents.min()].into_iter().flatten().min();
        self.now = self.now.max(next.ok_or_else(|| format!("deaf: {}", self.state()))?);
        if awake && client.is_some_and(|due| due <= self.now) {
            self.connection.handle_timeout(self.now);
        }
        for index in 0..self.aws.guests.len() {
            self.agent_timeout(index);
        }
        if happening.is_some_and(|at| at <= self.now)
            && let Some((_, happening)) = self.queue.pop_first()
        {
            self.happen(happening)?;
        }
        Ok(())
    }

    fn agent_timeout(&mut self, index: usize) {
        let guest = &mut self.aws.guests[index];
        if guest.works && guest.agent.poll_timeout().is_some_and(|due| due <= self.now) {
            guest.agent.handle_timeout(self.now);
        }
        // A session ends when its client has everything, or after two seconds.
        let over = guest.ending.is_some_and(|until| until <= self.now || guest.agent.unacked() == 0);
        if guest.works && over {
            self.close_session(index, "", true);
        }
    }

    fn close_session(&mut self, index: usize, why: &str, told: bool) {
        self.aws.guests[index].die();
        if let Some((link, session, true)) = self.link
            && told
            && session == index
        {
            let closed = channel_closed(&index.to_string(), why, self.gateway.next_id(), self.now);
            let delay = self.rng.millis(self.delay.0, self.delay.1);
            self.after(delay, Happening::ToClient { link, bytes: closed, last: true });
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Effect { call, action } => self.effect(call, &action),
            Happening::Answer { call, outcome, link } => self.answer(call, outcome, link),
            Happening::ToClient { link, bytes, last } => {
                if self.carries(link) {
                    self.connection.handle_frame(self.now, &bytes);
                    if last {
                        self.drop_link();
                        self.connection.link_lost(self.now);
                    }
                }
            }
            Happening::ToAgent { link, bytes } => {
                if let Some((present, index, true)) = self.link
                    && present == link
                    && self.aws.guests[index].works
                {
                    self.aws.guests[index].agent.handle_frame(self.now, &bytes);
                }
            }
            Happening::Pong { link } => {
                if self.carries(link) {
                    self.connection.handle_pong(self.now);
                }
            }
            Happening::Print => self.print(),
            Happening::Type(keys) => self.press(keys),
            Happening::Resize(columns, rows) => self.connection.resize(self.now, columns, rows),
            Happening::Trouble(plague) if !self.peace => self.befall(plague),
            Happening::Trouble(_) => {}
            Happening::NetworkUp => self.network_up(),
            Happening::MachineOn => self.aws.machine_on = true,
            Happening::SignedIn => self.aws.signed_in = true,
            Happening::Wake => self.wake(),
            Happening::Peace => {
                self.peace = true;
                (self.aws.machine_on, self.aws.signed_in) = (true, true);
                self.network_up();
                self.wake();
                // Only who types can notice that the agent has vanished.
                self.after(Duration::from_secs(10), Happening::Type(1));
                self.after(REST, Happening::Rested);
                self.after(REST + Duration::from_secs(60), Happening::Exit);
            }
            Happening::Rested => {
                self.rested = true;
                self.press(50);
            }
            Happening::Exit => return self.exit(),
        }
        Ok(())
    }

    fn press(&mut self, keys: u32) {
        for _ in 0..keys {
            self.backlog.extend(self.typed.to_be_bytes());
            self.typed += 1;
        }
        if self.rested {
            self.typed_in_peace += keys;
        }
    }

    fn exit(&mut self) -> Result<(), String> {
        let size = self.connection.size();
        match self.link {
            Some((_, index, true)) if self.aws.guests[index].works => {
                let guest = &self.aws.guests[index];
                if guest.size != size {
                    return Err(format!("the size is {:?} and not {size:?}", guest.size));
                }
                let wanted = (self.typed - self.typed_in_peace..self.typed).flat_map(u32::to_be_bytes);
                if !guest.arrived.ends_with(&wanted.collect::<Vec<u8>>()) {
                    return Err(format!("what was typed in peace did not arrive: {}", self.state()));
                }
            }
            Some(_) | None => return Err(format!("no line in peace: {}", self.state())),
        }
        if let Some(notice) = self.connection.notice(self.now) {
            return Err(format!("in peace it says {notice:?}"));
        }
        self.exiting = true;
        self.aws.over = true;
        for guest in self.aws.guests.iter_mut().filter(|guest| guest.works) {
            guest.exit(self.now);
        }
        Ok(())
    }

    fn carries(&self, link: u64) -> bool {
        self.asleep_until.is_none() && matches!(self.link, Some((present, _, true)) if present == link)
    }

    fn effect(&mut self, call: u64, action: &Action) {
        if !self.network {
            return;
        }
        let mut link = None;
        let outcome = match action {
            Action::Start { nonce, .. } => self.aws.start(self.now, nonce, &mut self.rng),
            Action::Resume { session_id } => self.aws.resume(session_id),
            Action::Terminate { session_id } => self.aws.terminate(session_id),
            Action::Dial { url } => match self.aws.dial(url) {
                Ok(index) => {
                    self.links += 1;
                    self.drop_link();
                    self.link = Some((self.links, index, true));
                    self.opened = false;
                    link = Some(self.links);
                    Outcome::Done
                }
                Err(outcome) => outcome,
            },
        };
        let delay = self.rng.millis(self.delay.0, self.delay.1);
        self.after(delay, Happening::Answer { call, outcome, link });
    }

    fn answer(&mut self, call: u64, outcome: Outcome, link: Option<u64>) {
        // An answer that comes while the network is away or the client is asleep is lost.
        let fits = call == self.call && self.asleep_until.is_none();
        if !fits || !self.network && !matches!(outcome, Outcome::Failed(Trouble::Network(_))) {
            if link.is_some_and(|link| matches!(self.link, Some((present, ..)) if present == link)) {
                self.drop_link();
            }
            return;
        }
        self.call += 1;
        self.connection.done(self.now, outcome);
    }

    fn drop_link(&mut self) {
        if let Some((_, index, _)) = self.link.take() {
            self.pause(index);
        }
    }

    fn pause(&mut self, index: usize) {
        let pause = pause_publication(self.gateway.next_id(), self.now);
        self.aws.guests[index].agent.handle_frame(self.now, &pause);
    }

    fn print(&mut self) {
        if self.exiting {
            return;
        }
        let (pause, open) = (self.rng.millis(20, 2000), self.opened);
        self.after(
            if self.peace || self.now.since(self.started).as_secs() < 200 { pause } else { pause * 200 },
            Happening::Print,
        );
        if let Some((_, index, _)) = self.link
            && open
            && let guest = &mut self.aws.guests[index]
            && guest.works
            && !guest.agent.paused()
            && guest.agent.unacked() < 128
        {
            guest.print(self.now, index);
        }
    }

    fn befall(&mut self, plague: Plague) {
        let present = self.link.map(|(_, index, _)| index);
        match plague {
            Plague::Reset | Plague::Bye => {
                self.drop_link();
                self.connection.link_lost(self.now);
            }
            Plague::Outage { silent, survives } => {
                let lasts = if self.rng.chance(300) { 90_000 } else { 5000 };
                let lasts = self.rng.millis(100, lasts);
                self.network = false;
                // A gateway that notices nothing either lets the agent go on, into nothing.
                let notices = !silent || self.rng.chance(500);
                if let Some((_, index, carries)) = &mut self.link {
                    *carries = false;
                    let index = *index;
                    if notices {
                        self.pause(index);
                    }
                }
                if !silent {
                    self.connection.link_lost(self.now);
                }
                if !survives {
                    self.link = None;
                }
                self.after(lasts, Happening::NetworkUp);
            }
            Plague::SessionEnds { told } => {
                if let Some(index) = present {
                    self.close_session(index, "Your session timed out due to inactivity.", told);
                }
            }
            Plague::Reboot { told } => {
                if let Some(index) = present {
                    self.close_session(index, "The machine is going down.", told);
                }
                self.aws.reboot();
                self.aws.machine_on = false;
                let lasts = self.rng.millis(100, 90_000);
                self.after(lasts, Happening::MachineOn);
            }
            Plague::AgentVanishes => {
                if let Some(index) = present {
                    self.aws.guests[index].works = false;
                }
            }
            Plague::SignedOut => {
                self.aws.signed_in = false;
                let lasts = self.rng.millis(100, 600_000);
                self.after(lasts, Happening::SignedIn);
                // Nothing notices before a line is needed.
                self.befall(Plague::Reset);
            }
            Plague::Sleep => {
                let lasts = self.rng.millis(1000, 12 * 3_600_000);
                self.asleep_until = Some(self.now + lasts);
                // Nobody types for longer than a session may idle.
                if lasts > Duration::from_secs(20 * 60)
                    && let Some(index) = present
                {
                    self.close_session(index, "idle", false);
                }
                self.drop_link();
                self.after(lasts, Happening::Wake);
            }
        }
    }

    fn network_up(&mut self) {
        self.network = true;
        if let Some((_, index, carries)) = &mut self.link
            && !*carries
        {
            *carries = true;
            let index = *index;
            let start = start_publication(self.gateway.next_id(), self.now);
            self.aws.guests[index].agent.handle_frame(self.now, &start);
        }
        if self.tells && self.asleep_until.is_none() {
            self.connection.network_changed(self.now);
        }
    }

    fn wake(&mut self) {
        if self.asleep_until.take().is_some() {
            self.connection.woke(self.now);
        }
    }

    /// Moves everything along that needs no waiting.
    fn settle(&mut self) -> Result<(), String> {
        for index in 0..self.aws.guests.len() {
            let guest = &mut self.aws.guests[index];
            if guest.works {
                guest.take_events();
                while let Some(bytes) = guest.agent.poll_transmit() {
                    if let Some((link, session, true)) = self.link
                        && session == index
                        && self.opened
                    {
                        self.outbound.push((link, bytes));
                    }
                }
            }
        }
        for (link, bytes) in std::mem::take(&mut self.outbound) {
            self.carry(bytes, |bytes| Happening::ToClient { link, bytes, last: false });
        }
        if self.asleep_until.is_none() { self.settle_client() } else { Ok(()) }
    }

    fn settle_client(&mut self) -> Result<(), String> {
        let taken = self.connection.write(self.now, &self.backlog);
        self.backlog.drain(..taken);
        while let Some(transmit) = self.connection.poll_transmit(self.now) {
            self.transmit(transmit)?;
        }
        while let Some(event) = self.connection.poll_event(self.now) {
            match event {
                Event::Output { bytes, .. } => self.shown.extend(bytes),
                Event::Hangup => self.drop_link(),
                Event::Reset => self.shown.extend(b"|"),
                Event::Ended(end) => self.end = Some(end),
                Event::Message(_) | Event::KeyNeeded { .. } => return Err(format!("unasked {event:?}")),
            }
        }
        while let Some(action) = self.connection.poll_action() {
            self.begin_call(action)?;
        }
        if self.connection.untaken_input() > 2 * SEND_BUFFER || self.shown.len() > 64 * MAX_PENDING_OUTPUT {
            return Err(format!("memory: {}", self.state()));
        }
        Ok(())
    }

    fn begin_call(&mut self, action: Action) -> Result<(), String> {
        self.call += 1;
        self.calls += 1;
        // Nobody may ask more often than this, whatever happens.
        if self.calls > 200 + self.now.since(self.started).as_secs() {
            return Err(format!("too many calls: {}", self.state()));
        }
        let call = self.call;
        let delay = self.rng.millis(self.delay.0, self.delay.1);
        self.after(delay, Happening::Effect { call, action });
        let patience = if self.network { 5000 } else { self.rng.below(5000) };
        let outcome = Outcome::Failed(Trouble::Network("no answer".into()));
        self.after(Duration::from_millis(patience), Happening::Answer { call, outcome, link: None });
        Ok(())
    }

    fn transmit(&mut self, transmit: Transmit) -> Result<(), String> {
        let Some((link, index, carries)) = self.link else { return Ok(()) };
        match transmit {
            Transmit::Text(text) => {
                let open: OpenDataChannel = serde_json::from_str(&text).map_err(|e| e.to_string())?;
                if !self.aws.guests[index].is_token(&open.token_value) {
                    return Err(format!("the link {link} opens with {text}"));
                }
                self.opened = true;
                let start = start_publication(self.gateway.next_id(), self.now);
                let guest = &mut self.aws.guests[index];
                let is_first = guest.version == 0 && guest.printed == 0 && guest.agent.unacked() == 0;
                if is_first {
                    guest.agent.link_up(self.now);
                    guest.begin(self.now);
                    if self.aws.over {
                        guest.exit(self.now);
                    }
                } else {
                    guest.agent.handle_frame(self.now, &start);
                }
            }
            Transmit::Ping(_) if carries => {
                let delay = self.rng.millis(2 * self.delay.0, 2 * self.delay.1);
                self.after(delay, Happening::Pong { link });
            }
            Transmit::Binary(bytes) if carries => {
                self.carry(bytes, |bytes| Happening::ToAgent { link, bytes });
            }
            Transmit::Ping(_) | Transmit::Binary(_) => {}
        }
        Ok(())
    }

    fn carry(&mut self, bytes: Vec<u8>, arrive: impl Fn(Vec<u8>) -> Happening) {
        if self.rng.chance(self.lose) {
            return;
        }
        if self.rng.chance(self.double) {
            let delay = self.rng.millis(self.delay.0, self.delay.1);
            self.after(delay, arrive(bytes.clone()));
        }
        let delay = self.rng.millis(self.delay.0, self.delay.1);
        self.after(delay, arrive(bytes));
    }

    /// Each session got one piece of what was typed, without a gap, and a later session a later piece.
    fn check_typed(&self) -> Result<(), String> {
        let mut from = 0;
        for (index, guest) in self.aws.guests.iter().enumerate() {
            let (keys, rest) = guest.arrived.as_chunks::<4>();
            if !rest.is_empty() && guest.works {
                return Err(format!("session {index} got half a key"));
            }
            for (place, key) in keys.iter().map(|key| u32::from_be_bytes(*key)).enumerate() {
                if key < from || place > 0 && key > from {
                    return Err(format!("session {index} got key {key} and not {from}"));
                }
                from = key + 1;
            }
        }
        Ok(())
    }

    /// Of each session was shown what it printed, from its beginning, without a gap; of the last one all.
    fn check_shown(&self) -> Result<(), String> {
        let text = String::from_utf8(self.shown.clone()).map_err(|error| error.to_string())?;
        let mut last = None;
        for (place, part) in text.split('|').enumerate() {
            let part = part.strip_prefix("noise").unwrap_or(part).trim_end_matches("noise");
            let mut expected = None;
            for token in part.split_terminator(';') {
                let (index, number) = token.split_once(':').ok_or(format!("shown {token:?}"))?;
                let (index, number): (usize, u64) = (index.parse().unwrap(), number.parse().unwrap());
                let wanted = *expected.get_or_insert((index, 0));
                if (index, number) != wanted || last.is_some_and(|last| index < last) {
                    return Err(format!("shown {token} and not {wanted:?}"));
                }
                expected = Some((index, number + 1));
                last = Some(index);
            }
            if let Some((index, count)) = expected
                && place == text.split('|').count() - 1
                && count != self.aws.guests[index].printed
            {
                return Err(format!("{count} of {} shown", self.aws.guests[index].printed));
            }
        }
        Ok(())
    }

    fn state(&self) -> String {
        format!(
            "{:?} in, {} sessions, {} links, {} calls, link {:?}, opened {}, untaken {}, notice {:?}, queue {:?}",
            self.now.since(self.started),
            self.aws.guests.len(),
            self.links,
            self.calls,
            self.link,
            self.opened,
            self.connection.untaken_input(),
            self.connection.notice(self.now),
            self.queue.iter().take(4).collect::<Vec<_>>(),
        )
    }
}

fn run(seeds: std::ops::Range<u64>) {
    let (count, mut worst, mut sessions) = (seeds.end - seeds.start, Report::default(), 0);
    for seed in seeds {
        let report = match std::panic::catch_unwind(|| Sim::new(seed).run()) {
            Ok(Ok(report)) => report,
            Ok(Err(why)) => panic!("seed {seed}: {why}"),
            Err(_) => panic!("seed {seed}"),
        };
        worst.took = worst.took.max(report.took);
        worst.sessions = worst.sessions.max(report.sessions);
        worst.links = worst.links.max(report.links);
        worst.calls = worst.calls.max(report.calls);
        sessions += report.sessions;
    }
    println!("{count} seeds, {sessions} sessions; at worst {worst:?}");
}

#[test]
fn connections_a() {
    run(0..1000);
}

#[test]
fn connections_b() {
    run(1000..2000);
}
