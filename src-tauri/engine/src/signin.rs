//! Signing in to a portal: with a browser that comes back to this computer, or with a code that is confirmed anywhere.
//!
//! Nothing here begins by itself, and only one sign-in goes on at a time on this computer.
//! Source: <https://docs.aws.amazon.com/singlesignon/latest/userguide/customer-managed-apps-trusted-token-issuer.html>,
//! <https://datatracker.ietf.org/doc/html/rfc8252>, <https://datatracker.ietf.org/doc/html/rfc8628>

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use holdfast_core::app::WayIn;
use holdfast_core::machine::Desired;
use holdfast_core::profile::{Chain, Portal};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::aws::identity::is_over;
use crate::aws::identity::oidc::{CALLBACK, Calls, DeviceCode};
use crate::aws::identity::token::{self, Client, Token};
use crate::aws::profile;
use crate::problem::{CallError, CallErrorKind, Obstacle, Problem};
use crate::process::{detach, without_secrets};
use crate::secrets::Vault;
use crate::surroundings;

/// How long the browser may take to come back.
const PATIENCE: Duration = Duration::from_secs(600);
/// The longest request of a browser that matters.
const LONGEST: usize = 16 * 1024;
/// By how much the pauses grow when the service asks for it.
/// Source: <https://datatracker.ietf.org/doc/html/rfc8628#section-3.5>
const SLOWER: Duration = Duration::from_secs(5);

/// A portal that somebody signs in to.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// The portal.
    pub portal: &'a Portal,
    /// Its calls.
    pub calls: &'a Calls,
    /// Where the sign-in is kept.
    pub vault: &'a Vault,
}

