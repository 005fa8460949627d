//! The archive of a bug report: shown, asked about, saved, and without anything private.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Home;
use super::pty::Terminal;

/// A computer whose files make no sense, with nobody signed in and nothing to be reached.
fn broken() -> Home {
    let home = Home::with(
        "# mine\n[machine.gpu-box]\nuser = \"adelaide\"\nregio = \"x\"\nprofile = \"acme/Boss\"\n",
    );
    let aws = home.folder.path().join("aws");
    fs::create_dir_all(&aws).unwrap();
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let keys = format!("aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {secret}\n");
    let config =
        format!("[profile acme/Boss]\nsso_session = acme\nsso_account_id = 123456789012\n{keys}nonsense\n");
    fs::write(aws.join("config"), config).unwrap();
    home
}

/// The names and texts of an archive.
fn read(path: &Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(path).unwrap()));
    let read = archive.entries().unwrap().map(|entry| {
        let (mut entry, mut text) = (entry.unwrap(), String::new());
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    });
    read.collect()
}

#[test]
fn whatever_is_broken_it_is_gathered_and_nothing_private_is_in_it() {
    let home = broken();
    let folder = home.folder.path();
    let file = folder.join("bug.tar.gz");
    let ran = home.run_with("diagnostics --yes --output", &[file.to_str().unwrap()]).well();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let files = read(&file);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    bug/about.txt
    bug/doctor.txt
    bug/settings.txt
    bug/profiles.txt
    bug/environment.txt
    bug/state.txt
    bug/history.txt
    bug/log.txt
    bug/sandbox-log.txt
    ");
    // All of it was shown, word for word, before it was saved.
    for (name, text) in &files {
        assert!(ran.out.contains(text.trim_end()), "{name}: {text}\n{}", ran.out);
    }
    for private in [
        "adelaide",
        "gpu-box",
        "acme",
        "Boss",
        "123456789012",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI",
        "mine",
        folder.to_str().unwrap(),
    ] {
        // Where the home is a folder of its own has no name that is known.
        let shown = ran.out.replace(folder.to_str().unwrap(), "");
        assert!(!shown.contains(private), "{private}: {shown}");
    }
    for told in [
        "no such setting; did you mean region?",
        "[machine.<host 1>]",
        "The AWS configuration makes no sense",
        "line 6",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
}

#[test]
fn it_is_asked_about_and_no_file_is_written_over() {
    let home = broken();
    let refused = home.run("diagnostics --output /nowhere/at/all.tar.gz");
    assert_eq!(refused.code, Some(3), "{}", refused.all());
    assert!(
        refused.out.contains("==> about.txt <==") && refused.err.contains("Nothing was saved"),
        "{}",
        refused.all()
    );
    let failed = home.run("diagnostics --yes --output /nowhere/at/all.tar.gz");
    assert!(failed.code == Some(1) && failed.err.contains("cannot be written"), "{}", failed.all());

    let file = home.folder.path().join("bug.tar.gz");
    let line = format!("diagnostics --output {}", file.display());
    for (answer, code) in [("n", 3), ("", 3), ("y", 0)] {
        let mut terminal = Terminal::run(&home, &line);
        terminal.expect("==> about.txt <==");
        terminal.expect("Save this as");
        assert!(!file.exists(), "before anybody has agreed");
        terminal.press(&format!("{answer}\r"));
        assert_eq!(terminal.end().code(), Some(code), "{answer:?}");
        assert_eq!(file.exists(), code == 0);
    }
    let before = fs::read(&file).unwrap();
    let again = home.run(&format!("{line} --yes"));
    assert!(again.code == Some(2) && again.err.contains("There is a file"), "{}", again.all());
    assert_eq!(fs::read(&file).unwrap(), before);
    let left: Vec<String> = fs::read_dir(home.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.') || name.ends_with("tmp"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "nothing half-written");
}

#[test]
fn what_is_long_is_shown_in_the_pager() {
    let home = broken();
    let (paged, file) = (home.folder.path().join("paged"), home.folder.path().join("bug.tar.gz"));
    let environment = [("PAGER", format!("cat > {}; true", paged.display()))];
    let mut terminal = Terminal::run_with(&home, &format!("diagnostics -o {}", file.display()), &environment);
    terminal.expect("Save this as");
    terminal.press("y\r");
    assert!(terminal.end().success());
    let shown = fs::read_to_string(paged).unwrap();
    for (name, text) in read(&file) {
        assert!(shown.contains(text.trim_end()), "{name}");
    }
}

#[test]
fn a_sandbox_that_does_not_run_is_not_started_for_it() {
    let home = Home::new();
    let ran = home
        .run_with("--sandbox diagnostics --yes -o", &[home.folder.path().join("x.tar.gz").to_str().unwrap()]);
    assert!(ran.well().out.contains("the sandbox does not run"));
    assert!(!home.folder.path().join("state/sandbox/running.json").exists());
}
