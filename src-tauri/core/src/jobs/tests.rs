use proptest::prelude::*;

use super::*;

#[test]
fn a_state_is_read_and_what_is_cut_off_is_refused() {
    let answer = "now=1000\ngeneration=7\ncurrent=/nix/store/x\ntrial_number=7\ntrial_state=trial\ntrial_boot=waits\n\
                  trial_previous_number=6\ntrial_job=0000001000-0000002a\nrevision=embedded 12\u{1b}[2J\n\n\
                  job=0000001000-0000002a\nkind=rebuild\naction=boot\nby=ada@laptop\nbegan=900\nphase=build\n\n\
                  job=0000000900-0000002a\nkind=rollback\naction=switch\nbegan=800\nended=850\noutcome=rolled_back\nwhy=no\n\nend\n";
    let state = MachineState::parse(answer.as_bytes()).unwrap();
    assert_eq!(state.revision.as_deref(), Some("embedded 12 [2J"));
    assert_eq!((state.generation, state.good), (Some(7), false));
    let trial = state.trial.clone().unwrap();
    assert_eq!(
        (trial.number, trial.previous, trial.switching, trial.waits_for_boot),
        (7, Some(6), false, true)
    );
    assert_eq!(state.running().map(|job| job.stage), Some(Some(Stage::Build)));
    assert_eq!(state.jobs[1].outcome, Some(Outcome::RolledBack));
    assert!(state.jobs[1].is_rollback);
    for cut in 0..answer.len() - 4 {
        assert_eq!(MachineState::parse(&answer.as_bytes()[..cut]), Err(Garbled), "{cut}");
    }
}

#[test]
fn an_order_cannot_smuggle_lines() {
    let order = Order {
        id: JobId::new(1, 2),
        nonce: "n".into(),
        work: Work::Rebuild {
            flake: "path:/home/ada/remote-dev/nixos#remote-dev".into(),
            tree: "/home/ada/remote-dev/nixos".into(),
            folder: "/home/ada/remote-dev".into(),
            revision: "one\ntwo".into(),
            update: Some(String::new()),
            git: None,
        },
        action: Action::Switch,
        again: true,
        by: "ada\u{202e}@x\ny".into(),
        user: "ada".into(),
        region: "us-west-2".into(),
        patience: 120,
    };
    let words = order.words();
    assert_eq!(words[..2], ["start", "0000000001-00000002"]);
    for word in ["revision=one two", "update=", "by=ada@x y", "again=1", "kind=rebuild", "action=switch"] {
        assert!(words.contains(&word.to_owned()), "{word}: {words:?}");
    }
}

#[test]
fn a_job_has_a_narrow_name() {
    for wrong in ["", "-x", "a/b", "A", "a b", "a\n", &"x".repeat(41)] {
        assert!(wrong.parse::<JobId>().is_err(), "{wrong:?}");
    }
    assert!(JobId::new(1_800_000_000, 7).as_str().parse::<JobId>().is_ok());
}

