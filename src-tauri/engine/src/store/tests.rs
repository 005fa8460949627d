use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

const KEY: &str = "ada/remote-dev/us-west-2";

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("config/holdfast"), folder.path().join("state/holdfast"));
    (folder, store)
}

fn leftovers(folder: &Path) -> Vec<OsString> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".tmp")).collect()
}

/// This test binary again, doing `what` in the store's state folder. See [`another_process`].
fn child(store: &Store, what: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::another_process", "--nocapture"])
        .env("HOLDFAST_TEST_CHILD", what)
        .env(STATE_DIR, store.state_dir())
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The first thing that a child says for us.
fn said(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines.map(Result::unwrap).find_map(|line| Some(line.split_once("said:")?.1.to_owned())).unwrap()
}

#[test]
fn another_process() {
    let Ok(what) = std::env::var("HOLDFAST_TEST_CHILD") else { return };
    let store = Store::at("", std::env::var_os(STATE_DIR).unwrap());
    if what == "maker" {
        println!("said:{}", store.maker().unwrap());
    } else {
        let _lock = store.lock(KEY, &what).unwrap();
        println!("said:locked");
        let _ = io::stdin().lines().next();
    }
}

#[test]
fn the_environment_names_the_folders() {
    let env: HashMap<&str, &str> = [(CONFIG_DIR, "/c"), (STATE_DIR, "s")].into();
    let store = Store::with_env(|name| env.get(name).map(OsString::from)).unwrap();
    assert!(store.settings_path().ends_with(Path::new("c").join("settings.toml")));
    assert!(store.state_dir().is_absolute() && store.state_dir().ends_with("s"));

    let store = Store::with_env(|_| Some(OsString::new())).unwrap();
    assert!(store.settings_path().ends_with(Path::new("holdfast").join("settings.toml")));
    assert!(store.state_dir().ends_with("holdfast"));
    assert_ne!(store.settings_path().parent(), Some(store.state_dir()));
}

#[test]
fn settings_are_written_whole() {
    let (_folder, store) = store();
    assert_eq!(store.read_settings_text().unwrap(), None);
    store.write_settings("version = 1\n").unwrap();
    store.write_settings("# mine\n").unwrap();
    assert_eq!(store.read_settings_text().unwrap().as_deref(), Some("# mine\n"));
    assert_eq!(leftovers(store.settings_path().parent().unwrap()), Vec::<OsString>::new());
}

#[test]
fn what_stops_the_writing_is_told_with_its_path() {
    let (folder, store) = store();
    fs::write(folder.path().join("config"), "a file where a folder belongs").unwrap();
    let error = store.write_settings("").unwrap_err().to_string();
    assert!(error.starts_with("cannot make the folder ") && error.contains("config"), "{error}");
    let error = store.read_settings_text().unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("settings.toml: "), "{error}");

    fs::remove_file(folder.path().join("config")).unwrap();
    fs::create_dir_all(store.settings_path()).unwrap();
    let error = store.write_settings("").unwrap_err().to_string();
    assert!(error.starts_with("cannot write ") && error.contains("settings.toml: "), "{error}");
    fs::remove_dir(store.settings_path()).unwrap();
    fs::write(store.settings_path(), b"\xff").unwrap();
    let error = store.read_settings_text().unwrap_err().to_string();
    assert!(error.contains("UTF-8"), "{error}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn permissions_are_kept() {
        let (_folder, store) = store();
        store.write_settings("a = 1").unwrap();
        fs::set_permissions(store.settings_path(), fs::Permissions::from_mode(0o640)).unwrap();
        store.write_settings("a = 2").unwrap();
        assert_eq!(mode(&store.settings_path()), 0o640);
        store.maker().unwrap();
        assert_eq!((mode(store.state_dir()), mode(&store.state_dir().join("maker"))), (0o700, 0o600));
    }

    #[test]
    fn links_are_followed_also_to_a_file_that_is_not_there_yet() {
        let (folder, store) = store();
        let dotfiles = folder.path().join("dotfiles");
        fs::create_dir_all(store.settings_path().parent().unwrap()).unwrap();
        symlink("../../dotfiles/current", store.settings_path()).unwrap();
        fs::create_dir(&dotfiles).unwrap();
        symlink("holdfast.toml", dotfiles.join("current")).unwrap();
        for text in ["# one\n", "# two\n"] {
            store.write_settings(text).unwrap();
            assert_eq!(fs::read_to_string(dotfiles.join("holdfast.toml")).unwrap(), text);
            assert_eq!(store.read_settings_text().unwrap().as_deref(), Some(text));
        }
        assert!(fs::symlink_metadata(store.settings_path()).unwrap().is_symlink());
        assert_eq!(leftovers(&dotfiles), Vec::<OsString>::new());
    }

    #[test]
    fn a_ring_of_links_is_an_error() {
        let (_folder, store) = store();
        fs::create_dir_all(store.settings_path().parent().unwrap()).unwrap();
        symlink("settings.toml", store.settings_path()).unwrap();
        let error = store.write_settings("").unwrap_err().to_string();
        assert!(error.starts_with("cannot follow the links of "), "{error}");
    }

    #[test]
    fn a_read_only_file_is_not_replaced() {
        let (_folder, store) = store();
        store.write_settings("a = 1").unwrap();
        fs::set_permissions(store.settings_path(), fs::Permissions::from_mode(0o444)).unwrap();
        if OpenOptions::new().write(true).open(store.settings_path()).is_ok() {
            return; // root may write everything
        }
        let error = store.write_settings("a = 2").unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
        assert_eq!(store.read_settings_text().unwrap().as_deref(), Some("a = 1"));
    }
}