impl SignIn<'_> {
    /// Shows a page, and waits until the browser comes back from it. The portal has to be a session, which knows scopes.
    ///
    /// # Errors
    /// The person denies it, the browser never comes back, or comes from somewhere else.
    pub async fn with_browser(&self, show: impl FnOnce(&str)) -> Result<Token, Problem> {
        let failed = |error: std::io::Error| {
            Problem::new("sign_in_port", "No port of this computer can be listened at")
                .because(error.to_string())
                .hint("sign in with a code instead: holdfast login --code")
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let client = self.client(true).await?;
        let state = Uuid::new_v4().simple().to_string();
        let verifier = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        show(&self.calls.page(self.portal, &client, port, &state, &challenge).await?);
        let code = timeout(PATIENCE, came_back(&listener, &state)).await.map_err(|_| {
            Problem::new("sign_in_timeout", "The browser did not come back")
                .because(format!("nobody allowed it within {} minutes", PATIENCE.as_secs() / 60))
                .hint("sign in once more, or with a code: holdfast login --code")
        })??;
        let verifier = SecretString::from(verifier);
        match self.calls.of_code(client, port, &code, &verifier).await {
            Ok(token) => Ok(token),
            Err(error) => Err(self.refused(error, true).await),
        }
    }

    /// Shows a code, and waits until somebody has confirmed it.
    ///
    /// # Errors
    /// The person denies it, or takes too long.
    pub async fn with_code(&self, show: impl FnOnce(&DeviceCode)) -> Result<Token, Problem> {
        let client = self.client(false).await?;
        let code = match self.calls.device_code(self.portal, &client).await {
            Ok(code) => code,
            Err(error) => return Err(self.refused(error, false).await),
        };
        show(&code);
        let mut interval = code.interval;
        let asks = async {
            loop {
                sleep(interval).await;
                match self.calls.of_device(client.clone(), &code).await {
                    Ok(token) => return Ok(token),
                    Err(error) if error.code() == "AuthorizationPendingException" => {}
                    Err(error) if error.code() == "SlowDownException" => interval += SLOWER,
                    // The code is still good when the network is back, which is asked less and less.
                    Err(CallError {
                        kind: CallErrorKind::Timeout | CallErrorKind::Unreachable { .. },
                        ..
                    }) => interval *= 2,
                    Err(error) => return Err(refused(self.portal, error)),
                }
            }
        };
        timeout(code.lasts, asks).await.map_err(|_| too_late())?
    }

    /// What the refusal means; a registration that the portal does not know any more is not used again.
    async fn refused(&self, error: CallError, browser: bool) -> Problem {
        if matches!(error.code(), "InvalidClientException" | "UnauthorizedClientException") {
            let _ = self.vault.forget(&client_name(self.portal, browser)).await;
            return Problem::from(error)
                .hint_first(Some("sign in once more: Holdfast is made known anew".to_owned()));
        }
        refused(self.portal, error)
    }

    /// Who we are to the portal: known from before, or made known now.
    async fn client(&self, browser: bool) -> Result<Client, Problem> {
        const LEAST: Duration = Duration::from_secs(3600);
        let name = client_name(self.portal, browser);
        let kept = match self.vault.get(&name).await {
            // Another registration takes its place.
            Err(problem) if problem.code == "keyring_garbled" => None,
            kept => kept?,
        };
        let kept = kept.and_then(|text| Token::from_json(text.expose_secret()));
        let known = kept.and_then(|kept| kept.client);
        if let Some(client) = known.filter(|client| client.expires > self.calls.now() + LEAST) {
            return Ok(client);
        }
        let registered = self.calls.register(self.portal, browser).await;
        let client = registered.map_err(|error| refused(self.portal, error))?;
        // It has the shape of a sign-in, without one.
        let kept = Token {
            access: SecretString::default(),
            expires: client.expires,
            refresh: None,
            client: Some(client.clone()),
            others: Map::default(),
        };
        self.vault.set(&name, kept.to_json(self.portal)).await?;
        Ok(client)
    }

    /// Makes every sign-in worthless that there is here, ours and the one in the AWS CLI's file, and removes that file. One whose
    /// access has run out is renewed for it: what it is renewed with would stay good. Gives why the portal could not be told.
    pub async fn revoke(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let file = token::cache_file(self.portal);
        let ours = match self.vault.look(&token::name(self.portal)).await {
            Ok(ours) => ours,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let shared =
            file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).map(SecretString::from);
        let tokens = [ours, shared].into_iter().flatten();
        for token in tokens.filter_map(|text| Token::from_json(text.expose_secret())) {
            if let Err(error) = self.end(token).await {
                problems.push(error.into());
            }
        }
        if let Some(Err(error)) = file.map(std::fs::remove_file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            problems.push(
                Problem::new("sign_in_file", "The AWS CLI's file of the sign-in cannot be removed")
                    .because(error.to_string()),
            );
        }
        problems
    }

    async fn end(&self, token: Token) -> Result<(), CallError> {
        let now = self.calls.now();
        let ended = match token.renewal(now).filter(|_| token.is_due(now)) {
            Some((client, refresh)) => match self.calls.renew(client.clone(), refresh).await {
                Ok(new) => self.calls.log_out(&new).await,
                Err(error) => Err(error),
            },
            None => self.calls.log_out(&token).await,
        };
        match ended {
            // It was worth nothing any more.
            Err(error) if !is_over(&error) => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Forgets the sign-in, after it was made worthless.
    ///
    /// # Errors
    /// The keyring cannot be used.
    pub async fn forget(&self) -> Result<(), Problem> {
        for browser in [true, false] {
            self.vault.forget(&client_name(self.portal, browser)).await?;
        }
        self.vault.forget(&token::name(self.portal)).await
    }
}

/// Under which name the vault keeps a registration: it is for this portal and these scopes alone, as the AWS CLI has it.
fn client_name(portal: &Portal, browser: bool) -> String {
    let kind = if browser { "browser" } else { "code" };
    let of = [&portal.start_url, &portal.region, &portal.scopes.join(" ")].map(String::as_str).join(" ");
    let of = Sha256::digest(of).iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{} client {kind} {of}", token::name(portal))
}

/// What the portal's refusal means.
fn refused(portal: &Portal, error: CallError) -> Problem {
    let url = &portal.start_url;
    match error.code() {
        "AccessDeniedException" => denied(),
        "ExpiredTokenException" => too_late(),
        "InvalidRequestException" | "InvalidRequestRegionException" | "InvalidClientMetadataException" => {
            Problem::new("sign_in_portal", format!("{} knows no portal {url}", portal.region))
                .because(Problem::from(error).cause.unwrap_or_default())
                .hint("the administrator of the portal knows its start URL and its region")
        }
        _ => {
            let region = matches!(error.kind, CallErrorKind::Unreachable { obstacle: Obstacle::Network, .. })
                .then(|| {
                    format!(
                        "see whether {} is the region of the portal {url}: its administrator knows",
                        portal.region
                    )
                });
            Problem::from(error).hint_first(region)
        }
    }
}

fn denied() -> Problem {
    Problem::new("sign_in_denied", "The sign-in was denied")
        .because("somebody pressed Deny on the portal's page")
        .hint("sign in once more, and allow it there")
}

fn too_late() -> Problem {
    Problem::new("sign_in_timeout", "The code was not confirmed in time").hint("sign in once more")
}

/// The code that the browser comes back with. What comes from elsewhere ends it: somebody else wants to be signed in here.
async fn came_back(listener: &TcpListener, state: &str) -> Result<String, Problem> {
    // A browser opens connections that it may need later, and says nothing on them for long.
    let mut visits = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => visits.extend(accepted.ok().map(|(stream, _)| visit(stream, state))),
            Some(brought) = visits.next() => if let Some(brought) = brought {
                return brought;
            },
        }
    }
}

