//! A sandbox with one machine that has booted and has its user, and a computer with Holdfast on it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::{Guests, State};
use holdfast_sandbox::{
    ACCESS_KEY, Fault, Options, Pace, Rule, SECRET_KEY, Sandbox, Service, SessionBackend, When,
};

use crate::eventually;
use crate::network::Network;
use crate::program::{PROGRAM, environment};
use crate::seat::Seat;

pub(crate) struct Stage {
    pub(crate) network: Network,
    pub(crate) instance: String,
    pub(crate) sandbox: Sandbox,
    gateway: Arc<Gateway>,
    endpoint: String,
    runtime: Option<tokio::runtime::Runtime>,
    home: tempfile::TempDir,
    _machines: tempfile::TempDir,
}

impl Stage {
    /// With a machine that has its user. `None` where there can be none, which is said.
    pub(crate) fn set() -> Option<Self> {
        let this = Self::with(Guests::nspawn)?;
        this.guests().set_user(&this.instance, Some(&"ada".parse().unwrap())).unwrap();
        this.sandbox.clear_calls();
        Some(this)
    }

    /// With a machine that runs what its image came with and can be rebuilt, by the stand-in.
    pub(crate) fn stock() -> Option<Self> {
        let this = Self::with(Guests::nixos)?;
        std::fs::create_dir_all(this.home.path().join("config")).unwrap();
        this.sandbox.clear_calls();
        Some(this)
    }

    /// With a machine that was rebuilt once.
    pub(crate) fn rebuilt() -> Option<Self> {
        let this = Self::stock()?;
        this.holdfast("rebuild --yes");
        this.sandbox.clear_calls();
        Some(this)
    }

    pub(crate) fn with(guests: impl FnOnce(PathBuf, PathBuf) -> Guests) -> Option<Self> {
        let Some(tree) = std::env::var_os("HOLDFAST_MACHINE_TREE") else {
            println!(
                "skipped: HOLDFAST_MACHINE_TREE is not set, as ./dev test does where it is root on Linux"
            );
            return None;
        };
        if !rustix::process::geteuid().is_root() {
            println!("skipped: a machine with systemd and a network of its own need root");
            return None;
        }
        let (home, machines) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let network = Network::new();
        let gateway = Arc::new(Gateway::new(Arc::new(guests(machines.path().to_owned(), tree.into()))));
        let sandbox = Sandbox::new(Options { backend: Arc::clone(&gateway) as _, ..Options::default() });
        sandbox.set(|conditions| conditions.pace = Pace::instant());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = format!("{}:0", network.outside());
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = sandbox.clone();
        runtime.spawn(async move { serving.serve(listener).await });
        let mut this = Self {
            network,
            instance: String::new(),
            sandbox,
            gateway,
            endpoint,
            runtime: Some(runtime),
            home,
            _machines: machines,
        };
        this.holdfast("apply --yes");
        let world = this.sandbox.world();
        let regions = world.accounts.values().flat_map(|account| account.regions.values());
        this.instance = regions.flat_map(|region| region.instances.keys()).next().unwrap().clone();
        let booted = || this.guests().state(&this.instance) == State::Reachable;
        eventually("boot", booted, String::new);
        Some(this)
    }

    /// Its agent was started again: first that has to be noticed.
    pub(crate) fn wait_until_reachable(&self) {
        std::thread::sleep(Duration::from_millis(150));
        eventually(
            "agent",
            || self.guests().state(&self.instance) == State::Reachable,
            || self.root("journalctl -b -n 40 -o cat; ls -l /usr/local/lib/stand-in"),
        );
    }

