//! Sessions that run once, over real websockets into a real process, and what is said when there can be none.

use std::time::Duration;

use holdfast::aws::session::Document;
use holdfast::connect::{End, Ends, Input, Program, connect};
use holdfast::remote::Machine;
use holdfast_core::names::SessionName;
use holdfast_core::plan::Goal;
use holdfast_core::script::{self, Between};
use holdfast_core::upload::{Said, Upload};
use holdfast_sandbox::gateway::WireFault;
use holdfast_sandbox::{Key, Sandbox};
use tokio::sync::mpsc;

use crate::rig::{Rig, changing};

#[tokio::test]
async fn a_command_has_output_errors_and_an_exit_code() {
    let rig = Rig::start().await;
    let over = rig.run(&rig.command("echo out; echo \"it's err\" >&2; exit 7")).await;
    assert_eq!(over.end.as_ref().expect("an end"), &End::Exited(Some(7)));
    assert_eq!((over.out().as_str(), over.err.as_slice()), ("out\n", b"it's err\n".as_slice()));
    rig.assert_quiet("an end").await;
}

#[tokio::test]
async fn a_mebibyte_of_output_comes_intact_over_a_line_that_breaks() {
    let rig = Rig::start().await;
    let expected: String = (1..=170_000).map(|number| format!("{number}\n")).collect();
    assert!(expected.len() > 1 << 20);
    let whole = rig.run(&rig.command("seq 1 170000")).await;
    assert_eq!(whole.end.as_ref().expect("an end"), &End::Exited(Some(0)));
    assert!(whole.out() == expected, "{} bytes of {}", whole.out.len(), expected.len());

    // So few are on their way that all of them are sent again before the agent gives up.
    rig.gateway.configure(|settings| settings.window = Some(8));
    let cut = async || rig.gateway.inject(None, WireFault::Cut { reset: true });
    let broken = rig.session(&rig.command("seq 1 170000"), "", "\n20000\n", cut).await;
    assert_eq!(broken.end.as_ref().expect("an end"), &End::Exited(Some(0)));
    assert!(broken.out() == expected, "{} bytes of {}", broken.out.len(), expected.len());
    assert_eq!(rig.called("ResumeSession").len(), 1);
}

/// An agent whose program has ended waits two seconds for what it has sent to be acknowledged, and sends ten messages a
/// second again: what a reset has lost may be more than that. Then nobody may believe that all is well.
#[tokio::test]
async fn what_is_lost_at_the_end_leaves_no_exit_code() {
    let rig = Rig::start().await;
    let expected: String = (1..=170_000).map(|number| format!("{number}\n")).collect();
    let cut = async || rig.gateway.inject(None, WireFault::Cut { reset: true });
    let torn = rig.session(&rig.command("seq 1 170000"), "", "\n20000\n", cut).await;
    let (end, out) = (torn.end.as_ref().expect("an end"), torn.out());
    assert!(expected.starts_with(&out), "the output is not what was written");
    let whole = out.len() == expected.len();
    assert_eq!(end, &End::Exited(whole.then_some(0)));
    assert!(whole || String::from_utf8_lossy(&torn.err).contains("lost"), "nobody says so");
}

/// As `exec` does when it may start no document with a command: it types into the account's own shell.
#[tokio::test]
async fn where_commands_are_denied_they_are_typed() {
    let rig = Rig::start().await;
    let denied = ["AWS-StartNonInteractiveCommand", "AWS-StartInteractiveCommand"].map(str::to_owned);
    rig.sandbox.set(|conditions| conditions.denied_documents = denied.into());
    for document in [rig.command("true"), Document::Interactive("true".to_owned())] {
        let problem = rig.run(&document).await.problem();
        assert_eq!(problem.code, "denied", "{problem:?}");
        assert!(problem.to_string().contains("ssm:StartSession"), "{problem}");
    }

    let script = script::run(&rig.ada.desired.user, &["echo out; seq 1 2000; exit 7".to_owned()]);
    let nonce = "0123456789abcdef";
    let typed = script::typed_command(&script.expect("a script"), nonce).expect("a command");
    let over = rig.session(&Document::Shell, &typed, "", async || {}).await;
    over.end.as_ref().expect("an end");
    let mut between = Between::new(nonce);
    let out = String::from_utf8_lossy(&between.feed(&over.out)).into_owned();
    let expected: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    assert_eq!((out, between.status()), (format!("out\n{expected}"), Some(7)));

    rig.deny("ssm:StartSession");
    let problem = rig.run(&Document::Shell).await.problem();
    assert_eq!(problem.code, "denied", "{problem:?}");
    rig.assert_quiet("an end").await;
}

