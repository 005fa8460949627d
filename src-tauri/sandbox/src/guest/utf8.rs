//! The agent sends terminal output only in whole characters.

/// Holds back the bytes of a character that is not complete yet, at most three; bytes that can never become a
/// character pass as they are. What is held when the program ends is lost, as with the real agent.
#[derive(Debug, Default)]
pub(super) struct Utf8Hold {
    held: Vec<u8>,
}

impl Utf8Hold {
    /// Takes what was read and returns what may be sent.
    pub(super) fn pass(&mut self, read: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(read);
        self.held = bytes.split_off(sendable(&bytes));
        bytes
    }
}

/// The agent's rule: of the last three bytes everything from the first that starts no valid character is kept, whether
/// more bytes could complete it or not.
fn sendable(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match std::str::from_utf8(&bytes[at..]) {
            Ok(_) => return bytes.len(),
            Err(error) => at += error.valid_up_to(),
        }
        if bytes.len() - at < 4 {
            return at;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_characters_whole() {
        let mut hold = Utf8Hold::default();
        assert_eq!(hold.pass("aä".as_bytes()), "aä".as_bytes());
        assert_eq!(hold.pass(&"€".as_bytes()[..2]), b"");
        assert_eq!(hold.pass(&"€".as_bytes()[2..]), "€".as_bytes());
        assert_eq!(hold.pass(&"😀!".as_bytes()[..3]), b"");
        assert_eq!(hold.pass(&"😀!".as_bytes()[3..]), "😀!".as_bytes());
    }

    #[test]
    fn passes_what_is_no_text() {
        let mut hold = Utf8Hold::default();
        assert_eq!(hold.pass(b"\xff\xfe12345"), b"\xff\xfe12345");
        // The rule counts bytes from the end, so a lone bad byte waits for three more.
        assert_eq!(hold.pass(b"\xff"), b"");
        assert_eq!(hold.pass(b"ab"), b"");
        assert_eq!(hold.pass(b"c"), b"\xffabc");
    }
}
