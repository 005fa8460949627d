//! Devices: a client asks with a code of its own, the user confirms another one on a page (RFC 8628).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::{self, DEVICE, need, only};
use super::fail::{invalid_grant, invalid_request};
use super::pages::{self, Choice};
use super::portals::Consent;
use super::state::{Answer, Device, Poll};
use crate::wire::{Fail, Incoming, Json, Reply};
use crate::world::Everywhere;

/// docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_StartDeviceAuthorization.html
///
/// A portal in another region is no error here; the page then refuses to be answered (github.com/fwdcloudsec/granted/issues/385).
pub(super) fn start(place: &mut Everywhere<'_>, incoming: &Incoming) -> Result<Value, Fail> {
    let json = Json(&incoming.json);
    only(json, &["clientId", "clientSecret", "startUrl"])?;
    let (id, _) = client::named(place, json, DEVICE)?;
    let url = need(json, "startUrl")?;
    let mut portals = place.conditions.portals.iter();
    // github.com/aws/aws-cli/issues/7129
    let portal =
        portals.find(|portal| portal.is_at(url)).ok_or_else(|| invalid_request("Invalid start URL"))?;
    let lifetimes = portal.lifetimes;
    let device = Device {
        user_code: user_code(),
        client: id.to_owned(),
        start_url: portal.start_url.clone(),
        in_region: portal.answers_in(place.region),
        ends: place.now.plus(lifetimes.device_code),
        interval: lifetimes.interval,
        answer: match portal.consent {
            Consent::Ask => Answer::Pending,
            Consent::Allow => Answer::Allowed,
            Consent::Deny => Answer::Denied,
        },
    };
    let code = place.conditions.secret("");
    let page = format!("{}/device", incoming.origin);
    let answer = json!({
        "deviceCode": code,
        "userCode": device.user_code,
        "verificationUri": page,
        "verificationUriComplete": format!("{page}?user_code={}", device.user_code),
        "expiresIn": lifetimes.device_code.as_secs(),
        "interval": lifetimes.interval.as_secs(),
    });
    place.world.sso.devices.insert(code, device);
    Ok(answer)
}

/// `BCDF-GHJK`: letters that make no words.
fn user_code() -> String {
    const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
    let letters = uuid::Uuid::new_v4().into_bytes().map(|byte| char::from(LETTERS[usize::from(byte % 20)]));
    // The seventh byte of such a UUID holds its version.
    let (first, second): (String, String) = (letters[..4].iter().collect(), letters[10..14].iter().collect());
    format!("{first}-{second}")
}

/// What the user said to a client's device. Whoever asks too often waits five seconds longer from then on (RFC 8628, section 3.5).
pub(super) fn ask(place: &mut Everywhere<'_>, client: &str, code: &str) -> Result<Device, Fail> {
    let device = place.world.sso.devices.get(code).filter(|device| device.client == client);
    let device = device.ok_or_else(|| invalid_grant("device code"))?.clone();
    let used = device.answer == Answer::Used;
    if !used && device.ends <= place.now {
        return Err(Fail::new("ExpiredTokenException", "Device code is expired"));
    }
    match device.answer {
        Answer::Used => return Err(invalid_grant("device code")),
        Answer::Denied => return Err(Fail::new("AccessDeniedException", "Access denied")),
        Answer::Allowed => return Ok(device),
        Answer::Pending => {}
    }
    let last = place.world.sso.polls.get(code).copied();
    let mut interval = last.map_or(device.interval, |last| last.interval);
    let early = last.is_some_and(|last| place.now.since(last.at) < interval);
    if early {
        interval += std::time::Duration::from_secs(5);
    }
    place.world.sso.polls.insert(code.to_owned(), Poll { at: place.now, interval });
    Err(if early {
        Fail::new("SlowDownException", "Slow down")
    } else {
        // github.com/boto/boto3/issues/3891
        Fail::new("AuthorizationPendingException", "Authorization is still pending")
    })
}

/// The page that verifies a user code.
pub(super) fn show(place: &Everywhere<'_>, fields: &BTreeMap<String, String>) -> Result<Reply, Fail> {
    let Some(code) = fields.get("user_code").filter(|code| !code.is_empty()) else {
        return Ok(Reply::Page(pages::enter_code()));
    };
    let device = pending(place, code)?;
    let client = client::registered(place, &device.client)?;
    let portal = &device.start_url;
    let text = format!("{} asks for access to {portal}. Its code is {}.", client.name, device.user_code);
    Ok(Reply::Page(pages::ask(place.conditions, "/device", &text, &[("user_code", &device.user_code)])))
}

/// What the user said on the page.
pub(super) fn answer(place: &mut Everywhere<'_>, fields: &BTreeMap<String, String>) -> Result<Reply, Fail> {
    let choice = Choice::of(place.conditions, fields)?;
    let code = fields.get("user_code").map_or("", String::as_str);
    decide(place, code, choice)?;
    let page = match choice {
        Choice::Allow => pages::done("Request approved", "You can close this window."),
        Choice::Deny => pages::done("Request denied", "You can close this window."),
    };
    Ok(Reply::Page(page))
}

/// Answers for the user.
pub(super) fn decide(place: &mut Everywhere<'_>, user_code: &str, choice: Choice) -> Result<(), Fail> {
    let known = pending(place, user_code)?.user_code.clone();
    let mut devices = place.world.sso.devices.values_mut();
    if let Some(device) = devices.find(|device| device.user_code == known) {
        device.answer = match choice {
            Choice::Allow => Answer::Allowed,
            Choice::Deny => Answer::Denied,
        };
    }
    Ok(())
}

fn pending<'a>(place: &'a Everywhere<'_>, user_code: &str) -> Result<&'a Device, Fail> {
    let code = user_code.trim().to_ascii_uppercase();
    let mut devices = place.world.sso.devices.values();
    let device = devices.find(|device| device.user_code == code && device.answer == Answer::Pending);
    let open = device.filter(|device| device.in_region && device.ends > place.now);
    open.ok_or_else(|| invalid_grant("grant"))
}
