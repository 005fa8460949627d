//! Having a program draw its screen again, after something was drawn over it.

use std::time::Duration;

use super::Connection;
use crate::time::Moment;

/// How long a program is given to notice a change of the size: a second one right behind it hides both. zellij 0.45 draws
/// nothing when they come at once, and all when they come 10 ms apart at its terminal, which they need not over a network.
const REDRAW: Duration = Duration::from_millis(120);

impl Connection {
    /// A program that has the alternate screen draws it again when it learns of another size.
    pub(super) fn ask_redraw(&mut self, now: Moment) {
        if let (true, Some((columns, rows)), Some(session)) =
            (self.screen.is_alternate(), self.config.size, &mut self.session)
        {
            session.resize(now, columns, rows.saturating_sub(1).max(1));
            self.redraw = Some(now + REDRAW);
        }
    }

    pub(super) fn go_on_redrawing(&mut self, now: Moment) {
        if self.redraw.is_some_and(|at| at <= now)
            && let (Some((columns, rows)), Some(session)) = (self.config.size, &mut self.session)
        {
            self.redraw = None;
            session.resize(now, columns, rows);
        }
    }
}
