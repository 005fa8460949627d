//! `holdfast upload`: one file onto the machine.

use std::io::Read;
use std::path::Path;

use super::session::reachable;
use super::{Context, out};
use crate::problem::{Exit, Problem};
use crate::remote::Machine;

/// The permissions of what comes from standard input.
const PRIVATE: u32 = 0o600;

pub(super) async fn run(
    context: &Context,
    file: &Path,
    to: Option<String>,
    mode: Option<u32>,
) -> Result<u8, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::new("files", format!("{} cannot be read", file.display())).because(error.to_string())
    };
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { None } else { file.file_name().map(|name| name.to_string_lossy().into_owned()) };
    let path = target(name.as_deref(), to.as_deref())?;
    let instance = reachable(context).await?;
    let (body, own) = if is_stdin {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).map_err(unreadable)?;
        (body, PRIVATE)
    } else {
        let body = std::fs::read(file).map_err(unreadable)?;
        (body, std::fs::metadata(file).map(|metadata| permissions(&metadata)).map_err(unreadable)?)
    };
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    let put = machine.upload(&path, mode.unwrap_or(own), &body).await;
    context.did("upload", format!("Put {path} there"), &put).await;
    put?;
    out::talk(&format!("{path} is on {}.", context.desired.machine));
    Ok(0)
}

/// Where it goes: a path, or a folder that keeps the file's name.
fn target(name: Option<&str>, to: Option<&str>) -> Result<String, Problem> {
    match (name, to) {
        (_, Some(to)) if !to.is_empty() && !to.ends_with('/') => Ok(to.to_owned()),
        (Some(name), to) => Ok(format!("{}{name}", to.unwrap_or_default())),
        (None, _) => Err(Problem::new("usage", "Standard input has no name, so a path is needed")
            .hint("holdfast upload - PATH")
            .exit(Exit::Usage)),
    }
}

#[cfg(unix)]
fn permissions(metadata: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
}

#[cfg(not(unix))]
fn permissions(_: &std::fs::Metadata) -> u32 {
    0o644
}

/// Reads a mode as `chmod` does.
pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "three octal digits, like 640".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_the_files_name() {
        let to = |name, to| target(name, to).map_err(|problem| problem.code);
        assert_eq!(to(Some("a.txt"), None), Ok("a.txt".into()));
        assert_eq!(to(Some("a.txt"), Some("b.txt")), Ok("b.txt".into()));
        assert_eq!(to(Some("a.txt"), Some("/etc/")), Ok("/etc/a.txt".into()));
        assert_eq!(to(None, Some("b")), Ok("b".into()));
        assert_eq!(to(None, Some("b/")), Err("usage"));
        assert_eq!(to(None, None), Err("usage"));
        assert_eq!(parse_mode("640"), Ok(0o640));
        assert!(parse_mode("1000").is_err() && parse_mode("rw").is_err());
    }
}
