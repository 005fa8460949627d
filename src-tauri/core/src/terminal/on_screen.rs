//! Which of the windows on a screen a process runs in.

/// A window on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnScreen {
    /// Its number.
    pub window: u32,
    /// The process that made it; `None` where that is on another computer.
    pub maker: Option<u32>,
}

/// The window in which a process runs, or `None` where that is not certain: a wrong one is worse than a second one.
///
/// `parents` are the process's parent, that one's parent and so on: one of them is the terminal, so the nearest that has
/// windows at all. A terminal that has several says in `WINDOWID` which one it is (`told`). That variable alone does not
/// count, for whatever keeps a shell alive without its terminal hands it on.
pub fn window_of(on_screen: &[OnScreen], parents: &[u32], told: Option<u32>) -> Option<u32> {
    let made_by = |maker: u32| -> Vec<u32> {
        let made = on_screen.iter().filter(|on_screen| on_screen.maker == Some(maker));
        made.map(|on_screen| on_screen.window).collect()
    };
    let windows = parents.iter().map(|parent| made_by(*parent)).find(|windows| !windows.is_empty())?;
    match windows.as_slice() {
        [only] => Some(*only),
        several => told.filter(|told| several.contains(told)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panel (4), a terminal with one window (7), a server with two (9), and a window of another computer's.
    fn screen() -> Vec<OnScreen> {
        let made = [(40, Some(4)), (70, Some(7)), (90, Some(9)), (91, Some(9)), (13, None)];
        made.map(|(window, maker)| OnScreen { window, maker }).to_vec()
    }

    #[test]
    fn a_process_runs_in_a_window_of_its_nearest_parent_that_has_any() {
        for (parents, told, found) in [
            (&[7, 1][..], Some(70), Some(70)),
            (&[7, 1], None, Some(70)),
            (&[6, 7, 4], None, Some(70)),
            // A window that is closed, or that a multiplexer was once started in.
            (&[7, 1], Some(71), Some(70)),
            (&[7, 1], Some(90), Some(70)),
            (&[9, 1], Some(91), Some(91)),
            (&[9, 1], None, None),
            (&[9, 4], Some(40), None),
            (&[5, 1], Some(90), None),
            (&[5, 1], Some(13), None),
            (&[], Some(70), None),
        ] {
            assert_eq!(window_of(&screen(), parents, told), found, "{parents:?} {told:?}");
        }
    }
}
