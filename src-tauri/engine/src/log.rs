//! The log: what went on in the programs of Holdfast on this computer, for whoever looks for a fault. It stays here, is
//! bounded, and holds no secret: what is one has a type that does not show itself.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use serde_json::Value;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::rotate::{before, open};

/// A file that is longer than this makes way for a new one; the one before it is kept, too.
const LONGEST: u64 = 1 << 20;
/// What is kept: our own words, and the warnings of others.
const KEPT: &str = "warn,holdfast=info,holdfast_core=info,holdfast_desktop=info";

/// Begins to log: to the file, and to the screen what `screen` lets through.
pub fn begin(file: Option<PathBuf>, screen: Option<(&str, bool)>) {
    let to_file = file.map(|path| {
        let layer = fmt::layer().json().flatten_event(true).with_writer(Rotating(path));
        layer.with_filter(EnvFilter::new(KEPT))
    });
    let to_screen = screen.map(|(level, colour)| {
        fmt::layer().with_writer(io::stderr).with_ansi(colour).with_filter(EnvFilter::new(level))
    });
    // Another one may have begun in this process, and is as good.
    let _ = tracing_subscriber::registry().with(to_file).with(to_screen).try_init();
    note_panics();
}

/// A panic is noted with its place alone: its words are made of whatever was at hand, and the log holds no secret.
fn note_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "the program has a fault");
            before(panic);
        }));
    });
}

/// A file that several processes write to, a line at a time.
#[derive(Clone, Debug)]
struct Rotating(PathBuf);

impl<'a> MakeWriter<'a> for Rotating {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { path: self.0.clone(), text: Vec::new() }
    }
}

/// One line, written when it is whole.
#[derive(Debug)]
struct Line {
    path: PathBuf,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A log that cannot be written is no reason to stop anything, and there is nowhere to say it.
        let _ = open(&self.path, LONGEST).and_then(|mut file| file.write_all(&self.text));
    }
}

/// What is kept, the oldest first, line by line. One that is being written is not there yet.
pub fn lines(path: &Path) -> Vec<String> {
    let texts = [before(path), path.to_owned()].into_iter().filter_map(|path| fs::read(path).ok());
    let whole = |mut text: Vec<u8>| {
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    texts.flat_map(whole).collect()
}

/// A line as a person reads it: when, how grave, from where, what, and the rest.
pub fn readable(line: &str) -> String {
    let Ok(Value::Object(mut all)) = serde_json::from_str(line) else { return line.to_owned() };
    let mut take = |key: &str| match all.remove(key) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (time, level, target, message) = (take("timestamp"), take("level"), take("target"), take("message"));
    let time = time.split('.').next().unwrap_or_default().replace('T', " ");
    let rest: String = all
        .iter()
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!("  {key}={text}"),
            None => format!("  {key}={value}"),
        })
        .collect();
    format!("{time}  {level:<5}  {target}: {message}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/holdfast.jsonl");
        for number in 0..30 {
            let mut line = Rotating(path.clone()).make_writer();
            write!(line, "{number} ").unwrap();
            writeln!(line, "{}", "x".repeat(100_000)).unwrap();
        }
        let kept = lines(&path);
        assert!((11..=22).contains(&kept.len()), "{}", kept.len());
        assert!(kept.last().unwrap().starts_with("29 "));
    }

    #[test]
    fn a_line_that_is_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast.jsonl");
        fs::write(&path, b"one\nhalf of \xc3").unwrap();
        assert_eq!(lines(&path), ["one"]);
        fs::write(&path, "one\nhalf of \u{fc}\n").unwrap();
        assert_eq!(lines(&path), ["one", "half of \u{fc}"]);
        fs::write(&path, "no end").unwrap();
        assert!(lines(&path).is_empty());
    }

    #[test]
    fn of_a_panic_the_log_has_the_place_and_no_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holdfast.jsonl");
        begin(Some(path.clone()), None);
        let word = "m4rked";
        assert!(std::panic::catch_unwind(|| panic!("the token is {word}")).is_err());
        let kept = lines(&path).join("\n");
        assert!(kept.contains("the program has a fault") && kept.contains("log.rs:"), "{kept}");
        assert!(!kept.contains(word), "{kept}");
    }

    #[test]
    fn a_line_is_readable() {
        let line = r#"{"timestamp":"2026-11-29T10:00:00.123456Z","level":"INFO","message":"a call failed","code":"X","n":3,"target":"holdfast::problem"}"#;
        assert_eq!(
            readable(line),
            "2026-11-29 10:00:00  INFO   holdfast::problem: a call failed  code=X  n=3"
        );
        assert_eq!(readable("nonsense"), "nonsense");
    }
}
