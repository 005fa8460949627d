//! The data plane: what AWS calls the message gateway, between the client's websocket and the machine's agent.
//!
//! Each session is a task of its own (see [`session`]) that outlives any number of websockets. It ends when its program
//! ends, when it is terminated or too long idle, or when its machine is switched off; then and only then the client gets
//! `channel_closed`.

mod clock;
mod fault;
mod link;
mod session;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::guest::Guests;
use crate::{Power, SessionBackend, StartError, StartRequest, Storage, UpgradeResponse};
pub use fault::WireFault;
use session::{Order, Session};
use upgrade::{Dial, PATH};

/// How the gateway and its agents behave; changes hold for later sessions and dials.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A rest of the agent after each KiB; the real one takes 1 ms.
    pub rest: Duration,
    /// A rest of the agent before it reads a new terminal; the real one takes 1 s.
    pub first_rest: Duration,
    /// The agent reads no more output while so many messages are not acknowledged. The real one knows no such limit, but
    /// without its rests it would have far more on its way when a connection is lost, and of what is lost it sends only
    /// ten messages a second again.
    pub window: Option<usize>,
    /// A session ends after so long without input; the real default is 20 minutes.
    pub idle_limit: Option<Duration>,
    /// A session ends after so long.
    pub max_duration: Option<Duration>,
    /// Refuse websockets that are not signed.
    pub require_signature: bool,
    /// Refuse the stream URL of before the last resume.
    pub require_fresh_cell: bool,
    /// Whoever ends TLS before it: clients are sent there.
    pub front: Option<SocketAddr>,
}

impl Default for Settings {
    /// An agent without rests and limits, and a gateway without suspicion.
    fn default() -> Self {
        Self {
            rest: Duration::ZERO,
            first_rest: Duration::ZERO,
            // At a round trip of 100 ms this is the rate of the real agent.
            window: Some(128),
            idle_limit: None,
            max_duration: None,
            require_signature: false,
            require_fresh_cell: false,
            front: None,
        }
    }
}

/// The gateway of a sandbox.
#[derive(Debug)]
pub struct Gateway {
    guests: Arc<Guests>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    address: Option<SocketAddr>,
    settings: Settings,
    refuse_until: Option<Instant>,
    sessions: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    token: String,
    cell: String,
    orders: mpsc::UnboundedSender<Order>,
}

impl Gateway {
    /// A gateway into these machines. Sessions run on the Tokio runtime that `start` is called in.
    pub fn new(guests: Arc<Guests>) -> Self {
        Self { guests, shared: Arc::default() }
    }

    /// The machines.
    pub fn guests(&self) -> &Arc<Guests> {
        &self.guests
    }

    /// Changes the behaviour.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.shared).settings);
    }

    /// Makes something go wrong in one session, or in all.
    pub fn inject(&self, session_id: Option<&str>, fault: WireFault) {
        for (id, entry) in &lock(&self.shared).sessions {
            if session_id.is_none_or(|wanted| wanted == id) {
                send(entry, Order::Fault(fault));
            }
        }
    }

    /// Answers every websocket request with 503 for so long.
    pub fn refuse_dials(&self, lasts: Duration) {
        lock(&self.shared).refuse_until = Some(Instant::now() + lasts);
    }

    /// The sessions that live.
    pub fn sessions(&self) -> Vec<String> {
        lock(&self.shared).sessions.keys().cloned().collect()
    }

    fn dial(&self, request: &Request<Incoming>) -> Result<Dial, (StatusCode, &'static str)> {
        let dial = Dial::read(request)?;
        let shared = lock(&self.shared);
        if shared.refuse_until.is_some_and(|until| Instant::now() < until) {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "no dials now"));
        }
        if shared.settings.require_signature && !dial.signed {
            return Err((StatusCode::FORBIDDEN, "not signed"));
        }
        let Some(entry) = shared.sessions.get(&dial.session_id) else {
            return Err((StatusCode::BAD_REQUEST, "no such session"));
        };
        if shared.settings.require_fresh_cell && dial.cell.as_ref() != Some(&entry.cell) {
            return Err((StatusCode::BAD_REQUEST, "the cell number is out of date"));
        }
        drop(shared);
        Ok(dial)
    }
}

