//! What the machine writes, on its way to the screen.
//!
//! The remote wrapper says in the byte stream when the user's program begins and how it ended, in a sequence that
//! terminals ignore (APC) and that carries a nonce, so that no program can say it by chance. They are taken out here.
//! The same pass knows whether the alternate screen is on and what the title is, and never gives out half a sequence, so
//! that a status line can be drawn at any time.
//! Source: <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>

/// A sequence that is longer is given out piece by piece.
const LONGEST: usize = 4096;
/// A title that is longer is not remembered.
const LONGEST_TITLE: usize = 256;

/// Which program the wrapper found for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A zellij client: whoever comes back gets the same screen.
    Zellij,
    /// A plain shell, which ends with its session.
    Shell,
}

/// What the wrapper says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The user's program takes the terminal.
    In(Kind),
    /// It ended by itself, with this status.
    Out(i32),
    /// The same, and its session of zellij is gone for good, whatever the client said itself.
    Ended(i32),
}

/// A piece of what the machine wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Mark(Mark),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate character: one more character, or several.
    Charset,
    Csi,
    /// A string; the kind is the character after ESC.
    Text(u8),
    /// ESC within a string.
    TextEscape(u8),
}

/// The screen as far as the byte stream tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Screen {
    nonce: String,
    state: State,
    /// The sequence that is not complete yet.
    held: Vec<u8>,
    /// A part of that sequence has been given out already.
    torn: bool,
    alternate: bool,
    title: Option<String>,
    /// The end of what was given out.
    last: Vec<u8>,
}

/// What a zellij client says before it ends with status 0, as if its user had left, when its terminal was not read for so
/// long that the server gave it up; and with status 1 when the server itself is gone, as it is when the machine goes down.
/// Source: zellij 0.45.1, `zellij-utils/src/ipc.rs` (`ExitReason`), `zellij-client/src/lib.rs`
const GIVEN_UP: [&[u8]; 2] =
    [b"lost connection to the zellij server", b"Lost connection to the Zellij server"];
/// How much of the end is kept to find that in.
const END: usize = 1024;

impl Screen {
    /// Another session writes to it, whose marks carry `nonce`. What the last one left stays until it is reset.
    pub(super) fn renew(&mut self, nonce: &str) {
        nonce.clone_into(&mut self.nonce);
        self.state = State::Ground;
        self.held.clear();
        self.torn = false;
        self.last.clear();
    }

    /// All that programs switched on is switched off.
    pub(super) fn reset(&mut self) {
        self.alternate = false;
        self.title = None;
    }

    /// Whether something may be drawn between what was given out and what comes next.
    pub(super) fn is_whole(&self) -> bool {
        !self.torn
    }

    /// Whether a program has switched to the alternate screen, so that it draws all of it.
    pub(super) const fn is_alternate(&self) -> bool {
        self.alternate
    }

    /// Whether the zellij client that just ended did so because it had lost its server.
    pub(super) fn lost_its_server(&self) -> bool {
        GIVEN_UP.iter().any(|text| self.last.windows(text.len()).any(|part| part == *text))
    }

    /// The title that a program gave the window last.
    pub(super) fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Takes what the machine wrote next.
    pub(super) fn pass(&mut self, bytes: Vec<u8>, mut to: impl FnMut(Piece)) {
        let mut last = std::mem::take(&mut self.last);
        self.split(bytes, |piece| {
            if let Piece::Bytes(bytes) = &piece {
                last.extend(&bytes[bytes.len().saturating_sub(END)..]);
                let surplus = last.len().saturating_sub(END);
                last.drain(..surplus);
            }
            to(piece);
        });
        self.last = last;
    }

