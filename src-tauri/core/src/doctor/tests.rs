use super::*;
use crate::machine::Owner;
use crate::plan::tests::fixture::{wanted, whole};

fn marks(findings: &[Finding]) -> Vec<Mark> {
    findings.iter().map(|finding| finding.mark).collect()
}

/// Whatever is not well has one thing to do; whatever is well has none.
fn sound(findings: &[Finding]) {
    for finding in findings {
        assert_eq!(finding.mark == Mark::Ok, finding.todo.is_none(), "{finding:?}");
        assert!(!finding.what.ends_with('.') && !finding.what.is_empty(), "{finding:?}");
    }
}

#[test]
fn the_worst_is_the_mark_and_areas_come_in_order() {
    let report = Report::of(vec![
        Finding::ok(Part::Versions, "1"),
        Finding::warning(Part::Machine, "off", "start"),
        Finding::ok(Part::Settings, "fine"),
        Finding::ok(Part::Machine, "second"),
    ]);
    assert_eq!(report.mark, Mark::Warning);
    let whats: Vec<&str> = report.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(whats, ["fine", "off", "second", "1"]);
    assert_eq!(Report::of(Vec::new()).mark, Mark::Ok);
}

#[test]
fn credentials_that_end_soon_are_worth_a_word_unless_they_are_renewed() {
    for (until, renewed, mark, text) in [
        (None, false, Mark::Ok, "1/user/ada"),
        (Some(1000 + 3 * 3600), false, Mark::Ok, "1/user/ada, for 3 hours"),
        (Some(1000 + 60 * 60), true, Mark::Ok, "1/user/ada, for 60 minutes, and renewed by themselves"),
        (
            Some(1000 + 14 * 60),
            false,
            Mark::Warning,
            "1/user/ada, for 14 minutes, and then somebody has to sign in",
        ),
        (Some(1000 + 14 * 60), true, Mark::Ok, "1/user/ada, for 14 minutes, and renewed by themselves"),
        (Some(10), false, Mark::Warning, "1/user/ada, for 0 minutes, and then somebody has to sign in"),
    ] {
        let finding = credentials("1/user/ada", until, renewed, 1000);
        assert_eq!((finding.mark, finding.what.as_str()), (mark, text));
        sound(&[finding]);
    }
}

#[test]
fn a_clock_is_off_by_more_than_aws_takes_or_by_less() {
    for (ahead, mark) in [
        (0, Mark::Ok),
        (59, Mark::Ok),
        (-59, Mark::Ok),
        (60, Mark::Warning),
        (-299, Mark::Warning),
        (300, Mark::Failed),
        (-86_400, Mark::Failed),
        (i64::MIN, Mark::Failed),
    ] {
        let finding = clock(ahead);
        assert_eq!(finding.mark, mark, "{ahead}");
        sound(&[finding]);
    }
    assert!(clock(400).what.contains("400 seconds behind AWS's"));
    assert!(clock(-400).what.contains("400 seconds ahead of AWS's"));
}

#[test]
fn what_is_denied_is_named_and_what_is_only_nice_is_no_failure() {
    let set = |all: &[&str]| all.iter().map(|action| (*action).to_owned()).collect::<BTreeSet<_>>();
    let all: BTreeSet<String> = policy::actions(&wanted()).into_iter().collect();
    let fine = permissions(&wanted(), &Asked { allowed: all.clone(), denied: BTreeSet::new() });
    assert_eq!(marks(&fine), [Mark::Ok]);
    assert_eq!(fine[0].what, format!("{0} of {0} actions are allowed", all.len()));

    let denied = set(&["ec2:RunInstances", "ec2:CreateVpc", "pricing:GetProducts", "s3:GetObject"]);
    let poor = permissions(&wanted(), &Asked { allowed: set(&["ec2:StopInstances"]), denied });
    assert_eq!(marks(&poor), [Mark::Failed, Mark::Warning, Mark::Ok]);
    assert_eq!(poor[0].what, "your AWS identity may not call ec2:CreateVpc, ec2:RunInstances");
    assert!(poor[1].what.ends_with("better with pricing:GetProducts"), "{}", poor[1].what);
    assert!(poor[2].what.contains(&format!("; {} more can only be told", all.len() - 4)), "{}", poor[2].what);
    sound(&poor);

    // Nobody needs the right to make a network where the company has one.
    let company = crate::plan::tests::fixture::wanted_in_company_subnet();
    let denied = set(&["ec2:CreateVpc"]);
    assert_eq!(marks(&permissions(&company, &Asked { denied, ..Asked::default() })), [Mark::Ok]);
}

