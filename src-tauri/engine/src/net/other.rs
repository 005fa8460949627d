//! Everywhere but on Linux: the addresses of the interfaces, and the clocks beside each other.

use std::time::Duration;

use futures_util::StreamExt;
use if_watch::tokio::IfWatcher;
use tokio::time::sleep;

use super::{Change, Clocks};

/// How often the clocks are compared.
const LOOK: Duration = Duration::from_secs(5);

/// SCDynamicStore on macOS, `NotifyIpInterfaceChange` on Windows.
pub(super) struct Changes {
    addresses: Option<IfWatcher>,
    clocks: Clocks,
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Changes").finish_non_exhaustive()
    }
}

impl Changes {
    pub(super) fn listen() -> Self {
        let addresses = IfWatcher::new().inspect_err(|error| tracing::debug!(%error, "no interfaces")).ok();
        Self { addresses, clocks: Clocks::now() }
    }

    pub(super) async fn next(&mut self) -> Change {
        let Self { addresses, clocks } = self;
        tokio::select! {
            () = network(addresses.as_mut()) => Change::Network,
            () = jump(clocks) => Change::Woke,
        }
    }
}

async fn network(addresses: Option<&mut IfWatcher>) {
    let Some(addresses) = addresses else { return std::future::pending().await };
    if !matches!(addresses.next().await, Some(Ok(_))) {
        std::future::pending::<()>().await;
    }
}

async fn jump(clocks: &mut Clocks) {
    loop {
        sleep(LOOK).await;
        let before = std::mem::replace(clocks, Clocks::now());
        if clocks.parted_since(&before) {
            return;
        }
    }
}