    fn split(&mut self, bytes: Vec<u8>, mut to: impl FnMut(Piece)) {
        if self.state == State::Ground && !bytes.contains(&ESC) {
            return to(Piece::Bytes(bytes));
        }
        let mut out = Vec::with_capacity(bytes.len() + self.held.len());
        let mut rest = bytes.as_slice();
        while let Some(&byte) = rest.first() {
            if self.state == State::Ground {
                let plain = rest.iter().position(|byte| *byte == ESC).unwrap_or(rest.len());
                out.extend(&rest[..plain]);
                rest = &rest[plain..];
                if !rest.is_empty() {
                    self.state = State::Escape;
                    self.held.push(ESC);
                    rest = &rest[1..];
                }
                continue;
            }
            if byte == ESC && !matches!(self.state, State::Text(_)) {
                // It ends whatever was under way and begins anew; a string waits for what follows.
                self.give_up(&mut out);
                self.state = State::Escape;
                self.held.push(ESC);
            } else {
                self.held.push(byte);
                self.state = self.after(byte);
                if self.state == State::Ground
                    && let Some(mark) = self.complete(&mut out)
                {
                    if !out.is_empty() {
                        to(Piece::Bytes(std::mem::take(&mut out)));
                    }
                    to(Piece::Mark(mark));
                }
            }
            rest = &rest[1..];
            if self.held.len() > LONGEST {
                out.append(&mut self.held);
                self.torn = true;
            }
        }
        if !out.is_empty() {
            to(Piece::Bytes(out));
        }
    }

    /// Gives out what is held as it is: no more will come, or it took too long.
    pub(super) fn release(&mut self) -> Vec<u8> {
        self.state = State::Ground;
        self.torn = false;
        std::mem::take(&mut self.held)
    }

    fn after(&self, byte: u8) -> State {
        match (self.state, byte) {
            (_, CAN | SUB) | (State::Ground, _) => State::Ground,
            (State::Escape, b'[') => State::Csi,
            (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => State::Text(byte),
            (State::Escape | State::Charset, 0x20..=0x2f) => State::Charset,
            (State::Escape | State::Charset, 0x00..=0x1f) => self.state,
            (State::Escape | State::Charset, _) => State::Ground,
            (State::Csi, 0x40..=0x7e | 0x80..) => State::Ground,
            (State::Csi, _) => State::Csi,
            (State::Text(b']'), BEL) => State::Ground,
            (State::Text(kind), ESC) => State::TextEscape(kind),
            (State::Text(kind), _) => State::Text(kind),
            // Any other character but the backslash ends the string, too, and begins something else.
            (State::TextEscape(_), _) => State::Ground,
        }
    }

    /// A sequence is whole: notes what it says, and gives it out unless it is for us.
    fn complete(&mut self, out: &mut Vec<u8>) -> Option<Mark> {
        let torn = std::mem::take(&mut self.torn);
        let sequence = std::mem::take(&mut self.held);
        let mark = if torn { None } else { self.read(&sequence) };
        if mark.is_none() {
            out.extend(sequence);
        }
        mark
    }

    /// A sequence is cut short by the next one.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.torn = false;
    }

    fn read(&mut self, sequence: &[u8]) -> Option<Mark> {
        let text = std::str::from_utf8(sequence).ok()?.strip_prefix('\x1b')?;
        if let Some(mode) = text.strip_prefix("[?") {
            let (numbers, on) = match (mode.strip_suffix('h'), mode.strip_suffix('l')) {
                (Some(numbers), _) => (numbers, true),
                (None, Some(numbers)) => (numbers, false),
                (None, None) => return None,
            };
            if numbers.split(';').any(|number| matches!(number, "47" | "1047" | "1049")) {
                self.alternate = on;
            }
            return None;
        }
        let content = text.strip_suffix("\x1b\\").or_else(|| text.strip_suffix('\x07'))?;
        if let Some(title) = content.strip_prefix("]0;").or_else(|| content.strip_prefix("]2;")) {
            self.title = (title.len() <= LONGEST_TITLE).then(|| title.to_owned());
            return None;
        }
        let mut words = content.strip_prefix("_holdfast;")?.split(';');
        if words.next() != Some(&self.nonce) {
            return None;
        }
        match (words.next()?, words.next()?) {
            ("in", "zellij") => Some(Mark::In(Kind::Zellij)),
            ("in", _) => Some(Mark::In(Kind::Shell)),
            ("ended", status) => Some(Mark::Ended(status.parse().ok()?)),
            ("out", status) => Some(Mark::Out(status.parse().ok()?)),
            _ => None,
        }
    }
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "n0nce";

