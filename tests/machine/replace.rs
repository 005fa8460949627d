//! A home goes over to another machine, from a copy of the disk that it was on.

use std::process::Stdio;
use std::time::{Duration, Instant};

use holdfast_core::jobs::Carrying;
use holdfast_core::names::SnapshotId;
use holdfast_sandbox::guest::{Disk, State};
use holdfast_sandbox::{Source, Storage};

use crate::eventually;
use crate::stage::Stage;

/// What a home may hold.
const HOME: &str = r#"
mkdir -p /home/ada/work && cd /home/ada/work && umask 022
head -c 3M /dev/urandom >data; chmod 640 data; ln data linked; ln -s data symbolic; ln -s /nowhere broken
mkdir -p "a b/c" && printf 'x\n' >"a b/c/with
newline"; printf x >'quote'\''s'; : >empty; chmod 000 empty
truncate -s 200M sparse; printf end | dd of=sparse bs=1 seek=100M conv=notrunc 2>/dev/null
setfattr -n user.note -v kept data; setfacl -m u:4321:rw data; setfacl -d -m g:4321:rx "a b"
mkfifo pipe; touch -d '2001-02-03 04:05:06.789' data
chmod 2750 "a b"; chown -hR --reference=/home/ada /home/ada/work
mkdir /home/.hidden && echo of-nobody >/home/.hidden/file && chown 4321:8765 /home/.hidden/file
mkdir -p /home/ssm-user && echo mine >/home/ssm-user/own
sync
"#;
/// All of it, as what it is.
const LIST: &str = r#"cd /home && {
find ada/work .hidden -printf '%y %m %U %G %n %l %p\n' | grep -v '^d'
find ada/work .hidden -type d -printf '%m %U %G %p\n'
find ada/work .hidden -type f -printf '%s %T@ ' -exec sha256sum {} ';'
getfacl -Rn ada/work .hidden; getfattr -R -d -m - ada/work .hidden
} 2>/dev/null | sort"#;

impl Stage {
    /// The instance that is the machine now, and the one that it was.
    fn follow_the_machine(&mut self) -> String {
        let before = std::mem::take(&mut self.instance);
        self.instance = self.json("status --json")["instance"]["id"].as_str().unwrap().to_owned();
        before
    }

    /// Runs the machine's program.
    fn order(&self, words: &str) -> Result<Carrying, String> {
        let line = format!("sh /var/lib/holdfast/bin/machine {words}");
        let output = self.guests().exec_root(&self.instance, &["sh", "-c", &line]).unwrap();
        let said = format!("{output:?}");
        Carrying::parse(&output.stdout, &snapshot()).map_err(|_| said)
    }

    /// A volume with what is on this machine's disk now, as AWS would attach it.
    fn attach_copy(&self) -> &'static str {
        let volume = "vol-0123456789abcdef0";
        let (id, instance) = (|| volume.to_owned(), self.instance.clone());
        let of = Source::Root(instance.clone());
        for event in [
            Storage::Taken { snapshot: snapshot().to_string(), of },
            Storage::Created { volume: id(), gib: 3, snapshot: Some(snapshot().to_string()) },
            Storage::Attached { volume: id(), instance, root: false },
        ] {
            self.guests().storage(&event).unwrap();
        }
        volume
    }

    /// How often it was killed before it came to its end.
    fn killed_again_and_again(&self, line: &str) -> u32 {
        for kills in 0..40 {
            let mut command = self.command(line);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let until = Instant::now() + Duration::from_millis(400 * u64::from(kills + 1));
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(20));
            }
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                child.wait().unwrap();
                continue;
            }
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // Killed after its end and before it said so, it has nothing left to do, or says what it has done.
            let over = ["is still kept", "No instance is kept"].iter().any(|end| said.contains(end));
            assert!(output.status.success() || (kills > 0 && over), "{line}: {said}");
            return kills;
        }
        panic!("{line}: it never comes to its end");
    }

    fn wait_for_the_end(&self) -> Carrying {
        let mut last = Err(String::new());
        eventually(
            "end of it",
            || {
                last = self.order("carry state");
                !matches!(last, Ok(Carrying::Running { .. }))
            },
            || self.root("journalctl -b -n 30 -o cat -u holdfast-carry; cat /var/lib/holdfast/carry/*"),
        );
        last.unwrap()
    }
}

fn snapshot() -> SnapshotId {
    "snap-0123456789abcdef0".parse().unwrap()
}

