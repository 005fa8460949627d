//! What the app costs while nobody looks, and how quick it is when somebody does: `./dev bench desktop`.
//!
//! On a desktop of its own (Xvfb, a session bus, a tray host, openbox) and the sandbox. Memory is the proportional set size of
//! the whole process tree, wake-ups are the voluntary context switches of all its threads.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its table, and may fail")]

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("Only on Linux.");
}

#[cfg(target_os = "linux")]
#[path = "../desktop/bus.rs"]
mod bus;
#[cfg(target_os = "linux")]
#[path = "../desktop/desktop.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod desktop;
#[cfg(target_os = "linux")]
#[path = "../desktop/tray_host.rs"]
mod tray_host;

#[cfg(target_os = "linux")]
fn main() {
    measured::main();
}

#[cfg(target_os = "linux")]
mod measured {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::process::Stdio;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use crate::desktop::{Desktop, eventually};
    use crate::tray_host::Tray;

    impl Desktop {
        /// The process id of what was started.
        fn pid(&self, child: usize) -> u32 {
            self.children[child].id()
        }

        /// How many colours the screen shows: an empty one has one, and a window that is not painted yet hardly more.
        fn colours(&self) -> u32 {
            let import = ["-window", "root", "-crop", "500x200+200+0", "-format", "%k", "info:-"];
            let counted = self.command("import").args(import).output().unwrap();
            String::from_utf8_lossy(&counted.stdout).trim().parse().unwrap_or(0)
        }
    }

    const RUNS: usize = 7;
    /// How long each state is watched.
    const WATCH: Duration = Duration::from_secs(30);
    /// How long nobody looks while the calls are counted.
    const IDLE: Duration = Duration::from_secs(300);

    pub(crate) fn main() {
        quickness();
        costs();
    }

    fn quickness() {
        let (mut icon, mut state, mut window) = (vec![], vec![], vec![]);
        for _ in 0..RUNS {
            let mut desktop = Desktop::settled();
            let tray = Tray::on(&desktop);
            desktop.holdfast("up --yes");
            let began = Instant::now();
            desktop.app(&[]);
            tray.icon();
            icon.push(began.elapsed());
            tray.wait_for("remote-dev is on");
            state.push(began.elapsed());
            let began = Instant::now();
            tray.click("Open Holdfast");
            eventually("the page", || (desktop.colours() > 4).then_some(()));
            window.push(began.elapsed());
        }
        println!("| from … to … | ms (median of {RUNS}) | at most |\n| --- | --- | --- |");
        row("start to the icon in the tray", &mut icon);
        row("start to the machine's state in its menu", &mut state);
        row("click on Open Holdfast to the painted page", &mut window);
    }

    fn row(name: &str, times: &mut [Duration]) {
        times.sort();
        println!(
            "| {name} | {} | {} |",
            times[times.len() / 2].as_millis(),
            times[times.len() - 1].as_millis()
        );
    }

    fn costs() {
        let mut desktop = Desktop::settled();
        let tray = Tray::on(&desktop);
        desktop.start(desktop.command("openbox").stdout(Stdio::null()).stderr(Stdio::null()));
        desktop.holdfast("up --yes");
        println!("\n| window | PSS, MiB | wake-ups a second | CPU, % of a core |\n| --- | --- | --- | --- |");
        // GTK 3 asks the display once what its GL can, for which the driver is loaded, and leaves the answer there for all
        // programs that come later.
        let first = desktop.app(&[]);
        tray.wait_for("remote-dev is on");
        sleep(Duration::from_secs(5));
        watch("never opened, the first of GTK on its display", desktop.pid(first));
        tray.click("Quit Holdfast");
        eventually("the end of the first", || desktop.ended(first));

        let app = desktop.app(&[]);
        let pid = desktop.pid(app);
        tray.wait_for("remote-dev is on");
        sleep(Duration::from_secs(5));
        watch("never opened", pid);

        sandbox_calls(&desktop, "DELETE");
        sleep(IDLE);
        let calls = sandbox_calls(&desktop, "GET");

        tray.click("Open Holdfast");
        eventually("the page", || (desktop.colours() > 4).then_some(()));
        sleep(Duration::from_secs(5));
        watch("open", pid);
        eventually("the end of the window", || {
            let window = desktop.windows("--name", "^Holdfast$").pop()?;
            let keys = ["windowactivate", "--sync", &window, "key", "alt+F4"];
            let _ = desktop.command("xdotool").args(keys).output();
            sleep(Duration::from_millis(500));
            desktop.windows("--name", "^Holdfast$").is_empty().then_some(())
        });
        sleep(Duration::from_secs(5));
        watch("closed again", pid);
        let hours = IDLE.as_secs_f64() / 3600.0;
        println!(
            "\nCalls to AWS in an idle hour: {:.0} ({calls} in {} s)",
            calls as f64 / hours,
            IDLE.as_secs()
        );
    }

    fn watch(name: &str, pid: u32) {
        let before = Usage::of(pid);
        let began = Instant::now();
        sleep(WATCH);
        let after = Usage::of(pid);
        let seconds = began.elapsed().as_secs_f64();
        let wakes = after.wakes.saturating_sub(before.wakes) as f64 / seconds;
        let cpu = after.ticks.saturating_sub(before.ticks) as f64 / seconds;
        // A tick is a hundredth of a second, so ticks a second are percent.
        println!("| {name} | {:.0} | {wakes:.1} | {cpu:.2} |", after.pss_kib as f64 / 1024.0);
    }

    /// What a process tree has used.
    #[derive(Default)]
    struct Usage {
        pss_kib: u64,
        wakes: u64,
        ticks: u64,
    }

    impl Usage {
        fn of(root: u32) -> Self {
            let mut sum = Self::default();
            for pid in tree(root) {
                let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
                sum.pss_kib += field(&rollup, "Pss:").unwrap_or(0);
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                let after_name = stat.rsplit(')').next().unwrap_or_default();
                let times = after_name.split_whitespace().skip(11).take(2);
                sum.ticks += times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
                for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                    let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
                    sum.wakes += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
                }
            }
            sum
        }
    }

    fn field(text: &str, name: &str) -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    }

    /// A process and all that come from it.
    fn tree(root: u32) -> Vec<u32> {
        let mut all = vec![root];
        let mut next = 0;
        while let Some(&pid) = all.get(next) {
            next += 1;
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        all
    }

    /// Asks the sandbox for the calls that were made, or has them forgotten.
    fn sandbox_calls(desktop: &Desktop, method: &str) -> usize {
        let running = fs::read_to_string(desktop.path("state/sandbox/running.json")).unwrap();
        let running: serde_json::Value = serde_json::from_str(&running).unwrap();
        let mut socket =
            TcpStream::connect(("127.0.0.1", u16::try_from(running["port"].as_u64().unwrap()).unwrap()))
                .unwrap();
        let key = running["access_key"].as_str().unwrap();
        let request = format!(
            "{method} /_holdfast/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str::<serde_json::Value>(body).unwrap().as_array().map_or(0, Vec::len)
    }
}
