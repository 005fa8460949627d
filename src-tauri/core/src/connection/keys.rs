//! What a person types, and the few things of it that are for this computer.
//!
//! As in ssh: after Enter, `~.` leaves, `~?` lists these, `~~` sends one tilde. What is pasted is never taken for one.

/// The list that `~?` shows.
pub const ESCAPES: &str = "After Enter:  ~. leaves   ~? shows this   ~~ sends a tilde";

/// How to leave, for whoever waits in vain.
pub const LEAVE: &str = "Enter ~. leaves";

/// What a terminal puts around a paste, when the program on the machine asked for it.
/// Source: <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h2-Bracketed-Paste-Mode>
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// A piece of what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// For the machine.
    Bytes(Vec<u8>),
    /// `~.`
    Leave,
    /// `~?`
    Help,
}

/// Takes the escapes out of what is typed, however it is cut into pieces.
#[derive(Clone, Debug)]
pub struct Keys {
    after_enter: bool,
    tilde: bool,
    pasting: bool,
    /// How much of the mark that comes next (begin or end of a paste) has been seen.
    seen: usize,
}

impl Default for Keys {
    /// The first key counts as one after Enter.
    fn default() -> Self {
        Self { after_enter: true, tilde: false, pasting: false, seen: 0 }
    }
}

impl Keys {
    /// Takes the next bytes typed.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let (mut pieces, mut plain) = (Vec::new(), Vec::with_capacity(bytes.len() + 1));
        let mut piece = |plain: &mut Vec<u8>, typed: Option<Typed>| {
            if !plain.is_empty() {
                pieces.push(Typed::Bytes(std::mem::take(plain)));
            }
            pieces.extend(typed);
        };
        for &byte in bytes {
            self.watch_for_pastes(byte);
            if std::mem::take(&mut self.tilde) {
                match byte {
                    b'.' => piece(&mut plain, Some(Typed::Leave)),
                    b'?' => piece(&mut plain, Some(Typed::Help)),
                    b'~' => plain.push(b'~'),
                    _ => plain.extend([b'~', byte]),
                }
                self.after_enter = matches!(byte, b'.' | b'?' | b'\r' | b'\n');
            } else if byte == b'~' && self.after_enter && !self.pasting {
                self.tilde = true;
            } else {
                plain.push(byte);
                self.after_enter = matches!(byte, b'\r' | b'\n');
            }
        }
        piece(&mut plain, None);
        pieces
    }

    fn watch_for_pastes(&mut self, byte: u8) {
        let mark = if self.pasting { PASTE_ENDS } else { PASTE_BEGINS };
        self.seen = match mark.get(self.seen) {
            Some(&next) if next == byte => self.seen + 1,
            // The marks begin with their only escape character.
            Some(_) | None => usize::from(byte == mark[0]),
        };
        if self.seen == mark.len() {
            self.pasting = !self.pasting;
            self.seen = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(bytes: &[u8]) -> Vec<Typed> {
        Keys::default().feed(bytes)
    }

    fn bytes(bytes: &[u8]) -> Typed {
        Typed::Bytes(bytes.to_vec())
    }

    #[test]
    fn escapes_count_only_after_enter() {
        assert_eq!(typed(b"~."), [Typed::Leave]);
        assert_eq!(typed(b"ls\r~."), [bytes(b"ls\r"), Typed::Leave]);
        assert_eq!(typed(b"\r~?\r~~.x"), [bytes(b"\r"), Typed::Help, bytes(b"\r~.x")]);
        assert_eq!(typed(b"a~."), [bytes(b"a~.")]);
        assert_eq!(typed(b"\r~/bin\r"), [bytes(b"\r~/bin\r")]);
        assert_eq!(typed(b"\r~\r~."), [bytes(b"\r~\r"), Typed::Leave]);
        assert_eq!(typed(b"~"), []);
    }

    #[test]
    fn a_paste_cannot_leave() {
        assert_eq!(typed(b"\x1b[200~\r~.\x1b[201~"), [bytes(b"\x1b[200~\r~.\x1b[201~")]);
        assert_eq!(
            typed(b"\x1b[200~\r~.\r\x1b[201~\r~."),
            [bytes(b"\x1b[200~\r~.\r\x1b[201~\r"), Typed::Leave]
        );
        assert_eq!(typed(b"\x1b\x1b[200~\r~."), [bytes(b"\x1b\x1b[200~\r~.")]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_keys_come(
            keys in prop::collection::vec(prop::sample::select(b"~.?\rax\x1b[201".to_vec()), 0..60),
            cuts in prop::collection::vec(1usize..7, 0..30),
        ) {
            let (mut state, mut pieces, mut at) = (Keys::default(), Vec::new(), 0);
            for cut in cuts.into_iter().chain([keys.len()]) {
                let to = (at + cut).min(keys.len());
                pieces.extend(state.feed(&keys[at..to]));
                at = to;
            }
            let flat = |pieces: &[Typed]| pieces.iter().flat_map(|typed| match typed {
                Typed::Bytes(bytes) => bytes.iter().map(|byte| u16::from(*byte)).collect(),
                Typed::Leave => vec![256],
                Typed::Help => vec![257],
            }).collect::<Vec<u16>>();
            prop_assert_eq!(flat(&pieces), flat(&typed(&keys)));
        }
    }
}
