use std::process::Command;

use holdfast_core::script;
use holdfast_core::settings::Settings;

use super::*;

fn desired(text: &str) -> Desired {
    Settings::parse(text, Some(&"ada".parse().unwrap())).unwrap().machine(None).unwrap().clone()
}

fn files(tree: &Tree) -> Vec<&str> {
    tree.files().map(|(path, _)| path).collect()
}

#[test]
fn the_users_edits_lie_over_what_is_shipped() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::at(home.path().join("config"), home.path().join("state"));
    let desired = desired("");
    let shipped = gather(&store, &desired, None).unwrap();
    assert_eq!(shipped.attribute, "remote-dev");
    assert!(shipped.lock().is_some());
    let folder = edits_folder(&store, &desired);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("home.nix"), "{ }").unwrap();
    fs::write(folder.join(DATA), r#"{ "timeZone": "Asia/Tokyo" }"#).unwrap();
    let mine = gather(&store, &desired, None).unwrap();
    assert_eq!(mine.tree.get("nixos/home.nix"), Some(&b"{ }"[..]));
    assert_eq!(mine.tree.get("nixos/flake.nix"), shipped.tree.get("nixos/flake.nix"));
    assert_eq!(mine.data.unwrap().time_zone, "Asia/Tokyo");
    assert_ne!(mine.revision, shipped.revision);
    fs::write(folder.join(DATA), "{ no }").unwrap();
    assert_eq!(gather(&store, &desired, None).unwrap_err().code, "config");
}

#[test]
fn a_folder_is_read_as_git_would() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    for (name, text) in [
        (".gitignore", "secret.env\nresult\n"),
        ("flake.nix", "{ }"),
        ("secret.env", "x"),
        ("result", "x"),
        (".hidden.nix", "{ }"),
        (".git/config", "x"),
        ("modules/a b.nix", "{ }"),
    ] {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), text).unwrap();
    }
    let tree = read_tree(home.path()).unwrap();
    assert_eq!(files(&tree), [".gitignore", ".hidden.nix", "flake.nix", "modules/a b.nix"]);
    let path = home.path().display();
    let source = gather(
        &Store::at("/nonexistent", "/nonexistent"),
        &desired(&format!("[machine.remote-dev]\nconfig = {{ directory = \"{path}\" }}\n")),
        None,
    );
    assert!(
        source.unwrap().tree.get("nixos/flake.nix").is_some(),
        "a flake at the top goes where flakes are"
    );

    fs::write(at("id_rsa"), "x").unwrap();
    let desired = desired(&format!("[machine.remote-dev]\nconfig = {{ directory = \"{path}\" }}\n"));
    let refused = gather(&Store::at("/nonexistent", "/nonexistent"), &desired, None).unwrap_err();
    assert!(refused.cause.unwrap().contains("id_rsa"));
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere_else() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("flake.nix"), "{ }").unwrap();
    std::os::unix::fs::symlink("flake.nix", home.path().join("other.nix")).unwrap();
    assert_eq!(read_tree(home.path()).unwrap().get("other.nix"), Some(&b"{ }"[..]));
    std::os::unix::fs::symlink("/etc/hostname", home.path().join("out.nix")).unwrap();
    assert!(read_tree(home.path()).unwrap_err().what.contains("out.nix"));
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let home = tempfile::tempdir().unwrap();
    let file = fs::File::create(home.path().join("large")).unwrap();
    file.set_len(MOST_BYTES + 1).unwrap();
    assert!(read_tree(home.path()).unwrap_err().cause.unwrap().contains("more than"));
}

/// The machine counts as this computer does: the real program, in a real shell, over what a real tar unpacked.
#[cfg(unix)]
#[test]
fn the_machine_counts_the_same() {
    let home = tempfile::tempdir().unwrap();
    let mut tree = Tree::shipped();
    for (name, body) in
        [("a b/c'd.nix", "x"), ("a/z", ""), ("a.b", "y"), ("ä/ö \" $(x)", "z"), ("-n", "n"), (".x", "q")]
    {
        tree.put(name, body);
    }
    let archive = home.path().join("archive");
    fs::write(&archive, pack(&tree).unwrap()).unwrap();
    assert_eq!(unpack(&fs::read(&archive).unwrap()).unwrap(), tree);
    let part = |from: &str, to: &str| {
        let (_, after) = script::MACHINE.split_once(from).unwrap();
        format!("{from}{}{to}", after.split_once(to).unwrap().0)
    };
    let functions = format!("{}\n{}", part("hash_of() {", "}\n"), part("sums_of() (", "\n)\n"));
    let line = format!("{functions}\nexport LC_ALL=C; mkdir t && tar -xf archive -C t && hash_of t");
    for shell in ["sh", "bash"] {
        let _ = fs::remove_dir_all(home.path().join("t"));
        let output = Command::new(shell).args(["-c", &line]).current_dir(home.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), tree.hash(), "{output:?}");
    }
}
