//! What is measured, and the table of it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cable::Cable;
use crate::place::{Client, Place};
use crate::terminal::Terminal;

const MIB: usize = 1 << 20;
const OUTPUT: usize = 64 * MIB;
const PASTE: usize = 8 * MIB;
const KEYS: usize = 1000;
/// Runs of what has no outage in it.
const RUNS: usize = 3;
const IDLE: Duration = Duration::from_secs(60);
const FAR: Duration = Duration::from_millis(100);
/// After so long a client is held for dead.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut clients = vec![Client::Holdfast];
    clients.extend(std::env::var("SESSION_MANAGER_PLUGIN").map(Client::Plugin));
    let mut bench = Bench { place: Place::new(), clients, words };
    println!("| | aim | Holdfast | plugin |\n| --- | --- | --- | --- |");
    bench.row("first prompt, ms", "", prompt);
    bench.row("64 MiB of output: s; CPU s; peak MiB resident", "CPU half the plugin's, or 1.05", output);
    bench.row("8 MiB of paste: MiB/s; CPU s", "20 times the plugin's, or 14", paste);
    bench.row("echo of a key, ms: median; p99", "p99 not above the plugin's, or 2.9", echo);
    bench.row(
        "idle: CPU ms/s; wake-ups/s; MiB resident (own + file)",
        "CPU a tenth of the plugin's, or 0.2; under 8 MiB",
        idle,
    );
    for seconds in [0, 2, 8, 60] {
        let name = format!("usable after {seconds} s of refusal, ms");
        bench.row(&name, "300", |place, client| refused(place, client, seconds));
    }
    for seconds in [2, 8, 60] {
        let name = format!("usable after {seconds} s of silence, ms");
        bench.row(&name, "300", |place, client| silent(place, client, seconds));
    }
    bench.row("usable in a new session after 2 s, ms", "2500", |place, client| {
        replaced(place, client, Duration::ZERO)
    });
    bench.row("usable after 2 s at 100 ms there and back, ms", "", far);
    bench.row("usable in a new session at 100 ms there and back, ms", "2500", |place, client| {
        replaced(place, client, FAR)
    });
}

struct Bench {
    place: Place,
    clients: Vec<Client>,
    words: Vec<String>,
}

impl Bench {
    fn row(&mut self, name: &str, aim: &str, measure: impl Fn(&mut Place, &Client) -> String) {
        if !self.words.is_empty() && !self.words.iter().any(|word| name.contains(word.as_str())) {
            return;
        }
        let figures: Vec<String> =
            self.clients.iter().map(|client| measure(&mut self.place, client)).collect();
        println!("| {name} | {aim} | {} | {} |", figures[0], figures.get(1).map_or("not here", |f| f));
    }
}

fn prompt(place: &mut Place, client: &Client) -> String {
    median(9, || {
        let command = place.client(client);
        let began = Instant::now();
        let mut terminal = Terminal::run(command);
        Some(terminal.expect("$ ") - began)
    })
}

fn output(place: &mut Place, client: &Client) -> String {
    let [took, cpu, peak] = medians(|| {
        let mut terminal = place.sit_down(client);
        // Lines as a build writes them. The words that are waited for must not stand in the echo of what is typed.
        let line = "x".repeat(79);
        terminal.press(&format!("yes {line} | head -c {OUTPUT} >out; stty -opost -echo; echo rea''dy\r"));
        terminal.expect("ready");
        terminal.settle(Duration::from_millis(500));
        let (before, began) = (terminal.usage(), Instant::now());
        terminal.press("cat out; echo @en''d\r");
        let took = terminal.expect("@end") - began;
        let after = terminal.usage();
        [took.as_secs_f64(), (after.cpu - before.cpu).as_secs_f64(), mib(after.peak_kib)]
    });
    format!("{took:.1}; {cpu:.2}; {peak:.1}")
}

fn paste(place: &mut Place, client: &Client) -> String {
    let bytes: Vec<u8> = (0..PASTE).map(|n| b'a' + u8::try_from(n * n % 23).unwrap_or(0)).collect();
    let sum = cksum(&bytes);
    let [rate, cpu] = medians(|| {
        let mut terminal = place.sit_down(client);
        terminal.press(&format!("stty raw -echo; echo rea''dy; head -c {PASTE} | cksum\r"));
        terminal.expect("ready");
        terminal.settle(Duration::from_millis(500));
        let (before, began) = (terminal.usage(), Instant::now());
        terminal.paste(&bytes);
        let took = terminal.expect(&sum) - began;
        let cpu = terminal.usage().cpu - before.cpu;
        [PASTE as f64 / MIB as f64 / took.as_secs_f64(), cpu.as_secs_f64()]
    });
    format!("{rate:.1}; {cpu:.2}")
}

/// The sum and length that cksum(1) prints.
fn cksum(bytes: &[u8]) -> String {
    let length = bytes.len().to_le_bytes();
    let length = &length[..length.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    let sum = bytes.iter().chain(length).fold(0_u32, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum, _| {
            if sum >> 31 == 1 { (sum << 1) ^ 0x04c1_1db7 } else { sum << 1 }
        })
    });
    format!("{} {}", !sum, bytes.len())
}

/// A program that echoes what comes, key by key.
fn echoing(terminal: &mut Terminal) {
    terminal.press("stty -icanon -echo min 1; echo rea''dy; cat\r");
    terminal.expect("ready");
    terminal.settle(Duration::from_millis(500));
}