#[test]
fn what_is_nice_is_asked_for_in_the_policy() {
    let all = policy::actions(&wanted());
    for action in NICE {
        assert!(all.contains(*action), "{action}");
    }
}

#[test]
fn a_type_can_be_had_or_not_and_fits_or_not() {
    let desired = wanted();
    let on = whole();
    let vcpus = on.offer.present().unwrap().vcpus;
    let quota = |limit, used| Some(Quota { limit, used });
    assert_eq!(marks(&capacity(&desired, &on, quota(vcpus, vcpus))), [Mark::Ok, Mark::Ok], "it runs already");
    let absent = Observed { instances: Fact::Absent, ..on.clone() };
    let full = capacity(&desired, &absent, quota(vcpus, 1));
    assert_eq!(marks(&full), [Mark::Ok, Mark::Failed]);
    assert_eq!(marks(&capacity(&desired, &absent, quota(vcpus + 1, 1))), [Mark::Ok, Mark::Ok]);
    let none = capacity(&desired, &Observed { offer: Fact::Absent, ..on.clone() }, None);
    assert_eq!(marks(&none), [Mark::Failed]);
    let denied = Fact::Unknown(Why::Denied("ec2:DescribeInstanceTypes".to_owned()));
    let untold = capacity(&desired, &Observed { offer: denied, ..on }, None);
    assert_eq!(marks(&untold), [Mark::Warning]);
    for findings in [full, none, untold] {
        sound(&findings);
    }
}

#[test]
fn a_machine_is_there_and_on_and_answers_or_not() {
    let desired = wanted();
    let on = Observed { agent: Fact::Present(()), ..whole() };
    assert_eq!(marks(&machine(&desired, &on)), [Mark::Ok, Mark::Ok]);
    let mute = Observed { agent: Fact::Absent, ..on.clone() };
    assert_eq!(marks(&machine(&desired, &mute)), [Mark::Ok, Mark::Failed]);
    let with = |change: &dyn Fn(&mut crate::machine::Instance)| {
        let mut all = on.instances.all().to_vec();
        all.iter_mut().for_each(change);
        Observed { instances: Fact::Present(all), ..on.clone() }
    };
    let off = with(&|instance| instance.power = Power::Stopped);
    assert_eq!(marks(&machine(&desired, &off)), [Mark::Warning], "an agent that is off is no news");
    let starting = with(&|instance| instance.power = Power::Pending);
    assert_eq!(marks(&machine(&desired, &starting)), [Mark::Warning]);
    let bare = with(&|instance| instance.profile = None);
    assert_eq!(marks(&machine(&desired, &bare)), [Mark::Ok, Mark::Failed, Mark::Ok]);
    let none = Observed { instances: Fact::Absent, ..on.clone() };
    assert_eq!(marks(&machine(&desired, &none)), [Mark::Warning]);
    let unseen = Observed::unknown("here");
    assert_eq!(marks(&machine(&desired, &unseen)), [Mark::Warning]);
    for observed in [on, mute, off, starting, bare, none, unseen] {
        sound(&machine(&desired, &observed));
    }
}

