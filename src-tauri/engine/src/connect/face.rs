//! What Holdfast itself shows on a terminal that a program on the machine draws on.

use holdfast_core::connection::{Connection, LEAVE, Notice, hide, show};
use holdfast_core::time::Moment;

use crate::terminal::UNDO;

/// The line that says why nothing moves, and the window's title meanwhile.
pub(super) struct Face {
    machine: String,
    size: (u16, u16),
    /// What is drawn, and whether over an alternate screen.
    drawn: Option<(String, bool)>,
    titled: bool,
}

impl Face {
    pub(super) fn new(machine: &str, size: (u16, u16)) -> Self {
        Self { machine: machine.to_owned(), size, drawn: None, titled: false }
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        // Where it is now nobody knows.
        if let Some((text, _)) = &mut self.drawn {
            text.clear();
        }
    }

    /// Another session takes the screen: all that the last one switched on is switched off.
    pub(super) fn reset(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some((_, alternate)) = self.drawn.take() {
            bytes.extend(hide(alternate));
        }
        bytes.extend(UNDO);
        bytes.extend(self.title(None, &self.machine.clone()));
        bytes
    }

    /// What changes the screen so that it shows what the connection has to say; `None` when it does already.
    pub(super) fn draw(&mut self, connection: &Connection, now: Moment) -> Option<Vec<u8>> {
        let notice = connection.notice(now);
        let wanted = notice.as_ref().map(|notice| match notice {
            Notice::Away { .. } => format!("{}. {LEAVE}", notice.words(&self.machine)),
            Notice::Say(_) => notice.words(&self.machine),
        });
        if wanted.as_deref() == self.drawn.as_ref().map(|(text, _)| text.as_str()) || !connection.may_draw() {
            return None;
        }
        let alternate = connection.is_alternate();
        let mut bytes = Vec::new();
        match wanted {
            Some(text) => {
                // The program has gone to another screen since: the line is gone, too.
                let first = self.drawn.as_ref().is_none_or(|(_, was)| *was != alternate);
                bytes.extend(show(&text, self.size.0, alternate, first));
                if matches!(notice, Some(Notice::Away { .. })) && !self.titled {
                    let title = format!("{}: no line", self.machine);
                    bytes.extend(self.title(Some(&title), ""));
                }
                self.drawn = Some((text, alternate));
            }
            None => {
                bytes.extend(hide(alternate));
                let title = connection.title().unwrap_or(&self.machine).to_owned();
                bytes.extend(self.title(None, &title));
                self.drawn = None;
            }
        }
        Some(bytes)
    }

    /// Gives the window a title of ours, or the one it had.
    fn title(&mut self, ours: Option<&str>, before: &str) -> Vec<u8> {
        let is_back = ours.is_none();
        if is_back && !self.titled {
            return Vec::new();
        }
        self.titled = !is_back;
        let title: String = ours.unwrap_or(before).chars().filter(|c| !c.is_control()).collect();
        format!("\x1b]0;{title}\x07").into_bytes()
    }
}