#[tokio::test]
async fn a_session_under_the_accounts_key_works_for_whoever_may_use_it() {
    let rig = Rig::start().await;
    rig.sandbox.set(|conditions| {
        conditions.keys.push(Key::new("alias/sessions"));
        conditions.session_preferences.kms_key_id = Some("alias/sessions".to_owned());
    });
    let over = rig.run(&rig.command("echo secret; exit 7")).await;
    assert_eq!(over.end.as_ref().expect("an end"), &End::Exited(Some(7)));
    assert_eq!(over.out(), "secret\n");
    assert_eq!(rig.called("GenerateDataKey").len(), 1);

    rig.deny("kms:GenerateDataKey");
    let problem = rig.run(&rig.command("echo secret")).await.problem();
    assert_eq!(problem.code, "session_key", "{problem:?}");
    assert!(problem.to_string().contains("kms:GenerateDataKey"), "{problem}");
    rig.assert_quiet("a key that may not be used").await;

    rig.deny("nothing:AtAll");
    rig.sandbox.set(|conditions| conditions.keys.last_mut().expect("the key").enabled = false);
    let problem = rig.run(&rig.command("echo secret")).await.problem();
    assert_eq!(problem.code, "session_key", "{problem:?}");
    assert!(problem.to_string().contains("disabled"), "{problem}");
}

#[tokio::test]
async fn a_machine_that_goes_off_ends_its_sessions() {
    let rig = Rig::start().await;
    let (shell, waiting) = (Document::Shell, "echo 'rea''dy'; sleep 600\r");
    let inside = async || rig.sandbox.power_off_inside(rig.machine.as_str());
    let over = rig.session(&shell, waiting, "ready", inside).await;
    assert!(matches!(over.end, Ok(End::Closed(_))), "{:?}", over.end);

    rig.ada.reach(Goal::Reachable).await.expect("a start");
    let stop = async || {
        rig.ada.reach(Goal::Stopped).await.expect("a stop");
    };
    let over = rig.session(&rig.command("echo ready; sleep 600"), "", "ready", stop).await;
    assert!(matches!(over.end, Ok(End::Closed(_))), "{:?}", over.end);
}

#[tokio::test]
async fn there_is_no_session_to_a_machine_that_cannot_be_reached() {
    let rig = Rig::start().await;
    let refused = async |case: &str| {
        rig.sandbox.clear_calls();
        let problem = rig.run(&Document::Shell).await.problem();
        assert_eq!(problem.code, "agent_offline", "{case}: {problem:?}");
        assert!(problem.hints.iter().any(|hint| hint.contains("holdfast status")), "{case}: {problem:?}");
        assert!(changing(&rig.sandbox).is_empty(), "{case}");
    };
    rig.ada.reach(Goal::Stopped).await.expect("a stop");
    refused("it is off").await;
    rig.ada.reach(Goal::Reachable).await.expect("a start");
    let take_policies = |sandbox: &Sandbox| {
        sandbox.meddle(|world| {
            let roles = world.accounts.values_mut().flat_map(|account| account.iam.roles.values_mut());
            roles.for_each(|role| role.attached.clear());
        });
    };
    take_policies(&rig.sandbox);
    refused("its agent is not registered").await;
    rig.ada.reach(Goal::Settings).await.expect("an apply gives the policy back");
    assert!(rig.run(&rig.command("true")).await.end.is_ok());
}

#[tokio::test]
async fn a_line_that_may_not_be_had_back_is_a_problem_that_says_so() {
    let rig = Rig::start().await;
    let cut = async || {
        rig.deny("ssm:ResumeSession");
        rig.gateway.inject(None, WireFault::Cut { reset: true });
    };
    let over = rig.session(&rig.command("echo ready; sleep 600"), "", "ready", cut).await;
    let problem = over.problem();
    assert_eq!(problem.code, "denied", "{problem:?}");
    assert!(problem.to_string().contains("ssm:ResumeSession"), "{problem}");
    rig.assert_quiet("a line that may not be had back").await;
}

#[tokio::test]
async fn whoever_leaves_ends_the_session() {
    let rig = Rig::start().await;
    let (input, from_user) = mpsc::channel(1);
    let (to_user, _output) = mpsc::channel(64);
    input.send(Input::Leave).await.expect("room for input");
    let ends = Ends { input: from_user, output: to_user, terminal: Some((80, 25)), talks: false };
    let program = Program::Attach(SessionName::default());
    let end = connect(&rig.ada.aws, &rig.ada.desired, &rig.machine, program, ends).await;
    assert_eq!(end.expect("an end"), End::Left);
    assert_eq!(rig.called("TerminateSession").len(), 1);
    rig.assert_quiet("a leave").await;
}

impl Rig {
    fn remote(&self) -> Machine<'_> {
        Machine { aws: &self.ada.aws, desired: &self.ada.desired, instance: &self.machine }
    }

    fn home(&self) -> std::path::PathBuf {
        self.folder().join(self.machine.as_str()).join("home/ssm-user")
    }
}

