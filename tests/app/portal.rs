//! Adding a portal through the app: from its start URL to a profile in the AWS configuration, and what may go wrong on the way.

use std::fs::{read_to_string, write};
use std::path::PathBuf;

use holdfast_core::app::view::{Portal, PortalStage, SigningIn};
use holdfast_core::app::{Command, Page, PortalStep, Through, View};
use holdfast_core::profile::Validity;
use holdfast_core::status::State;
use holdfast_sandbox::Sandbox;

use super::Person;
use super::sign_in::{sandbox, visit, with_configuration, with_settings};

const URL: &str = "https://holdfast.awsapps.com/start";
const SETTINGS: &str = "[machine.remote-dev]\nuser = \"ada\"\n";
const ACCOUNT: &str = "123456789012";
const ROLE: &str = "AdministratorAccess";

const ADDED: &str = "[sso-session holdfast]\nsso_start_url = https://holdfast.awsapps.com/start\nsso_region = us-west-2\n\
    sso_registration_scopes = sso:account:access\n\n\
    [profile team/Admin]\nsso_session = holdfast\nsso_account_id = 123456789012\nsso_role_name = AdministratorAccess";

fn config_file() -> PathBuf {
    std::env::var_os("AWS_CONFIG_FILE").expect("a configuration").into()
}

fn config() -> String {
    read_to_string(config_file()).expect("a configuration")
}

fn times(sandbox: &Sandbox, operation: &str) -> usize {
    sandbox.calls().iter().filter(|call| call.operation == operation).count()
}

async fn asks(person: &Person, step: PortalStep) {
    person.asks(Command::Portal { step }).await.expect("accepted");
}

async fn sign_in(person: &Person, start_url: &str, through: Through) {
    let region = "us-west-2".to_owned();
    asks(person, PortalStep::SignIn { start_url: start_url.to_owned(), region, through }).await;
}

async fn waits(person: &Person, what: &str, so: impl Fn(&Portal) -> bool) -> Portal {
    person.waits_for(what, |view| so(&view.portal)).await.portal
}

async fn fails_with(person: &Person, code: &str) {
    let failed = |it: &Portal| it.stage.is_none() && it.problem.as_ref().is_some_and(|it| it.code == code);
    waits(person, code, failed).await;
}

/// The page that the browser was sent to, as soon as the window says so.
async fn page(person: &Person) -> String {
    let at = |it: &Portal| {
        let Some(PortalStage::SigningIn { how: SigningIn::Browser { page } }) = &it.stage else {
            return None;
        };
        Some(page.clone())
    };
    let there = waits(person, "the browser", |it| at(it).is_some()).await;
    let page = at(&there).expect("a page");
    assert_eq!(person.screen.pages.borrow().last(), Some(&page), "the browser shows what the window says");
    page
}

/// The code that is to be confirmed.
async fn code(person: &Person) -> String {
    let at = |it: &Portal| {
        let Some(PortalStage::SigningIn { how: SigningIn::Code { code, .. } }) = &it.stage else {
            return None;
        };
        Some(code.clone())
    };
    at(&waits(person, "a code", |it| at(it).is_some()).await).expect("a code")
}

fn lists(it: &Portal) -> bool {
    matches!(&it.stage, Some(PortalStage::Choosing { listing: false, .. }))
}

fn names(it: &Portal) -> bool {
    matches!(&it.stage, Some(PortalStage::Naming { addition: None, busy: false, .. }))
}

fn reads(it: &Portal) -> bool {
    matches!(&it.stage, Some(PortalStage::Naming { addition: Some(_), .. }))
}

/// Signs in with a code, up to the roles.
async fn roles(sandbox: &Sandbox, person: &Person) {
    sign_in(person, URL, Through::Code).await;
    assert!(sandbox.allow_device(&code(person).await));
    waits(person, "the roles", lists).await;
}

async fn choose(person: &Person) {
    asks(person, PortalStep::Choose { account: ACCOUNT.to_owned(), role: ROLE.to_owned() }).await;
}

async fn name(person: &Person, name: &str) {
    asks(person, PortalStep::Name { name: name.to_owned() }).await;
}