/// What one connection of a browser brings; `None`: nothing that ends the waiting.
async fn visit(mut stream: TcpStream, state: &str) -> Option<Result<String, Problem>> {
    let target = timeout(Duration::from_secs(10), request(&mut stream)).await.ok().flatten()?;
    let Some(query) = target.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?')) else {
        answer(&mut stream, 404, "There is nothing here.").await;
        return None;
    };
    let get = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    if get("state").as_deref() != Some(state) {
        answer(&mut stream, 400, "This is not the sign-in that Holdfast waits for.").await;
        return Some(Err(Problem::new("sign_in_state", "The browser came back from another sign-in")
            .because("what it brought along is not what Holdfast had sent it away with")
            .hint("sign in once more, on the page that opens then")));
    }
    if let Some(error) = get("error") {
        answer(&mut stream, 200, "Holdfast was not let in. You can close this page.").await;
        return Some(Err(match error.as_str() {
            "access_denied" => denied(),
            _ => Problem::new("sign_in_refused", "The portal did not let Holdfast in")
                .because(holdfast_core::app::harmless::harmless(&error, 200))
                .hint("sign in once more, or with a code: holdfast login --code"),
        }));
    }
    if let Some(code) = get("code") {
        answer(&mut stream, 200, "You are signed in. You can close this page.").await;
        return Some(Ok(code));
    }
    answer(&mut stream, 400, "There is no code in this.").await;
    None
}

/// The target of a GET request.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut chunk) = (Vec::new(), [0; 2048]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        head.extend_from_slice(chunk.get(..length)?);
        if head.len() > LONGEST {
            return None;
        }
    }
    let line = std::str::from_utf8(&head).ok()?.lines().next()?.to_owned();
    let mut words = line.split(' ');
    (words.next() == Some("GET")).then(|| words.next().map(ToOwned::to_owned))?
}

