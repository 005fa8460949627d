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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// In seconds since the Unix epoch.
    pub asked: u64,
    /// The newer one that was found then.
    #[serde(default)]
    pub found: Option<Update>,
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

/// When this computer asked last, and what it found that is newer still.
pub fn last(store: &Store) -> (Option<Moment>, Option<Update>) {
    let Some(Last { asked, found }) = store.asked_for_updates().ok().flatten() else { return (None, None) };
    let found = found.filter(|found| is_newer(&found.version, env!("CARGO_PKG_VERSION")));
    (Some(Moment::from_epoch(Duration::from_secs(asked))), found)
}

/// A number of this computer's own.
pub fn salt(store: &Store) -> u64 {
    let maker = store.maker().unwrap_or_default();
    Sha256::digest(maker.as_bytes()).iter().take(4).fold(0, |salt, byte| salt << 8 | u64::from(*byte))
}

/// Asks, and keeps when, and what was found. The release, if it is newer than this Holdfast.
///
/// # Errors
/// Nobody could be asked, which is tried again a day later.
pub async fn ask(store: &Store, place: &str) -> Result<Option<Update>, ()> {
    let asked = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let answer = match timeout(PATIENCE, get(place, profile::bundle(None), LONGEST)).await {
        Ok(answer) => answer,
        Err(_) => Err(Problem::new("unreachable", "nobody answered")),
    };
    let found = match answer {
        Ok(answer) => Ok(newer(&answer, env!("CARGO_PKG_VERSION"))),
        Err(problem) => {
            tracing::info!(%problem, "whether there is a newer version is not known");
            Err(())
        }
    };
    let known = found.clone().unwrap_or_else(|()| last(store).1);
    if let Err(error) = store.keep_asked_for_updates(&Last { asked, found: known }) {
        tracing::debug!(%error, "nobody will know that newer versions were looked for");
    }
    found
}

/// The release in an answer, if it is newer than `this`, and its page one that a browser should open.
fn newer(answer: &[u8], this: &str) -> Option<Update> {
    let Release { tag_name, html_url } = serde_json::from_slice(answer).ok()?;
    let version = tag_name.trim_start_matches('v').to_owned();
    let safe =
        html_url.starts_with("https://") && !html_url.contains(|c: char| c.is_whitespace() || c.is_control());
    (is_newer(&version, this) && safe).then_some(Update { version, page: html_url })
}

fn is_newer(version: &str, this: &str) -> bool {
    let parsed = Version::parse(version).ok().zip(Version::parse(this).ok());
    parsed.is_some_and(|(version, this)| version.pre.is_empty() && version > this)
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
            ("200 OK", "what?", Ok(None)),
            (
                "200 OK",
                r#"{"tag_name":"v999.0.0","html_url":"https://example.com/v999"}"#,
                Ok(Some("999.0.0")),
            ),
            ("403 Forbidden", r#"{"tag_name":"v998.0.0","html_url":"https://example.com/v998"}"#, Err(())),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let place = format!("http://{}/releases/latest", listener.local_addr().unwrap());
            let (update, question) = tokio::join!(ask(&store, &place), answer(listener, status, body));
            let version = update.as_ref().map(|update| update.as_ref().map(|update| update.version.as_str()));
            assert_eq!(version, found.as_ref().copied().map_err(|()| &()), "{status} {body}");
            let mut lines: Vec<&str> = question.trim_end().lines().collect();
            lines.retain(|line| !line.starts_with("host:"));
            assert_eq!(
                lines,
                ["GET /releases/latest HTTP/1.1", "user-agent: holdfast", "accept: application/json"]
            );
        }
        assert_eq!(ask(&store, "http://127.0.0.1:1/").await, Err(()));
        let (asked, found) = last(&store);
        assert!(asked.is_some(), "the next one comes a day later");
        assert_eq!(
            found.map(|update| update.version).as_deref(),
            Some("999.0.0"),
            "it is known all the same"
        );
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
