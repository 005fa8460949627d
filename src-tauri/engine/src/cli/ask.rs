//! Questions to the person at the terminal.

use std::io::{BufRead, IsTerminal, Write};

/// The answer, without the white space around it; `None` when nobody is there to answer.
///
/// It is read on a thread of its own, so that Ctrl-C is heard meanwhile.
pub(super) async fn ask(question: &str) -> Option<String> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    drop(err);
    let read = || {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    };
    let answer = tokio::task::spawn_blocking(read).await.ok()?.ok()?;
    Some(answer.trim().to_owned())
}

/// Asks a question that is answered with yes or no; nobody there to answer means no.
pub(super) async fn confirm(question: &str) -> bool {
    ask(question).await.is_some_and(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}
