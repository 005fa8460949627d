//! What holds for settings of any shape, with edits of any kind.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{ada, drop_key, in_force, name, parse, put};
use super::{Settings, set, show, unset};

/// Files as people write them: a machine as a header, as dotted keys or in braces, with comments in odd places.
fn files() -> impl Strategy<Value = String> {
    let pair = prop_oneof![
        Just("region = 'eu-west-1'"),
        Just("region=\"us-east-1\""),
        Just("instance_type = \"t4g.small\""),
        Just("volume_size = 1_00"),
        Just("user = '''eve'''"),
        Just("tags.team = 'a, b'"),
        Just("tags = { x = '1', \"y.z\" = '2' }"),
        Just("config = { git = 'https://example.com/a' }"),
        Just("config.directory = '/x'"),
        Just("config = 'embedded'"),
        Just("profile = 'x'"),
    ];
    let pairs = proptest::sample::subsequence((0..12).collect::<Vec<_>>(), 0..5);
    let machine = (pairs, proptest::collection::vec(pair, 0..6), 0..4u8, any::<bool>());
    let newline = prop_oneof![Just("\n"), Just("\r\n")];
    (proptest::collection::vec(machine, 0..3), newline, any::<bool>(), any::<bool>()).prop_map(
        |(machines, newline, leading, last_newline)| {
            let mut lines: Vec<String> = Vec::new();
            if leading {
                lines.extend(["# top = 1".into(), String::new(), "default = \"remote-dev\"# d".into()]);
                lines.push("terminal = [ 'foot', '{}' ] # e".into());
            }
            let (mut first, mut last) = (Vec::new(), Vec::new());
            for ((noise, pairs, style, tags), name) in machines.into_iter().zip(["remote-dev", "work"]) {
                let mut seen = BTreeSet::new();
                let mut pairs: Vec<&str> = pairs;
                pairs.retain(|pair| {
                    seen.insert(pair.split(['.', ' ', '=']).next().unwrap_or_default().to_owned())
                });
                match style {
                    0 => first.push(format!("machine.{name} = {{ {} }} # inline", pairs.join(", "))),
                    1 => first.extend(pairs.iter().map(|pair| format!("machine . {name}.{pair} # dotted"))),
                    _ => {
                        last.extend(["# before".into(), format!("[machine.{name}] # [machine.no]")]);
                        for (at, pair) in pairs.iter().enumerate() {
                            last.push(format!("  {pair}"));
                            if noise.contains(&at) {
                                last.extend(["# user = 'no'".into(), String::new()]);
                            }
                        }
                        if tags && !seen.contains("tags") {
                            last.extend([format!("[machine.{name}.tags]"), "own = 'x' # y".into()]);
                        }
                    }
                }
            }
            lines.extend(first);
            lines.extend(last);
            lines.push("# end".into());
            lines.join(newline) + if last_newline { newline } else { "" }
        },
    )
}

fn changes() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop_oneof![
        Just(("region", "ap-south-1")),
        Just(("instance_type", "m8g.2xlarge")),
        Just(("volume_size", "321")),
        Just(("user", "zoe")),
        Just(("profile", "it's \"quoted\" # no")),
        Just(("tags.team", "c = d")),
        Just(("tags.y.z", "")),
        Just(("tags.do-not-nuke", "no")),
        Just(("config", "embedded")),
        Just(("config.git", "https://example.com/z")),
        Just(("config.directory", "/y y")),
        Just(("terminal", "kitty")),
        Just(("terminal", "[\"foot\", \"{}\"]")),
        Just(("subnet", "subnet-01234567")),
        Just(("kms_key", "alias/x")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_never_panics(text in any::<String>()) {
        let _ = Settings::parse(&text, None);
    }

    #[test]
    fn parse_never_panics_on_broken_settings(
        text in files(),
        at in any::<prop::sample::Index>(),
        with in "[\\[\\]={}.'\"\n#a0é]{0,3}",
    ) {
        let at = (0..=at.index(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let text = format!("{}{with}{}", &text[..at], &text[at..]);
        let before = Settings::parse(&text, ada().as_ref());
        for (key, value) in [("user", "zoe"), ("config", "embedded"), ("tags.a", "b")] {
            let _ = set(&text, None, &name("remote-dev"), key, value);
            if let Ok(edited) = unset(&text, ada().as_ref(), &name("remote-dev"), key) {
                prop_assert!(Settings::parse(&edited, ada().as_ref()).is_ok());
            }
        }
        if let Err(errors) = before {
            prop_assert!(!errors.is_empty());
        }
    }

    #[test]
    fn what_is_set_is_in_force_and_nothing_else_changes(text in files(), (key, value) in changes()) {
        let before = Settings::parse(&text, ada().as_ref());
        prop_assume!(before.is_ok());
        let after = put(&text, key, value);
        prop_assert_eq!(in_force(&after, key).to_string(), value);

        let kind = key.split('.').next().unwrap_or_default();
        let others = |text: &str| {
            let mut all = show(&parse(text));
            all.retain(|shown| {
                let same = if kind == "config" { shown.key.starts_with(kind) } else { shown.key == key };
                let changed = shown.machine.as_ref().is_none_or(|machine| *machine == name("remote-dev")) && same;
                !changed && shown.key != "default"
            });
            all
        };
        let others_after = others(&after);
        for shown in others(&text) {
            prop_assert!(others_after.contains(&shown), "{:?} changed in\n{}", shown, after);
        }
        prop_assert_eq!(parse(&text).default, parse(&after).default);

        let (old, mut new): (Vec<_>, Vec<_>) = (text.split('\n').collect(), after.split('\n').collect());
        let lost: Vec<_> = old.iter().filter(|line| match new.iter().position(|new| new == *line) {
            Some(at) => { new.remove(at); false }
            None => true,
        }).collect();
        let may_lose = usize::from(!text.ends_with('\n')) + 1;
        prop_assert!(lost.len() <= may_lose, "lost {:?} in\n{}", lost, after);
    }

    #[test]
    fn unset_undoes_set(text in files(), (key, value) in changes()) {
        let before = Settings::parse(&text, ada().as_ref());
        prop_assume!(before.is_ok_and(|before| before.machines.contains_key(&name("remote-dev"))));
        let bare = drop_key(&text, key.split('.').next().unwrap_or_default());
        let set = put(&bare, key, value);
        let again = drop_key(&set, key.split('.').next().unwrap_or_default());
        prop_assert_eq!(show(&parse(&again)).len(), show(&parse(&bare)).len());
        prop_assert_eq!(parse(&again).machines, parse(&bare).machines);
    }
}
