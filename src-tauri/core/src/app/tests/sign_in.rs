//! Signing in, and the profiles in the settings: what is shown at each stage, what may be asked for, what is told.

use std::fmt::Write;

use super::fixture::{app, at, looked, problem, reachable, seeing, setup, tray};
use crate::app::view::Offer;
use crate::app::{
    App, Command, Event, Look, Operation, Page, Problem, Progress, SigningIn, Through, TypedCode, WayIn,
};
use crate::machine::Power;
use crate::plan::tests::fixture::powered;
use crate::profile::{Profile, Validity};

fn way(portal: bool, browser: bool, device: bool) -> Event {
    Event::WayIn(Some(WayIn {
        profile: "team/Admin".to_owned(),
        portal: portal.then(|| "https://example.awsapps.com/start".to_owned()),
        browser,
        device: device.then(|| "arn:aws:iam::123456789012:mfa/ada".to_owned()),
    }))
}

fn over() -> Problem {
    Problem {
        code: "expired".to_owned(),
        what: "Your AWS sign-in is over".to_owned(),
        cause: None,
        hints: vec!["sign in: holdfast login team/Admin".to_owned(), "sign in again".to_owned()],
    }
}

/// An app that saw a machine, and whose credentials have ended.
fn signed_out() -> App {
    let mut app = seeing(reachable());
    app.on(way(true, true, false), at(20));
    app.on(Event::Blind(over()), at(20));
    app
}

fn page() -> SigningIn {
    SigningIn::Browser { page: "https://oidc.us-west-2.amazonaws.com/authorize?x".to_owned() }
}

fn code() -> SigningIn {
    SigningIn::Code { page: "https://device.example.com".to_owned(), code: "WDJB-MJHT".to_owned() }
}

/// What the window and the tray show of it.
fn shown(app: &App) -> String {
    let view = app.view();
    let mut text = String::new();
    match &view.sign_in {
        None => text += "    -\n",
        Some(it) => {
            let label = |offer: &Option<Offer>| offer.as_ref().map(|offer| offer.label.clone());
            let _ = writeln!(text, "    why {:?}", it.why.as_ref().map(|why| (&why.what, &why.hints)));
            let _ = writeln!(text, "    profile {} device {:?} waits {:?}", it.profile, it.device, it.waits);
            let _ = writeln!(text, "    stage {:?}", it.stage);
            let _ = writeln!(text, "    problem {:?}", it.problem.as_ref().map(|problem| &problem.what));
            let note = it.begin.as_ref().and_then(|begin| begin.note.as_ref());
            let _ = writeln!(text, "    begin {:?} {note:?}", label(&it.begin));
            let _ = writeln!(text, "    code {:?} cancel {:?}", label(&it.code), label(&it.cancel));
        }
    }
    let _ = writeln!(
        text,
        "    machine {:?}: {:?}",
        view.machine.state,
        view.machine.problem.as_ref().map(|it| &it.what)
    );
    text + &tray(&view)
}

#[test]
fn each_stage_of_a_sign_in() {
    let mut text = String::new();
    let mut say = |name: &str, app: &App| {
        let _ = writeln!(text, "# {name}\n{}", shown(app));
    };
    let mut keys = seeing(reachable());
    keys.on(Event::WayIn(None), at(20));
    keys.on(Event::Blind(over()), at(20));
    say("Holdfast has no part in it", &keys);
    let mut app = signed_out();
    say("somebody is needed", &app);
    app.on(Event::BeginsSignIn, at(21));
    say("it begins", &app);
    app.on(Event::SigningIn(page()), at(22));
    say("waiting for the browser", &app);
    app.on(Event::SignedIn(Err(problem("The sign-in was denied"))), at(30));
    say("denied", &app);
    app.on(Event::BeginsSignIn, at(31));
    app.on(Event::SigningIn(code()), at(32));
    say("a code", &app);
    app.on(Event::SignedIn(Ok(true)), at(40));
    say("done, and AWS is asked", &app);
    app.on(looked(reachable()), at(41));
    say("over", &app);

    let mut app = seeing(reachable());
    app.on(way(false, false, true), at(20));
    app.on(Event::Blind(over()), at(20));
    say("a role that wants a code", &app);
    app.on(Event::BeginsSignIn, at(21));
    app.on(Event::SigningIn(SigningIn::Device), at(21));
    say("the device", &app);
    app.on(Event::SigningIn(SigningIn::Begins), at(22));
    app.on(Event::CodeRefused(problem("AWS does not take the code")), at(23));
    say("a code that is not taken", &app);

    let mut app = seeing(powered(Power::Stopped));
    app.on(Event::Began(Operation::Start), at(20));
    app.on(way(true, false, false), at(21));
    app.on(Event::Goes(Progress::SignedOut(over())), at(21));
    say("an operation waits, and no browser can come back", &app);
    insta::assert_snapshot!(text);
}

