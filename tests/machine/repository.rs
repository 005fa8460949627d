//! A private repository: a real git host that asks for a password, over TLS, and a real keyring that knows the token.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use crate::keyring::Keyring;
use crate::stage::Stage;

const TOKEN: &str = "glpat-0123456789abcdefghij";
const GIT: &str = "git -c user.name=b -c user.email=b@b";

/// The host, in the network of the machine.
struct Host {
    folder: tempfile::TempDir,
    child: Child,
    url: String,
}

impl Host {
    /// With a repository that holds what Holdfast writes for one.
    fn of(stage: &Stage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let made = shell(&format!(
            "cd {at} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=git.example.com -addext subjectAltName=DNS:git.example.com -keyout key -out certificate && \
             git init --quiet --bare -b main repos/conf.git && git -C repos/conf.git config http.receivepack true && \
             git clone --quiet repos/conf.git other"
        ));
        assert!(made.contains("ok"), "{made}");
        stage.holdfast(&format!("config eject {at}/other/nixos"));
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/machine/git_host.py");
        let network = format!("--net=/proc/{}/ns/net", stage.process_inside());
        let mut child = Command::new("nsenter")
            .args([network.as_str(), "python3"])
            .args([
                program,
                &format!("{at}/repos"),
                &format!("{at}/certificate"),
                &format!("{at}/key"),
                TOKEN,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let url = format!("https://git.example.com:{}/conf.git", port.trim());
        let certificate = std::fs::read_to_string(folder.path().join("certificate")).unwrap();
        stage.root(&format!(
            "echo 127.0.0.1 git.example.com >>/etc/hosts; echo '{certificate}' >/etc/ssl/host.pem; \
             git config --system http.sslCAInfo /etc/ssl/host.pem"
        ));
        let this = Self { folder, child, url };
        this.change("one");
        this
    }

    /// Somebody else makes a file and pushes it.
    fn add(&self, file: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join("other").join(file), text).unwrap();
        self.change("file")
    }

    /// Somebody else commits and pushes.
    fn change(&self, what: &str) -> String {
        let at = self.folder.path().display();
        let done = shell(&format!(
            "cd {at}/other && git pull --quiet origin main; echo '# {what}' >>nixos/home.nix && git checkout --quiet -B main && \
             {GIT} add -A && {GIT} commit --quiet -m {what} && git push --quiet origin main"
        ));
        assert!(done.contains("ok"), "{done}");
        shell(&format!("git -C {at}/other rev-parse --short=12 HEAD")).lines().next().unwrap().to_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shell(line: &str) -> String {
    let output = Command::new("sh").args(["-c", &format!("{line} && echo ok")]).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Stage {
    /// `holdfast` on a computer with this keyring: what it says, and how it ends.
    fn with_keyring(&self, keyring: &Keyring, line: &str, typed: &str) -> (String, Option<i32>) {
        let mut command = self.command(line);
        command.env("DBUS_SESSION_BUS_ADDRESS", keyring.address());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&text).into_owned(), output.status.code())
    }

    /// Where the token can be read on the machine: nowhere, once the job that had it is over.
    fn leaks(&self) -> String {
        self.root(&format!(
            "sleep 1; grep -rlF {TOKEN} /home /root /var/lib /var/log /etc /tmp /run 2>/dev/null; \
             journalctl -o cat --no-pager | grep -F {TOKEN}; ls -A /home/*/.holdfast-git* /root/.holdfast-git* 2>/dev/null"
        ))
    }
}

#[test]
fn a_private_repository_is_had_with_a_token_that_nobody_else_hears_of() {
    let Some(stage) = Stage::stock() else { return };
    let (keyring, host) = (Keyring::unlocked(), Host::of(&stage));
    let settings = format!("[machine.remote-dev]\nconfig = {{ git = \"{}\" }}\n", host.url);
    std::fs::write(stage.home().join("config/settings.toml"), settings).unwrap();

    // Without a token the host does not let it in, and the machine is as it was.
    let (text, code) = stage.with_keyring(&keyring, "up --yes", "");
    assert!(code == Some(1) && text.contains("does not let the machine in"), "{text}");
    assert!(text.contains("holdfast config token"), "{text}");

    // With one it comes to a machine that has no user yet, and no home; also when the first build of it fails.
    assert_eq!(stage.with_keyring(&keyring, "config token", TOKEN).1, Some(0));
    host.add("nixos/stand-in.sh", "build() { echo 'error: no'; return 1; }");
    let (text, code) = stage.with_keyring(&keyring, "up --yes", "");
    assert!(code == Some(1) && text.contains("A build failed"), "{text}");
    assert_eq!(stage.leaks(), "");
    let head = host.add("nixos/stand-in.sh", "");
    let (text, code) = stage.with_keyring(&keyring, "up --yes", "");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(stage.leaks(), "");
    let (text, _) = stage.with_keyring(&keyring, "config status", "");
    assert!(text.contains(&format!("runs   {head}, ")) && text.contains("runs that"), "{text}");
    assert_eq!(stage.root("stat -c %U /home/ada/remote-dev/.git/HEAD"), "ada");

    // A helper of the user's own is told nothing of it, and the arguments of all processes neither.
    stage.root("sudo -Hu ada git config --global credential.helper store");
    stage.root(&format!(
        "echo {TOKEN} >/root/pattern; echo 'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr \"\\0\" \"\\n\"; done | \
         grep --text --max-count=1 --only-matching --fixed-strings --file=/root/pattern >/root/seen' >/root/watch.sh"
    ));
    stage.root("systemd-run --quiet --unit=watch sh /root/watch.sh");
    let head = host.change("two");
    let (text, _) = stage.with_keyring(&keyring, "config status", "");
    assert!(text.contains(&format!("there  {head}")) && text.contains("is behind"), "{text}");
    let (text, code) = stage.with_keyring(&keyring, "rebuild --update", "");
    assert_eq!(code, Some(0), "{text}");
    let pushed = shell(&format!("git -C {}/repos/conf.git log --format=%s", host.folder.path().display()));
    assert!(pushed.starts_with("flake.lock: update\ntwo\n"), "{pushed}");
    assert_eq!(stage.root("cat /root/seen"), "");
    // It would have been seen.
    stage.root(&format!(": {TOKEN}; sleep 3; rm /root/pattern"));
    assert!(stage.root("cat /root/seen; rm /root/seen").starts_with(TOKEN));
    assert_eq!(stage.leaks(), "");
    let (text, _) = stage.with_keyring(&keyring, "config status", "");
    assert!(text.contains("runs that"), "{text}");

    // What was changed there is said to be there alone; a keyring that is gone keeps nobody from what needs no token.
    stage.root("echo '# mine' >>/home/ada/remote-dev/nixos/configuration.nix");
    let (text, _) = stage.with_keyring(&keyring, "config status", "");
    assert!(text.contains("on the machine alone"), "{text}");
    let (text, code) = stage.with_keyring(&Keyring::absent(), "rebuild --local", "");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(stage.leaks(), "");

    // Not in the middle of a job that ends there, and not where another one is in the way.
    let slow = "build() { i=0; while [ $i -lt 300 ]; do i=$((i+1)); sleep 0.1; done; }";
    host.add("nixos/stand-in.sh", slow);
    stage.root("cd /home/ada/remote-dev && sudo -u ada git checkout --quiet nixos");
    let (id, code) = stage.with_keyring(&keyring, "rebuild --detach", "");
    assert_eq!(code, Some(0), "{id}");
    let (text, code) = stage.with_keyring(&keyring, "rebuild", "");
    assert!(code == Some(3) && text.contains("Another job runs"), "{text}");
    assert_eq!(stage.leaks(), "");
    stage.holdfast(&format!("job cancel {}", id.lines().find(|line| line.len() == 19).unwrap()));
    assert_eq!(stage.leaks(), "");

    // A clone of another repository is not asked, and its host is told nothing.
    stage.root("sudo -u ada git -C /home/ada/remote-dev config remote.origin.url http://127.0.0.1:1/x.git");
    let (text, _) = stage.with_keyring(&keyring, "config status", "");
    assert!(text.contains("another repository"), "{text}");
    stage.root(&format!("sudo -u ada git -C /home/ada/remote-dev config remote.origin.url {}", host.url));
    host.add("nixos/stand-in.sh", "");

    let mut command = stage.command("rebuild");
    stage.root("cd /home/ada/remote-dev && sudo -u ada git checkout --quiet nixos");
    let output = command.env("HOLDFAST_GIT_TOKEN", TOKEN).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stage.leaks(), "");
}
