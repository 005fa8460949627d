//! The line fails in every way that was seen to end or freeze the session-manager-plugin, and the terminal goes on.

use std::time::Duration;

use holdfast::connect::End;
use holdfast_sandbox::gateway::WireFault;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::rig::{Rig, Seat};

const SECOND: Duration = Duration::from_secs(1);

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

async fn exits(rig: &Rig, mut seat: Seat) {
    seat.prove().await;
    seat.press("exit 5\r").await;
    assert_eq!(seat.end().await.unwrap(), End::Exited(Some(5)));
    rig.assert_quiet("an exit").await;
}

/// The hourly close, a reset and an end without a word: the same session goes on, and nobody sees anything.
#[tokio::test]
async fn a_lost_line_is_had_back_before_anybody_notices() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        let faults = [WireFault::Bye, WireFault::Cut { reset: true }, WireFault::Cut { reset: false }];
        for (count, fault) in faults.into_iter().enumerate() {
            rig.gateway.inject(None, fault);
            let shown = seat.watch(SECOND / 2).await;
            assert_eq!(shown, "", "{fault:?}");
            seat.prove().await;
            seat.expect("$ ").await;
            assert_eq!(rig.called("ResumeSession").len(), count + 1, "{fault:?}");
        }
        assert_eq!(rig.called("StartSession").len(), 1);
        exits(&rig, seat).await;
    })
    .await;
}

/// The plugin gives up after six seconds, and a key typed meanwhile ends it.
#[tokio::test]
async fn keys_typed_without_a_line_arrive_once_and_in_order() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        seat.press("cat >typed\r").await;
        sleep(SECOND / 2).await;
        rig.gateway.refuse_dials(8 * SECOND);
        rig.gateway.inject(None, WireFault::Cut { reset: true });
        for word in ["one ", "two ", "thr", "ee\r"] {
            seat.press(word).await;
            sleep(SECOND).await;
        }
        seat.press("four\r\x04").await;
        seat.expect("no line for").await;
        seat.expect("$ ").await;
        seat.press("tr '\\n' '+' <typed; echo\r").await;
        seat.expect("one two three+four+").await;
        exits(&rig, seat).await;
    })
    .await;
}

#[tokio::test]
async fn the_user_is_told_and_the_screen_is_as_it_was() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        rig.gateway.refuse_dials(3 * SECOND);
        rig.gateway.inject(None, WireFault::Cut { reset: true });
        let shown = seat.expect("leaves").await;
        assert!(shown.contains("remote-dev: no line for"), "{shown:?}");
        let back = seat.expect("\x1b[2K\x1b8").await;
        assert!(back.contains("\x1b]0;remote-dev: no line\x07"), "{back:?}");
        seat.expect("\x1b]0;").await;
        exits(&rig, seat).await;
    })
    .await;
}

#[tokio::test]
async fn each_dial_is_signed_and_goes_to_the_newest_address() {
    local(async {
        let rig = Rig::start().await;
        rig.gateway.configure(|settings| {
            settings.require_signature = true;
            settings.require_fresh_cell = true;
        });
        let mut seat = Seat::at(&rig).await;
        for _ in 0..3 {
            rig.gateway.inject(None, WireFault::Cut { reset: true });
            seat.prove().await;
        }
        assert_eq!(rig.called("ResumeSession").len(), 3, "no more calls than lines lost");
        exits(&rig, seat).await;
    })
    .await;
}

/// The plugin has no deadline for a pong and waits as long as the silence lasts.
#[tokio::test]
async fn silence_is_noticed_by_who_types() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        for reset in [false, true] {
            let began = Instant::now();
            rig.gateway.inject(None, WireFault::Hole { lasts: 60 * SECOND, reset });
            seat.prove().await;
            assert!(began.elapsed() < 10 * SECOND, "{:?}", began.elapsed());
        }
        exits(&rig, seat).await;
    })
    .await;
}

#[tokio::test]
async fn silence_is_noticed_by_nobody_at_the_keyboard_too() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        seat.press("sleep 3; while :; do echo tick; sleep 1; done\r").await;
        sleep(SECOND).await;
        rig.gateway.inject(None, WireFault::Hole { lasts: 120 * SECOND, reset: false });
        seat.expect_within(50 * SECOND, "tick\r\n").await;
        assert_eq!(rig.called("ResumeSession").len(), 1);
        seat.press("\x03").await;
        exits(&rig, seat).await;
    })
    .await;
}

