//! The user's own text editor.

use std::ffi::OsString;
use std::io::Write;
use std::process::Command;

use crate::problem::Problem;
use crate::process::without_secrets;

/// Lets the user edit `text` in a file whose name begins and ends like this, and gives it as it is when the editor ends.
///
/// # Errors
/// The editor does not start, or ends with a failure; what was written until then is lost.
pub fn edit(text: &str, prefix: &str, suffix: &str) -> Result<String, Problem> {
    let failed = |what: &str, error: std::io::Error| {
        Problem::new("editor", what).because(error.to_string()).hint("name your editor in EDITOR")
    };
    let mut file = tempfile::Builder::new()
        .prefix(prefix)
        .suffix(suffix)
        .tempfile()
        .map_err(|error| failed("No file to edit can be made", error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed("No file to edit can be made", error))?;
    let path = file.into_temp_path();
    let editor = editor();
    // EDITOR may hold arguments (`code --wait`), so a shell reads it, as git and others do.
    let mut command = if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.arg("/C").arg(&editor).arg(&path);
        command
    } else {
        let mut command = Command::new("sh");
        let line = format!("{} \"$1\"", editor.to_string_lossy());
        command.arg("-c").arg(line).arg("holdfast").arg(&path);
        command
    };
    without_secrets(&mut command);
    let status = command.status().map_err(|error| failed("The editor does not start", error))?;
    if !status.success() {
        return Err(
            Problem::new("editor", "The editor failed, so nothing was saved").because(status.to_string())
        );
    }
    std::fs::read_to_string(&path).map_err(|error| failed("The edited file cannot be read", error))
}

fn editor() -> OsString {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os).find(|name| !name.is_empty());
    named.unwrap_or_else(|| if cfg!(windows) { "notepad".into() } else { "vi".into() })
}
