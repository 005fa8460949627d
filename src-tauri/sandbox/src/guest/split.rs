//! How the agent turns the `command` of a non-interactive session into an argument vector.
//!
//! Source of the rules: `amazon-ssm-agent` (3.3, `agent/session/shell/shell_unix.go`) calls `shlex.Split` of
//! `github.com/google/shlex`. No shell sees the string, so nothing is expanded: `$`, `*`, `~`, `;`, `|`, `&`, `<`, `>`,
//! `(`, `=` and the backtick are plain characters.
//!
//! | where | character | meaning |
//! | --- | --- | --- |
//! | between words | space, tab, CR, LF | separates words; no other white space does |
//! | between words | `#` | comment up to the next LF; inside a word `#` is plain |
//! | word or between | `'` | up to the next `'` everything is literal, backslash too |
//! | word or between | `"` | up to the next `"`; a backslash makes ANY next character literal and vanishes |
//! | word or between | `\` | the next character is literal, also LF (which a shell would drop) |
//! | end of input | open quote or lone backslash | the whole command is refused |
//!
//! Adjacent parts join (`a'b'"c"` is `abc`); `''` and `""` make an empty word.
//!
//! So any string without NUL survives as one word when each `'` in it becomes `'\''` and the whole is put in single
//! quotes: the usual POSIX quoting is right here too. Between double quotes the rules are NOT those of a shell: `"\n"`
//! is `n` and `"\$"` is `$`, where a shell would keep the backslash of the first.

use std::{fmt, iter::Peekable, str::Chars};

/// Why a command could not be split. The texts are the ones the agent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitError {
    /// A backslash was the last character.
    AfterEscape,
    /// A quote was never closed.
    OpenQuote,
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterEscape => "EOF found after escape character",
            Self::OpenQuote => "EOF found when expecting closing quote",
        })
    }
}

impl std::error::Error for SplitError {}

/// Splits `command` as the agent does; see the module's table.
pub fn split_command(command: &str) -> Result<Vec<String>, SplitError> {
    let mut input = command.chars().peekable();
    let mut words = Vec::new();
    loop {
        match input.peek() {
            None => return Ok(words),
            Some(c) if is_space(*c) => {
                input.next();
            }
            Some('#') => input.by_ref().take_while(|c| *c != '\n').for_each(drop),
            Some(_) => words.push(word(&mut input)?),
        }
    }
}

fn word(input: &mut Peekable<Chars<'_>>) -> Result<String, SplitError> {
    let mut word = String::new();
    while let Some(c) = input.next_if(|c| !is_space(*c)) {
        match c {
            '\\' => word.push(input.next().ok_or(SplitError::AfterEscape)?),
            '\'' => loop {
                match input.next().ok_or(SplitError::OpenQuote)? {
                    '\'' => break,
                    plain => word.push(plain),
                }
            },
            '"' => loop {
                match input.next().ok_or(SplitError::OpenQuote)? {
                    '"' => break,
                    '\\' => word.push(input.next().ok_or(SplitError::AfterEscape)?),
                    plain => word.push(plain),
                }
            },
            plain => word.push(plain),
        }
    }
    Ok(word)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_the_agent_does() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \t\r\n", &[]),
            ("ls -l /tmp", &["ls", "-l", "/tmp"]),
            ("  a\tb\r\nc ", &["a", "b", "c"]),
            ("a\u{a0}b\u{b}c", &["a\u{a0}b\u{b}c"]),
            ("sh -c 'echo $HOME; ls | wc'", &["sh", "-c", "echo $HOME; ls | wc"]),
            (r"'a\b'", &[r"a\b"]),
            (r#"'a"b'"#, &[r#"a"b"#]),
            (r#""a'b""#, &["a'b"]),
            (r#""a\"b""#, &[r#"a"b"#]),
            (r#""\n\$\\""#, &[r"n$\"]),
            (r"a\ b", &["a b"]),
            ("a\\\nb", &["a\nb"]),
            ("\"a\\\nb\"", &["a\nb"]),
            (r#"a'b'"c"d"#, &["abcd"]),
            ("'' \"\" x", &["", "", "x"]),
            ("a''", &["a"]),
            (r"'it'\''s'", &["it's"]),
            ("echo # not seen\nnext", &["echo", "next"]),
            ("# all comment", &[]),
            ("a#b", &["a#b"]),
            ("''#b", &["#b"]),
            (r"\#b", &["#b"]),
            ("a;b&&c|d>e", &["a;b&&c|d>e"]),
            ("$(x) `y` ~ *", &["$(x)", "`y`", "~", "*"]),
            ("ä 'ö ü'", &["ä", "ö ü"]),
        ];
        for (command, words) in table {
            assert_eq!(split_command(command).unwrap(), *words, "{command:?}");
        }
    }

    #[test]
    fn refuses_what_is_left_open() {
        assert_eq!(split_command("a 'b"), Err(SplitError::OpenQuote));
        assert_eq!(split_command("a \"b"), Err(SplitError::OpenQuote));
        assert_eq!(split_command("\"b\\"), Err(SplitError::AfterEscape));
        assert_eq!(split_command("a\\"), Err(SplitError::AfterEscape));
        // A comment hides even an open quote.
        assert_eq!(split_command("a # it's").unwrap(), ["a"]);
    }

    #[test]
    fn posix_single_quoting_is_safe() {
        for text in ["", "it's", "a b", "\\", "\n", "$HOME `x` \"y\" #z", "'''"] {
            let quoted = format!("sh -c '{}'", text.replace('\'', r"'\''"));
            assert_eq!(split_command(&quoted).unwrap(), ["sh", "-c", text]);
        }
    }
}