#[test]
fn there_is_one_at_a_time_and_none_that_nobody_needs() {
    let browser = Command::SignIn { through: Through::Browser };
    let by_code = Command::SignIn { through: Through::Code };
    let mut app = seeing(reachable());
    app.on(way(true, true, false), at(15));
    assert_eq!(app.may(&browser).unwrap_err().why, "Nobody has to sign in");
    app.on(Event::Blind(problem("AWS cannot be reached")), at(16));
    assert!(app.may(&browser).is_err(), "that is no matter of credentials");
    let mut app = signed_out();
    assert!(app.may(&browser).is_ok() && app.may(&by_code).is_ok());
    assert!(app.may(&Command::CancelSignIn).is_err());
    app.on(Event::BeginsSignIn, at(21));
    assert!(app.is_signing_in() && app.may(&browser).is_err() && app.may(&by_code).is_err());
    app.on(Event::SigningIn(page()), at(22));
    assert!(app.may(&browser).is_err() && app.may(&by_code).is_ok(), "a code takes the place of the browser");
    app.on(Event::SigningIn(code()), at(23));
    assert!(app.may(&by_code).is_err() && app.may(&Command::CancelSignIn).is_ok());
    app.on(Event::SignInGivenUp, at(24));
    assert!(!app.is_signing_in());
    // What was under way then is heard no more.
    app.on(Event::SigningIn(page()), at(25));
    app.on(Event::SignedIn(Err(problem("late"))), at(25));
    let it = app.view().sign_in.unwrap();
    assert_eq!((it.stage, it.problem), (None, None));
    app.on(setup("[machine.remote-dev]\nprofile = \"other\"\n"), at(26));
    assert!(app.may(&browser).is_err() && app.view().sign_in.is_none(), "another profile has another way in");
}

