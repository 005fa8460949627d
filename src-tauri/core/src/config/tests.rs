use super::*;
use crate::settings::Settings;

fn desired() -> crate::machine::Desired {
    let login = "ada".parse().unwrap();
    Settings::parse("", Some(&login)).unwrap().machine(None).unwrap().clone()
}

#[test]
fn what_is_shipped_is_whole_and_may_be_placed() {
    let tree = Tree::shipped();
    tree.check("").unwrap();
    for (path, body) in tree.files() {
        assert!(!body.is_empty(), "{path}");
    }
    let lock = Lock::parse(tree.get(LOCK).unwrap()).unwrap();
    assert_eq!(lock.inputs().collect::<Vec<_>>(), ["claude-code", "home-manager", "nixpkgs"]);
    assert!(lock.nixpkgs().unwrap().starts_with("github:NixOS/nixpkgs/391b592e"));
    let data = MachineData::parse(include_bytes!("../../../../nixos/machine.json")).unwrap();
    assert_eq!(
        data.text().as_bytes(),
        include_bytes!("../../../../nixos/machine.json"),
        "as Holdfast writes it"
    );
    let mut wanted = MachineData::new(&desired(), "aarch64-linux");
    assert_eq!(wanted.host_name, "ada-remote-dev-machine");
    wanted.user = "dev".into();
    wanted.host_name = "dev-remote-dev-machine".into();
    assert_eq!(data, wanted, "the file in the repository has the defaults");
}

