//! The packages as a user meets them: the .deb is installed in a clean Debian, started and removed. Without root and what
//! `./dev test` makes for it, it says that it is skipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::desktop::{Desktop, eventually, well};
use crate::tray_host::Tray;

/// What both packages hold beside the manual pages, one for each command; completions for zsh differ.
const FILES: [&str; 9] = [
    "/usr/bin/holdfast",
    "/usr/bin/holdfast-desktop",
    "/usr/share/applications/Holdfast.desktop",
    "/usr/share/bash-completion/completions/holdfast",
    "/usr/share/fish/vendor_completions.d/holdfast.fish",
    "/usr/share/icons/hicolor/128x128/apps/holdfast-desktop.png",
    "/usr/share/icons/hicolor/32x32/apps/holdfast-desktop.png",
    "/usr/share/icons/hicolor/512x512/apps/holdfast-desktop.png",
    "/usr/share/metainfo/dev.holdfast.desktop.metainfo.xml",
];

/// The folder with the packages, and a clean Debian.
fn given() -> Option<(PathBuf, PathBuf)> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let given = path("HOLDFAST_PACKAGES").zip(path("HOLDFAST_CLEAN_TREE"));
    let given = given.filter(|_| rustix::process::geteuid().is_root());
    if given.is_none() {
        println!(
            "skipped: it needs root, HOLDFAST_PACKAGES and HOLDFAST_CLEAN_TREE, as ./dev test sets them"
        );
    }
    given
}

/// The one package of a kind.
fn package(packages: &Path, kind: &str) -> PathBuf {
    let all = std::fs::read_dir(packages.join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut all = all.filter(|path| path.extension().is_some_and(|extension| extension == kind));
    all.next().unwrap()
}

/// A copy of the clean Debian. Its programs see this computer's network, temporary files and processes of their own alone.
struct Debian {
    tree: tempfile::TempDir,
    archives: PathBuf,
}

impl Debian {
    fn new(clean: &Path) -> Self {
        let tree = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"]).arg(clean.join(".")).arg(tree.path());
        well(copy.output().unwrap());
        std::fs::copy("/etc/resolv.conf", tree.path().join("etc/resolv.conf")).unwrap();
        Self { tree, archives: clean.with_added_extension("archives") }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.tree.path().join(inside.trim_start_matches('/'))
    }

    /// Has this command run in the tree, with its arguments and variables.
    fn inside(&self, command: &Command) -> Command {
        const ENTER: &str = r#"mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --bind /tmp "$0/tmp" &&
            mount --bind "$1" "$0/var/cache/apt/archives" && shift && exec chroot "$0" "$@""#;
        let mut all = Command::new("unshare");
        all.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER]).arg(self.tree.path());
        all.arg(&self.archives).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        all.env_clear();
        all.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        all.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        all
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
        self.inside(&command).output().unwrap()
    }

    fn apt(&self, arguments: &[&str]) -> Output {
        let options = [
            "Acquire::Check-Valid-Until=false",
            "Acquire::Check-Date=false",
            "APT::Sandbox::User=root",
            "APT::Install-Recommends=false",
            "APT::Keep-Downloaded-Packages=true",
            "Dpkg::Options::=--force-unsafe-io",
        ];
        let options = options.iter().flat_map(|option| ["-o", option]);
        self.run("apt-get", &options.chain(["--yes"]).chain(arguments.iter().copied()).collect::<Vec<_>>())
    }

    /// Every file that has our name, or lies in a folder that has it.
    fn ours(&self) -> Vec<String> {
        let find =
            ["/", "-xdev", "(", "-path", "/tmp", "-prune", ")", "-o", "-iname", "*holdfast*", "-print"];
        let mut found: Vec<_> = well(self.run("find", &find)).lines().map(str::to_owned).collect();
        found.sort();
        found
    }
}