fn steps(lines: &[&str]) -> Vec<String> {
    let mut progress = Progress::new("n");
    let mut seen: Vec<String> = Vec::new();
    for line in lines {
        progress.feed(line);
        let now = progress.step().words();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    seen
}

#[test]
fn the_log_says_where_a_job_is() {
    let log = [
        "holdfast;n;phase;build",
        "building the system configuration...",
        "this derivation will be built:",
        "  /nix/store/aaa-x.drv",
        "these 2 paths will be fetched (1.0 MiB download, 4.0 MiB unpacked):",
        "  /nix/store/bbb",
        "copying path '/nix/store/bbb' from 'https://cache.nixos.org'...",
        "copying path '/nix/store/ccc' from 'https://cache.nixos.org'...",
        "building '/nix/store/aaa-x.drv'...",
        "holdfast;other;phase;rollback",
        "holdfast;n;phase;activate",
        "building '/nix/store/zzz.drv'...",
        "holdfast;n;phase;check",
        "holdfast;n;end;ok",
    ];
    let expected = [
        "evaluating",
        "fetching 1 of 2",
        "fetching 2 of 2",
        "building 1 of 1",
        "switching",
        "checking the way in",
    ];
    assert_eq!(steps(&log), expected);
}

#[test]
fn what_failed_is_told_apart() {
    let cases: &[(&[&str], Ailment)] = &[
        (
            &[
                "error: syntax error, unexpected '}', expecting ';'",
                "       at /nix/store/x/configuration.nix:3:1:",
            ],
            Ailment::Syntax,
        ),
        (
            &[
                "error:",
                "       … while evaluating the attribute 'config'",
                "       error: undefined variable 'pkg'",
            ],
            Ailment::Evaluation,
        ),
        (
            &["error: flake 'path:/home/ada' does not provide attribute 'nixosConfigurations.x'"],
            Ailment::Attribute,
        ),
        (
            &[
                "error: a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux' with features {}",
            ],
            Ailment::WrongSystem,
        ),
        (
            &[
                "error: Cannot build '/nix/store/x.drv'.",
                "       Reason: required system or feature not available",
                "       Required system: 'aarch64-linux' with features {}",
            ],
            Ailment::WrongSystem,
        ),
        (
            &[
                "error: writing to file: No space left on device",
                "error: builder for '/nix/store/x.drv' failed",
            ],
            Ailment::Space,
        ),
        (
            &[
                "error: builder for '/nix/store/x.drv' failed with exit code 1;",
                "> cp: No space left on device",
            ],
            Ailment::Space,
        ),
        (&["error: unable to download 'https://x/y': Couldn't resolve host name (6)"], Ailment::Fetch),
        (&["error: builder for '/nix/store/x.drv' failed due to signal 9 (Killed);"], Ailment::Memory),
        (&["error: builder for '/nix/store/x.drv' failed with exit code 2;"], Ailment::Build),
        (&["error: repository path '/home/ada/remote-dev' is not owned by current user"], Ailment::Ownership),
        (&["all is well", "bye"], Ailment::Other),
        (&["> tests failed with error: 3"], Ailment::Other),
    ];
    for (lines, ailment) in cases {
        let mut diagnosis = Diagnosis::default();
        diagnosis.line("copying path '/nix/store/x' from 'https://cache.nixos.org'...");
        lines.iter().for_each(|line| diagnosis.line(line));
        assert_eq!(diagnosis.ailment(), *ailment, "{lines:?}");
        if *ailment != Ailment::Other {
            assert_eq!(diagnosis.lines(), *lines, "the lines that matter");
        }
    }
}

#[test]
fn generations_come_newest_first() {
    let answer = b"generation=9\nmade=5\nversion=26.05\nsize=123\nkernel=6.12.1\nrevision=x\ngood=1\n\n\
                   generation=10\nmade=6\ncurrent=1\nbooted=1\ntrial=1\n\nend\n";
    let all = generations(answer).unwrap();
    assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [10, 9]);
    assert!(all[0].current && all[0].booted && all[0].trial && !all[0].good && all[1].good);
    assert_eq!(generations(&answer[..answer.len() - 3]), Err(Garbled));
}

#[test]
fn an_overview_is_three_answers_and_what_is_cut_off_is_refused() {
    let hash = "a".repeat(64);
    let answer = format!(
        "now=1000\ngeneration=10\nrevision=embedded 12\n\njob=1-2\nkind=rebuild\naction=switch\nbegan=9\n\nend\n\
         generation=9\nmade=5\n\ngeneration=10\nmade=6\ncurrent=1\n\nend\n\
         placed={hash}\nfound={hash}\nsystem=aarch64-linux\nuid=1001\n\njob=1-2\nkind=rebuild\nbegan=9\n\nend\n"
    );
    let overview = Overview::parse(answer.as_bytes()).unwrap();
    assert_eq!(overview.state.running().map(|job| job.began), Some(9));
    assert_eq!(overview.generations.iter().map(|one| one.number).collect::<Vec<_>>(), [10, 9]);
    assert_eq!((overview.placed.uid, overview.placed.is_edited()), (Some(1001), false));
    assert!(overview.placed.running.is_some());
    for cut in 0..answer.len() - 4 {
        assert_eq!(Overview::parse(&answer.as_bytes()[..cut]), Err(Garbled), "{cut}");
    }
    let none = Overview::parse(b"now=1\n\nend\nend\nsystem=x\n\nend\n").unwrap();
    assert!(none.generations.is_empty(), "an image keeps none");
}