/// Every file of `nixos/` is in the list, so that none is forgotten; only the package of the app is for another computer.
#[test]
fn nothing_of_the_flake_is_left_out() {
    fn list(folder: &std::path::Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                list(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    list(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../nixos")), "", &mut found);
    found.retain(|name| name != DATA && !name.starts_with("app/"));
    found.sort();
    assert_eq!(SHIPPED.map(|(path, _)| path).to_vec(), found);
}

#[test]
fn a_user_changes_some_values_and_keeps_what_the_machine_has() {
    let data = MachineData::new(&desired(), "x86_64-linux");
    let mine = data.with(br#"{"timeZone": "Europe/Berlin", "locale": "de_DE.UTF-8"}"#).unwrap();
    assert_eq!((mine.time_zone.as_str(), mine.user.as_str()), ("Europe/Berlin", "ada"));
    let wrong: [(&[u8], &str); 12] = [
        (b"{", "EOF"),
        (br#"{"timezone": "UTC"}"#, "unknown field"),
        (br#"{"timeZone": "$(rm -rf /)"}"#, "time zone"),
        (br#"{"user": "root; x"}"#, "user"),
        (br#"{"hostName": "a_b"}"#, "host name"),
        (br#"{"uid": 0}"#, "from 1000"),
        (br#"{"system": "riscv64-linux"}"#, "aarch64-linux"),
        (br#"{"stateVersion": "newest"}"#, "release"),
        (br#"{"version": 2}"#, "version"),
        (br#"{"offAt": "24:00"}"#, "23:59"),
        (br#"{"offWhenIdle": 9}"#, "from 10 to 1440"),
        (br#"{"offWhenIdle": "45"}"#, "invalid type"),
    ];
    for (text, said) in wrong {
        let error = data.with(text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // As long as nothing of the kind is wanted, the file is as it was before there was such a thing.
    assert!(!data.text().contains("off"), "{}", data.text());
    let goes_off =
        crate::machine::Desired { off_at: "22:30".parse().ok(), off_when_idle: Some(45), ..desired() };
    let text = MachineData::new(&goes_off, "x86_64-linux").text();
    assert!(text.contains("\"offAt\": \"22:30\",\n  \"offWhenIdle\": 45,"), "{text}");
    assert_eq!(MachineData::parse(text.as_bytes()).map(|data| data.off_when_idle), Ok(Some(45)));

    let old = MachineData { state_version: "25.11".into(), uid: 1007, ..data.clone() };
    let kept = data.clone().kept(Some(&old), None);
    assert_eq!((kept.state_version.as_str(), kept.uid), ("25.11", 1007));
    assert_eq!(data.clone().kept(Some(&old), Some(1003)).uid, 1003, "what the user has in fact");
    assert_eq!(data.kept(None, Some(0)).uid, 1001);
    assert_eq!(MachineData::parse(kept.text().as_bytes()), Ok(kept));
}

#[test]
fn graviton_is_told_by_name() {
    let of = |name: &str| guess_system(&name.parse().unwrap());
    for arm in ["m8g.xlarge", "t4g.small", "c7gn.large", "g5g.xlarge", "x2gd.medium", "r8gd.metal-24xl"] {
        assert_eq!(of(arm), "aarch64-linux", "{arm}");
    }
    for x86 in ["m7i.large", "t3.micro", "g4dn.xlarge", "c7a.large", "m7i-flex.large", "p5.48xlarge"] {
        assert_eq!(of(x86), "x86_64-linux", "{x86}");
    }
}

#[test]
fn secrets_are_told_by_name() {
    for secret in [
        ".env",
        "a/.env.local",
        "ssh/id_ed25519",
        "certs/server.KEY",
        "x.pem",
        ".aws/config",
        ".netrc",
        "CREDENTIALS",
    ] {
        assert!(looks_secret(secret), "{secret}");
        let mut tree = Tree::shipped();
        tree.put(secret, "x");
        assert_eq!(tree.check(""), Err(NotPlaceable::Secret(secret.to_owned())));
    }
    for plain in [
        ".env.example",
        "id_ed25519.pub",
        "secrets.yaml",
        "secrets/db.age",
        "keyboard.nix",
        "environment.nix",
        "monkey",
    ] {
        assert!(!looks_secret(plain), "{plain}");
    }
}

#[test]
fn what_cannot_be_placed_is_refused() {
    let mut tree = Tree::default();
    assert_eq!(tree.check(""), Err(NotPlaceable::NoFlake));
    tree.put("flake.nix", "{}");
    assert_eq!((tree.check(""), tree.check("nixos")), (Ok(()), Err(NotPlaceable::NoFlake)));
    for name in ["../x", "/etc/passwd", "a\nb", "a\\b", "a/../b", "C:/x", "a:b", "a//b", "./a"] {
        let mut tree = tree.clone();
        tree.put(name, "x");
        assert_eq!(tree.check(""), Err(NotPlaceable::Name(name.to_owned())));
    }
    tree.put("large", vec![0; usize::try_from(MOST_BYTES).unwrap()]);
    assert!(matches!(tree.check(""), Err(NotPlaceable::TooLarge { files: 2, .. })));
}

#[test]
fn an_input_that_would_be_lowered_is_named() {
    let lock = |nixpkgs: u64, other: u64| {
        let text = format!(
            r#"{{"nodes":{{"root":{{"inputs":{{"nixpkgs":"nixpkgs_2","hm":"hm","f":["hm","nixpkgs"]}}}},
               "nixpkgs_2":{{"locked":{{"lastModified":{nixpkgs}}}}},"hm":{{"locked":{{"lastModified":{other}}}}}}},"root":"root","version":7}}"#
        );
        Lock::parse(text.as_bytes()).unwrap()
    };
    assert_eq!(lock(10, 10).lowered_by(&lock(11, 10)), []);
    let lowered = Lowered { input: "nixpkgs".into(), from: 10, to: 9 };
    assert_eq!(lock(10, 10).lowered_by(&lock(9, 12)), [lowered]);
    assert_eq!(Lock::parse(b"{}"), None);
}

#[test]
fn imports_that_are_not_covered_are_named() {
    let stock = "{ modulesPath, ... }:\n{\n  imports = [ \"${modulesPath}/virtualisation/amazon-image.nix\" ];\n  ec2.efi = true;\n}\n";
    assert_eq!(unknown_imports(stock), Some(vec![]));
    assert_eq!(
        unknown_imports("{ imports = [ <nixpkgs/nixos/modules/virtualisation/amazon-image.nix> ]; }"),
        Some(vec![])
    );
    let theirs = "{ # imports = [ ./no.nix ]\n imports = [ ./disk.nix (import ./x.nix { a = 1; }) /* ./gone.nix */ \"/etc/y z.nix\"\n\
                  \"${modulesPath}/virtualisation/amazon-image.nix\" ]; }";
    assert_eq!(
        unknown_imports(theirs),
        Some(vec!["./disk.nix".into(), "(import ./x.nix { a = 1; })".into(), "\"/etc/y z.nix\"".into()])
    );
    assert_eq!(unknown_imports("{ }"), None);
}
