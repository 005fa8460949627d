//! What runs in a session on a machine.

use super::*;

#[tokio::test]
async fn a_shell_is_the_agents_user_in_the_agents_service() {
    let Some(rig) = rig().await else { return };
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    shell.session.resize(clock::Clock::start().now(), 132, 43);
    let script = "id -un; sudo -n id -un; sudo tty; stty size; pwd; cat /proc/self/cgroup; hostname; exit\n";
    shell.type_in(script.as_bytes()).await;
    assert_eq!(shell.finish().await, "");
    let text = shell.text();
    let expected = ["\r\nssm-user\r\nroot\r\n/dev/pts/", "\r\n43 132\r\n/\r\n", &format!("\r\n{ID}\r\n")];
    assert!(expected.iter().all(|part| text.contains(part)), "{text}");
    assert!(text.contains(":/system.slice/amazon-ssm-agent.service\r\n"), "{text}");
    assert!(!text.contains("job control") && !text.contains("unable to resolve"), "{text}");
}

#[tokio::test]
async fn the_environment_is_the_agents() {
    let Some(rig) = rig().await else { return };
    let mut run = rig.session(Some(NON_INTERACTIVE), &[("command", "env"), ("separateOutputStream", "true")]);
    run.finish().await;
    let text = run.text();
    let of_agent = root(&rig, "tr '\\0' '\\n' </proc/$(pgrep -fx '/usr/bin/amazon-ssm-agent .*')/environ");
    assert!(of_agent.contains("LANG=C.UTF-8"), "the machine sets it for all");
    let added = ["HOME=/home/ssm-user", "TERM=xterm-256color"];
    let mut expected: Vec<_> = of_agent.lines().chain(added).collect();
    let mut found: Vec<_> = text.lines().collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_command_has_streams_an_exit_code_and_signals() {
    let Some(rig) = rig().await else { return };
    let run = |command| {
        rig.session(Some(NON_INTERACTIVE), &[("command", command), ("separateOutputStream", "true")])
    };
    let mut fails = run("sh -c 'echo out; echo err >&2; exit 5'");
    fails.finish().await;
    assert_eq!(
        (fails.out.as_slice(), fails.err.as_slice(), fails.exit),
        (&b"out\n"[..], &b"err\n"[..], Some(5))
    );

    let mut waits = run("sh -c 'trap \"echo int; exit 6\" INT; echo ready; while :; do sleep 0.05; done'");
    waits.until_text("ready").await;
    waits.type_in(b"\x03").await;
    waits.finish().await;
    assert_eq!((waits.text().as_str(), waits.exit), ("ready\nint\n", Some(6)));

    for missing in ["nothing-here -x", "/nothing/here"] {
        let mut missing = run(missing);
        let last_words = missing.finish().await;
        assert!(last_words.starts_with("Error occurred starting the command: "), "{last_words}");
        assert_eq!(missing.exit, Some(1));
    }
}

#[tokio::test]
async fn a_terminal_controls_jobs() {
    let Some(rig) = rig().await else { return };
    let mut shell = rig.session(Some("AWS-StartInteractiveCommand"), &[("command", "exec bash")]);
    shell.until_text("$ ").await;
    shell.type_in(b"sleep 1010\n").await;
    eventually(|| !root(&rig, "pgrep -fx 'sleep 1010'").is_empty(), || "a job".to_owned()).await;
    shell.type_in(b"\x1a").await;
    shell.until_text("Stopped").await;
    shell.type_in(b"bg; jobs\n").await;
    shell.until_text("Running").await;
    shell.type_in(b"fg\n").await;
    let state = || root(&rig, "ps -o stat= -p $(pgrep -fx 'sleep 1010')");
    eventually(|| state().contains('+'), || "in the foreground".to_owned()).await;
    shell.type_in(b"\x03").await;
    shell.until_text("^C").await;
    shell.type_in(b"printf 'code%s\\n' =$?\n").await;
    shell.until_text("code=130\r\n").await;
}

#[tokio::test]
async fn what_a_session_leaves_dies_but_for_daemons() {
    let Some(rig) = rig().await else { return };
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    let start =
        b"nohup sleep 1011 & sh -c 'sleep 1012; true' & setsid sleep 1013 & printf 'all%s\\n' there\n";
    shell.type_in(start).await;
    shell.until_text("allthere\r\n").await;
    let count = || root(&rig, "pgrep -cfx 'sleep 101[123]'; true");
    eventually(|| count() == "3", || "three".to_owned()).await;
    rig.gateway.terminate(&shell.session_id);
    shell.finish().await;
    let left = || root(&rig, "pgrep -u ssm-user -a | cut -d' ' -f2-");
    eventually(|| left() == "sleep 1013", || "all but the daemon gone".to_owned()).await;
}

#[tokio::test]
async fn zellij_outlives_the_session_that_started_it() {
    let Some(rig) = rig().await else { return };
    assert_eq!(root(&rig, "getent passwd ada"), "");
    rig.gateway.guests().set_user(ID, Some(&"ada".parse().unwrap())).unwrap();
    let server = || root(&rig, "pgrep -u ada -f 'zellij --server'");
    let mut first = rig.run("stty cols 100 rows 30; exec sudo -iu ada zellij attach --create work");
    // It begins with questions to the terminal, and takes what is typed meanwhile for answers.
    while !first.text().contains("one-two") {
        first.type_in(b"printf 'one%s\\n' -two\r").await;
        let _again = tokio::time::timeout(Duration::from_secs(1), first.until_text("one-two")).await;
    }
    let before = server();
    rig.gateway.terminate(&first.session_id);
    first.finish().await;

    // For a moment the server may not answer, busy with the end of the first. --create would take it for dead then, and
    // put another one in its place.
    let again = "until zellij attach work; do sleep 0.1; done";
    let mut second = rig.run(&format!("stty cols 100 rows 30; exec sudo -iu ada sh -c '{again}'"));
    second.until_text("one-two").await;
    assert!(!second.text().contains("Tip") && !second.text().contains("Release"), "{}", second.text());
    // It was started by hand; a proper way in keeps it out of the agent's service.
    assert_eq!(server(), before);
    let group = root(&rig, &format!("cat /proc/{before}/cgroup"));
    assert!(group.contains("/system.slice/amazon-ssm-agent.service"), "{group}");
}

#[tokio::test]
async fn a_user_has_a_manager_without_a_login() {
    let Some(rig) = rig().await else { return };
    let guests = rig.gateway.guests();
    guests.set_user(ID, Some(&"ada".parse().unwrap())).unwrap();
    let mut run = rig.run(
        "sudo -iu ada sh -c 'export XDG_RUNTIME_DIR=/run/user/$(id -u); \
         systemd-run --user --quiet --pipe --wait cat /proc/self/cgroup'",
    );
    run.finish().await;
    assert!(run.text().contains(":/user.slice/user-1001.slice/user@1001.service/"), "{}", run.text());

    guests.set_user(ID, Some(&"grace".parse().unwrap())).unwrap();
    assert_eq!(root(&rig, "ls /home; getent passwd ada"), "ada\ngrace\nssm-user");
    guests.set_user(ID, None).unwrap();
    assert_eq!(root(&rig, "getent passwd grace; pgrep -fx '.*/systemd --user'"), "");
}
