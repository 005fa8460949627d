//! Signing in through the app: a portal with a browser and with a code, the code of an MFA device, and what goes on afterwards.
//! Time is real here, since a browser comes back over a real port.

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command as Process;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast::app::Place;
use holdfast::aws::Options as AwsOptions;
use holdfast::store::Store;
use holdfast_core::app::view::{SignIn, SigningIn};
use holdfast_core::app::{Command, Page, Through, TypedCode, View};
use holdfast_core::profile::Validity;
use holdfast_core::status::State;
use holdfast_sandbox::{
    ACCESS_KEY, Conditions, Fault, MfaDevice, Options, Pace, Rule, SECRET_KEY, Sandbox, Service, When,
};

use super::{Person, draft, in_place, preview};

const SETTINGS: &str = "[machine.remote-dev]\nuser = \"ada\"\nprofile = \"team/Admin\"\n";
const PORTAL: &str = "[sso-session team]\nsso_start_url = https://holdfast.awsapps.com/start\nsso_region = us-west-2\n\
    sso_registration_scopes = sso:account:access\n\
    [profile team/Admin]\nsso_session = team\nsso_account_id = 123456789012\nsso_role_name = AdministratorAccess\n";
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/sandbox";
/// Says that the AWS configuration is this test's.
const MINE: &str = "SIGN_IN_TEST";

/// Runs the test of this path in a process of its own, whose environment names this AWS configuration.
pub(super) fn with_configuration<T: Future<Output = ()>>(
    test: &str,
    configuration: &str,
    body: impl FnOnce() -> T,
) {
    if std::env::var_os(MINE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(body());
    }
    let home = tempfile::tempdir().expect("a folder for tests");
    let file = home.path().join("config");
    std::fs::write(&file, configuration).expect("a configuration");
    let mut child = Process::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", test, "--nocapture"]).env(MINE, "1");
    child.env("AWS_CONFIG_FILE", file).env("AWS_SHARED_CREDENTIALS_FILE", home.path().join("none"));
    child.env("HOME", home.path());
    for other in ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        child.env_remove(other);
    }
    let output = child.output().expect("a child");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
}

pub(super) fn sandbox() -> Sandbox {
    let mut conditions = Conditions::of("123456789012");
    conditions.pace = Pace::instant();
    Sandbox::new(Options { conditions, ..Options::default() })
}

/// The app on a computer with this sandbox for AWS, whose credentials are those of the AWS configuration.
async fn with_app(sandbox: &Sandbox, person: impl AsyncFnOnce(&Person)) {
    with_settings(sandbox, SETTINGS, person).await;
}

/// The same with these settings.
pub(super) async fn with_settings(sandbox: &Sandbox, settings: &str, person: impl AsyncFnOnce(&Person)) {
    let folder = tempfile::tempdir().expect("a folder for tests");
    let store = Store::at(folder.path().join("config"), folder.path().join("state"));
    store.write_settings(settings).expect("settings");
    let http = SharedHttpClient::new(sandbox.http_client());
    let options = AwsOptions { http_client: Some(http), ..AwsOptions::default() };
    in_place(&Place::at(store, options, SystemTime::now), Duration::from_secs(40), person).await;
}

/// What a browser does with an address.
pub(super) fn visit(address: &str) {
    let address = address.to_owned();
    std::thread::spawn(move || {
        let (host, target) = address.strip_prefix("http://")?.split_once('/')?;
        let mut stream = TcpStream::connect(host).ok()?;
        write!(stream, "GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").ok()?;
        stream.read_to_string(&mut String::new()).ok()
    });
}

fn stands(view: &View, so: impl Fn(&SignIn) -> bool) -> bool {
    view.sign_in.as_ref().is_some_and(so)
}

async fn begins(person: &Person, through: Through) {
    person.asks(Command::SignIn { through }).await.expect("accepted");
}

/// The page that the browser was sent to last, as soon as the window says so.
async fn page(person: &Person) -> String {
    let there = |view: &View| stands(view, |it| matches!(it.stage, Some(SigningIn::Browser { .. })));
    let view = person.waits_for("the browser", there).await;
    let Some(SigningIn::Browser { page }) = view.sign_in.and_then(|it| it.stage) else { panic!("no page") };
    assert_eq!(person.screen.pages.borrow().last(), Some(&page), "the browser shows what the window says");
    page
}

async fn fails_with(person: &Person, code: &str) {
    let so = |view: &View| {
        stands(view, |it| it.stage.is_none() && it.problem.as_ref().is_some_and(|it| it.code == code))
    };
    person.waits_for(code, so).await;
}