fn echo(place: &mut Place, client: &Client) -> String {
    let [half, nearly_all] = medians(|| {
        let mut terminal = place.sit_down(client);
        echoing(&mut terminal);
        let mut times: Vec<f64> = (0..KEYS)
            .map(|n| {
                sleep(Duration::from_millis(7));
                let key = char::from(b'a' + u8::try_from(n % 26).unwrap_or(0)).to_string();
                let began = Instant::now();
                terminal.press(&key);
                (terminal.expect(&key) - began).as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        [times[KEYS / 2], times[KEYS * 99 / 100]]
    });
    format!("{half:.2}; {nearly_all:.2}")
}

fn idle(place: &mut Place, client: &Client) -> String {
    let mut terminal = place.sit_down(client);
    // By then the threads that only the start needed are gone.
    terminal.settle(Duration::from_secs(15));
    let (before, began) = (terminal.usage(), Instant::now());
    terminal.settle(IDLE);
    let (after, seconds) = (terminal.usage(), began.elapsed().as_secs_f64());
    let cpu = (after.cpu_of_threads.saturating_sub(before.cpu_of_threads)).as_secs_f64() * 1e3 / seconds;
    let wakes = after.wakes.saturating_sub(before.wakes) as f64 / seconds;
    let (own, file) = (after.own_kib, after.file_kib);
    format!("{cpu:.3}; {wakes:.2}; {:.1} ({:.1} + {:.1})", mib(own + file), mib(own), mib(file))
}

fn refused(place: &mut Place, client: &Client, seconds: u64) -> String {
    median(runs(seconds), || {
        let mut terminal = place.sit_down(client);
        let mut way = Way::new(client, &mut terminal);
        place.proxy.down();
        sleep(Duration::from_secs(seconds));
        let up = place.proxy.up();
        way.usable(&mut terminal, up)
    })
}

fn silent(place: &mut Place, client: &Client, seconds: u64) -> String {
    let Some(cable) = Cable::new() else { return "not as root".to_owned() };
    median(runs(seconds), || {
        let mut terminal = place.sit_down_behind(&cable, client);
        let mut way = Way::new(client, &mut terminal);
        cable.pull();
        sleep(Duration::from_secs(seconds));
        let up = cable.plug();
        way.usable(&mut terminal, up)
    })
}

fn far(place: &mut Place, client: &Client) -> String {
    place.proxy.be_away(FAR);
    let median = refused(place, client, 2);
    place.proxy.be_away(Duration::ZERO);
    let trips = median
        .parse::<f64>()
        .map_or_else(|_| String::new(), |ms| format!(" ({:.1} round trips)", ms / 1e3 / FAR.as_secs_f64()));
    format!("{median}{trips}")
}

fn replaced(place: &mut Place, client: &Client, round_trip: Duration) -> String {
    place.proxy.be_away(round_trip);
    let median = median(5, || {
        let mut terminal = place.sit_down(client);
        // Only who was there for a while is worth another session at once.
        terminal.settle(Duration::from_secs(6));
        place.proxy.down();
        place.end_sessions();
        sleep(Duration::from_secs(2));
        let up = place.proxy.up();
        terminal.shows("$ ", PATIENCE).map(|at| at - up)
    });
    place.proxy.be_away(Duration::ZERO);
    median
}

fn runs(seconds: u64) -> usize {
    match seconds {
        0..=2 => 7,
        3..=9 => 3,
        _ => 1,
    }
}

/// How it is found out that a client is usable again.
enum Way {
    /// A key typed as the network comes back is shown.
    Key,
    /// Output goes on: the plugin ends at the first key that is typed while its socket is down.
    Output,
}

impl Way {
    fn new(client: &Client, terminal: &mut Terminal) -> Self {
        match client {
            Client::Holdfast => {
                echoing(terminal);
                Self::Key
            }
            Client::Plugin(_) => {
                terminal.press("while :; do printf @; sleep 0.01; done\r");
                terminal.expect("@@@");
                Self::Output
            }
        }
    }

    fn usable(&mut self, terminal: &mut Terminal, up: Instant) -> Option<Duration> {
        let key = match self {
            Self::Key => "Q",
            Self::Output => "@",
        };
        match self {
            // It stands in nothing that Holdfast shows meanwhile.
            Self::Key => terminal.press(key),
            Self::Output => terminal.settle(Duration::ZERO),
        }
        terminal.shows(key, PATIENCE).map(|at| at.saturating_duration_since(up))
    }
}

/// The median of several times in ms, and how many of them never came to an end.
fn median(runs: usize, mut run: impl FnMut() -> Option<Duration>) -> String {
    let times: Vec<Option<Duration>> = (0..runs).map(|_| run()).collect();
    let mut ended: Vec<Duration> = times.iter().copied().flatten().collect();
    ended.sort();
    let Some(median) = ended.get(ended.len() / 2) else { return "never".to_owned() };
    let never = runs - ended.len();
    let ms = median.as_secs_f64() * 1e3;
    if never == 0 { format!("{ms:.0}") } else { format!("{ms:.0}, {never} of {runs} never") }
}

/// The median of each figure of several runs.
fn medians<const N: usize>(mut run: impl FnMut() -> [f64; N]) -> [f64; N] {
    let runs: [[f64; N]; RUNS] = std::array::from_fn(|_| run());
    std::array::from_fn(|figure| {
        let mut all = runs.map(|run| run[figure]);
        all.sort_by(f64::total_cmp);
        all[RUNS / 2]
    })
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
