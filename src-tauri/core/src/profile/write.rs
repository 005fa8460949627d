//! Adding to a configuration file, and nothing else: what stands there stays as it is, byte for byte.

/// A section to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its header, as `profile work` or `sso-session team`.
    pub header: String,
    /// Its lines: key and value.
    pub lines: Vec<(&'static str, String)>,
}

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The whole of it.
    pub text: String,
    /// What was added.
    pub added: String,
}

impl Section {
    /// A profile. The section of the one called `default` has no prefix.
    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>
    pub fn profile(name: &str, lines: Vec<(&'static str, String)>) -> Self {
        let quoted = if name.contains(char::is_whitespace) { format!("\"{name}\"") } else { name.to_owned() };
        let header = if name == "default" { name.to_owned() } else { format!("profile {quoted}") };
        Self { header, lines }
    }

    /// An SSO session.
    pub fn session(name: &str, lines: Vec<(&'static str, String)>) -> Self {
        Self { header: format!("sso-session {name}"), lines }
    }
}

/// The text with these sections at its end. None of them is there yet.
///
/// # Errors
/// A value that would be more than one line, or a header that would not be one: its text.
pub fn written(text: &str, sections: &[Section]) -> Result<Written, String> {
    let breaks = |text: &str| text.chars().any(|c| c.is_control());
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut added = String::new();
    if !text.is_empty() && !text.ends_with('\n') {
        added += end;
    }
    for section in sections {
        if breaks(&section.header) || section.header.contains(['[', ']']) {
            return Err(section.header.clone());
        }
        if !text.is_empty() || !added.is_empty() {
            added += end;
        }
        added += &format!("[{}]{end}", section.header);
        for (key, value) in &section.lines {
            if breaks(value) || value.trim() != value {
                return Err(value.clone());
            }
            added += &format!("{key} = {value}{end}");
        }
    }
    Ok(Written { text: format!("{text}{added}"), added })
}
