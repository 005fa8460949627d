//! Whether there is a newer Holdfast. One question a day to where the packages come from, and nothing is said in it but that
//! Holdfast asks.

use std::time::{Duration, SystemTime};

use holdfast_core::app::view::Update;
use holdfast_core::time::Moment;
use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::aws::{get, profile};
use crate::problem::Problem;
use crate::store::Store;

/// Where the newest release is told of, as GitHub tells it: named when the packages are built. What somebody built for himself,
/// or a distribution for its users, is updated by them, and asks nobody.
const RELEASES: Option<&str> = option_env!("HOLDFAST_RELEASES");
/// The longest that anybody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// When somebody asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// In seconds since the Unix epoch.
    pub asked: u64,
}

/// A release, as GitHub tells of it.
/// Source: <https://docs.github.com/en/rest/releases/releases#get-the-latest-release>
#[derive(Deserialize)]
struct Release {
    tag_name: String,
    html_url: String,
}

/// The address to ask; `None`: nobody is asked.
pub fn place() -> Option<String> {
    std::env::var("HOLDFAST_RELEASES")
        .ok()
        .or_else(|| RELEASES.map(ToOwned::to_owned))
        .filter(|at| !at.is_empty())
}

/// When this computer asked last, and a number of its own.
pub fn last(store: &Store) -> (Option<Moment>, u64) {
    let asked = store.asked_for_updates().ok().flatten();
    let maker = store.maker().unwrap_or_default();
    let salt =
        Sha256::digest(maker.as_bytes()).iter().take(4).fold(0, |salt, byte| salt << 8 | u64::from(*byte));
    (asked.map(|last| Moment::from_epoch(Duration::from_secs(last.asked))), salt)
}

/// Asks, and keeps when. The release, if it is newer than this Holdfast; a failure is told by nobody and tried again a day later.
pub async fn ask(store: &Store, place: &str) -> Option<Update> {
    let asked = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Err(error) = store.keep_asked_for_updates(&Last { asked }) {
        tracing::debug!(%error, "nobody will know that newer versions were looked for");
    }
    match timeout(PATIENCE, get(place, profile::bundle(None), LONGEST)).await {
        Ok(Ok(answer)) => newer(&answer, env!("CARGO_PKG_VERSION")),
        Ok(Err(problem)) => unknown(&problem),
        Err(_) => unknown(&Problem::new("unreachable", "nobody answered")),
    }
}

fn unknown(problem: &Problem) -> Option<Update> {
    tracing::info!(%problem, "whether there is a newer version is not known");
    None
}

/// The release in an answer, if it is newer than `this`, and its page one that a browser should open.
fn newer(answer: &[u8], this: &str) -> Option<Update> {
    let Release { tag_name, html_url } = serde_json::from_slice(answer).ok()?;
    let version = Version::parse(tag_name.trim_start_matches('v')).ok()?;
    let is_newer = version.pre.is_empty() && version > Version::parse(this).ok()?;
    let safe =
        html_url.starts_with("https://") && !html_url.contains(|c: char| c.is_whitespace() || c.is_control());
    (is_newer && safe).then(|| Update { version: version.to_string(), page: html_url })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{ask, last, newer};
    use crate::store::Store;

    /// Answers one question; gives what was asked.
    async fn answer(listener: TcpListener, status: &str, body: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = Vec::new();
        while !question.ends_with(b"\r\n\r\n") {
            question.push(stream.read_u8().await.unwrap());
        }
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(question).unwrap()
    }

    #[tokio::test]
    async fn one_question_says_nothing_of_who_asks() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("config"), folder.path().join("state"));
        assert_eq!(last(&store).0, None);
        for (status, body, found) in [
            ("200 OK", r#"{"tag_name":"v999.0.0","html_url":"https://example.com/v999"}"#, Some("999.0.0")),
            ("200 OK", "what?", None),
            ("403 Forbidden", r#"{"tag_name":"v999.0.0","html_url":"https://example.com/v999"}"#, None),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let place = format!("http://{}/releases/latest", listener.local_addr().unwrap());
            let (update, question) = tokio::join!(ask(&store, &place), answer(listener, status, body));
            assert_eq!(update.map(|update| update.version).as_deref(), found, "{status} {body}");
            let mut lines: Vec<&str> = question.trim_end().lines().collect();
            lines.retain(|line| !line.starts_with("host:"));
            assert_eq!(
                lines,
                ["GET /releases/latest HTTP/1.1", "user-agent: holdfast", "accept: application/json"]
            );
        }
        assert!(last(&store).0.is_some(), "the next one comes a day later");
        assert_eq!(ask(&store, "http://127.0.0.1:1/").await, None);
    }

    #[test]
    fn only_a_newer_release_with_a_safe_page_counts() {
        let told = |tag: &str, page: &str| {
            let answer = serde_json::json!({ "tag_name": tag, "html_url": page, "body": "…" }).to_string();
            newer(answer.as_bytes(), "1.2.3").map(|update| update.version)
        };
        let page = "https://example.com/releases/v1.2.4";
        assert_eq!(told("v1.2.4", page).as_deref(), Some("1.2.4"));
        assert_eq!(told("2.0.0", page).as_deref(), Some("2.0.0"));
        for tag in ["v1.2.3", "v1.2.2", "v2.0.0-rc.1", "newest", ""] {
            assert_eq!(told(tag, page), None, "{tag}");
        }
        for page in ["http://example.com/", "file:///etc/passwd", "https://example.com/ x", ""] {
            assert_eq!(told("v9.0.0", page), None, "{page}");
        }
        assert_eq!(newer(b"<html>", "1.2.3"), None);
    }
}
