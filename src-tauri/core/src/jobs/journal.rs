//! The journal of a job, as `journalctl --output=json` writes it: an object a line.
//! Source: <https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format>

use serde::Deserialize;

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the journal goes on after it.
    pub cursor: String,
    /// When the machine wrote it, in microseconds since the Unix epoch.
    pub at: u64,
    /// What it says, as it was said.
    pub text: String,
}

/// Cuts what [`script::follow`](crate::script::follow) writes into entries.
#[derive(Debug)]
pub struct Journal {
    exit: String,
    status: Option<i32>,
    held: Vec<u8>,
    /// A line that is too long to be one is left out to its end.
    skipping: bool,
}

/// A line of the journal is at most 48 KiB, and six bytes of JSON for each byte of it is the worst there is.
/// Source: `LineMax=` in journald.conf(5).
const LONGEST: usize = 512 << 10;

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "__CURSOR")]
    cursor: String,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: String,
    #[serde(rename = "MESSAGE", default)]
    message: Message,
}

/// Text, or the bytes of what is no text, or several of either, or nothing where it was too large.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    Several(Vec<Message>),
    #[default]
    Nothing,
}

impl Message {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Self::Several(all) => all.into_iter().map(Self::text).collect::<Vec<_>>().join(" "),
            Self::Nothing => String::new(),
        }
    }
}

impl Journal {
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// With the nonce of its script.
    pub fn new(nonce: &str) -> Self {
        Self { exit: format!("HF-{nonce} exit "), status: None, held: Vec::new(), skipping: false }
    }

    /// How the script ended, once it has.
    pub const fn status(&self) -> Option<i32> {
        self.status
    }

    /// Takes what came next and gives the entries that are whole now. What is no entry is left out.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            if std::mem::take(&mut self.skipping) {
                self.held.clear();
                continue;
            }
            if self.held.is_empty() {
                entries.extend(self.line(line));
            } else {
                let mut whole = std::mem::take(&mut self.held);
                whole.extend(line);
                entries.extend(self.line(&whole));
                whole.clear();
                self.held = whole;
            }
        }
        if self.held.len() + rest.len() > LONGEST {
            self.held.clear();
            self.skipping = true;
        } else if !self.skipping {
            self.held.extend(rest);
        }
        entries
    }

    fn line(&mut self, line: &[u8]) -> Option<Entry> {
        if let Some(status) = line.strip_prefix(self.exit.as_bytes()) {
            self.status = std::str::from_utf8(status).ok().and_then(|status| status.trim().parse().ok());
            return None;
        }
        entry(line)
    }
}

fn entry(line: &[u8]) -> Option<Entry> {
    let raw: Raw = serde_json::from_slice(line).ok()?;
    let plain = |c: char| c.is_ascii_graphic() && c != '\'';
    if raw.cursor.is_empty() || raw.cursor.len() > 400 || !raw.cursor.chars().all(plain) {
        return None;
    }
    Some(Entry { cursor: raw.cursor, at: raw.at.parse().ok()?, text: raw.message.text() })
}