#[test]
fn the_maker_is_made_once_whoever_asks() {
    let (_folder, store) = store();
    let mut children: Vec<Child> = (0..3).map(|_| child(&store, "maker")).collect();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn({
                let store = store.clone();
                move || store.maker().unwrap()
            })
        })
        .collect();
    let mut makers: BTreeSet<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    makers.extend(children.iter_mut().map(said));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(makers.len(), 1, "{makers:?}");
    assert_eq!(makers.pop_first().unwrap(), store.maker().unwrap());
    assert_eq!(leftovers(store.state_dir()), Vec::<OsString>::new());
}

#[test]
fn a_maker_that_makes_no_sense_is_made_again() {
    let (_folder, store) = store();
    let first = store.maker().unwrap();
    fs::write(store.state_dir().join("maker"), "").unwrap();
    let second = store.maker().unwrap();
    assert_ne!(first, second);
    assert_eq!(store.maker().unwrap(), second);
}

#[test]
fn one_process_has_the_lock_until_it_dies() {
    let (_folder, store) = store();
    let mut child = child(&store, "apply");
    assert_eq!(said(&mut child), "locked");
    let refused = store.lock(KEY, "destroy").unwrap_err();
    let text = format!("another Holdfast works on this machine: apply, process {}, for ", child.id());
    assert!(refused.to_string().starts_with(&text), "{refused}");
    assert!(matches!(refused, LockError::Held(Some(holder)) if holder.pid == child.id() && holder.since > 0));
    assert_eq!(store.working(KEY).unwrap().map(|holder| holder.what), Some("apply".to_owned()));
    assert_eq!(store.working("ada/other/us-west-2").unwrap(), None);
    store.lock("ada/other/us-west-2", "apply").unwrap();

    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(store.working(KEY).unwrap(), None);
    store.lock(KEY, "destroy").unwrap();
}

#[test]
fn one_thread_has_the_lock_until_it_drops_it() {
    let (_folder, store) = store();
    let held = store.lock(KEY, "apply").unwrap();
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| store.lock(KEY, "stop"))).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap().is_ok())).sum()
    });
    assert_eq!(won, 0);
    drop(held);
    let again = store.lock(KEY, "stop").unwrap();
    drop(again);
    assert_eq!(fs::read_dir(store.state_dir().join("locks")).unwrap().count(), 1);
}

#[test]
fn an_intent_stays_until_it_is_cleared() {
    let (_folder, store) = store();
    let intent = store.intent(KEY);
    assert_eq!(intent.read().unwrap(), None);
    intent.clear().unwrap();
    let apply = Intent::now("apply", "settings");
    intent.write(&apply).unwrap();
    assert_eq!(store.intent(KEY).read().unwrap(), Some(apply));
    assert_eq!(store.intent("ada/other/us-west-2").read().unwrap(), None);
    fs::write(&intent.0, "{").unwrap();
    assert_eq!(intent.read().unwrap(), None);
    intent.clear().unwrap();
    assert!(!intent.0.exists());
}

#[test]
fn keys_have_file_names_of_their_own() {
    assert_eq!(file_name(KEY, "lock"), "ada+remote-dev+us-west-2.lock");
    assert_eq!(file_name("../A%", "json"), "%2e%2e+%41%25.json");
}
