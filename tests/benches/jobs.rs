//! How a job's log comes to the laptop: `./dev bench jobs`.
//!
//! The real command follows jobs on a machine with systemd; what builds there is a stand-in that prints as fast as it can, or
//! at times of its own. Beside it, in the same run: the same lines into the machine's journal and out of it, without Holdfast, read
//! where they are written. Needs root and the tree that `./dev` makes.

#![cfg_attr(
    target_os = "linux",
    expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its table, and may fail")
)]

#[cfg(target_os = "linux")]
#[path = "session/cable.rs"]
#[expect(dead_code, reason = "sessions are measured behind it")]
mod cable;
#[cfg(target_os = "linux")]
#[path = "session/place.rs"]
#[expect(dead_code, reason = "sessions need more of it")]
mod place;
#[cfg(target_os = "linux")]
#[path = "../program.rs"]
mod program;
#[cfg(target_os = "linux")]
#[path = "session/proxy.rs"]
mod proxy;
#[cfg(target_os = "linux")]
#[path = "session/terminal.rs"]
#[expect(dead_code, reason = "sessions need more of it")]
mod terminal;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    measured::main();
}

#[cfg(target_os = "linux")]
mod measured {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant, SystemTime};

    use holdfast_sandbox::guest::{Guests, State};

    use crate::place::Place;

    const LINES: u32 = 200_000;
    const RUNS: usize = 3;
    const STAMPS: usize = 2000;
    const DISTANCES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(100)];

    pub(super) fn main() {
        let Some(tree) = std::env::var_os("HOLDFAST_MACHINE_TREE") else {
            println!("A machine with systemd needs root and HOLDFAST_MACHINE_TREE, as ./dev bench sets it.");
            return;
        };
        let mut place = Place::with(|folder| Guests::nixos(folder, tree));
        place.wait_until_reachable();
        place.run("rebuild --yes");

        let mut journal = median((0..RUNS).map(|_| alone(&place)).collect());
        println!(
            "| {LINES} lines of a job | lines a second | CPU of the command in all, s | peak MiB |\n| --- | --- | --- | --- |"
        );
        println!("| into the machine's journal and out of it, without Holdfast | {journal:.0} | | |");
        let mut runs: Vec<Whole> = (0..RUNS).map(|_| whole(&place)).collect();
        runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let Whole { rate, cpu, peak } = runs[RUNS / 2];
        println!("| … and to the laptop's screen | {rate:.0} | {cpu:.2} | {:.1} |", peak as f64 / 1024.0);
        journal /= rate;
        println!("\nThe journal alone is {journal:.2} times as fast.\n");

        println!(
            "| from the machine's write to the laptop's screen, there and back | median, ms | 99th of 100, ms | beyond the way | the first line, before which a session is opened |"
        );
        println!("| --- | --- | --- | --- | --- |");
        for distance in DISTANCES {
            place.proxy.be_away(distance);
            let (mut delays, first) = delays(&place);
            delays.sort();
            let (half, late) = (delays[delays.len() / 2], delays[delays.len() * 99 / 100]);
            println!(
                "| {} ms | {:.1} | {:.1} | {:.1} | {:.1} |",
                distance.as_millis(),
                ms(half),
                ms(late),
                ms(late.saturating_sub(distance / 2)),
                ms(first)
            );
        }
    }

    impl Place {
        fn wait_until_reachable(&self) {
            let (_, instance) = self.instance();
            let began = Instant::now();
            while self.guests().state(&instance) != State::Reachable {
                assert!(began.elapsed() < Duration::from_secs(120), "it does not boot");
                std::thread::sleep(Duration::from_millis(20));
            }
        }

        /// What the stand-in does as its build.
        fn builds(&self, body: &str) {
            let folder = self.home().join("config/nixos/remote-dev");
            std::fs::create_dir_all(&folder).unwrap();
            // Each time another configuration, or there is nothing to build.
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
            std::fs::write(folder.join("stand-in.sh"), format!("# {now}\nbuild() {{ {body}; }}\n")).unwrap();
        }

        /// `holdfast rebuild --log`, and the lines that it shows.
        fn follow(&self) -> (Child, BufReader<std::process::ChildStderr>) {
            let mut command = self.holdfast("rebuild --log");
            let mut child =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::with_capacity(1 << 20, child.stderr.take().unwrap());
            (child, lines)
        }
    }

    #[derive(Clone, Copy)]
    struct Whole {
        rate: f64,
        cpu: f64,
        peak: u64,
    }

    fn whole(place: &Place) -> Whole {
        place.builds(&format!("seq -f 'line %.0f.' {LINES}"));
        let (mut child, lines) = place.follow();
        let (mut first, mut last, mut count) = (None, None, 0);
        let mut used = (0.0, 0);
        for line in lines.lines() {
            let line = line.unwrap();
            if line.trim_start().starts_with("line ") {
                count += 1;
                first.get_or_insert_with(Instant::now);
                last = Some(Instant::now());
                if count % 10_000 == 0 {
                    used = usage(child.id());
                }
            }
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(count, LINES);
        let took = last.unwrap() - first.unwrap();
        Whole { rate: f64::from(LINES) / took.as_secs_f64(), cpu: used.0, peak: used.1 }
    }

    /// The same lines from a unit into the journal, and then out of it. Not followed: `journalctl --follow` of systemd 252 may stop
    /// for good when the journal is rotated under it.
    fn alone(place: &Place) -> f64 {
        let (_, instance) = place.instance();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        // The unit is like that of a job.
        let script = format!(
            "began=$(date +%s%N); systemd-run --quiet --collect --wait -p SyslogIdentifier=bench-{now} -p LogRateLimitIntervalSec=1s \
             -p LogRateLimitBurst=1000000000 -p CPUWeight=20 -p IOWeight=20 -p Nice=10 -- seq -f 'line %.0f.' {LINES}; \
             journalctl --sync; \
             journalctl --quiet --output=json --output-fields=MESSAGE --identifier=bench-{now} | wc -l >&2; \
             echo $(($(date +%s%N) - began))"
        );
        let output = place.guests().exec_root(&instance, &["bash", "-c", &script]).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let nanoseconds: f64 = text.trim().parse().unwrap();
        f64::from(LINES) / (nanoseconds / 1e9)
    }

    /// CPU in seconds, and the peak of resident memory in KiB, of a process that runs.
    fn usage(pid: u32) -> (f64, u64) {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        (ticks as f64 / 100.0, peak.unwrap_or(0))
    }

    /// How long each of many lines took, from before it was written to after it was read.
    /// Of the lines that are written while somebody follows: what was written before is not late, but was there first. And
    /// how late the very first line was, which waits for the session.
    fn delays(place: &Place) -> (Vec<Duration>, Duration) {
        place.builds(&format!(
            "i=0; while [ $i -lt {STAMPS} ]; do i=$((i+1)); echo \"at $(date +%s%N)\"; sleep 0.005; done"
        ));
        let (mut child, lines) = place.follow();
        let (mut delays, mut seen, mut followed) = (Vec::new(), 0, None);
        for line in lines.lines() {
            let line = line.unwrap();
            let read = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            if let Some(written) = line.trim_start().strip_prefix("at ").and_then(|text| text.parse().ok()) {
                let written = Duration::from_nanos(written);
                let (since, _) = *followed.get_or_insert((read, read.saturating_sub(written)));
                delays.extend((written > since).then(|| read.saturating_sub(written)));
                seen += 1;
            }
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(seen, STAMPS);
        (delays, followed.unwrap().1)
    }

    fn median(mut figures: Vec<f64>) -> f64 {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    fn ms(time: Duration) -> f64 {
        time.as_secs_f64() * 1e3
    }
}
