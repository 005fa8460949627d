//! The pages on which a user says yes or no: plain forms, complete in themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::conditions::Conditions;
use crate::principal::ACCESS_KEY;
use crate::wire::{Fail, escape};

/// What the user says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Allow,
    Deny,
}

impl Choice {
    /// What a page's form says. Yes must come from somebody who could call anyway, and proves that with a caller's access key: a served
    /// sandbox hands out credentials, and its machines run programs as the user who serves it. Where the well-known
    /// [`ACCESS_KEY`] is a caller's, everybody could.
    pub(super) fn of(conditions: &Conditions, fields: &BTreeMap<String, String>) -> Result<Self, Fail> {
        match fields.get("answer").map(String::as_str) {
            Some("deny") => Ok(Self::Deny),
            Some("allow") => {
                let given = fields.get("password").map(|password| password.trim());
                let knows = conditions.principals.iter().any(|caller| Some(&*caller.access_key) == given);
                if knows || !asks_for_key(conditions) {
                    return Ok(Self::Allow);
                }
                Err(Fail::new("AccessDeniedException", "This is no access key of the sandbox.")
                    .with_status(403))
            }
            Some(_) | None => Err(Fail::new("InvalidRequestException", "Say allow or deny.")),
        }
    }
}

fn asks_for_key(conditions: &Conditions) -> bool {
    !conditions.principals.iter().any(|caller| caller.access_key == ACCESS_KEY)
}

/// A question with the buttons Allow and Deny.
pub(super) fn ask(conditions: &Conditions, action: &str, text: &str, hidden: &[(&str, &str)]) -> String {
    let mut form = format!("<form method=\"post\" action=\"{action}\">");
    for (name, value) in hidden {
        let _ = write!(form, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value));
    }
    if asks_for_key(conditions) {
        form += "<p><label for=\"password\">Access key of the sandbox</label> \
                 <input type=\"password\" id=\"password\" name=\"password\" autocomplete=\"off\"></p>";
    }
    form += "<button id=\"allow\" name=\"answer\" value=\"allow\">Allow</button> \
             <button id=\"deny\" name=\"answer\" value=\"deny\">Deny</button></form>";
    whole("Allow access?", &format!("<p>{}</p>{form}", escape(text)))
}

/// The field for the code that a device shows.
pub(super) fn enter_code() -> String {
    let form = "<form method=\"get\" action=\"/device\"><label for=\"user_code\">Code</label> \
                <input id=\"user_code\" name=\"user_code\" autocomplete=\"off\" autofocus> \
                <button id=\"next\">Next</button></form>";
    whole("Which code does the device show?", form)
}

/// The end of it.
pub(super) fn done(title: &str, text: &str) -> String {
    whole(title, &format!("<p>{}</p>", escape(text)))
}

/// A refusal.
pub(crate) fn refusal(fail: &Fail) -> String {
    let text = format!("<p id=\"error\">{}</p><p>{}</p>", escape(&fail.message), escape(&fail.code));
    whole("This cannot be done", &text)
}

fn whole(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>body{{font:1rem sans-serif;max-width:34rem;\
         margin:4rem auto;padding:0 1rem}}</style></head>\n<body><h1>{title}</h1>{content}\
         <p><small>Holdfast's sandbox: no real AWS is behind this page.</small></p></body></html>\n"
    )
}
