//! When the app looks, under virtual time.

use super::fixture::{app, at, elsewhere, looked, problem, reachable, seeing};
use crate::app::{App, Event};
use crate::machine::{Fact, Observed, Power};
use crate::plan::tests::fixture::powered;

/// How often an app looks in an hour in which nothing changes.
fn looks(app: &mut App, event: impl Fn() -> Event) -> u32 {
    let mut looks = 0;
    let mut second = 10;
    while second < 3610 {
        let pause = app.next_look(at(second)).as_secs();
        if pause == 0 {
            looks += 1;
            app.on(event(), at(second));
        }
        second += pause.max(1);
    }
    looks
}

#[test]
fn an_idle_hour_is_less_than_sixty_calls() {
    let looks = looks(&mut seeing(reachable()), || looked(reachable()));
    // A machine that is on takes two calls a look.
    assert!((20..30).contains(&looks), "{looks}");
}

#[test]
fn it_looks_more_often_while_something_changes_or_somebody_watches() {
    let mut open = seeing(reachable());
    open.on(Event::Window(true), at(10));
    assert_eq!(looks(&mut open, || looked(reachable())), 359);
    for world in [
        powered(Power::Pending),
        powered(Power::Stopping),
        Observed { agent: Fact::Absent, ..powered(Power::Running) },
    ] {
        // Five minutes of that, and then as if it lasted.
        assert_eq!(looks(&mut seeing(world.clone()), || looked(world.clone())), 150 + 21);
    }
    let by_other = || Event::Looked {
        observed: Box::new(reachable()),
        elsewhere: Some(elsewhere("up")),
        interrupted: None,
    };
    let mut app = app();
    app.on(by_other(), at(10));
    assert_eq!(looks(&mut app, by_other), 145 + 21);
}

#[test]
fn it_looks_less_and_less_while_it_cannot_see_and_at_once_the_first_time() {
    let mut app = app();
    assert_eq!(app.next_look(at(0)).as_secs(), 0);
    let mut pauses = Vec::new();
    for second in 0..9 {
        app.on(Event::Blind(problem("AWS cannot be reached")), at(second));
        pauses.push(app.next_look(at(second)).as_secs());
    }
    assert_eq!(pauses, [4, 8, 16, 32, 64, 128, 150, 150, 150]);
    assert_eq!(app.next_look(at(8 + 149)).as_secs(), 1);
    assert_eq!(app.next_look(at(8 + 150)).as_secs(), 0, "and then it does look");
    app.on(looked(reachable()), at(20));
    assert_eq!(app.next_look(at(20)).as_secs(), 150);
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    assert_eq!(seeing(reachable()).next_look(at(3)).as_secs(), 0);
}