#[test]
fn what_runs_is_measured_by_what_is_here() {
    let here = Here { revision: "embedded 9f8e".to_owned(), hash: "h".repeat(64) };
    let placed = |placed: &str, found: &str| {
        let hash = |word: &str| (!word.is_empty()).then(|| word.repeat(64));
        Placed { placed: hash(placed), found: hash(found), ..Placed::default() }
    };
    let table = [
        (Some("embedded 9f8e"), placed("h", "h"), Standing::UpToDate),
        (Some("embedded 1a2b"), placed("h", "h"), Standing::Behind),
        (Some("embedded 1a2b"), placed("o", "o"), Standing::Behind),
        // Put there, and gone since: a rebuild puts it there again.
        (Some("embedded 9f8e"), placed("h", ""), Standing::UpToDate),
        (Some("embedded 9f8e"), placed("h", "x"), Standing::EditedThere),
        (Some("embedded 1a2b"), placed("o", "x"), Standing::EditedThere),
        // Changed alike on both sides.
        (Some("embedded 1a2b"), placed("o", "h"), Standing::Behind),
        (None, placed("", ""), Standing::NotHoldfasts),
        (None, placed("h", "h"), Standing::NotHoldfasts),
        (None, placed("", "x"), Standing::EditedThere),
    ];
    for (runs, placed, standing) in table {
        let declared = Declared::Here(here.clone());
        assert_eq!(Standing::of(runs, &placed, &declared), standing, "{runs:?} {placed:?}");
    }
    let checkout = |remote: &str, dirty: bool| Checkout {
        head: Some("1a2b".repeat(10)),
        is_dirty: dirty,
        remote: (!remote.is_empty()).then(|| remote.repeat(10)),
        ..Checkout::default()
    };
    for (runs, checkout, standing) in [
        (Some("1a2b1a2b1a2b"), checkout("1a2b", false), Standing::UpToDate),
        (Some("1a2b1a2b1a2b"), checkout("9f8e", false), Standing::Behind),
        (Some("1a2b1a2b1a2b+dirty"), checkout("9f8e", true), Standing::EditedThere),
        (Some("1a2b1a2b1a2b+dirty"), checkout("1a2b", false), Standing::Behind),
        (Some("1a2b1a2b1a2b"), Checkout { is_other: true, ..Checkout::default() }, Standing::EditedThere),
        (Some("1a2b1a2b1a2b"), checkout("", false), Standing::Unknown),
        (Some("embedded 1a2b"), checkout("1a2b", false), Standing::Behind),
        (None, checkout("1a2b", true), Standing::NotHoldfasts),
    ] {
        let declared = Declared::Repository(checkout);
        assert_eq!(Standing::of(runs, &Placed::default(), &declared), standing, "{runs:?} {declared:?}");
    }
}

#[test]
fn a_log_is_kept_within_its_bounds() {
    let mut log = LogBuffer::default();
    for n in 0..250_000 {
        log.push(&format!("\u{1b}[1mline {n}\u{1b}[0m"));
    }
    assert_eq!((log.count(), log.dropped()), (250_000, 50_000));
    assert_eq!(log.lines().count(), LogBuffer::LINES);
    assert_eq!(log.lines().next(), Some("\u{1b}[1mline 50000\u{1b}[0m"));
    let long = "x".repeat(1 << 20);
    for _ in 0..5000 {
        log.push(&long);
    }
    let bytes = |log: &LogBuffer| log.lines().map(str::len).sum::<usize>();
    assert_eq!(log.count(), 255_000);
    assert!(bytes(&log) <= LogBuffer::BYTES && bytes(&log) > LogBuffer::BYTES - (16 << 10));
    assert!(log.lines().all(|line| line.len() <= 16 << 10));
    // What it takes is counted also where lines are handed on.
    let mut other = LogBuffer::default();
    other.push("before");
    other.append(log.clone());
    other.append(log);
    assert!(bytes(&other) <= LogBuffer::BYTES && other.count() == 255_001 + 255_000);
    other.push("several\nlines");
    assert_eq!(other.lines().skip(other.lines().count() - 2).collect::<Vec<_>>(), ["several", "lines"]);
}

