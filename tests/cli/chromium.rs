//! A person at a real browser, by way of ChromeDriver.
//!
//! Source: <https://www.w3.org/TR/webdriver2/>

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The key under which an element travels.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser without a screen.
pub(super) struct Chromium {
    agent: ureq::Agent,
    session: String,
    driver: Child,
    _folder: tempfile::TempDir,
}

impl Chromium {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).env("HOME", folder.path());
        let driver = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let agent: ureq::Agent = config.into();
        let base = format!("http://127.0.0.1:{port}");
        eventually("ChromeDriver", || agent.get(format!("{base}/status")).call().ok());
        // Chromium's own sandbox does not run as root, as tests in a container do.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
        ];
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let arguments: Vec<&str> = arguments.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": { "args": arguments } });
        let mut this = Self { agent, session: base, driver, _folder: folder };
        let began = this.post("session", &json!({ "capabilities": { "alwaysMatch": wanted } })).unwrap();
        this.session += &format!("/session/{}", began["sessionId"].as_str().unwrap());
        this
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let sent = self.agent.post(format!("{}/{path}", self.session)).send(body.to_string());
        let mut answer = sent.map_err(|error| error.to_string())?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(value["value"].clone()) } else { Err(text) }
    }

    pub(super) fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url })).unwrap();
    }

    fn element(&self, selector: &str) -> Option<String> {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector })).ok()?;
        found[ELEMENT].as_str().map(str::to_owned)
    }

    pub(super) fn click(&self, selector: &str) {
        let element = eventually(selector, || self.element(selector));
        self.post(&format!("element/{element}/click"), &json!({})).unwrap();
    }

    /// Waits until the page reads so.
    pub(super) fn reads(&self, text: &str) {
        let script = json!({ "script": "return document.body.innerText", "args": [] });
        eventually(text, || {
            let read = self.post("execute/sync", &script).ok()?;
            read.as_str().is_some_and(|read| read.contains(text)).then_some(())
        });
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends the browser, too.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn eventually<T>(what: &str, so: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = so() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
