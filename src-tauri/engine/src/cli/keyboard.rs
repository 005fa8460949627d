//! The keyboard of a session.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::out;
use crate::connect::Input;

/// What is typed ahead at most, in bytes; then the keyboard is not read.
const AHEAD: usize = 1 << 20;
/// Whoever presses Ctrl-C this often, over at least this time, while nobody takes it, gives up.
const ENOUGH: (u32, Duration) = (3, Duration::from_secs(1));
const CTRL_C: u8 = 0x03;

/// Hands on what is typed, in order and whole. Ends when the user gives up a session whose line is lost: there is no
/// other way out of a raw terminal then.
pub(super) async fn hand_on(keys: &mut mpsc::Receiver<Input>, to: &mpsc::Sender<Input>) {
    let mut held = VecDeque::new();
    let mut bytes = 0;
    let mut pressed: Option<(u32, Instant)> = None;
    loop {
        tokio::select! {
            permit = to.reserve(), if !held.is_empty() => {
                let (Ok(permit), Some(input)) = (permit, held.pop_front()) else { return std::future::pending().await };
                bytes -= size(&input);
                permit.send(input);
            }
            key = keys.recv(), if bytes < AHEAD => {
                let Some(key) = key else { return std::future::pending().await };
                let taken = held.is_empty() && to.capacity() == to.max_capacity();
                if taken {
                    pressed = None;
                } else if matches!(&key, Input::Bytes(bytes) if bytes.as_slice() == [CTRL_C]) {
                    let (times, since) = pressed.map_or((1, Instant::now()), |(times, since)| (times + 1, since));
                    if times >= ENOUGH.0 && since.elapsed() >= ENOUGH.1 {
                        return;
                    }
                    if times == 2 {
                        out::talk("\r\nholdfast: there is no line to the machine just now; Ctrl-C again to leave\r");
                    }
                    pressed = Some((times, since));
                }
                bytes += size(&key);
                hold(&mut held, key);
            }
        }
    }
}

fn size(input: &Input) -> usize {
    match input {
        Input::Bytes(bytes) => bytes.len(),
        Input::Size(..) | Input::Leave => 1,
    }
}

/// Appends, in as few pieces as may be.
fn hold(held: &mut VecDeque<Input>, input: Input) {
    match (held.back_mut(), input) {
        (Some(Input::Bytes(last)), Input::Bytes(more)) => last.extend(more),
        (_, input) => held.push_back(input),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &[u8]) -> Input {
        Input::Bytes(text.to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_typed_ahead_arrives_in_order() {
        let (keyboard, mut keys) = mpsc::channel(4);
        let (to, mut session) = mpsc::channel(1);
        let typing = async {
            for key in [typed(b"l"), typed(b"s"), Input::Size(80, 24), typed(b"\r"), typed(b"\x03")] {
                keyboard.send(key).await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            let mut seen = Vec::new();
            while let Ok(input) = session.try_recv() {
                match input {
                    Input::Bytes(bytes) => seen.extend(bytes),
                    Input::Size(..) => seen.push(b'|'),
                    Input::Leave => {}
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            seen
        };
        let seen = tokio::select! { seen = typing => seen, () = hand_on(&mut keys, &to) => Vec::new() };
        assert_eq!(seen, b"ls|\r\x03");
    }

    #[tokio::test(start_paused = true)]
    async fn three_ctrl_c_into_the_void_give_up_and_three_that_are_taken_do_not() {
        for (taken, gives_up) in [(false, true), (true, false)] {
            let (keyboard, mut keys) = mpsc::channel(4);
            let (to, mut session) = mpsc::channel(1);
            let typing = async {
                keyboard.send(typed(b"x")).await.unwrap();
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_millis(600)).await;
                    while taken && session.try_recv().is_ok() {
                        tokio::task::yield_now().await;
                    }
                    keyboard.send(typed(b"\x03")).await.unwrap();
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            };
            let gave_up = tokio::select! { () = typing => false, () = hand_on(&mut keys, &to) => true };
            assert_eq!(gave_up, gives_up);
        }
    }
}