/// Every byte, more than any buffer, over a line that breaks: what is there is what was sent, or nothing.
#[tokio::test]
async fn a_file_is_put_whole_or_not_at_all() {
    let rig = Rig::start().await;
    let body: Vec<u8> =
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (path, mode, cut) in [("plain", 0o640, false), ("it's $HOME; `id`", 0o600, true)] {
        let upload = rig.remote().upload(path, mode, &body);
        let trouble = async {
            for _ in 0..if cut { 3 } else { 0 } {
                tokio::time::sleep(Duration::from_millis(200)).await;
                rig.gateway.inject(None, WireFault::Cut { reset: true });
            }
        };
        let (done, ()) = tokio::join!(upload, trouble);
        done.unwrap();
        let there = rig.home().join(path);
        assert!(std::fs::read(&there).unwrap() == body, "{path}");
        let permissions = std::fs::metadata(&there).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, mode, "{path}");
    }

    // An older one is replaced, an empty one is one, and where there is no folder nothing is left behind.
    rig.remote().upload("plain", 0o600, b"").await.unwrap();
    assert_eq!(std::fs::read(rig.home().join("plain")).unwrap(), b"");
    let problem = rig.remote().upload("no/such/folder", 0o600, &body).await.unwrap_err();
    assert_eq!(problem.code, "upload", "{problem:?}");
    assert!(problem.to_string().contains("No such file"), "{problem}");
    let left: Vec<String> = std::fs::read_dir(rig.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".holdfast"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    rig.assert_quiet("an upload").await;
}

#[tokio::test]
async fn a_file_can_be_put_where_commands_are_denied() {
    let rig = Rig::start().await;
    let denied = ["AWS-StartNonInteractiveCommand", "AWS-StartInteractiveCommand"].map(str::to_owned);
    rig.sandbox.set(|conditions| conditions.denied_documents = denied.into());
    rig.remote().upload("typed", 0o600, b"\x03\x04 still whole \r\n").await.unwrap();
    assert_eq!(std::fs::read(rig.home().join("typed")).unwrap(), b"\x03\x04 still whole \r\n");
    let answer = rig.remote().run("echo out; exit 7").await.unwrap();
    assert_eq!((answer.status, answer.out), (7, b"out\n".to_vec()));
}

/// What a terminal shows may be recorded, and what a session is started with is.
#[tokio::test]
async fn a_secret_is_on_no_record() {
    let rig = Rig::start().await;
    let (nonce, secret) = ("n0nce", b"a secret of 26 characters\n");
    let script = script::upload(&rig.ada.desired.user, "secret", 0o600, nonce).unwrap();
    let (input, from_user) = mpsc::channel(8);
    let (to_user, mut output) = mpsc::channel(64);
    let ends = Ends { input: from_user, output: to_user, terminal: None, talks: false };
    let program = Program::Once { document: Document::Interactive(script.clone()), typed: None };
    let session = connect(&rig.ada.aws, &rig.ada.desired, &rig.machine, program, ends);
    let talk = async {
        let (mut upload, mut shown) = (Upload::new(nonce), Vec::new());
        while let Some((_, bytes)) = output.recv().await {
            shown.extend(&bytes);
            match upload.feed(&bytes) {
                Some(Said::Ready) => {
                    input.send(Input::Bytes(Upload::head(secret).into_bytes())).await.unwrap();
                    input.send(Input::Bytes(secret.to_vec())).await.unwrap();
                }
                Some(Said::Done) | None => {}
                Some(said) => panic!("{said:?}"),
            }
        }
        String::from_utf8_lossy(&shown).into_owned()
    };
    let (end, shown) = tokio::join!(session, talk);
    assert_eq!(end.unwrap(), End::Exited(None));
    assert_eq!(std::fs::read(rig.home().join("secret")).unwrap(), secret);
    let sum = Upload::head(secret).split_whitespace().last().unwrap().to_owned();
    for record in [shown, script, format!("{:?}", rig.sandbox.calls())] {
        assert!(!record.contains("a secret") && !record.contains(&sum), "{record}");
    }
}

#[tokio::test]
async fn a_machine_without_its_user_has_no_sessions() {
    let rig = Rig::start().await;
    let list = script::sessions(&rig.ada.desired.user, "n0nce");
    let answer = rig.remote().run(&format!("unset HOLDFAST_GUEST\n{list}")).await.unwrap();
    assert_eq!(answer.status, script::NO_USER);
    // A shell of the sandbox will never have that user, and says so.
    let answer = rig.remote().run(&list).await.unwrap();
    assert_eq!(answer.status, script::NO_SYSTEM);
}
