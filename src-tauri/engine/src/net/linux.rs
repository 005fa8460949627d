//! Linux: routing messages of netlink, and a timer that the kernel cancels when the wall clock jumps.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::Timespec;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Change;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV6_ROUTE`.
/// Source: rtnetlink(7), and `linux/rtnetlink.h`
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Both sources; one that the system refuses is not there.
#[derive(Debug)]
pub(super) struct Changes {
    routes: Option<AsyncFd<OwnedFd>>,
    clock: Option<AsyncFd<OwnedFd>>,
}

impl Changes {
    pub(super) fn listen() -> Self {
        let there = |source: io::Result<AsyncFd<OwnedFd>>| {
            source
                .inspect_err(|error| tracing::debug!(%error, "changes of this computer cannot be heard"))
                .ok()
        };
        Self { routes: there(routes()), clock: there(clock()) }
    }

    pub(super) async fn next(&mut self) -> Change {
        let Self { routes, clock } = self;
        tokio::select! {
            () = network(routes.as_mut()) => Change::Network,
            () = jump(clock.as_mut()) => Change::Woke,
        }
    }
}

fn routes() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // The protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    watched(socket)
}

#[expect(
    deprecated,
    reason = "its replacement is unsafe for descriptors that may close early, and an OwnedFd does not"
)]
fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

/// What the messages say does not matter: whatever changed, it is worth a look.
async fn network(socket: Option<&mut AsyncFd<OwnedFd>>) {
    let Some(socket) = socket else { return std::future::pending().await };
    loop {
        let Ok(mut ready) = socket.readable().await else { return std::future::pending().await };
        let mut buffer = [0_u8; 8192];
        match ready.try_io(|socket| Ok(recv(socket, &mut buffer, RecvFlags::empty())?)) {
            // More was told than there was room for.
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => return,
            Ok(Ok(_)) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "netlink");
                return std::future::pending().await;
            }
            Err(_would_block) => {}
        }
    }
}

/// A timer on the wall clock that never expires, and that a jump of the clock cancels; waking up is one.
/// Source: timerfd_create(2), `TFD_TIMER_CANCEL_ON_SET`
fn clock() -> io::Result<AsyncFd<OwnedFd>> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    arm(&timer)?;
    watched(timer)
}

fn arm(timer: &OwnedFd) -> io::Result<()> {
    let never = Timespec { tv_sec: i64::MAX / 2_000_000_000, tv_nsec: 0 };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: never };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &once)?;
    Ok(())
}

async fn jump(timer: Option<&mut AsyncFd<OwnedFd>>) {
    let Some(timer) = timer else { return std::future::pending().await };
    loop {
        let Ok(mut ready) = timer.readable().await else { return std::future::pending().await };
        let mut expirations = [0_u8; 8];
        match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?)) {
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::CANCELED.raw_os_error()) => {
                if let Err(error) = arm(ready.get_inner()) {
                    tracing::debug!(%error, "timer");
                }
                return;
            }
            Ok(_) => return std::future::pending().await,
            Err(_would_block) => {}
        }
    }
}