impl SessionBackend for Gateway {
    fn start(&self, request: StartRequest) -> Result<String, StartError> {
        let boot = self.guests.boot(&request.instance_id).ok_or(StartError::NotConnected)?;
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|error| StartError::Internal(error.to_string()))?;
        let (orders, received) = mpsc::unbounded_channel();
        let (token, cell) = (token(), cell());
        let mut shared = lock(&self.shared);
        let session = Session::new(&request, boot, shared.settings, received);
        // Weak, or the session would keep itself alive without its gateway.
        let (registry, own) = (Arc::downgrade(&self.shared), orders.downgrade());
        shared.sessions.insert(request.session_id.clone(), Entry { token: token.clone(), cell, orders });
        drop(shared);
        runtime.spawn(session.run(move || {
            let (Some(registry), Some(own)) = (registry.upgrade(), own.upgrade()) else { return };
            let mut shared = lock(&registry);
            if shared.sessions.get(&request.session_id).is_some_and(|entry| entry.orders.same_channel(&own)) {
                shared.sessions.remove(&request.session_id);
            }
        }));
        Ok(token)
    }

    fn resume(&self, session_id: &str) -> Option<String> {
        let mut shared = lock(&self.shared);
        let entry = shared.sessions.get_mut(session_id)?;
        entry.token = token();
        entry.cell = cell();
        send(entry, Order::Detach);
        Some(entry.token.clone())
    }

    fn terminate(&self, session_id: &str) {
        if let Some(entry) = lock(&self.shared).sessions.get(session_id) {
            send(entry, Order::Terminate);
        }
    }

    fn stream_url(&self, session_id: &str) -> String {
        let shared = lock(&self.shared);
        let (scheme, address) = match (shared.settings.front, shared.address) {
            (Some(front), _) => ("wss", front),
            (None, address) => ("ws", address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9)))),
        };
        let cell = shared.sessions.get(session_id).map_or_else(cell, |entry| entry.cell.clone());
        format!("{scheme}://{address}{PATH}{session_id}?role=publish_subscribe&cell-number={cell}")
    }

    fn listening(&self, address: SocketAddr) {
        lock(&self.shared).address = Some(address);
    }

    fn upgrade(&self, mut request: Request<Incoming>) -> UpgradeResponse {
        let dial = match self.dial(&request) {
            Ok(dial) => dial,
            Err((status, why)) => return upgrade::refuse(status, why),
        };
        let response = dial.answer();
        let upgraded = hyper::upgrade::on(&mut request);
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            let Some((socket, opening)) = upgrade::open(upgraded).await else { return };
            let Some(shared) = shared.upgrade() else { return };
            match lock(&shared).sessions.get(&dial.session_id) {
                Some(entry) if entry.token == opening.token_value => {
                    send(entry, Order::Attach(Box::new(socket)));
                }
                // Dropping the socket closes it.
                Some(_) | None => tracing::debug!(session = dial.session_id, "a client without the token"),
            }
        });
        response
    }

    fn power(&self, instance_id: &str, power: Power) {
        if let Err(error) = self.guests.power(instance_id, power) {
            tracing::warn!(instance_id, ?power, %error, "machine");
        }
    }

    fn powered_off(&self) -> Vec<String> {
        self.guests.powered_off()
    }

    fn resize_disk(&self, instance_id: &str, gib: u32) {
        if let Err(error) = self.guests.resize_disk(instance_id, gib) {
            tracing::warn!(instance_id, gib, %error, "disk");
        }
    }

    fn storage(&self, event: Storage) {
        if let Err(error) = self.guests.storage(&event) {
            tracing::warn!(?event, %error, "storage");
        }
    }
}

fn send(entry: &Entry, order: Order) {
    // It fails when the session is just over, and then there is nothing to order.
    drop(entry.orders.send(order));
}

/// Opaque, and long like the real ones.
fn token() -> String {
    format!("AAEAA{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Opaque, with the escapes that the real ones have: a client that takes the URL apart and writes it anew shows.
fn cell() -> String {
    format!("AAEAA%2B{}%3D%3D", Uuid::new_v4().simple())
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Nothing in here is left half done by a panic.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