#[test]
fn whoever_has_no_profile_gets_one_and_it_is_in_use() {
    let test = "portal::whoever_has_no_profile_gets_one_and_it_is_in_use";
    with_configuration(test, "# mine\n", async || {
        let sandbox = sandbox();
        with_settings(&sandbox, SETTINGS, async |person| {
            person.window(true);
            person.asks(Command::ShowPage { page: Page::Machine }).await.expect("accepted");
            person.waits_for("the set-up", |view| view.set_up.is_some() && view.portal.begin.is_some()).await;
            assert_eq!(times(&sandbox, "RegisterClient"), 0, "never by itself");
            sign_in(person, &format!(" {URL} "), Through::Browser).await;
            visit(&sandbox.allow_authorization(&page(person).await).expect("the page"));
            let it = waits(person, "the roles", lists).await;
            let Some(PortalStage::Choosing { accounts, .. }) = it.stage else { panic!("no accounts") };
            assert!(
                accounts.iter().any(|one| one.id == ACCOUNT && one.roles.iter().any(|role| role == ROLE))
            );
            let none = PortalStep::Choose { account: ACCOUNT.to_owned(), role: "Root".to_owned() };
            assert!(person.asks(Command::Portal { step: none }).await.is_err());
            choose(person).await;
            let Some(PortalStage::Naming { name: proposed, .. }) = waits(person, "a name", names).await.stage
            else {
                panic!("no name")
            };
            assert_eq!(proposed, format!("holdfast/{ROLE}"));
            name(person, "team/Admin").await;
            let Some(PortalStage::Naming { addition: Some(addition), .. }) =
                waits(person, "the text", reads).await.stage
            else {
                panic!("no text")
            };
            assert_eq!(config(), "# mine\n", "nothing is written before it was read");
            asks(person, PortalStep::Write).await;
            waits(person, "the profile", |it| {
                it.stage.is_none() && it.added.as_deref() == Some("team/Admin")
            })
            .await;
            assert_eq!(config(), format!("# mine\n\n{}\n", addition.text), "what was read");
            assert_eq!(addition.text, ADDED);
            let view = person.waits_for_state(State::Absent).await;
            assert!(view.sign_in.is_none() && times(&sandbox, "Logout") == 0);
            let field =
                view.settings.fields.iter().find(|field| field.key == holdfast_core::app::view::Key::Profile);
            assert_eq!(field.map(|field| field.value.as_str()), Some("team/Admin"), "it is in use");
            let listed = |view: &View| view.profiles.list.iter().any(|one| one.state == Validity::Valid);
            person.waits_for("it in the list", listed).await;
            assert_eq!(person.screen.pages.borrow().len(), 1);
        })
        .await;
    });
}

#[test]
fn what_does_not_succeed_leaves_nothing_behind() {
    with_configuration("portal::what_does_not_succeed_leaves_nothing_behind", "", async || {
        let sandbox = sandbox();
        with_settings(&sandbox, SETTINGS, async |person| {
            person.window(true);
            person.asks(Command::ShowPage { page: Page::Settings }).await.expect("accepted");
            person.waits_for("the start", |view| view.portal.begin.is_some()).await;

            sign_in(person, URL, Through::Browser).await;
            visit(&sandbox.deny_authorization(&page(person).await).expect("the page"));
            fails_with(person, "sign_in_denied").await;

            sign_in(person, "https://nobody.awsapps.com/start", Through::Code).await;
            fails_with(person, "sign_in_portal").await;

            let elsewhere = person.store.signing_in().expect("the lock");
            sign_in(person, URL, Through::Browser).await;
            fails_with(person, "signing_in").await;
            drop(elsewhere);

            // A code takes the place of the browser, and is given up.
            sign_in(person, URL, Through::Browser).await;
            page(person).await;
            sign_in(person, URL, Through::Code).await;
            let given_up = code(person).await;
            asks(person, PortalStep::Cancel).await;
            waits(person, "its end", |it| it.stage.is_none() && it.problem.is_none()).await;
            // Another one can begin at once.
            sign_in(person, URL, Through::Code).await;
            assert_ne!(code(person).await, given_up);
            asks(person, PortalStep::Cancel).await;
            assert_eq!(times(&sandbox, "Logout"), 0, "nobody was signed in");

            // Whoever gives up afterwards is signed out, wherever that is.
            roles(&sandbox, person).await;
            asks(person, PortalStep::Cancel).await;
            roles(&sandbox, person).await;
            choose(person).await;
            asks(person, PortalStep::Back).await;
            waits(person, "the roles", lists).await;
            choose(person).await;
            name(person, "mine").await;
            waits(person, "the text", reads).await;
            asks(person, PortalStep::Cancel).await;
            waits(person, "its end", |it| it.stage.is_none()).await;
            let out = async |count| {
                while times(&sandbox, "Logout") < count {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            };
            out(2).await;

            // Somebody gives another profile the same name meanwhile, or writes something else.
            roles(&sandbox, person).await;
            choose(person).await;
            let taken = "[profile mine]\nregion = eu-central-1\n";
            write(config_file(), taken).expect("written");
            let failed = |code: &'static str| {
                move |it: &Portal| names(it) && it.problem.as_ref().is_some_and(|it| it.code == code)
            };
            name(person, "mine").await;
            waits(person, "the refusal", failed("profile")).await;
            name(person, "other").await;
            waits(person, "the text", reads).await;
            let changed = format!("{taken}output = json\n");
            write(config_file(), &changed).expect("written");
            asks(person, PortalStep::Write).await;
            waits(person, "the refusal", failed("aws_config")).await;
            assert_eq!(config(), changed);
            name(person, "other").await;
            waits(person, "the text", reads).await;
            asks(person, PortalStep::Write).await;
            let view = person.waits_for("the profile", |view| view.portal.added.is_some()).await;
            assert!(config().starts_with(&changed) && config().contains("[profile other]"), "{}", config());
            assert_eq!(times(&sandbox, "Logout"), 2);
            let field =
                view.settings.fields.iter().find(|field| field.key == holdfast_core::app::view::Key::Profile);
            assert_eq!(field.map(|field| field.value.as_str()), Some(""), "its use is decided in the form");

            // The portal gives nothing.
            let before = config();
            for accounts in [1, 0] {
                sandbox.set(|conditions| {
                    let portal = &mut conditions.portals[0];
                    portal.accounts.truncate(accounts);
                    portal.accounts.iter_mut().for_each(|account| account.roles.clear());
                });
                sign_in(person, URL, Through::Code).await;
                assert!(sandbox.allow_device(&code(person).await));
                fails_with(person, "no_role").await;
            }
            assert_eq!((config(), times(&sandbox, "Logout")), (before, 4));
        })
        .await;
    });
}
