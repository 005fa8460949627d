//! A person at the window, by way of `WebKitWebDriver`.
//!
//! Source: <https://www.w3.org/TR/webdriver2/>

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::desktop::{APP, Desktop, eventually};

/// The key under which an element travels.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A session with the app's window.
pub(crate) struct Window {
    agent: ureq::Agent,
    session: String,
}

impl Window {
    /// Starts the app with its window open.
    pub(crate) fn open(desktop: &mut Desktop, environment: &[(&str, &str)]) -> Self {
        Self::of(desktop, Path::new(APP), environment)
    }

    /// The same with a program that becomes the app.
    pub(crate) fn of(desktop: &mut Desktop, program: &Path, environment: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = desktop.command("WebKitWebDriver");
        server.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        server.envs([("TAURI_AUTOMATION", "true"), ("TAURI_WEBVIEW_AUTOMATION", "true")]);
        server.envs(environment.iter().copied());
        desktop.start(&mut server);
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent: ureq::Agent = config.into();
        let base = format!("http://127.0.0.1:{port}");
        eventually("the web driver", || agent.get(format!("{base}/status")).call().ok());
        let options = json!({ "binary": program, "args": ["--window"] });
        let wanted = json!({ "browserName": "wry", "webkitgtk:browserOptions": options });
        let body = json!({ "capabilities": { "alwaysMatch": wanted } }).to_string();
        let answer = eventually("a session", || {
            let mut answer = agent.post(format!("{base}/session")).send(&body).ok()?;
            let value: Value = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
            value["value"]["sessionId"].as_str().map(str::to_owned)
        });
        Self { agent, session: format!("{base}/session/{answer}") }
    }

    fn answer(&self, result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
        let mut answer = result.map_err(|error| error.to_string())?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(value["value"].clone()) } else { Err(text) }
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.answer(self.agent.post(format!("{}/{path}", self.session)).send(body.to_string()))
    }

    fn element(&self, selector: &str) -> Option<String> {
        let body = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", &body).ok()?;
        found[ELEMENT].as_str().map(str::to_owned)
    }

    /// Waits for an element.
    #[track_caller]
    pub(crate) fn wait_for(&self, selector: &str) -> String {
        eventually(selector, || self.element(selector))
    }

    /// Whether an element is there now.
    pub(crate) fn has(&self, selector: &str) -> bool {
        self.element(selector).is_some()
    }

    /// The text that a person reads in an element.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? null", json!(selector));
        eventually(selector, || self.script(&script).as_str().map(str::to_owned))
    }

    /// Waits until an element reads so.
    #[track_caller]
    pub(crate) fn reads(&self, selector: &str, text: &str) {
        eventually(&format!("{selector} to read {text}"), || {
            self.text(selector).contains(text).then_some(())
        });
    }

    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        // In a narrow window the navigation lies over what is scrolled below it.
        let shown =
            format!("document.querySelector({})?.scrollIntoView({{ block: 'center' }})", json!(selector));
        eventually(&format!("a click on {selector}"), || {
            self.script(&shown);
            let element = self.element(selector)?;
            self.post(&format!("element/{element}/click"), &json!({})).ok()
        });
    }

    /// Replaces what stands in a field.
    #[track_caller]
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.wait_for(selector);
        self.post(&format!("element/{element}/clear"), &json!({})).unwrap();
        self.post(&format!("element/{element}/value"), &json!({ "text": text })).unwrap();
    }

    /// What a script in the page answers.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] })).unwrap()
    }

    /// What a script answers by its last argument.
    #[track_caller]
    pub(crate) fn script_later(&self, script: &str) -> Value {
        self.post("execute/async", &json!({ "script": script, "args": [] })).unwrap()
    }

    /// Keeps a picture of the page, for people to look at.
    pub(crate) fn picture(&self, desktop: &Desktop, name: &str) {
        // What has just changed still moves.
        std::thread::sleep(std::time::Duration::from_millis(400));
        desktop.picture(name);
    }
}