#[test]
fn a_code_has_six_digits_and_is_in_no_log() {
    let say = |typed: &str| Command::SayCode { code: TypedCode::new(typed.to_owned()) };
    let mut app = signed_out();
    assert!(app.may(&say("123456")).is_err(), "nobody asks");
    app.on(Event::BeginsSignIn, at(21));
    app.on(Event::SigningIn(SigningIn::Device), at(21));
    for (typed, good) in [
        ("123456", true),
        (" 123 456 ", true),
        ("12345", false),
        ("1234567", false),
        ("١٢٣٤٥٦", false),
        ("$(id)", false),
        ("", false),
    ] {
        assert_eq!(app.may(&say(typed)).is_ok(), good, "{typed:?}");
    }
    assert_eq!(TypedCode::new("1 2 3 4 5 6".to_owned()).digits().as_deref(), Some("123456"));
    assert!(!format!("{:?}", say("123456")).contains("123456"));
    assert!(serde_json::from_str::<Command>(r#"{"do":"say_code","code":123456}"#).is_err());
    assert!(serde_json::from_str::<Command>(r#"{"do":"sign_in","through":"force"}"#).is_err());
}

#[test]
fn somebody_is_told_once_that_he_is_needed() {
    let mut app = signed_out();
    let told: Vec<_> = app.notices().map(|it| (it.title, it.page)).collect();
    assert_eq!(told, [("Sign in to AWS again".to_owned(), Page::Machine)]);
    app.on(Event::Blind(over()), at(40));
    assert_eq!(app.notices().count(), 0);
    app.on(looked(reachable()), at(50));
    app.on(Event::Window(true), at(60));
    app.on(Event::Blind(over()), at(70));
    assert_eq!(app.notices().count(), 0, "he sees it");
    app.on(looked(reachable()), at(80));
    app.on(Event::Window(false), at(81));
    app.on(Event::Blind(over()), at(90));
    assert_eq!(app.notices().count(), 1, "it is another time");

    let mut app = seeing(powered(Power::Stopped));
    app.on(Event::Began(Operation::Start), at(20));
    app.on(way(true, true, false), at(21));
    app.on(Event::Goes(Progress::SignedOut(over())), at(21));
    let told: Vec<_> = app.notices().map(|it| format!("{} | {}", it.title, it.body)).collect();
    assert_eq!(told, ["Starting remote-dev waits for you | Sign in to AWS again"]);
}

#[test]
fn what_was_looked_at_in_vain_is_looked_at_again() {
    let mut app = seeing(reachable());
    app.on(Event::Window(true), at(11));
    app.on(Event::ListingSessions, at(12));
    app.on(Event::ListedSessions(Err(over())), at(13));
    app.on(Event::LookingAtSystem, at(13));
    app.on(Event::LookedAtSystem(Err(over())), at(14));
    assert_eq!((app.next_look_at_sessions(at(15)), app.next_look_at_system(at(15))), (None, None));
    app.on(way(true, true, false), at(20));
    app.on(Event::Blind(over()), at(20));
    app.on(Event::BeginsSignIn, at(21));
    app.on(Event::SignedIn(Ok(false)), at(22));
    app.on(looked(reachable()), at(23));
    let (sessions, system) = (app.next_look_at_sessions(at(23)), app.next_look_at_system(at(23)));
    assert!(sessions.is_some() && system.is_some());
    let view = app.view();
    assert_eq!(view.sign_in, None);
    assert!(view.machine.notes.iter().any(|note| note.contains("no keyring")), "{:?}", view.machine.notes);
}

fn profile(name: &str, state: Validity) -> Profile {
    Profile {
        name: name.to_owned(),
        kind: "SSO".to_owned(),
        account: Some("111122223333".to_owned()),
        role: Some("Admin".to_owned()),
        region: None,
        state,
        until: Some(1_795_600_000),
        note: None,
    }
}

#[test]
fn profiles_are_read_for_who_sees_the_settings_and_asked_about_on_request() {
    let mut app = app();
    app.on(Event::Profiles(vec!["team/Admin".to_owned()]), at(1));
    app.on(Event::Window(true), at(2));
    assert!(!app.wants_profiles() && app.may(&Command::CheckProfiles).is_err());
    app.on(Event::Showing(Page::Settings), at(3));
    assert!(app.wants_profiles());
    app.on(Event::LookingAtProfiles(Look::Read), at(3));
    assert!(!app.wants_profiles() && app.view().profiles.looking);
    let hostile = Profile { name: "a\u{202e}b\u{1b}[2J".to_owned(), ..profile("x", Validity::Faulty) };
    app.on(Event::LookedAtProfiles(Ok(vec![profile("team/Admin", Validity::SignIn), hostile])), at(4));
    let shown = app.view().profiles;
    assert_eq!((shown.list.len(), shown.list[1].name.as_str(), shown.checking), (2, "ab [2J", false));
    assert_eq!(
        (shown.list[0].usable, shown.list[1].usable),
        (true, false),
        "it is another one than it looks"
    );
    assert!(shown.check.is_some_and(|check| check.note.is_some_and(|note| note.contains("programs"))));
    app.on(Event::LookingAtProfiles(Look::Checked), at(5));
    assert!(app.view().profiles.checking && app.may(&Command::CheckProfiles).is_err());
    app.on(Event::LookedAtProfiles(Err(problem("Keys in the environment count for more"))), at(6));
    let shown = app.view().profiles;
    assert!(shown.problem.is_some() && shown.list.len() == 2, "what was seen stays");
    app.on(Event::Showing(Page::Machine), at(7));
    app.on(Event::Showing(Page::Settings), at(8));
    assert!(!app.wants_profiles(), "it is fresh");
    app.on(Event::Showing(Page::Machine), at(100));
    app.on(Event::Showing(Page::Settings), at(101));
    assert!(app.wants_profiles());
    let mut sandbox = App::new(true, "/settings.toml".to_owned());
    sandbox.on(setup(""), at(0));
    sandbox.on(Event::LookedAtProfiles(Ok(vec![profile("work", Validity::Unknown)])), at(1));
    assert!(sandbox.view().profiles.check.is_none(), "there none of them counts");
}
