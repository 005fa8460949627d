//! The seam between the control plane and the machines behind it: sessions, power and disks.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};

/// What `ssm:StartSession` hands to the machine's side once every rule of the control plane is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRequest {
    /// The session's id, as answered to the client.
    pub session_id: String,
    /// The EC2 instance.
    pub instance_id: String,
    /// The target as the client wrote it; the encryption context of an encrypted session names it.
    pub target: String,
    /// The session document; `None` is the account's default shell document.
    pub document: Option<String>,
    /// The document's parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// The key that the account's preferences demand, as an ARN.
    pub kms_key_id: Option<String>,
}

/// Why a session cannot start on a machine that the control plane holds for reachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The machine's agent is not there.
    NotConnected,
    /// Anything else; the client gets `InternalServerError`.
    Internal(String),
}

/// What happened to a machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It runs (also said for every running machine when a stored world is loaded).
    On,
    /// It was stopped; its disk stays.
    Off,
    /// It was rebooted while it ran.
    Reboot,
    /// It was terminated: whatever it kept on disk goes.
    Destroyed,
}

/// What happened to volumes and snapshots, each named by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A volume was made, with the content of a snapshot or empty.
    Created {
        /// The volume.
        volume: String,
        /// Its size.
        gib: u32,
        /// What is on it.
        snapshot: Option<String>,
    },
    /// A volume that no instance boots from has become larger.
    Grown {
        /// The volume.
        volume: String,
        /// Its new size.
        gib: u32,
    },
    /// An instance has the volume from now on.
    Attached {
        /// The volume.
        volume: String,
        /// The instance.
        instance: String,
        /// It is what the instance boots from.
        root: bool,
    },
    /// An instance has the volume no longer.
    Detached {
        /// The volume.
        volume: String,
        /// The instance.
        instance: String,
        /// It was what the instance booted from.
        root: bool,
    },
    /// A volume is gone.
    Deleted {
        /// The volume.
        volume: String,
    },
    /// A snapshot of a volume was taken: what is on it now.
    Taken {
        /// The snapshot.
        snapshot: String,
        /// Of what.
        of: Source,
    },
    /// A snapshot is gone.
    Forgotten {
        /// The snapshot.
        snapshot: String,
    },
}

impl Storage {
    /// The instance that has to do with it.
    pub(crate) fn instance(&self) -> Option<&str> {
        match self {
            Self::Attached { instance, .. }
            | Self::Detached { instance, .. }
            | Self::Taken { of: Source::Root(instance) | Source::Volume(_, Some(instance)), .. } => {
                Some(instance)
            }
            Self::Taken { of: Source::Volume(_, None), .. }
            | Self::Created { .. }
            | Self::Grown { .. }
            | Self::Deleted { .. }
            | Self::Forgotten { .. } => None,
        }
    }
}

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The volume that this instance boots from.
    Root(String),
    /// Another volume, and the instance that has it.
    Volume(String, Option<String>),
}

/// The answer to an upgrade request.
pub type UpgradeResponse = http::Response<Full<Bytes>>;

/// The data plane: sessions into the machines, the machines' power, and their disks. All methods return at once; whatever takes time happens in tasks of the implementation's own.
///
/// To read the data key of an encrypted session as the agent does (`kms:Decrypt`), use [`crate::kms::decrypt`].
pub trait SessionBackend: Debug + Send + Sync {
    /// Opens a session and returns its token.
    fn start(&self, request: StartRequest) -> Result<String, StartError>;
    /// A new token for a session that lives, or `None` when it has ended or timed out.
    fn resume(&self, session_id: &str) -> Option<String>;
    /// Ends a session; nothing happens when there is none.
    fn terminate(&self, session_id: &str);
    /// Where the session's data channel listens.
    fn stream_url(&self, session_id: &str) -> String;
    /// Says on which address upgrade requests will arrive; called before the first `start`.
    fn listening(&self, address: SocketAddr);
    /// Answers a websocket upgrade below `/v1/data-channel/`.
    fn upgrade(&self, request: http::Request<Incoming>) -> UpgradeResponse;
    /// A machine's power changed.
    fn power(&self, instance_id: &str, power: Power);
    /// The machines that have powered themselves off since this was last asked.
    fn powered_off(&self) -> Vec<String> {
        Vec::new()
    }
    /// A machine's root volume has become larger: from now on the machine can see that it has as many GiB. Its file
    /// systems do not grow by themselves.
    fn resize_disk(&self, _instance_id: &str, _gib: u32) {}
    /// Something happened to volumes or snapshots.
    fn storage(&self, _event: Storage) {}
}

/// A data plane with nothing behind it: sessions get a token and go nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMachines;

impl SessionBackend for NoMachines {
    fn start(&self, request: StartRequest) -> Result<String, StartError> {
        Ok(format!("token-{}", request.session_id))
    }

    fn resume(&self, session_id: &str) -> Option<String> {
        Some(format!("token-{session_id}"))
    }

    fn terminate(&self, _session_id: &str) {}

    fn stream_url(&self, session_id: &str) -> String {
        format!("ws://127.0.0.1:9/v1/data-channel/{session_id}?role=publish_subscribe")
    }

    fn listening(&self, _address: SocketAddr) {}

    fn upgrade(&self, _request: http::Request<Incoming>) -> UpgradeResponse {
        let mut response = http::Response::new(Full::new(Bytes::from_static(b"no machines here\n")));
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        response
    }

    fn power(&self, _instance_id: &str, _power: Power) {}
}
