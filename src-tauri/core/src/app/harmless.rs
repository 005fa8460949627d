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

/// The longest line that [`coloured_line`] gives, in bytes.
const LONGEST_LINE: usize = 16 << 10;
/// The most characters of an SGR sequence's parameters.
const LONGEST_PARAMETERS: usize = 64;

/// A line of a log with its colours: SGR sequences stay, and nothing else that acts on a screen. It has no line end and at most
/// 16 KiB.
///
/// Other sequences go; other control characters but the tab become blanks, and what [`harmless`] leaves out goes here, too. Of what
/// a progress bar has written over itself with carriage returns, the last is left.
/// Source: ECMA-48, 5.4 (control sequences), 5.6 (control strings), 8.3.117 (SGR)
pub fn coloured_line(line: &str) -> String {
    let mut rest =
        line.trim_end_matches(['\r', '\n']).rsplit('\r').find(|part| !part.is_empty()).unwrap_or("");
    let mut shown = String::with_capacity(rest.len().min(LONGEST_LINE));
    while let Some(c) = rest.chars().next() {
        let mut one = [0; 4];
        let (length, sequence) = sequence(rest).unwrap_or((c.len_utf8(), Sequence::None));
        let piece = match sequence {
            Sequence::Colours(parameters) => {
                if shown.len() + parameters.len() + 3 > LONGEST_LINE - '…'.len_utf8() {
                    shown.push('…');
                    break;
                }
                shown.push_str("\u{1b}[");
                shown.push_str(parameters);
                "m"
            }
            Sequence::Other => "",
            Sequence::None if c == '\u{1b}' || is_invisible(c) => "",
            Sequence::None if c != '\t' && (c.is_control() || c.is_whitespace()) => " ",
            Sequence::None => c.encode_utf8(&mut one),
        };
        if shown.len() + piece.len() > LONGEST_LINE - '…'.len_utf8() {
            shown.push('…');
            break;
        }
        shown.push_str(piece);
        rest = &rest[length..];
    }
    shown
}

/// What a text begins with.
enum Sequence<'a> {
    /// An SGR sequence, with these parameters.
    Colours(&'a str),
    /// Another sequence.
    Other,
    /// None.
    None,
}

