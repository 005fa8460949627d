//! AWS by way of a real proxy, and behind certificates of an authority of one's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Ran;
use super::doctor::{Rig, marks, of};

/// A certification authority that no system knows.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "An authority of one's own");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What a server of this name shows.
    fn acceptor(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).unwrap().into();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()))
    }
}

/// Ends TLS before a server that has none.
struct Front {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
}

impl Front {
    fn before(runtime: &Runtime, target: SocketAddr, acceptor: TlsAcceptor) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::new(AtomicUsize::new(0));
        let counter = passed.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counter) = (acceptor.clone(), counter.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    counter.fetch_add(1, Ordering::Relaxed);
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        Self { address, passed }
    }
}

/// tinyproxy, which is in wide use.
struct Proxy {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Proxy {
    fn new(folder: &Path, more: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let (config, log) = (folder.join("tinyproxy.conf"), folder.join("tinyproxy.log"));
        let said =
            format!("Port {port}\nListen 127.0.0.1\nLogFile \"{}\"\nLogLevel Connect\n", log.display());
        std::fs::write(&config, said + more).unwrap();
        let mut command = Command::new("tinyproxy");
        command.args(["-d", "-c"]).arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = Self { child: command.spawn().unwrap(), port, log };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "tinyproxy does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// How many tunnels were asked for.
    fn tunnels(&self) -> usize {
        std::fs::read_to_string(&self.log).unwrap().matches("CONNECT 127.0.0.1:").count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sandbox behind TLS, and a computer that trusts nobody in particular.
struct Net {
    rig: Rig,
    runtime: Runtime,
    authority: Authority,
    front: Front,
}

impl Net {
    fn new() -> Self {
        Self::named("127.0.0.1", |_| {})
    }

    fn named(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let rig = Rig::new();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let authority = Authority::new();
        let target = rig.endpoint.trim_start_matches("http://").parse().unwrap();
        let front = Front::before(&runtime, target, authority.acceptor(name, change));
        let address = front.address;
        rig.gateway.configure(|settings| settings.front = Some(address));
        let net = Self { rig, runtime, authority, front };
        std::fs::write(net.bundle(), &net.authority.pem).unwrap();
        net
    }

    fn folder(&self) -> &Path {
        self.rig.home.folder.path()
    }

    fn bundle(&self) -> PathBuf {
        self.folder().join("authority.pem")
    }

    /// The command with AWS behind TLS, and with this in its environment.
    fn run(&self, line: &str, environment: &[(&str, &str)]) -> Ran {
        let mut command = self.rig.command(line);
        command.env("AWS_ENDPOINT_URL", format!("https://{}", self.front.address));
        super::ran(command.envs(environment.iter().copied()))
    }

    /// The machine is made, and a session on it opens.
    fn works(&self, environment: &[(&str, &str)]) {
        self.run("up --yes", environment).well();
        let machine = of(&self.run("doctor --json", environment).json(), "machine");
        assert!(machine.iter().any(|(_, what, _)| what == "a session on it opens"), "{machine:?}");
    }

    /// It gets nowhere, and says this.
    fn fails(&self, environment: &[(&str, &str)]) -> String {
        let ran = self.run("status", environment);
        assert_eq!(ran.code, Some(1), "{}", ran.all());
        assert_eq!(self.rig.sandbox.calls().len(), 0, "nothing reached AWS");
        ran.err
    }
}

#[test]
fn calls_and_sessions_go_by_way_of_the_proxy_and_trust_the_bundle() {
    let net = Net::new();
    let proxy = Proxy::new(net.folder(), "");
    let bundle = net.bundle();
    let by = format!("http://127.0.0.1:{}", proxy.port);
    let environment = [("HTTPS_PROXY", by.as_str()), ("AWS_CA_BUNDLE", bundle.to_str().unwrap())];
    net.works(&environment);
    let (tunnels, passed) = (proxy.tunnels(), net.front.passed.load(Ordering::Relaxed));
    assert!(tunnels >= 3 && tunnels >= passed, "{passed} connections, {tunnels} of them by way of the proxy");
    let network = of(&net.run("doctor --json", &environment).json(), "network");
    let named = format!("by way of the proxy at 127.0.0.1:{}", proxy.port);
    assert!(network[0].0 == "ok" && network[0].1.contains(&named), "{network:?}");

    // A host that needs none is reached without, by both.
    let dead =
        [("HTTPS_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "10.0.0.0/8,127.0.0.0/8"), environment[1]];
    net.works(&dead);
}

#[test]
fn a_proxy_may_be_reached_by_tls_itself_and_want_a_password() {
    let net = Net::new();
    let proxy = Proxy::new(net.folder(), "BasicAuth ada s3cr3t\n");
    let acceptor = net.authority.acceptor("127.0.0.1", |_| {});
    let outer = Front::before(&net.runtime, proxy.address(), acceptor);
    let bundle = net.bundle();
    let bundle = ("AWS_CA_BUNDLE", bundle.to_str().unwrap());
    for (scheme, port) in [("http", proxy.port), ("https", outer.address.port())] {
        let without = format!("{scheme}://127.0.0.1:{port}");
        let all = net.fails(&[("HTTPS_PROXY", &without), bundle]);
        assert!(all.contains("give the proxy both: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"), "{all}");
    }
    let through = format!("https://ada:s3cr3%74@127.0.0.1:{}", outer.address.port());
    let environment = [("HTTPS_PROXY", through.as_str()), bundle];
    net.works(&environment);
    assert!(outer.passed.load(Ordering::Relaxed) >= 3);
    let ran = net.run("doctor", &environment);
    assert!(!ran.all().contains("s3cr3t"), "{}", ran.all());
}

#[test]
fn a_proxy_that_is_not_there_or_makes_no_sense_is_named() {
    let net = Net::new();
    let bundle = net.bundle();
    let bundle = ("AWS_CA_BUNDLE", bundle.to_str().unwrap());
    let all = net.fails(&[("HTTPS_PROXY", "http://127.0.0.1:9"), bundle]);
    assert!(all.contains("check HTTPS_PROXY"), "{all}");

    let network =
        of(&net.run("doctor --json", &[("HTTPS_PROXY", "http://:8080:"), bundle]).json(), "network");
    let (mark, what, _) = network.iter().find(|(_, what, _)| what.contains("HTTPS_PROXY")).unwrap();
    assert_eq!((mark.as_str(), what.as_str()), ("warning", "HTTPS_PROXY names no proxy, so none is asked"));
}

#[test]
fn the_systems_certificates_count_and_those_of_a_profile_instead() {
    let net = Net::new();
    let (bundle, aws) = (net.bundle(), net.folder().join("aws"));
    // Where OpenSSL and we look for the system's.
    net.works(&[("SSL_CERT_FILE", bundle.to_str().unwrap())]);
    std::fs::create_dir_all(&aws).unwrap();
    std::fs::write(aws.join("config"), format!("[default]\nca_bundle = {}\n", bundle.display())).unwrap();
    net.works(&[]);
    // Certificates that nobody can use are passed over, and the environment counts for more.
    let odd = net.folder().join("odd.pem");
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&odd, format!("# old\n{garbled}{}", net.authority.pem)).unwrap();
    std::fs::write(aws.join("config"), "[default]\nca_bundle = /nowhere.pem\n").unwrap();
    net.works(&[("AWS_CA_BUNDLE", odd.to_str().unwrap())]);
}

#[test]
fn certificates_that_do_not_verify_and_bundles_that_say_nothing_are_named() {
    let net = Net::new();
    let all = net.fails(&[]);
    assert!(all.contains("UnknownIssuer") && all.contains("AWS_CA_BUNDLE=/path/to/bundle.pem"), "{all}");

    let empty = net.folder().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").unwrap();
    for (path, why) in [("/nowhere.pem", "No such file"), (empty.to_str().unwrap(), "there is none in it")] {
        let all = net.fails(&[("AWS_CA_BUNDLE", path)]);
        assert!(all.contains(path) && all.contains(why) && all.contains("correct AWS_CA_BUNDLE"), "{all}");
    }

    // What a network shows that wants a sign-in in the browser first.
    let net = Net::named("portal.example", |_| {});
    let bundle = net.bundle();
    let bundle = ("AWS_CA_BUNDLE", bundle.to_str().unwrap());
    net.fails(&[bundle]);
    let network = of(&net.run("doctor --json", &[bundle]).json(), "network");
    assert_eq!(marks(&network), ["failed"; 6], "{network:?}");
    assert!(network[0].1.contains("not valid for name"), "{network:?}");
    assert!(network[0].2.contains("sign in with a browser"), "{network:?}");

    // One whose certificate holds, and that sends everybody to its page.
    let net = Net::new();
    let listener = net.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let portal = listener.local_addr().unwrap();
    net.runtime.spawn(async move {
        let answer = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\n\r\n";
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    let _ = stream.write_all(answer).await;
                }
            });
        }
    });
    let front = Front::before(&net.runtime, portal, net.authority.acceptor("127.0.0.1", |_| {}));
    let (endpoint, bundle) = (format!("https://{}", front.address), net.bundle());
    let mut command = net.rig.command("doctor --json");
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_CA_BUNDLE", bundle);
    let network = of(&super::ran(&mut command).json(), "network");
    assert_eq!(marks(&network), ["failed"; 6], "{network:?}");
    assert!(network[0].2.contains("open a browser, and sign in to the network"), "{network:?}");

    let net = Net::named("127.0.0.1", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let bundle = net.bundle();
    let all = net.fails(&[("AWS_CA_BUNDLE", bundle.to_str().unwrap())]);
    assert!(all.to_lowercase().contains("expired"), "{all}");
}

#[test]
fn the_sandbox_of_the_demo_needs_no_proxy() {
    let home = super::Home::new();
    let mut command = home.command("--sandbox up --yes");
    super::ran(command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9"))
        .well();
}