/// One lost acknowledgement with one lost output behind it freezes the plugin for ever.
#[tokio::test]
async fn lost_and_doubled_messages_are_made_good() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        for (acks, outputs, inputs, doubles) in
            [(1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 9), (3, 3, 3, 3)]
        {
            rig.gateway.inject(None, WireFault::LoseAcks(acks));
            seat.prove().await;
            rig.gateway.inject(None, WireFault::LoseOutputs(outputs));
            rig.gateway.inject(None, WireFault::LoseInputs(inputs));
            rig.gateway.inject(None, WireFault::Duplicate(doubles));
            seat.prove().await;
            seat.press("seq 1 300 | tr '\\n' ' '; echo e''nd\r").await;
            let shown = seat.expect("end\r\n").await;
            let wanted: String = (1..=300).map(|number| format!("{number} ")).collect();
            assert!(shown.contains(&wanted), "{shown:?}");
        }
        assert_eq!(rig.called("ResumeSession").len(), 0);
        exits(&rig, seat).await;
    })
    .await;
}

/// A cut in the middle of much output freezes the plugin for ever.
#[tokio::test]
async fn much_output_is_whole_over_many_cuts() {
    local(async {
        let rig = Rig::start().await;
        rig.gateway.configure(|settings| settings.window = Some(32));
        let mut seat = Seat::at(&rig).await;
        seat.press("seq 1 60000 | tr '\\n' ' '; echo e''nd\r").await;
        let mut shown = String::new();
        for until in ["1000 ", "10000 ", "30000 ", "50000 "] {
            shown += &seat.expect(until).await;
            rig.gateway.inject(None, WireFault::Cut { reset: true });
        }
        shown += &seat.expect("end\r\n").await;
        let wanted: String = (1..=60_000).map(|number| format!("{number} ")).collect();
        assert!(shown.contains(&wanted), "{} bytes", shown.len());
        exits(&rig, seat).await;
    })
    .await;
}

/// With the plugin ^C overtakes what was typed before it, and ^S, ^Q, ^V and others never leave this computer.
#[tokio::test]
async fn every_key_travels_in_order() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        let typed = "stty raw -echo; echo re''ady; head -c 216 | od -An -tx1 -v | tr -d ' \\n'; stty sane\r";
        seat.press(typed).await;
        seat.expect("ready").await;
        let all: String = (1..=26).map(char::from).collect();
        for _ in 0..8 {
            seat.press(&format!("x{all}")).await;
        }
        let one: String = std::iter::once(0x78).chain(1..=26).map(|byte: u8| format!("{byte:02x}")).collect();
        seat.expect(&one.repeat(8)).await;
        seat.press("\r~.").await;
        assert_eq!(seat.end().await.unwrap(), End::Left);
        rig.assert_quiet("a leave").await;
    })
    .await;
}

/// A reader that is slow is waited for, and what waits for it does not grow.
#[tokio::test]
async fn a_slow_terminal_is_waited_for() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        seat.press("seq 1 400000 | tr '\\n' ' '; echo e''nd\r").await;
        sleep(5 * SECOND).await;
        rig.gateway.inject(None, WireFault::Cut { reset: false });
        sleep(2 * SECOND).await;
        let shown = seat.expect("end\r\n").await;
        let wanted: String = (1..=400_000).map(|number| format!("{number} ")).collect();
        assert!(shown.contains(&wanted), "{} bytes", shown.len());
        exits(&rig, seat).await;
    })
    .await;
}

#[tokio::test]
async fn much_input_is_whole_over_many_cuts() {
    local(async {
        let rig = Rig::start().await;
        let mut seat = Seat::at(&rig).await;
        let size = 1 << 20;
        seat.press(&format!("stty raw -echo; echo re''ady; head -c {size} | sha256sum; stty sane\r")).await;
        seat.expect("ready").await;
        let text: String = (0..size / 8).map(|number| format!("{number:07}\n")).collect();
        for (count, part) in text.as_bytes().chunks(64 << 10).enumerate() {
            seat.press(std::str::from_utf8(part).unwrap()).await;
            if count % 4 == 1 {
                rig.gateway.inject(None, WireFault::Cut { reset: true });
            }
        }
        seat.expect(&sha256(text.as_bytes())).await;
        seat.expect("$ ").await;
        exits(&rig, seat).await;
    })
    .await;
}

fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut sum = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = sum.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}