    fn pass(screen: &mut Screen, bytes: &[u8]) -> (Vec<u8>, Vec<Mark>) {
        let (mut out, mut marks) = (Vec::new(), Vec::new());
        screen.pass(bytes.to_vec(), |piece| match piece {
            Piece::Bytes(bytes) => out.extend(bytes),
            Piece::Mark(mark) => marks.push(mark),
        });
        (out, marks)
    }

    fn screen() -> Screen {
        let mut screen = Screen::default();
        screen.renew(NONCE);
        screen
    }

    #[test]
    fn marks_are_taken_out_and_all_else_is_passed_on() {
        let text = b"hi\x1b_holdfast;n0nce;in;zellij\x1b\\ab\x1b[31mc\x1b_holdfast;n0nce;out;7\x1b\\\x1b_holdfast;n0nce;ended;1\x1b\\!";
        let (out, marks) = pass(&mut screen(), text);
        assert_eq!(out, b"hiab\x1b[31mc!");
        assert_eq!(marks, [Mark::In(Kind::Zellij), Mark::Out(7), Mark::Ended(1)]);
        for other in [
            &b"\x1b_holdfast;other;out;0\x1b\\"[..],
            b"\x1b_holdfast;n0nce;out;x\x1b\\",
            b"\x1b_holdfast;n0nce;out;0",
            b"\x1b_G something of kitty's\x1b\\",
            b"\x1bP+q544e\x1b\\",
            b"\x1b(B\x1b#8\x1b7\x1b=",
        ] {
            let mut screen = screen();
            let (mut out, marks) = pass(&mut screen, other);
            out.extend(screen.release());
            assert_eq!(out, other);
            assert_eq!(marks, []);
        }
    }

    #[test]
    fn it_knows_the_alternate_screen_and_the_title() {
        let mut screen = screen();
        assert!(!screen.is_alternate());
        pass(&mut screen, b"\x1b[?1049h\x1b]0;vim\x07");
        assert!(screen.is_alternate());
        assert_eq!(screen.title(), Some("vim"));
        pass(&mut screen, b"\x1b[?25l\x1b]2;zellij \xe2\x80\xa2 main\x1b\\\x1b[?12;1049l");
        assert!(!screen.is_alternate());
        assert_eq!(screen.title(), Some("zellij \u{2022} main"));
    }

    #[test]
    fn half_a_sequence_waits_and_a_long_one_does_not() {
        let mut screen = screen();
        assert_eq!(pass(&mut screen, b"a\x1b[3").0, b"a");
        assert!(screen.is_whole());
        assert_eq!(pass(&mut screen, b"1mb").0, b"\x1b[31mb");
        let mut long = b"\x1b]52;c;".to_vec();
        long.resize(2 * LONGEST, b'x');
        let (out, _) = pass(&mut screen, &long);
        assert!(out.len() > LONGEST && !screen.is_whole());
        let (rest, _) = pass(&mut screen, b"y\x07z");
        assert_eq!([out, rest].concat(), [long, b"y\x07z".to_vec()].concat());
        assert!(screen.is_whole());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_changed_however_it_is_cut(
            words in prop::collection::vec(prop::sample::select(vec![
                &b"\x1b"[..], b"[", b"]0;", b"_holdfast;", b"n0nce;", b"in;zellij", b"out;3", b"\x1b\\", b"\x07", b"text",
                b"?1049h", b"P", b"\x18", b"m", b"\xc3\xbc", b"\xff", b"(", b";",
            ]), 0..40),
            cuts in prop::collection::vec(1usize..9, 0..40),
        ) {
            let text = words.concat();
            let (whole, marks) = pass(&mut screen(), &text);
            let (mut screen, mut out, mut seen, mut at) = (screen(), Vec::new(), Vec::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                let to = (at + cut).min(text.len());
                let (bytes, marks) = pass(&mut screen, &text[at..to]);
                out.extend(bytes);
                seen.extend(marks);
                at = to;
            }
            prop_assert_eq!(&out, &whole);
            prop_assert_eq!(&seen, &marks);
            out.extend(screen.release());
            if marks.is_empty() {
                prop_assert_eq!(out, text);
            }
        }
    }
}