#[test]
fn a_browser_signs_in_and_what_waits_goes_on() {
    with_configuration("sign_in::a_browser_signs_in_and_what_waits_goes_on", PORTAL, async || {
        let sandbox = sandbox();
        let registered = || sandbox.calls().iter().filter(|call| call.operation == "RegisterClient").count();
        with_app(&sandbox, async |person| {
            person.waits_for("the way in", |view| stands(view, |it| it.begin.is_some())).await;
            let view = person.sees();
            assert_eq!((view.machine.problem, view.machine.state), (None, State::Unknown));
            assert_eq!(person.told(), ["Sign in to AWS again"]);
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert!(person.screen.pages.borrow().is_empty() && registered() == 0, "never by itself");

            person.window(true);
            begins(person, Through::Browser).await;
            let allowed = sandbox.allow_authorization(&page(person).await).expect("the page");
            assert!(
                person.asks(Command::SignIn { through: Through::Browser }).await.is_err(),
                "one at a time"
            );
            visit(&allowed);
            let view = person.waits_for_state(State::Absent).await;
            assert_eq!((view.sign_in, person.screen.pages.borrow().len()), (None, 1));
            assert!(view.machine.notes.iter().any(|note| note.contains("no keyring")), "{:?}", view.machine);

            person.asks(Command::ShowPage { page: Page::Settings }).await.expect("accepted");
            let listed = |view: &View| view.profiles.list.iter().any(|one| one.state == Validity::Valid);
            let view = person.waits_for("the profiles", listed).await;
            assert_eq!(view.profiles.list[0].account.as_deref(), Some("123456789012"));
            person.asks(Command::CheckProfiles).await.expect("accepted");
            let checked = |view: &View| !view.profiles.looking && view.profiles.check.is_some();
            let view = person.waits_for("their check", checked).await;
            assert_eq!(view.profiles.list[0].state, Validity::Valid, "{:?}", view.profiles);

            // In the middle of an operation.
            person.window(true);
            let number = preview(person, draft_with_profile()).await;
            let lasts = |seconds| {
                let lifetime = Duration::from_secs(seconds);
                sandbox.set(|conditions| conditions.portals[0].lifetimes.role_credentials = lifetime);
            };
            lasts(3);
            // Longer than the credentials hold that it was called with.
            let slow = Fault::Delay(Duration::from_secs(4));
            sandbox.fault(Rule::on(Service::Ec2, "CreateSubnet", When::Every, slow));
            person.asks(Command::Apply { number }).await.expect("accepted");
            let begun = |view: &View| view.operation.as_ref().is_some_and(|operation| operation.done > 2);
            person.waits_for("some steps", begun).await;
            sandbox.end_sign_ins();
            let waits = |view: &View| {
                stands(view, |it| it.waits.as_deref() == Some("Making remote-dev") && it.begin.is_some())
            };
            let view = person.waits_for("somebody to sign in", waits).await;
            assert_eq!(view.operation.and_then(|it| it.waiting).as_deref(), Some("you to sign in"));
            lasts(3600);
            begins(person, Through::Browser).await;
            visit(&sandbox.allow_authorization(&page(person).await).expect("the page"));
            let began = tokio::time::Instant::now();
            let view = person.waits_for_state(State::On).await;
            assert_eq!((view.failed, view.sign_in), (None, None));
            assert!(began.elapsed() < Duration::from_secs(30), "it did not wait for its own next look");
            assert_eq!(registered(), 1, "the portal knows us");
        })
        .await;
    });
}

fn draft_with_profile() -> holdfast_core::app::Draft {
    draft().with(holdfast_core::app::view::Key::Profile, "team/Admin")
}