#[test]
fn a_machine_says_how_it_is() {
    let answer = b"disk 104857600 52428800\nmemory 16252928 8126464\nuser yes\nzellij yes\nfailed 0\n";
    let health = Health::parse(answer);
    let texts = |health: Health| -> Vec<String> {
        let findings = health.findings(&wanted());
        sound(&findings);
        findings.iter().map(|finding| format!("{:?} {}", finding.mark, finding.what)).collect()
    };
    insta::assert_snapshot!(texts(health).join("\n"), @"
    Ok disk: 50.0 GiB of 100.0 GiB free
    Ok memory: 7.7 GiB of 15.5 GiB free
    Ok zellij is there, so what runs in a session outlives the connection
    Ok none of its services has failed
    ");
    let answer =
        b"disk 104857600 1048576\r\nmemory 16252928 1300000\r\nuser yes\r\nzellij no\r\nfailed 2\r\n";
    insta::assert_snapshot!(texts(Health::parse(answer)).join("\n"), @"
    Failed disk: 1.0 GiB of 100.0 GiB free
    Warning memory: 1.2 GiB of 15.5 GiB free
    Failed zellij is not there, so what runs ends with the connection
    Warning services that have failed on it: 2
    ");
    let versions = b"zellij-version zellij 0.43.1\nnixos 25.11.20251201.abc (Xantusia)\ngeneration 12\n";
    let known = ["Ok NixOS 25.11.20251201.abc (Xantusia), generation 12, zellij 0.43.1 on remote-dev"];
    assert_eq!(texts(Health::parse(versions)), known);
    let young = texts(Health::parse(b"user no\nzellij no\n"));
    assert!(young.len() == 1 && young[0].contains("no user ada"), "{young:?}");
    for nonsense in [&b""[..], b"\xff\xfe", b"disk", b"disk x y", b"disk 5", b"disk 0 0", b"failed many"] {
        let health = Health::parse(nonsense);
        assert!(health.findings(&wanted()).iter().all(|finding| finding.mark == Mark::Ok), "{nonsense:?}");
    }
}

#[test]
fn a_desktop_lacks_this_or_that() {
    let fine = Desktop {
        tray: Some(true),
        notifications: Some(true),
        terminals: vec!["kitty".to_owned()],
        ..Desktop::default()
    };
    assert_eq!(marks(&fine.findings()), [Mark::Ok; 4]);
    let elsewhere = Desktop { tray: None, notifications: None, ..fine.clone() };
    assert_eq!(marks(&elsewhere.findings()), [Mark::Ok; 2]);
    let bare = Desktop {
        tray: Some(false),
        notifications: Some(false),
        keyring: Keyring::Unusable("there is none".to_owned(), "install one".to_owned()),
        ..Desktop::default()
    };
    assert_eq!(marks(&bare.findings()), [Mark::Warning; 4]);
    let locked = Desktop { keyring: Keyring::Locked, autostart: Some(false), ..fine.clone() };
    assert_eq!(marks(&locked.findings()), [Mark::Ok, Mark::Ok, Mark::Warning, Mark::Ok, Mark::Ok]);
    let gone = Desktop { chosen: Some("foot".to_owned()), ..Desktop::default() };
    assert_eq!(marks(&gone.findings()), [Mark::Ok, Mark::Failed]);
    for desktop in [fine, elsewhere, bare, locked, gone] {
        sound(&desktop.findings());
    }
}

#[test]
fn a_configuration_stands_somehow() {
    for (standing, mark) in [
        (Standing::UpToDate, Mark::Ok),
        (Standing::Behind, Mark::Warning),
        (Standing::NotHoldfasts, Mark::Warning),
        (Standing::EditedThere, Mark::Warning),
        (Standing::Unknown, Mark::Warning),
    ] {
        let finding = configuration(standing);
        assert_eq!(finding.mark, mark);
        sound(&[finding]);
    }
}

#[test]
fn an_owner_is_shown_as_aws_names_it() {
    let owner = Owner::from_arn("arn:aws:iam::123456789012:user/ada").unwrap();
    assert_eq!(credentials(owner.as_str(), None, false, 0).what, "123456789012/user/ada");
}
