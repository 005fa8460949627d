use std::io::Read as _;

use holdfast_core::doctor::{Finding, Part};

use super::*;

fn store(folder: &Path, settings: &str) -> Store {
    let store = Store::at(folder.join("config"), folder.join("state"));
    fs::create_dir_all(folder.join("config")).unwrap();
    fs::write(store.settings_path(), settings).unwrap();
    store
}

fn text<'a>(diagnostics: &'a Diagnostics, name: &str) -> &'a str {
    &diagnostics.files.iter().find(|file| file.name == name).unwrap().text
}

#[test]
fn whatever_is_missing_is_named_and_the_rest_is_there() {
    let gathered = gather(Sources { store: Err("no home folder"), report: Err("no time"), now: 0 });
    assert_eq!(text(&gathered, "doctor.txt"), "This could not be gathered: no time\n");
    assert_eq!(text(&gathered, "settings.txt"), "This could not be gathered: no home folder\n");
    assert!(text(&gathered, "about.txt").contains("gathered 1970-01-01 00:00 UTC"));

    let folder = tempfile::tempdir().unwrap();
    let empty = Store::at(folder.path().join("config"), folder.path().join("state"));
    let gathered = gather(Sources { store: Ok(&empty), report: Err("no time"), now: 0 });
    assert!(text(&gathered, "state.txt").contains("could not be gathered"), "{gathered:?}");
    assert_eq!(text(&gathered, "log.txt"), "");
}

#[test]
fn what_the_files_say_is_there_without_what_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        "[machine.gpu-box]\nuser = \"adelaide\"\nprofile = \"acme/Boss\"\ntags.team = \"compilers\"\n";
    let store = store(folder.path(), settings);
    let key = "adelaide/gpu-box/us-west-2";
    store.lock(key, "apply").map(drop).unwrap();
    store.intent(key).write(&crate::store::Intent::now("apply", "settings")).unwrap();
    let log = "{\"timestamp\":\"2026-11-29T10:00:00Z\",\"level\":\"INFO\",\"target\":\"holdfast\",\
               \"message\":\"123456789012 and acme/Boss\\u001b[31m\"}\n";
    fs::create_dir_all(store.log_file().parent().unwrap()).unwrap();
    fs::write(store.log_file(), log.repeat(600)).unwrap();
    let finding =
        Finding::failed(Part::Credentials, "123456789012/user/bob may not", "holdfast login acme/Boss");
    let report = Report::of(vec![finding]);
    let gathered = gather(Sources { store: Ok(&store), report: Ok(&report), now: 0 });
    let all: String = gathered.files.iter().map(|file| file.text.as_str()).collect();
    for private in ["adelaide", "gpu-box", "acme", "Boss", "compilers", "123456789012", "bob", "\u{1b}"] {
        assert!(!all.contains(private), "{private}: {all}");
    }
    assert!(text(&gathered, "settings.txt").contains("machine.<host 1>.user = <user 1>\n"), "{all}");
    assert!(text(&gathered, "doctor.txt").contains("failed   <account 1>/user/<name 1> may not"), "{all}");
    assert!(text(&gathered, "log.txt").starts_with("(100 lines before these)\n2026-11-29 10:00:00"), "{all}");
    assert!(text(&gathered, "log.txt").ends_with("<account 1> and <profile 1>\n"), "{all}");
    let state = text(&gathered, "state.txt");
    assert!(state.contains("intents/<user 1>+<host 1>+us-west-2.json\n{\"operation\":\"apply\""), "{state}");

    fs::write(store.settings_path(), "# mine\n[machine.gpu-box]\nuser = \"adelaide\nregio = \"x\"\n")
        .unwrap();
    let gathered = gather(Sources { store: Ok(&store), report: Ok(&report), now: 0 });
    let settings = text(&gathered, "settings.txt");
    assert!(settings.starts_with("These settings do not hold:\n"), "{settings}");
    assert!(settings.contains("   4  regio = \"x\"") && !settings.contains("mine"), "{settings}");
}

#[test]
fn an_archive_is_whole_or_not_there_and_no_file_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    let diagnostics = Diagnostics { files: vec![file("a.txt", "one\n"), file("b.txt", "")] };
    let path = folder.path().join("bug.tar.gz");
    diagnostics.save(&path, 1_784_536_211).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()));
    let read = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    });
    let read: Vec<(String, String)> = read.collect();
    assert_eq!(read, [("bug/a.txt".to_owned(), "one\n".to_owned()), ("bug/b.txt".to_owned(), String::new())]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(&path).unwrap();
    assert!(diagnostics.save(&path, 0).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(diagnostics.save(&folder.path().join("nowhere/bug.tar.gz"), 0).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn what_a_variable_says() {
    let names = |name, value| in_variable(name, value).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("https_proxy", "http://me:pw@proxy.acme:3128/"), ["proxy.acme"]);
    assert_eq!(
        names("NO_PROXY", "localhost, .acme.example,10.0.0.1"),
        ["localhost", "acme.example", "10.0.0.1"]
    );
    assert_eq!(names("AWS_SESSION_TOKEN", "abc"), ["abc"]);
    assert_eq!(names("LANG", "C"), Vec::<String>::new());
}

#[test]
fn whoever_asks_a_proxy_is_not_told_whatever_the_password_is_made_of() {
    for (place, expected) in [
        ("http://ada:p/w@proxy.example:8080", "http://<secret>@proxy.example:8080"),
        ("http://ada:p@:#w@proxy.example:8080/", "http://<secret>@proxy.example:8080/"),
        ("ada:pw@proxy.example", "<secret>@proxy.example"),
        ("http://proxy.example:8080", "http://proxy.example:8080"),
    ] {
        assert_eq!(without_user(place), expected);
        assert!(host_of(place).starts_with("proxy.example"), "{}", host_of(place));
    }
}