#[test]
fn a_home_survives_its_machine() {
    let Some(mut stage) = Stage::on_disk(Disk::new(3)) else { return };
    stage.holdfast("rebuild --yes");
    stage.root(HOME);
    let home = stage.root(LIST);
    assert!(home.contains("user.note=\"kept\"") && home.contains("user:4321:rw-"), "{home}");

    stage.holdfast("settings set instance_type m7i.xlarge");
    let (told, code) = stage.told("replace --yes");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("take the place of") && told.contains("replace --let-go"), "{told}");
    let old = stage.follow_the_machine();
    assert_ne!(stage.instance, old);
    assert_eq!(stage.guests().state(&old), State::Off);
    assert_eq!(stage.root(LIST), home);
    assert_eq!(stage.root("cat /home/ssm-user/own 2>/dev/null"), "", "it is of the old machine's image");
    assert_eq!(stage.root("ls /dev/disk/by-id 2>/dev/null"), "", "a copy is still attached");

    // Whoever replaces it once more has to let the old one go first.
    let (told, code) = stage.told("replace --yes");
    assert!(code == Some(3) && told.contains("still kept"), "{told}");
    stage.root("echo new >/home/ada/new");
    let listed = stage.holdfast("snapshot list");
    assert!(listed.contains("last state of a volume"), "{listed}");

    // Back, with what was there before.
    stage.holdfast("replace --back --yes");
    stage.holdfast("start --yes");
    let new = stage.follow_the_machine();
    assert_eq!(stage.instance, old);
    assert_ne!(new, old);
    stage.wait_until_reachable();
    assert_eq!(stage.root(LIST), home);

    // And from the snapshot, to a machine beside it.
    let taken = stage.holdfast("snapshot create --yes");
    // On the machine: it stands still while the snapshot is taken, and who comes from outside does not.
    stage.holdfast("exec -- sudo rm -rf /home/ada/work");
    let (told, code) = stage.told(&format!("snapshot restore {} --yes", taken.trim()));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("take the place of"), "{told}");
    let before = stage.follow_the_machine();
    assert_ne!(stage.instance, before);
    assert_eq!(stage.root(LIST), home, "{told}");
    stage.holdfast("replace --let-go --yes");
    stage.holdfast("destroy --yes");
}

/// Each operation is begun, and killed a little later each time, until it comes to its end: what is on the disk is what was there.
#[test]
fn data_survives_a_program_that_is_killed_again_and_again() {
    let Some(mut stage) = Stage::on_disk(Disk::new(3)) else { return };
    stage.holdfast("rebuild --yes");
    stage.root(HOME);
    let home = stage.root(LIST);
    let taken = stage.holdfast("snapshot create --yes");
    let restore = format!("snapshot restore {} --yes", taken.trim());
    let mut kills = 0;
    for line in ["resize --type m8g.2xlarge --yes", "replace --yes", "replace --let-go --yes", &restore] {
        kills += stage.killed_again_and_again(line);
        stage.holdfast("start --yes");
        stage.follow_the_machine();
        stage.wait_until_reachable();
        assert_eq!(stage.root(LIST), home, "{line}");
    }
    let world = stage.sandbox.world();
    let regions = || world.accounts.values().flat_map(|account| account.regions.values());
    let alive = regions().flat_map(|r| r.instances.values()).filter(|i| i.terminated.is_none()).count();
    assert_eq!(alive, 2, "the machine, and the one that is kept since the restore");
    stage.holdfast("replace --let-go --yes");
    stage.holdfast("destroy --yes");
    let world = stage.sandbox.world();
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    assert_eq!(regions.map(|region| region.volumes.len()).sum::<usize>(), 0, "a volume is left");
    println!("{kills} times killed in four operations");
}

#[test]
fn whatever_interrupts_it_the_home_arrives() {
    let Some(stage) = Stage::on_disk(Disk::new(3)) else { return };
    stage.root(HOME);
    let home = stage.root(LIST);
    // Another disk with the same names: a copy of this one, as AWS would attach it.
    let volume = stage.attach_copy();
    stage.root("mv /home/ada /home/moved; mkdir /home/ada; echo of-another-time >/home/ada/file");
    let start = format!("carry start {volume} {}", snapshot());

    let mut cases = 0;
    for phase in ["device", "check", "copy", "verify"] {
        stage.root("rm -f /var/lib/holdfast/carry/snapshot");
        stage.order(&start).unwrap();
        let at = || stage.root("cat /var/lib/holdfast/carry/phase");
        eventually("phase", || at() == phase || at() == "verify", at);
        stage.root("systemctl kill --signal=KILL holdfast-carry");
        eventually("death", || !matches!(stage.order("carry state"), Ok(Carrying::Running { .. })), at);
        cases += 1;
        stage.order(&start).unwrap();
        let end = stage.wait_for_the_end();
        assert!(matches!(end, Carrying::Done { files: 7.., .. }), "{phase}: {end:?}");
        assert_eq!(stage.root(LIST), home, "{phase}");
    }
    println!("{cases} interruptions");
    // What was in its place is kept, and what is done is not done again.
    assert_eq!(stage.root("cat /home/.before-*-ada/file"), "of-another-time");
    stage.root("echo mine >/home/ada/mine");
    assert!(matches!(stage.order(&start), Ok(Carrying::Done { .. })));
    assert_eq!(stage.root("cat /home/ada/mine"), "mine");
    // The copy does not answer to this machine's names any more.
    let labels = "for d in /dev/disk/by-id/*; do blkid -p -o value -s LABEL $d; done";
    assert!(stage.root(labels).contains("holdfast-copy"), "{}", stage.root(labels));

    // What does not fit is not begun, and what is not there is said.
    stage.root("rm /var/lib/holdfast/carry/snapshot; dd if=/dev/zero of=/filler bs=1M 2>/dev/null; rm -rf /home/ada /home/moved");
    stage.order(&start).unwrap();
    let end = stage.wait_for_the_end();
    assert!(matches!(&end, Carrying::Failed { why } if why.contains("do not fit")), "{end:?}");
}
