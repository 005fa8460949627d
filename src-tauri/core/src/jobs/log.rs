//! The end of a job's log, kept at a steady size.

use std::collections::VecDeque;

use crate::app::harmless::harmless_line;

/// The last lines of a log, fit to be shown, and how many came before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTail {
    dropped: u32,
    lines: VecDeque<String>,
}

impl LogTail {
    /// Lines that are kept at most.
    pub const KEPT: usize = 500;

    /// Takes the next line, as it was said.
    pub fn push(&mut self, line: &str) {
        self.keep(harmless_line(line));
    }

    /// Takes what followed.
    pub fn append(&mut self, later: Self) {
        if later.dropped > 0 {
            // What was here lies before a gap.
            self.dropped = self.count().saturating_add(later.dropped);
            self.lines.clear();
        }
        later.lines.into_iter().for_each(|line| self.keep(line));
    }

    /// How many lines came before those that are kept.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The lines that are kept, the oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// How many lines there were in all.
    pub fn count(&self) -> u32 {
        self.dropped.saturating_add(u32::try_from(self.lines.len()).unwrap_or(u32::MAX))
    }

    fn keep(&mut self, line: String) {
        if self.lines.len() == Self::KEPT {
            self.lines.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.lines.push_back(line);
    }
}
