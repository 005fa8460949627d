//! Text of others, made fit to be shown.

/// The text with nothing in it that acts on a screen, at most `longest` characters of it, on one line.
///
/// Control characters (and so escape sequences and line ends) become blanks, runs of blanks one; what turns the direction of text
/// or shows nothing at all goes, since it can make a text look like another one.
/// Source: <https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>
pub fn harmless(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    let mut blank = false;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if c.is_control() || c.is_whitespace() {
            blank = length > 0;
            continue;
        }
        if length + usize::from(blank) >= longest {
            shown.push('…');
            break;
        }
        if blank {
            shown.push(' ');
            length += 1;
            blank = false;
        }
        shown.push(c);
        length += 1;
    }
    shown
}

/// The text without the sequences by which a terminal is told colours and the like; [`harmless`] alone would leave their letters.
/// Source: ECMA-48, 5.4 (control sequences)
pub fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            plain.push(c);
        } else if chars.next_if_eq(&'[').is_some() {
            while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
        }
    }
    plain
}

/// A line of a log without its colours, [`harmless`] but for its indentation, which may mean something.
pub fn harmless_line(line: &str) -> String {
    let indent = line.chars().take_while(|c| *c == ' ').take(40).count();
    format!("{}{}", " ".repeat(indent), harmless(&plain(line), 400))
}

/// Marks, embeddings, overrides and isolates of direction; characters of no width; tags; interlinear marks.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{harmless, harmless_line};

    #[test]
    fn what_acts_on_a_screen_goes() {
        for (hostile, longest, shown) in [
            ("plain", 99, "plain"),
            ("  two   words \n", 99, "two words"),
            ("\u{1b}]0;owned\u{7}", 99, "]0;owned"),
            ("\u{1b}[31mred", 99, "[31mred"),
            ("gnp.\u{202e}exe", 99, "gnp.exe"),
            ("a\u{200b}b\u{2066}c", 99, "abc"),
            ("<b>bold</b> & more", 99, "<b>bold</b> & more"),
            ("", 99, ""),
            ("\0\0", 99, ""),
            ("twelve chars and more", 12, "twelve chars…"),
            ("twelve chars", 12, "twelve chars"),
        ] {
            assert_eq!(harmless(hostile, longest), shown, "{hostile:?}");
        }
    }

    #[test]
    fn a_line_of_a_log_keeps_its_indentation_and_nothing_that_acts() {
        for (hostile, shown) in [
            ("    at line 3", "    at line 3"),
            ("  \u{1b}[31;1merror:\u{1b}[0m it\u{202e}s", "  error: its"),
            ("\tx\r\n", "x"),
            ("   ", "   "),
        ] {
            assert_eq!(harmless_line(hostile), shown, "{hostile:?}");
        }
        assert_eq!(harmless_line(&format!("{}x", " ".repeat(4000))).len(), 41);
        assert_eq!(harmless_line(&"x".repeat(4000)).chars().count(), 401);
    }

    proptest! {
        #[test]
        fn it_is_short_and_has_one_line(text in "([a-z ]|[\u{0}-\u{1f}]|[\u{2028}-\u{202e}]|.){0,60}", longest in 1_usize..40) {
            let shown = harmless(&text, longest);
            prop_assert!(shown.chars().count() <= longest + 1);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(&harmless(&shown, longest + 1), &shown);
        }
    }
}
