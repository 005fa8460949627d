//! The network between a client and AWS: a proxy that can go down, and that can be far away.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

pub(crate) struct Proxy {
    runtime: Handle,
    pub(crate) address: SocketAddr,
    to: SocketAddr,
    listening: Option<JoinHandle<()>>,
    /// The time there and back.
    pub(crate) round_trip: Duration,
    cut: watch::Sender<()>,
}

impl Proxy {
    /// A network that is up, to this address.
    pub(crate) fn new(runtime: &Handle, to: SocketAddr) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (cut, round_trip) = (watch::Sender::new(()), Duration::ZERO);
        let mut this = Self { runtime: runtime.clone(), address, to, listening: None, round_trip, cut };
        this.listen(listener);
        this
    }

    fn listen(&mut self, listener: TcpListener) {
        let (to, round_trip, cut) = (self.to, self.round_trip, self.cut.clone());
        self.listening = Some(self.runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, to, round_trip, cut.subscribe()));
            }
        }));
    }

    /// Every connection is reset, and nobody listens any more.
    pub(crate) fn down(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = self.runtime.block_on(listening);
        }
        self.cut.send_replace(());
    }

    /// There is a network again; says since when.
    pub(crate) fn up(&mut self) -> Instant {
        let listener = self.runtime.block_on(TcpListener::bind(self.address)).expect("the same port");
        self.listen(listener);
        Instant::now()
    }

    /// Changes the distance, of connections that are made from now on.
    pub(crate) fn be_away(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
        self.down();
        self.up();
    }
}

async fn relay(mut client: TcpStream, to: SocketAddr, round_trip: Duration, mut cut: watch::Receiver<()>) {
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    let is_cut = {
        let carried = async {
            if round_trip.is_zero() {
                return drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            }
            let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
            // The client's first segment follows upon a handshake, which takes a round trip, too.
            let connected = tokio::time::Instant::now() + round_trip;
            let there = late(from_client, to_server, round_trip / 2, connected);
            let back = late(from_server, to_client, round_trip / 2, connected);
            let _ = tokio::join!(there, back);
        };
        tokio::select! {
            () = carried => false,
            _ = cut.changed() => true,
        }
    };
    if is_cut {
        let _ = client.set_zero_linger().and_then(|()| server.set_zero_linger());
    }
}

/// Carries bytes one way, each so much later than it came.
async fn late(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    by: Duration,
    connected: tokio::time::Instant,
) -> io::Result<()> {
    let (under_way, mut arriving) = mpsc::unbounded_channel();
    let leave = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let due = tokio::time::Instant::now().max(connected) + by;
            let _ = under_way.send((due, buffer[..count].to_vec()));
        }
        drop(under_way);
    };
    let arrive = async {
        while let Some((due, bytes)) = arriving.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::join!(leave, arrive).1
}