async fn answer(stream: &mut TcpStream, status: u16, text: &str) {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Holdfast</title>\
         <body style=\"font: 16px system-ui; margin: 4em auto; max-width: 30em\"><p>{text}</p></body></html>"
    );
    let reason = if status == 200 { "OK" } else { "No" };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        page.len()
    );
    // A browser that has gone has heard enough.
    let _ = stream.write_all(format!("{head}{page}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// How a person signs in to what the settings name; `None` where Holdfast has no part in it.
pub fn way(desired: &Desired) -> Option<WayIn> {
    let profile = profile::counting(desired.profile.as_ref())?;
    let chain = profile::config().ok()?.chain(&profile).ok().filter(Chain::wants_person)?;
    Some(WayIn {
        profile,
        portal: chain.portal().map(|portal| portal.start_url.clone()),
        browser: chain.portal().is_some_and(has_browser),
        device: chain.mfa_serial().map(ToOwned::to_owned),
    })
}

/// Whether a browser can come back from a portal: without scopes there is nothing that it could be sent away with.
pub fn has_browser(portal: &Portal) -> bool {
    portal.session.is_some()
}

/// Shows a page in the user's browser, and does not wait for it. Only pages of the web are shown: the address is a portal's.
pub fn open_page(page: &str) {
    if !["https://", "http://127.0.0.1:", "http://localhost:"].iter().any(|begin| page.starts_with(begin)) {
        return tracing::warn!("a page that is none of the web is not opened");
    }
    let null = std::process::Stdio::null;
    for mut command in open::commands(page) {
        command.env_clear().envs(surroundings::variables());
        without_secrets(&mut command);
        detach(&mut command);
        match command.stdin(null()).stdout(null()).stderr(null()).spawn() {
            Ok(mut child) => {
                // Nobody but us can take note of its end.
                std::thread::spawn(move || child.wait());
                return;
            }
            Err(error) => tracing::debug!(%error, "one browser less"),
        }
    }
    tracing::warn!("no browser opens");
}

/// A sign-in that holds, or can be renewed without a person.
///
/// # Errors
/// The keyring cannot be used, and there is none elsewhere.
pub async fn best(portal: &Portal, vault: &Vault) -> Result<Option<Token>, Problem> {
    let now = SystemTime::now();
    let good = |token: &Token| token.holds(now) || token.renewal(now).is_some();
    let kept = vault.get(&token::name(portal)).await;
    let ours =
        kept.as_ref().ok().and_then(Option::as_ref).and_then(|text| Token::from_json(text.expose_secret()));
    let file = token::cache_file(portal).and_then(|file| std::fs::read_to_string(file).ok());
    let shared = file.and_then(|text| Token::from_json(&text));
    match [ours, shared].into_iter().flatten().find(good) {
        Some(token) => Ok(Some(token)),
        None => kept.map(|_| None),
    }
}

/// Until when the credentials of the settings hold without a person, where `ends` is the end of those that are had now, in seconds
/// since the Unix epoch; and whether there are others after that.
pub async fn lasts(desired: &Desired, vault: &Vault, ends: Option<u64>) -> (Option<u64>, bool) {
    let chain = |name: String| profile::config().ok()?.chain(&name).ok();
    let Some(chain) = profile::counting(desired.profile.as_ref()).and_then(chain) else {
        return (ends, false);
    };
    if let Some(portal) = chain.portal() {
        return match best(portal, vault).await.ok().flatten() {
            Some(token) if token.renewal(SystemTime::now()).is_some() => (ends, true),
            Some(token) => (Some(token::ends(&token).since_epoch().as_secs()), false),
            None => (ends, false),
        };
    }
    (ends, chain.mfa_serial().is_none())
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::http::SharedHttpClient;
    use holdfast_sandbox::{Fault, Rule, Sandbox, Service, When};

    use super::*;
    use crate::aws::{self, Options};

    const URL: &str = "https://holdfast.awsapps.com/start";

    fn portal(start_url: &str) -> Portal {
        Portal {
            session: Some("team".to_owned()),
            start_url: start_url.to_owned(),
            region: "us-west-2".to_owned(),
            scopes: vec!["sso:account:access".to_owned()],
        }
    }

    async fn calls(sandbox: &Sandbox, portal: &Portal) -> Calls {
        let http_client = Some(SharedHttpClient::new(sandbox.http_client()));
        let region = "us-west-2".parse().unwrap();
        aws::calls(portal, &region, &Options { http_client, ..Options::default() }).await
    }

    /// How long a sign-in with a code takes that is confirmed at once, when the first questions for it meet this.
    async fn waits(fault: Fault, times: u32, interval: u64) -> Duration {
        let sandbox = Sandbox::new(holdfast_sandbox::Options::default());
        sandbox.set(|conditions| {
            conditions.portals[0].lifetimes.interval = Duration::from_secs(interval);
        });
        sandbox.fault(Rule::on(Service::SsoOidc, "CreateToken", When::First(times), fault));
        let (portal, vault) = (portal(URL), Vault::default());
        let calls = calls(&sandbox, &portal).await;
        let sign_in = SignIn { portal: &portal, calls: &calls, vault: &vault };
        let mut began = None;
        let show = |code: &DeviceCode| {
            assert!(sandbox.allow_device(&code.user_code));
            began = Some(tokio::time::Instant::now());
        };
        sign_in.with_code(show).await.unwrap();
        began.unwrap().elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_is_asked_after_as_often_as_the_service_says() {
        let slow = || Fault::Error { code: "SlowDownException".to_owned(), status: 400 };
        let pending = || Fault::Error { code: "AuthorizationPendingException".to_owned(), status: 400 };
        for (fault, times, interval, expected) in [
            (pending(), 2, 7, 7 * 3),
            // What is not said is five seconds.
            (pending(), 2, 0, 5 * 3),
            // Five seconds more, each time.
            (slow(), 2, 1, 1 + 6 + 11),
            // And twice as long where nobody answers, which the SDK tries three times each.
            (Fault::DropBefore, 6, 4, 4 + 8 + 16),
        ] {
            let what = format!("{fault:?} {interval}");
            let waited = waits(fault, times, interval).await;
            let expected = Duration::from_secs(expected);
            assert!(waited >= expected && waited < expected + Duration::from_secs(9), "{what}: {waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_registration_is_for_one_portal_alone() {
        let sandbox = Sandbox::new(holdfast_sandbox::Options::default());
        let other = "https://other.awsapps.com/start";
        sandbox.set(|conditions| {
            let again = holdfast_sandbox::Portal {
                start_url: other.to_owned(),
                ..holdfast_sandbox::Portal::of("123456789012")
            };
            conditions.portals.push(again);
        });
        let vault = Vault::default();
        let registered = || sandbox.calls().iter().filter(|call| call.operation == "RegisterClient").count();
        for (url, expected) in [(URL, 1), (URL, 1), (other, 2), (URL, 2), (other, 2)] {
            let portal = portal(url);
            let calls = calls(&sandbox, &portal).await;
            let sign_in = SignIn { portal: &portal, calls: &calls, vault: &vault };
            sign_in.with_code(|code| assert!(sandbox.allow_device(&code.user_code))).await.unwrap();
            assert_eq!(registered(), expected, "{url}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_browser_that_never_comes_back_is_not_waited_for_for_ever() {
        let sandbox = Sandbox::new(holdfast_sandbox::Options::default());
        let portal = portal(URL);
        let calls = calls(&sandbox, &portal).await;
        let (vault, began) = (Vault::default(), tokio::time::Instant::now());
        let mut shown = String::new();
        let sign_in = SignIn { portal: &portal, calls: &calls, vault: &vault };
        let problem = sign_in.with_browser(|page| shown = page.to_owned()).await.unwrap_err();
        assert_eq!(problem.code, "sign_in_timeout");
        assert!(shown.contains("/authorize?") && began.elapsed() >= PATIENCE, "{shown}");
        assert!(vault.get(&token::name(&portal)).await.unwrap().is_none());
    }

    async fn comes_with(targets: &[&str]) -> (Result<String, Problem>, Vec<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let browser = async {
            let mut answers = Vec::new();
            // What a browser opens in advance holds nobody up.
            let _idle = TcpStream::connect(address).await.unwrap();
            for target in targets {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(format!("{target}\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer).await;
                answers.push(answer.lines().next().unwrap_or_default().to_owned());
            }
            answers
        };
        let came = timeout(Duration::from_secs(5), came_back(&listener, "mine"));
        let (came, answers) = tokio::join!(came, browser);
        (came.expect("it comes back at once"), answers)
    }

    #[tokio::test]
    async fn a_browser_comes_back() {
        let (code, answers) = comes_with(&[
            "GET /favicon.ico HTTP/1.1",
            "POST /oauth/callback?code=stolen&state=mine HTTP/1.1",
            "GET /oauth/callback?state=mine HTTP/1.1",
            "GET /oauth/callback?code=a%2Fb%20c&state=mine HTTP/1.1",
        ])
        .await;
        assert_eq!(code.unwrap(), "a/b c");
        assert_eq!(answers, ["HTTP/1.1 404 No", "", "HTTP/1.1 400 No", "HTTP/1.1 200 OK"]);
        for (target, expected) in [
            ("GET /oauth/callback?code=c&state=other HTTP/1.1", "sign_in_state"),
            ("GET /oauth/callback?code=c HTTP/1.1", "sign_in_state"),
            ("GET /oauth/callback?error=access_denied&state=mine HTTP/1.1", "sign_in_denied"),
            ("GET /oauth/callback?error=server_error&state=mine HTTP/1.1", "sign_in_refused"),
        ] {
            let (result, _) = comes_with(&[target]).await;
            assert_eq!(result.unwrap_err().code, expected, "{target}");
        }
    }
}