#[test]
fn what_lies_before_a_gap_goes_and_is_counted() {
    let (mut log, mut later) = (LogBuffer::default(), LogBuffer::default());
    (0..7).for_each(|_| log.push("before"));
    (0..LogBuffer::LINES + 50).for_each(|_| later.push("after"));
    log.append(later);
    assert_eq!((log.dropped(), log.count()), (57, 200_057));
    assert!(log.lines().all(|line| line == "after"));
    assert_eq!(log.chunk(7).map(|chunk| chunk.first), Some(57));
}

#[test]
fn a_chunk_is_small_and_begins_where_it_is_wanted() {
    let mut log = LogBuffer::default();
    assert_eq!((log.chunk(0), log.chunk(u32::MAX)), (None, None));
    for n in 0..LogBuffer::LINES + 10 {
        log.push(&n.to_string());
    }
    let chunk = |from| log.chunk(from).map(|chunk| (chunk.first, chunk.lines.len(), chunk.lines[0].clone()));
    let all = LogBuffer::CHUNK_LINES;
    for (from, expected) in [
        (0, Some((10, all, "10".to_owned()))),
        (10, Some((10, all, "10".to_owned()))),
        (199_000, Some((10, 1010, "199000".to_owned()))),
        (200_009, Some((10, 1, "200009".to_owned()))),
        (200_010, None),
        (u32::MAX, None),
    ] {
        assert_eq!(chunk(from), expected, "{from}");
    }
    let mut wide = LogBuffer::default();
    (0..100).for_each(|_| wide.push(&"x".repeat(1 << 20)));
    let bytes: usize = wide.chunk(0).unwrap().lines.iter().map(String::len).sum();
    assert!(bytes <= LogBuffer::CHUNK_BYTES && bytes > LogBuffer::CHUNK_BYTES - (17 << 10), "{bytes}");
}

