//! Any bytes: decoding does not panic, and what it accepts survives being written and read again.

#![no_main]

use holdfast_core::session::wire::{Acknowledge, ChannelClosed, Flag, Frame, HandshakeRequest, from_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::decode(bytes) else { return };
    let written = frame.encode();
    // A checked date is what publication messages may lack; they have no payload either.
    assert_eq!(Frame::decode(&written), Ok(frame));
    let _ = (Acknowledge::parse(frame.payload), Flag::parse(frame.payload));
    let _ = from_json::<HandshakeRequest>(frame.payload);
    let _ = from_json::<ChannelClosed>(frame.payload);
});
