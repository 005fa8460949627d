//! The configuration that a machine's image came with.

use crate::app::harmless::harmless;

/// What a configuration imports that Holdfast's does not cover, as it is written there; `None` where there is no list of
/// imports that can be read. What amazon-image.nix does, ours does too.
pub fn unknown_imports(text: &str) -> Option<Vec<String>> {
    let text = without_comments(text);
    let at = text.find("imports")?;
    let list = text[at..].split_once('[')?.1;
    let mut depth = 1;
    let end = list.char_indices().find_map(|(at, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })?;
    let known = |import: &&str| {
        let import = import.trim_matches(['"', '<', '>']);
        import.ends_with("amazon-image.nix")
            && (import.starts_with("${modulesPath}/") || import.starts_with("nixpkgs/"))
    };
    let words = words(&list[..end]);
    Some(
        words
            .iter()
            .map(String::as_str)
            .filter(|word| !known(word))
            .map(|word| harmless(word, 120))
            .collect(),
    )
}

/// The elements of a list: what is in quotes or brackets is one.
fn words(list: &str) -> Vec<String> {
    let (mut words, mut word, mut depth, mut quoted) = (Vec::new(), String::new(), 0_i32, false);
    for c in list.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' | '{' | '[' if !quoted => depth += 1,
            ')' | '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
        if c.is_whitespace() && depth <= 0 && !quoted {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else {
            word.push(c);
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

fn without_comments(text: &str) -> String {
    let mut lines = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        lines.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    lines.push_str(rest);
    let line = |line: &str| line.split_once('#').map_or(line, |(code, _)| code).to_owned();
    lines.lines().map(line).collect::<Vec<_>>().join("\n")
}