#[test]
fn the_deb_is_installed_started_and_removed_in_a_clean_debian() {
    let Some((packages, clean)) = given() else { return };
    let debian = Debian::new(&clean);
    assert_eq!(debian.ours(), [""; 0]);

    // What it depends on is all that is installed with it.
    std::fs::copy(package(&packages, "deb"), debian.path("/root/package.deb")).unwrap();
    well(debian.apt(&["update"]));
    well(debian.apt(&["install", "/root/package.deb"]));
    std::fs::remove_file(debian.path("/root/package.deb")).unwrap();
    for program in ["/usr/bin/holdfast", "/usr/bin/holdfast-desktop"] {
        let libraries = well(debian.run("ldd", &[program]));
        assert!(!libraries.contains("not found"), "{libraries}");
    }

    // All that belongs to it is there, and is what it should be.
    let listed = well(debian.run("dpkg-query", &["--listfiles", "holdfast"]));
    let listed: BTreeSet<&str> = listed.lines().collect();
    let more = [
        "/usr/share/zsh/vendor-completions/_holdfast",
        "/usr/share/man/man1/holdfast.1.gz",
        "/usr/share/man/man1/holdfast-config-edit.1.gz",
        "/usr/share/man/man1/holdfast-desktop.1.gz",
        "/usr/share/doc/holdfast/copyright",
        "/usr/share/doc/holdfast/changelog.gz",
    ];
    for file in FILES.iter().chain(&more) {
        assert!(listed.contains(file), "{file} is missing: {listed:?}");
        assert!(debian.path(file).is_file(), "{file}");
    }
    accepted("desktop-file-validate", &[], &[debian.path(FILES[2])]);
    accepted("appstreamcli", &["validate", "--no-net"], &[debian.path(FILES[8])]);
    let pages = listed.iter().filter(|file| file.ends_with(".1.gz")).map(|file| debian.path(file));
    const EACH: &str = r#"for page; do gzip -dc "$page" | mandoc -T lint -W error || exit 1; done"#;
    accepted("sh", &["-c", EACH, "sh"], &pages.collect::<Vec<_>>());

    starts(&debian);

    well(debian.apt(&["purge", "holdfast"]));
    assert_eq!(debian.ours(), [""; 0], "nothing is left of it");
    for file in listed.iter().filter(|file| file.contains("oldfast")) {
        assert!(!debian.path(file).exists(), "{file} is left");
    }
}

/// Has a program of this computer look at these files.
#[track_caller]
fn accepted(program: &str, arguments: &[&str], files: &[PathBuf]) {
    let output = Command::new(program).args(arguments).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Starts both programs as they were installed; the app on a desktop, which it leaves by its own tray.
fn starts(debian: &Debian) {
    let mut desktop = Desktop::with_bus();
    let holdfast =
        |arguments: &[&str]| debian.inside(desktop.command("holdfast").args(arguments)).output().unwrap();
    let version = format!("holdfast {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(well(holdfast(&["--version"])), version);
    let completions = well(holdfast(&["completions", "bash"]));
    assert_eq!(std::fs::read_to_string(debian.path(FILES[3])).unwrap(), completions);
    let report = holdfast(&["doctor", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap_or_default();
    assert_eq!(answer["version"], 1, "{report:?}");
    // What it says of the tree, and not of this computer.
    assert!(!answer.to_string().contains("certificates"), "{answer}");

    let tray = Tray::on(&desktop);
    let mut app = debian.inside(&desktop.command("holdfast-desktop"));
    desktop.start(app.stdout(Stdio::null()));
    let app = desktop.children.len() - 1;
    let entry = std::fs::read_to_string(debian.path(FILES[2])).unwrap();
    let class = entry.lines().find_map(|line| line.strip_prefix("StartupWMClass=")).unwrap();
    eventually("the window", || desktop.windows("--class", &format!("^{class}$")).pop());
    tray.wait_for("Set up remote-dev…");
    desktop.picture("package");
    tray.click("Quit Holdfast");
    assert_eq!(eventually("the end of the app", || desktop.ended(app)), 0);
}

#[test]
fn the_rpm_holds_the_same() {
    let Some((packages, _)) = given() else { return };
    let rpm = package(&packages, "rpm");
    let ask = |question: &str| {
        let answer =
            well(Command::new("rpm").args(["--query", "--package", question]).arg(&rpm).output().unwrap());
        answer.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let listed = ask("--list");
    let more = [
        "/usr/share/zsh/site-functions/_holdfast",
        "/usr/share/man/man1/holdfast.1.gz",
        "/usr/share/man/man1/holdfast-desktop.1.gz",
        "/usr/share/licenses/holdfast/LICENSE-MIT",
        "/usr/share/licenses/holdfast/LICENSE-APACHE",
    ];
    for file in FILES.iter().chain(&more) {
        assert!(listed.contains(*file), "{file} is missing: {listed:?}");
    }
    // By the names of the libraries, which are the same on Fedora and openSUSE, as those of the packages are not.
    let required = ask("--requires");
    let libraries =
        ["libwebkit2gtk-4.1.so.0", "libgtk-3.so.0", "libdbus-1.so.3", "libayatana-appindicator3.so.1"];
    for library in libraries {
        assert!(required.contains(&format!("{library}()(64bit)")), "{library}: {required:?}");
    }
}
