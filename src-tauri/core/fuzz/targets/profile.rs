//! The AWS configuration: whatever stands in a file is read or refused, what is added comes at its end, and is read again.
#![no_main]

use holdfast_core::profile::{Section, config, written};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let before = config(text, "");
    if let Ok(read) = &before {
        for name in read.profiles.keys() {
            let _ = read.chain(name);
        }
        let _ = read.portals();
    }
    let _ = config("", text);
    let section = Section::profile("added/here", vec![("sso_account_id", "123456789012".to_owned())]);
    let Ok(after) = written(text, &[section]) else { panic!("it can be written anywhere") };
    assert!(after.text.starts_with(text) && after.text.ends_with(&after.added));
    if before.is_ok_and(|before| !before.profiles.contains_key("added/here")) {
        let read = config(&after.text, "").expect("what was good is still");
        assert_eq!(read.profiles["added/here"]["sso_account_id"], "123456789012");
    }
});
