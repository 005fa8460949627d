//! What a test does without a browser.

use std::time::Duration;

use super::pages::Choice;
use super::state::Answer;
use super::{authorize, device};
use crate::sandbox::Sandbox;

impl Sandbox {
    /// The user codes that wait for an answer, the oldest first.
    pub fn pending_devices(&self) -> Vec<String> {
        let now = self.now();
        self.meddle(|world| {
            let devices = world.sso.devices.values();
            let mut open: Vec<_> = devices
                .filter(|device| device.answer == Answer::Pending && device.ends > now)
                .map(|device| (device.ends, device.user_code.clone()))
                .collect();
            open.sort();
            open.into_iter().map(|(_, code)| code).collect()
        })
    }

    /// Allows the device with this user code, as its page does; false when none waits.
    pub fn allow_device(&self, user_code: &str) -> bool {
        self.everywhere(|place| device::decide(place, user_code, Choice::Allow)).is_ok()
    }

    /// Denies the device with this user code, as its page does; false when none waits.
    pub fn deny_device(&self, user_code: &str) -> bool {
        self.everywhere(|place| device::decide(place, user_code, Choice::Deny)).is_ok()
    }

    /// Allows what the page with this address (`…/authorize?…`) asks, and says where the browser goes then; none when the page
    /// would be refused.
    pub fn allow_authorization(&self, url: &str) -> Option<String> {
        self.answer_authorization(url, Choice::Allow)
    }

    /// Denies what the page with this address asks.
    pub fn deny_authorization(&self, url: &str) -> Option<String> {
        self.answer_authorization(url, Choice::Deny)
    }

    fn answer_authorization(&self, url: &str, choice: Choice) -> Option<String> {
        let (_, query) = url.split_once('?')?;
        let fields = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        self.everywhere(|place| authorize::decide(place, &fields, choice)).ok()
    }

    /// Ends every sign-in, as an administrator does: no access token and no refresh token is good any more.
    pub fn end_sign_ins(&self) {
        self.meddle(|world| world.sso.sign_ins.values_mut().for_each(|sign_in| sign_in.revoked = true));
    }

    /// Ends everything that is signed in at once: the temporary credentials that were given out until now are over.
    pub fn end_credentials(&self) {
        let now = self.now().minus(Duration::from_millis(1));
        self.meddle(|world| {
            world.temporary.values_mut().for_each(|session| session.ends = session.ends.min(now));
        });
    }
}
