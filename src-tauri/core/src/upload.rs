//! One file on its way to the machine: what is sent, and what the machine says.
//!
//! An interactive command is the only thing that has an input, so everything that has to get to the machine, secrets too,
//! goes this way: [`script::upload`](crate::script::upload) switches the echo off and says that it is ready, and only then
//! comes the body, with its length and its checksum before it.

use sha2::{Digest as _, Sha256};

use crate::script::find;

/// What the machine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The echo is off: send [`Upload::head`], and then the body.
    Ready,
    /// The file is where it belongs.
    Done,
    /// The file cannot be written there; in the machine's words.
    Refused(String),
    /// It did not arrive as it was sent.
    Torn,
}

/// One upload.
#[derive(Debug)]
pub struct Upload {
    ready: String,
    done: String,
    seen: Vec<u8>,
    is_ready: bool,
}

/// What the machine may say before it is ready, and after it is done, in bytes.
const MOST: usize = 64 << 10;

impl Upload {
    /// With the nonce of its script.
    pub fn new(nonce: &str) -> Self {
        let (ready, done) = (format!("\nHF-{nonce} ready\n"), format!("\nHF-{nonce} done "));
        Self { ready, done, seen: Vec::new(), is_ready: false }
    }

    /// What goes before the body.
    pub fn head(body: &[u8]) -> String {
        let sum: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {sum}\n", body.len())
    }

    /// Takes what the machine wrote next; each thing is said once.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Said> {
        self.seen.extend(bytes);
        let surplus = self.seen.len().saturating_sub(MOST);
        self.seen.drain(..surplus);
        if let Some(at) = find(&self.seen, self.done.as_bytes()) {
            let status = &self.seen[at + self.done.len()..];
            let end = status.iter().position(|byte| *byte == b'\n')?;
            return Some(match std::str::from_utf8(&status[..end]).map(str::trim_end) {
                Ok("0") => Said::Done,
                Ok("3") => Said::Torn,
                _ => Said::Refused(String::from_utf8_lossy(&self.seen[..at]).trim().to_owned()),
            });
        }
        if self.is_ready {
            return None;
        }
        let at = find(&self.seen, self.ready.as_bytes())?;
        self.is_ready = true;
        // What came before it is a terminal's small talk.
        self.seen.drain(..at + self.ready.len());
        Some(Said::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pieces: &[&str]) -> Vec<Said> {
        let mut upload = Upload::new("n");
        pieces.iter().filter_map(|piece| upload.feed(piece.as_bytes())).collect()
    }

    #[test]
    fn each_thing_is_said_once_however_it_comes() {
        assert_eq!(said(&["hello\r\n\nHF-n rea", "dy\n", "more"]), [Said::Ready]);
        assert_eq!(said(&["\nHF-n ready\n", "\nHF-n done ", "0\n"]), [Said::Ready, Said::Done]);
        assert_eq!(said(&["\nHF-n ready\n", "\nHF-n done 3\n"]), [Said::Ready, Said::Torn]);
        let refusal = "mktemp: No such file or directory\r\n\nHF-n done 2\r\n";
        assert_eq!(said(&[refusal]), [Said::Refused("mktemp: No such file or directory".into())]);
        assert_eq!(said(&["\nHF-other ready\n", "\nHF-other done 0\n"]), []);
    }

    #[test]
    fn the_head_is_length_and_checksum() {
        assert_eq!(
            Upload::head(b"abc"),
            "3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
        );
    }
}