proptest! {
    #[test]
    fn what_a_log_is_told_is_read_from_it_in_order(
        batches in prop::collection::vec(0_usize..900, 0..6), reads in prop::collection::vec(any::<bool>(), 0..6),
    ) {
        let (mut whole, mut batched, mut read, mut n) = (LogBuffer::default(), LogBuffer::default(), Vec::new(), 0);
        let next = |log: &LogBuffer, read: &Vec<String>| log.chunk(u32::try_from(read.len()).unwrap());
        for (i, size) in batches.into_iter().enumerate() {
            let mut batch = LogBuffer::default();
            for _ in 0..size {
                whole.push(&n.to_string());
                batch.push(&n.to_string());
                n += 1;
            }
            batched.append(batch);
            if reads.get(i) == Some(&true) {
                read.extend(next(&batched, &read).map(|chunk| chunk.lines).unwrap_or_default());
            }
        }
        prop_assert_eq!(&batched, &whole);
        prop_assert_eq!(batched.count(), n);
        while let Some(chunk) = next(&batched, &read) {
            read.extend(chunk.lines);
        }
        prop_assert_eq!(read, (0..n).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_journal_is_read_however_it_is_cut(
        texts in prop::collection::vec("[^\0]{0,30}", 0..20), cuts in prop::collection::vec(1usize..40, 0..60),
    ) {
        let line = |(n, text): (usize, &String)| {
            let object = serde_json::json!({
                "__CURSOR": format!("s=1;i={n}"), "__REALTIME_TIMESTAMP": n.to_string(), "MESSAGE": text,
            });
            format!("{object}\n")
        };
        let all: Vec<u8> = texts.iter().enumerate().map(line).collect::<String>().into_bytes();
        let (mut journal, mut found, mut at) = (Journal::new("n"), Vec::new(), 0);
        for cut in cuts.into_iter().chain([all.len()]) {
            let to = (at + cut).min(all.len());
            found.extend(journal.feed(&all[at..to]));
            at = to;
        }
        prop_assert_eq!(found.iter().map(|entry| &entry.text).collect::<Vec<_>>(), texts.iter().collect::<Vec<_>>());
        let cursors: Vec<String> = found.iter().map(|entry| entry.cursor.clone()).collect();
        let expected: Vec<String> = (0..texts.len()).map(|n| format!("s=1;i={n}")).collect();
        prop_assert_eq!(cursors, expected);
    }

    #[test]
    fn nothing_from_the_machine_breaks_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = MachineState::parse(&bytes);
        let _ = generations(&bytes);
        let _ = Overview::parse(&bytes);
        let _ = Job::parse(&bytes);
        let _ = Placed::parse(&bytes);
        let mut journal = Journal::new("n");
        journal.feed(&bytes);
        let mut progress = Progress::new("n");
        progress.feed(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn lines_that_are_no_text_and_lines_without_end() {
    let mut journal = Journal::new("n");
    let entries = journal.feed(
        b"{\"__CURSOR\":\"a\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":[104,105,255]}\n\
          {\"__CURSOR\":\"b\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":null}\n\
          {\"__CURSOR\":\"c'$(x)\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":\"x\"}\nnoise\n",
    );
    let texts: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(texts, ["hi\u{fffd}", ""]);
    for _ in 0..40 {
        assert!(journal.feed(&[b'x'; 64 << 10]).is_empty());
    }
    assert!(journal.held() <= 600 << 10);
    let entries =
        journal.feed(b"\n{\"__CURSOR\":\"d\",\"__REALTIME_TIMESTAMP\":\"1\",\"MESSAGE\":\"again\"}\n");
    assert_eq!((entries.len(), journal.status()), (1, None));
    journal.feed(b"\nHF-m exit 3\n\nHF-n exit 1");
    assert_eq!(journal.status(), None);
    journal.feed(b"0\r\n");
    assert_eq!(journal.status(), Some(10));
}

#[test]
fn differences_are_read_in_both_ways_of_writing_them() {
    let read = |line: &str| Package::read(line).map(|package| (package.fate, package.versions, package.size));
    assert_eq!(
        read("linux: 6.12.1 → 6.12.2, +21.5 KiB"),
        Some((Fate::Changed, "6.12.1 → 6.12.2".into(), Some("+21.5 KiB".into())))
    );
    let coloured = "ripgrep: ∅ → 14.1.1, \u{1b}[31;1m5.7 MiB\u{1b}[0m";
    assert_eq!(read(coloured), Some((Fate::Added, "14.1.1".into(), Some("+5.7 MiB".into()))));
    assert_eq!(
        read("vim: 9.0 → ∅, -30.1 MiB"),
        Some((Fate::Removed, "9.0".into(), Some("-30.1 MiB".into())))
    );
    assert_eq!(
        read("nixos-system: 26.05, 26.04 → 26.06"),
        Some((Fate::Changed, "26.05, 26.04 → 26.06".into(), None))
    );
    assert_eq!(read("source: -8.4 KiB"), Some((Fate::Changed, String::new(), Some("-8.4 KiB".into()))));
    assert_eq!(read("etc: ε → ∅"), Some((Fate::Removed, String::new(), None)));
    assert_eq!(
        read("warning: something is odd here: x"),
        Some((Fate::Changed, "something is odd here: x".into(), None))
    );
    assert_eq!(read("nothing to see"), None);
}

#[test]
fn a_line_as_journalctl_writes_it() {
    let mut journal = Journal::new("n");
    let line = br#"{"__MONOTONIC_TIMESTAMP":"3572268144","__CURSOR":"s=ae12f05fbe4045978d7bafcd768f3ed8;i=21b;b=c1180290b9e143faaeef66406c24cd5b;m=d4ec7c70;t=6615deb4a4bf0;x=a538f530511eaa86","_BOOT_ID":"c1180290b9e143faaeef66406c24cd5b","MESSAGE":"holdfast;nnn;phase;build","__REALTIME_TIMESTAMP":"1795905867631600"}
"#;
    let entries = journal.feed(line);
    assert_eq!(entries[0].text, "holdfast;nnn;phase;build");
    assert_eq!(Progress::new("nnn").feed(&entries[0].text), Some(Mark::Phase(Stage::Build)));
}
