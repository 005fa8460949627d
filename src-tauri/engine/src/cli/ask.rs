//! Questions to the person at the terminal.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use secrecy::SecretString;

use crate::problem::{Exit, Problem};

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

/// A secret that is typed unseen, or read from standard input where that is no terminal.
///
/// # Errors
/// There is none.
pub(super) async fn secret(question: &str) -> Result<SecretString, Problem> {
    let read = if std::io::stdin().is_terminal() {
        let _seen_again = crate::terminal::Echo::keep();
        let question = question.to_owned();
        tokio::task::spawn_blocking(|| rpassword::prompt_password(question)).await
    } else {
        let read = || {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
        };
        tokio::task::spawn_blocking(read).await
    };
    let none = |why: String| Problem::new("secret", "Nothing was read").because(why).exit(Exit::Usage);
    let text = read.map_err(|error| none(error.to_string()))?.map_err(|error| none(error.to_string()))?;
    Ok(text.trim().to_owned().into())
}

/// Waits until the person presses Enter, at a terminal where nothing is asked. What is typed after this is dropped is left for
/// whoever asks next.
#[cfg(unix)]
#[expect(
    deprecated,
    reason = "it is unsound only for what is closed meanwhile, and nobody closes standard input"
)]
pub(super) async fn enter() {
    use tokio::io::unix::AsyncFd;
    if std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal()
        && let Ok(stdin) = AsyncFd::new(std::io::stdin())
        && let Ok(mut there) = stdin.readable().await
    {
        there.clear_ready();
        // A terminal has a whole line or nothing.
        if stdin.get_ref().lock().read_line(&mut String::new()).is_ok_and(|length| length > 0) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// A console cannot be waited for without taking what is typed.
#[cfg(not(unix))]
pub(super) async fn enter() {
    std::future::pending::<()>().await;
}
