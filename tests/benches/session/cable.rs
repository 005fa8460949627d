//! A network of its own for one process, whose cable can be pulled: nothing is refused or reset then, it is only silent.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::Instant;

const NAMESPACE: &str = "holdfast-bench";
const HERE: &str = "hf-bench-here";
const THERE: &str = "hf-bench-there";

/// The near end of the cable.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 53, 1));

pub(crate) struct Cable(());

impl Cable {
    /// `None` where there is no `ip`, or no right to use it.
    pub(crate) fn new() -> Option<Self> {
        remove();
        let this = Self(());
        let steps = [
            format!("netns add {NAMESPACE}"),
            format!("link add {HERE} type veth peer name {THERE} netns {NAMESPACE}"),
            format!("addr add {ADDRESS}/30 dev {HERE}"),
            format!("link set {HERE} up"),
            format!("-n {NAMESPACE} addr add 198.18.53.2/30 dev {THERE}"),
            format!("-n {NAMESPACE} link set {THERE} up"),
            format!("-n {NAMESPACE} link set lo up"),
        ];
        steps.iter().all(|step| ip(step)).then_some(this)
    }

    /// What runs a program at the far end, as the same process.
    pub(crate) fn inside() -> [&'static str; 4] {
        ["ip", "netns", "exec", NAMESPACE]
    }

    pub(crate) fn pull(&self) {
        assert!(ip(&format!("link set {HERE} down")), "the cable is pulled");
    }

    /// Says since when it is in again.
    pub(crate) fn plug(&self) -> Instant {
        assert!(ip(&format!("link set {HERE} up")), "the cable is in");
        Instant::now()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        remove();
    }
}

/// An earlier run may have been killed.
fn remove() {
    ip(&format!("link del {HERE}"));
    ip(&format!("netns del {NAMESPACE}"));
}

fn ip(arguments: &str) -> bool {
    let mut command = Command::new("ip");
    command.args(arguments.split(' ')).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
