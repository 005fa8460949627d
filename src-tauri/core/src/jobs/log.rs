//! A job's log, kept within bounds and given out in chunks.

use std::collections::VecDeque;

use serde::Serialize;

use crate::app::harmless::coloured_line;

/// The lines of a log, fit to be shown, and how many came before those that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogBuffer {
    dropped: u32,
    lines: VecDeque<Box<str>>,
    /// What the kept lines take, in bytes.
    bytes: usize,
}

/// Some lines of a log, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, specta::Type)]
pub struct LogChunk {
    /// The number of the oldest line that is kept; lines are counted from 0, and those before this one are gone.
    pub first: u32,
    /// The lines from the number on that was asked for, or from the oldest one that is kept: text, with sequences of SGR for
    /// their colours.
    pub lines: Vec<String>,
}

impl LogBuffer {
    /// Lines that are kept at most.
    pub const LINES: usize = 200_000;
    /// Bytes that they take at most.
    pub const BYTES: usize = 32 << 20;
    /// Lines of a chunk at most.
    pub const CHUNK_LINES: usize = 2000;
    /// Bytes that they take at most.
    pub const CHUNK_BYTES: usize = 256 << 10;

    /// Takes what was said next: a line, or several.
    pub fn push(&mut self, said: &str) {
        said.split('\n').for_each(|line| self.keep(coloured_line(line).into_boxed_str()));
    }

    /// Takes what followed.
    pub fn append(&mut self, later: Self) {
        if later.dropped > 0 {
            // What was here lies before a gap.
            self.dropped = self.count().saturating_add(later.dropped);
            self.lines.clear();
            self.bytes = 0;
        }
        later.lines.into_iter().for_each(|line| self.keep(line));
    }

    /// How many lines came before those that are kept.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The lines that are kept, the oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| &**line)
    }

    /// How many lines there were in all.
    pub fn count(&self) -> u32 {
        self.dropped.saturating_add(u32::try_from(self.lines.len()).unwrap_or(u32::MAX))
    }

    /// The next lines from a number on; `None`: there are none yet.
    pub fn chunk(&self, from: u32) -> Option<LogChunk> {
        let start = usize::try_from(from.saturating_sub(self.dropped)).ok()?;
        let mut bytes = 0;
        let fits = |line: &&str| {
            let is_first = bytes == 0;
            // An empty line takes some room, too.
            bytes += line.len() + 1;
            is_first || bytes <= Self::CHUNK_BYTES
        };
        let next = self.lines.range(start.min(self.lines.len())..).map(|line| &**line);
        let lines: Vec<String> = next.take(Self::CHUNK_LINES).take_while(fits).map(str::to_owned).collect();
        (!lines.is_empty()).then_some(LogChunk { first: self.dropped, lines })
    }

    fn keep(&mut self, line: Box<str>) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > Self::LINES || self.bytes > Self::BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}