#[test]
fn what_may_go_wrong_is_said_and_a_code_does_without_a_browser() {
    with_configuration(
        "sign_in::what_may_go_wrong_is_said_and_a_code_does_without_a_browser",
        PORTAL,
        async || {
            let sandbox = sandbox();
            with_app(&sandbox, async |person| {
                person.window(true);
                person.waits_for("the way in", |view| stands(view, |it| it.begin.is_some())).await;
                assert!(person.asks(Command::CancelSignIn).await.is_err());

                begins(person, Through::Browser).await;
                visit(&sandbox.deny_authorization(&page(person).await).expect("the page"));
                fails_with(person, "sign_in_denied").await;

                begins(person, Through::Browser).await;
                let target = sandbox.allow_authorization(&page(person).await).expect("the page");
                let (before, state) = target.split_once("state=").expect("a state");
                let rest = state.split_once('&').map(|(_, rest)| rest).unwrap_or_default();
                visit(&format!("{before}state=other&{rest}"));
                fails_with(person, "sign_in_state").await;

                let elsewhere = person.store.signing_in().expect("the lock");
                begins(person, Through::Browser).await;
                fails_with(person, "signing_in").await;
                drop(elsewhere);

                begins(person, Through::Browser).await;
                page(person).await;
                person.asks(Command::CancelSignIn).await.expect("accepted");
                person.waits_for("its end", |view| stands(view, |it| it.stage.is_none())).await;
                assert_eq!(person.sees().sign_in.and_then(|it| it.problem), None);

                begins(person, Through::Browser).await;
                page(person).await;
                begins(person, Through::Code).await;
                let shown = |view: &View| stands(view, |it| matches!(it.stage, Some(SigningIn::Code { .. })));
                let view = person.waits_for("a code", shown).await;
                let Some(SigningIn::Code { code, page }) = view.sign_in.and_then(|it| it.stage) else {
                    panic!("no code")
                };
                assert!(page.starts_with("https://"), "{page}");
                let pages = person.screen.pages.borrow().len();
                assert!(sandbox.allow_device(&code));
                let view = person.waits_for_state(State::Absent).await;
                assert_eq!(view.sign_in, None);
                assert_eq!(person.screen.pages.borrow().len(), pages, "a code opens no browser");
                assert!(
                    person.asks(Command::SignIn { through: Through::Code }).await.is_err(),
                    "nobody has to"
                );
            })
            .await;
        },
    );
}

#[test]
fn the_code_of_a_device_is_asked_for_until_one_is_taken() {
    let configuration = format!(
        "[profile keys]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n\
         [profile team/Admin]\nrole_arn = arn:aws:iam::123456789012:role/admin\nsource_profile = keys\nmfa_serial = {SERIAL}\n"
    );
    let test = "sign_in::the_code_of_a_device_is_asked_for_until_one_is_taken";
    with_configuration(test, &configuration, async || {
        let sandbox = sandbox();
        let user = "arn:aws:iam::123456789012:user/sandbox";
        sandbox.set(|conditions| {
            let (serial, user) = (SERIAL.to_owned(), user.to_owned());
            let codes = ["123456", "654321"].map(str::to_owned).into();
            conditions.mfa_devices.push(MfaDevice { serial, user, codes });
        });
        make_role(&sandbox, user).await;
        with_app(&sandbox, async |person| {
            person.window(true);
            let view = person.waits_for("the way in", |view| stands(view, |it| it.begin.is_some())).await;
            let it = view.sign_in.expect("a way in");
            assert_eq!((it.device.as_deref(), it.code), (Some(SERIAL), None));
            let say = |code: &str| Command::SayCode { code: TypedCode::new(code.to_owned()) };
            assert!(person.asks(say("123456")).await.is_err(), "nobody asks for one");
            begins(person, Through::Browser).await;
            let asks = |view: &View| stands(view, |it| it.stage == Some(SigningIn::Device));
            person.waits_for("the question", asks).await;
            assert!(person.asks(say("12345")).await.is_err());
            person.asks(say("000000")).await.expect("accepted");
            let refused =
                |view: &View| stands(view, |it| it.stage == Some(SigningIn::Device) && it.problem.is_some());
            person.waits_for("another question", refused).await;
            person.asks(say("123 456")).await.expect("accepted");
            let view = person.waits_for_state(State::Absent).await;
            assert_eq!(view.sign_in, None);
            assert!(person.screen.pages.borrow().is_empty());
        })
        .await;
    });
}

/// A role that only who has said a code may assume.
async fn make_role(sandbox: &Sandbox, user: &str) {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{user}"}},"Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}]}}"#
    );
    let credentials = aws_credential_types::Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(aws_sdk_iam::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_iam::config::Region::new("us-west-2"))
        .http_client(SharedHttpClient::new(sandbox.http_client()))
        .credentials_provider(credentials);
    let iam = aws_sdk_iam::Client::from_conf(config.build());
    let role = iam.create_role().role_name("admin").assume_role_policy_document(trust);
    role.send().await.expect("a role");
    let policy = iam.attach_role_policy().role_name("admin");
    policy.policy_arn("arn:aws:iam::aws:policy/AdministratorAccess").send().await.expect("a policy");
}