/// The escape sequence that a text begins with, and how many bytes it takes. One without its end is none.
fn sequence(text: &str) -> Option<(usize, Sequence<'_>)> {
    let mut chars = text.chars();
    let kind = match chars.next()? {
        '\u{1b}' => chars.next()?,
        // C1: one character for an escape and another.
        c @ '\u{80}'..='\u{9f}' => char::from_u32(u32::from(c) - 0x40)?,
        _ => return None,
    };
    let body = chars.as_str();
    let taken = |rest: &str| text.len() - rest.len();
    match kind {
        '[' => {
            let after = body.trim_start_matches(|c| ('0'..='?').contains(&c));
            let parameters = &body[..body.len() - after.len()];
            let end = after.trim_start_matches(|c| (' '..='/').contains(&c));
            let last = end.chars().next().filter(|c| ('@'..='~').contains(c))?;
            let is_plain =
                parameters.len() <= LONGEST_PARAMETERS && !parameters.contains(['<', '=', '>', '?']);
            let colours = last == 'm' && after.len() == end.len() && is_plain;
            let sequence = if colours { Sequence::Colours(parameters) } else { Sequence::Other };
            Some((taken(&end[1..]), sequence))
        }
        ']' | 'P' | 'X' | '^' | '_' => {
            let end = body.find(['\u{7}', '\u{1b}', '\u{9c}'])?;
            let rest = &body[end..];
            let rest = rest.strip_prefix("\u{1b}\\").or_else(|| rest.strip_prefix(['\u{7}', '\u{9c}']))?;
            Some((taken(rest), Sequence::Other))
        }
        ' '..='~' if text.starts_with('\u{1b}') => {
            let end = text[1..].trim_start_matches(|c| (' '..='/').contains(&c));
            end.chars().next().filter(|c| ('0'..='~').contains(c))?;
            Some((taken(&end[1..]), Sequence::Other))
        }
        _ => None,
    }
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

    use super::{LONGEST_LINE, coloured_line, harmless, harmless_line, is_invisible};

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

    #[test]
    fn a_line_with_its_colours_has_nothing_else_that_acts() {
        for (hostile, shown) in [
            ("", ""),
            ("  building 'x'   with  blanks", "  building 'x'   with  blanks"),
            ("\u{1b}[31;1merror:\u{1b}[0m it\u{202e}s", "\u{1b}[31;1merror:\u{1b}[0m its"),
            ("\u{1b}[38:2::1:2:3mx\u{1b}[m", "\u{1b}[38:2::1:2:3mx\u{1b}[m"),
            ("\u{9b}32mgreen", "\u{1b}[32mgreen"),
            ("\u{1b}[2Ja\u{1b}[10;10Hb\u{1b}[?25lc\u{1b}[>4;1md\u{1b}[1 me", "abcde"),
            ("\u{1b}]0;owned\u{7}a\u{1b}]8;;https://x\u{1b}\\b\u{1b}]8;;\u{1b}\\c\u{1b}P1$q\u{9c}d", "abcd"),
            ("\u{1b}(Ba\u{1b}cb\u{1b}7c\u{1b}#8d", "abcd"),
            ("\u{1b}", ""),
            ("a\u{1b}[31", "a[31"),
            ("\u{1b}]0;no end", "]0;no end"),
            ("\u{1b}[3\u{1b}[31mx", "[3\u{1b}[31mx"),
            ("10 %\r20 %\r\u{1b}[1mdone\r\n", "\u{1b}[1mdone"),
            ("\r\r", ""),
            ("a\tb\u{8}c\u{7}\0\u{85}d\u{a0}e", "a\tb c   d e"),
            ("gnp\u{200b}.\u{2066}exe", "gnp.exe"),
            ("<b>bold</b>", "<b>bold</b>"),
        ] {
            assert_eq!(coloured_line(hostile), shown, "{hostile:?}");
        }
        let endless = format!("\u{1b}[{}mx", "1;".repeat(1000));
        assert_eq!(coloured_line(&endless), "x");
        for endless in ["W", "漢", "\u{1b}[31m", "\u{1b}[31mx"].map(|part| part.repeat(1 << 19)) {
            let shown = coloured_line(&endless);
            assert!(shown.len() <= LONGEST_LINE && shown.len() > LONGEST_LINE - 20 && shown.ends_with('…'));
        }
    }

    /// A line without its SGR sequences.
    fn uncoloured(line: &str) -> String {
        let mut parts = line.split("\u{1b}[");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |text, part| {
            let (parameters, rest) = part.split_once('m').expect("an SGR sequence");
            assert!(parameters.chars().all(|c| matches!(c, '0'..=';')), "{line:?}");
            text + rest
        })
    }

    proptest! {
        #[test]
        fn of_a_line_only_text_and_colours_are_left(
            line in "(\u{1b}|\u{1b}\\[|\u{9b}|[0-9;:?]{1,3}|m|[A-Zh\\]P ]|[\u{0}-\u{9f}]|[\u{2028}-\u{202e}]|.){0,60}",
        ) {
            let shown = coloured_line(&line);
            let text = uncoloured(&shown);
            prop_assert!(text.chars().all(|c| c == '\t' || !(c.is_control() || is_invisible(c))), "{:?}", shown);
            prop_assert_eq!(&coloured_line(&shown), &shown);
        }

        #[test]
        fn it_is_short_and_has_one_line(text in "([a-z ]|[\u{0}-\u{1f}]|[\u{2028}-\u{202e}]|.){0,60}", longest in 1_usize..40) {
            let shown = harmless(&text, longest);
            prop_assert!(shown.chars().count() <= longest + 1);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(&harmless(&shown, longest + 1), &shown);
        }
    }
}