    pub(crate) fn guests(&self) -> &Guests {
        self.gateway.guests()
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// A configuration whose credentials a program gives, as of a person who can sign in again.
    fn signed_in(&self) -> String {
        let keys =
            serde_json::json!({ "Version": 1, "AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY });
        let config = self.home.path().join("aws-config");
        std::fs::write(&config, format!("[default]\ncredential_process = echo '{keys}'\n")).unwrap();
        config.display().to_string()
    }

    fn environment(&self) -> Vec<(String, String)> {
        let mut all = environment(self.home.path());
        for (name, value) in [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_CONFIG_FILE", self.signed_in().as_str()),
            ("RUST_BACKTRACE", "1"),
            // How long the machine may take to find out that its way in is gone.
            ("HOLDFAST_PATIENCE", "12"),
        ] {
            all.push((name.to_owned(), value.to_owned()));
        }
        all
    }

    /// What `holdfast` prints, which must go well.
    #[track_caller]
    pub(crate) fn holdfast(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "holdfast {line}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `holdfast` says to the person, and how it ends.
    pub(crate) fn told(&self, line: &str) -> (String, Option<i32>) {
        let output = self.command(line).output().unwrap();
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
    }

    /// `holdfast` with these arguments, on the computer in the network.
    pub(crate) fn command(&self, line: &str) -> Command {
        let words = self.network.exec();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(PROGRAM).args(line.split_whitespace());
        command.env_clear().envs(self.environment());
        command
    }

    /// Changes a file of the machine's configuration on the computer.
    pub(crate) fn edit(&self, file: &str, text: &str) {
        let folder = self.home.path().join("config/nixos/remote-dev");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
    }

    /// Where AWS is.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How many sessions are started while somebody does this.
    pub(crate) async fn sessions_in(&self, act: impl Future<Output = ()>) -> usize {
        self.sandbox.clear_calls();
        act.await;
        self.sessions_started()
    }

    /// The folder of the computer's files.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// What of the machine a program reads from `holdfast`.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.holdfast(line)).unwrap()
    }

    /// Somebody who types `holdfast connect NAME`.
    pub(crate) fn connect(&self, name: &str) -> Seat {
        self.types(&format!("connect {name}"))
    }

    /// Somebody who types `holdfast` with these arguments, at a terminal.
    pub(crate) fn types(&self, line: &str) -> Seat {
        let words = self.network.exec();
        let command = pty_process::blocking::Command::new(&words[0]).args(&words[1..]).arg(PROGRAM);
        Seat::at(command.args(line.split_whitespace()).env_clear().envs(self.environment()))
    }

    /// What a command line prints that root runs on the machine.
    #[track_caller]
    pub(crate) fn root(&self, line: &str) -> String {
        let output = self.guests().exec_root(&self.instance, &["sh", "-c", line]).unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// How many sessions with a terminal were started; what `sessions` runs is none.
    pub(crate) fn sessions_started(&self) -> usize {
        let started = |operation: &str, took: bool| operation == "StartSession" && took;
        self.sandbox.calls().iter().filter(|call| started(&call.operation, call.took_effect)).count()
    }

    /// AWS lets the computer open no session, for want of a right; what is open stays.
    pub(crate) fn deny_sessions(&self, denied: bool) {
        self.sandbox.clear_faults();
        if denied {
            let error = Fault::Error { code: "ExpiredTokenException".to_owned(), status: 400 };
            self.sandbox.fault(Rule::on(Service::Ssm, "StartSession", When::Every, error));
        }
    }

    pub(crate) fn end_sessions(&self) {
        for session in self.gateway.sessions() {
            self.gateway.terminate(&session);
        }
    }

    /// A process that runs on the machine for as long as it is on.
    pub(crate) fn process_inside(&self) -> u32 {
        let words = format!("sleep\0{}\0", 900_000_000 + u64::from(std::process::id()));
        self.root(&format!("systemd-run --quiet sh -c 'exec {}'", words.replace('\0', " ")));
        let mut found = None;
        eventually(
            "process inside",
            || {
                found = process(words.as_bytes());
                found.is_some()
            },
            String::new,
        );
        found.unwrap()
    }

    /// Takes the memory away under the first process of this name on the machine, until the kernel kills it.
    pub(crate) fn run_out_of_memory(&self, name: &str) -> bool {
        let group = Path::new("/sys/fs/cgroup/memory").join(format!("holdfast-test-{}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        std::fs::write(group.join("memory.limit_in_bytes"), "33554432").unwrap();
        let mut victim = None;
        eventually(
            "process to kill",
            || {
                victim = victim_of(name);
                victim.is_some()
            },
            String::new,
        );
        std::fs::write(group.join("cgroup.procs"), victim.unwrap().to_string()).unwrap();
        let killed = || std::fs::read_to_string(group.join("memory.oom_control")).unwrap_or_default();
        eventually("death for memory", || killed().contains("oom_kill 1"), killed);
        eventually("empty group", || std::fs::remove_dir(&group).is_ok(), killed);
        true
    }
}

/// A process with these words, as this computer sees it.
fn process(words: &[u8]) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().starts_with(words))
}

/// A process of a machine, as this computer sees it.
fn victim_of(name: &str) -> Option<u32> {
    process(format!("{name}\0-c\0400M\0").as_bytes())
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.sandbox.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}
