//! Completions.

use std::process::{Command, Stdio};

use super::Home;

/// Each shell that is here reads the script; bash, which is everywhere that these tests are at home, also uses it.
#[test]
fn completions_are_accepted_by_the_shells_that_are_here() {
    let home = Home::new();
    let mut here = Vec::new();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = home.run(&format!("completions {shell}")).well().out;
        for word in ["destroy", "keep-volume", "sandbox"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
        let path = home.folder.path().join(shell);
        std::fs::write(&path, script).unwrap();
        let mut command = Command::new(shell);
        match command.arg(check).arg(&path).stdin(Stdio::null()).output() {
            Ok(output) => {
                assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
                here.push(shell);
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{shell}: {error}"),
        }
    }
    println!("read by {}", here.join(", "));
}

#[test]
fn bash_completes_a_command() {
    let home = Home::new();
    let path = home.folder.path().join("bash");
    std::fs::write(&path, home.run("completions bash").well().out).unwrap();
    let asked = format!(
        "source '{}'; COMP_WORDS=(holdfast de); COMP_CWORD=1; _holdfast holdfast de holdfast; echo \"${{COMPREPLY[*]}}\"",
        path.display()
    );
    let Ok(output) = Command::new("bash").args(["--norc", "-c", &asked]).output() else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "destroy\n");
}
