//! A network of one computer, which can go away without a word.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace, and a pair of interfaces that leads there.
pub(crate) struct Network {
    name: String,
    number: u32,
}

impl Network {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Tests run as processes of their own at the same time, so the number comes from the process.
        let number = (std::process::id() * 4 + COUNT.fetch_add(1, Ordering::Relaxed)) % 16_000;
        let this = Self { name: format!("hf{number}"), number };
        let (name, inside) = (&this.name, this.inside());
        ip(&format!("netns add {name}"));
        ip(&format!("link add {name}o type veth peer name {name}i netns {name}"));
        ip(&format!("addr add {}/30 dev {name}o", this.outside()));
        ip(&format!("link set {name}o up"));
        ip(&format!("-n {name} addr add {inside}/30 dev {name}i"));
        ip(&format!("-n {name} link set {name}i up"));
        ip(&format!("-n {name} link set lo up"));
        this
    }

    fn address(&self, last: u32) -> String {
        let host = self.number * 4 + last;
        format!("10.213.{}.{}", host / 256, host % 256)
    }

    /// Where the sandbox listens.
    pub(crate) fn outside(&self) -> String {
        self.address(1)
    }

    fn inside(&self) -> String {
        self.address(2)
    }

    /// What runs a program in it.
    pub(crate) fn exec(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).into()
    }

    /// As when a cable is pulled: no connection is closed or reset, and nothing gets through. The system inside knows that
    /// its interface is down; where not even that is so is what the gateway's holes are for.
    pub(crate) fn down(&self) {
        ip(&format!("-n {0} link set {0}i down", self.name));
    }

    pub(crate) fn up(&self) {
        ip(&format!("-n {0} link set {0}i up", self.name));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // With the namespace go its interface and the other end.
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split_whitespace()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || std::thread::panicking(), "ip {line}: {said}");
}
