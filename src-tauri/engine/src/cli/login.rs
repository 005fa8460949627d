//! `holdfast profiles`, `holdfast login` and `holdfast logout`.

use std::io::IsTerminal as _;

use clap::Args;
use holdfast_core::app::harmless::harmless;
use holdfast_core::names::{ProfileName, Region};
use holdfast_core::profile::{Chain, Portal, Section, written};
use serde::Serialize;

use super::ask::{ask, confirm};
use super::out::{self, Style};
use super::{Global, desired, load, store, when};
use crate::aws::identity::oidc::Calls;
use crate::aws::identity::token::{self, Token};
use crate::aws::identity::write_cache_file;
use crate::aws::{Options, identity_of, profile};
use crate::problem::{Exit, Problem};
use crate::profiles::{self, Profile, Validity};
use crate::secrets::Vault;
use crate::signin::{SignIn, has_browser, open_page};
use crate::store::write_whole;

/// The region that a portal is asked in when nobody names one.
const PORTAL_REGION: &str = "us-east-1";

#[derive(Args, Debug)]
pub(super) struct Login {
    /// The profile; that of the machine's settings if left out.
    profile: Option<ProfileName>,
    /// Confirm a code in any browser, on this computer or another.
    #[arg(long)]
    code: bool,
    /// Sign in to a portal that the AWS configuration does not know, and add a profile for it.
    #[arg(long, conflicts_with = "profile")]
    new: bool,
    /// Keep the sign-in in the AWS CLI's own file, where other tools find it, instead of the keyring.
    #[arg(long)]
    share: bool,
}

/// `holdfast profiles --json`, version 1.
#[derive(Serialize)]
struct ProfilesJson<'a> {
    version: u32,
    profiles: &'a [Profile],
}

pub(super) async fn profiles(global: &Global, json: bool, check: bool) -> Result<u8, Problem> {
    let options = options(global)?;
    let mut all = profiles::list(&options.vault).await?;
    if check {
        not_in_sandbox(global)?;
        let (_, region) = meant(global, None)?;
        all = profiles::check(all, &region, &options).await;
    }
    if json {
        out::json(&ProfilesJson { version: 1, profiles: &all })?;
    } else if all.is_empty() {
        out::talk("The AWS configuration has no profile. Add one for your portal: holdfast login --new");
    } else {
        out::data(&table(&all));
    }
    Ok(0)
}

fn table(all: &[Profile]) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<[String; 6]> = all
        .iter()
        .map(|profile| {
            let state = match (profile.state, profile.until) {
                (Validity::Valid, Some(until)) if until > when::now() => {
                    format!("until {}", when::clock(until))
                }
                (Validity::Valid, Some(_)) => "renewed when it is needed".to_owned(),
                (Validity::Valid, None) => "valid".to_owned(),
                (Validity::SignIn, _) => format!("sign in: {}", or(&profile.note)),
                (Validity::Unknown, _) => profile.note.clone().unwrap_or_default(),
                (Validity::Refused | Validity::Faulty, _) => or(&profile.note),
            };
            [
                profile.name.clone(),
                profile.kind.clone(),
                or(&profile.account),
                or(&profile.role),
                or(&profile.region),
                state,
            ]
            .map(|cell| harmless(&cell, 200))
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn vault(global: &Global) -> Result<Vault, Problem> {
    Ok(store(global)?.vault())
}

/// The profile that is meant when nobody names one, and the region of the machine.
fn meant(global: &Global, given: Option<&ProfileName>) -> Result<(String, Region), Problem> {
    let settings = store(global).and_then(|store| load(global, &store));
    let desired = settings.and_then(|settings| desired(global, &settings));
    let region = desired.as_ref().map(|desired| desired.region.clone()).ok();
    let region = region.map_or_else(|| "us-west-2".parse(), Ok);
    let region = region.map_err(|error| Problem::new("internal", error.to_string()))?;
    let name = match (given, desired) {
        (Some(given), _) => given.to_string(),
        (None, Ok(desired)) => desired.profile.map_or_else(profile::usual, |profile| profile.to_string()),
        (None, Err(_)) => profile::usual(),
    };
    Ok((name, region))
}

fn options(global: &Global) -> Result<Options, Problem> {
    Ok(Options { vault: vault(global)?, ..Options::default() })
}

/// The sandbox has credentials of its own, and what is signed in to here is real.
fn not_in_sandbox(global: &Global) -> Result<(), Problem> {
    if global.sandbox {
        return Err(Problem::new(
            "sandbox",
            "The sandbox needs no sign-in, and profiles are none of its own",
        )
        .hint("without --sandbox this is about AWS itself")
        .exit(Exit::Refused));
    }
    Ok(())
}

pub(super) async fn login(global: &Global, args: &Login) -> Result<u8, Problem> {
    not_in_sandbox(global)?;
    let config = profile::config()?;
    if args.new || (args.profile.is_none() && config.profiles.is_empty()) {
        return add(global, args).await;
    }
    let (name, region) = meant(global, args.profile.as_ref())?;
    let identity = identity_of(&name, &region, &options(global)?).await?;
    let chain = &identity.chain;
    if !chain.wants_person() {
        return Err(nothing_to_do(&name, chain));
    }
    if let Some(portal) = chain.portal() {
        let _alone = store(global)?.signing_in()?;
        let token = sign_in(&identity.calls(portal), portal, identity.vault(), args).await?;
        keep(portal, &token, identity.vault(), args.share).await?;
    }
    let mut wanted = chain.mfa_serial().map(ToOwned::to_owned);
    let mut another = "";
    while let Some(serial) = wanted {
        let code = ask(&format!("{another}Code of the MFA device {}: ", harmless(&serial, 200))).await;
        let code = code.filter(|code| !code.is_empty()).ok_or_else(|| {
            Problem::new("mfa_code", format!("{name} wants a code of the MFA device {serial}"))
                .because("nobody is here to type it")
                .hint(format!("at a terminal: holdfast login {name}"))
                .exit(Exit::Refused)
        })?;
        if another.is_empty() {
            identity.forget_codes().await?;
        }
        identity.say_code(&code).await?;
        wanted = identity.wants_code().await?.and_then(|role| role.mfa_serial.clone());
        another = "The next role wants a code of its own. ";
    }
    out::talk(&format!("Signed in with {name}."));
    Ok(0)
}

fn nothing_to_do(name: &str, chain: &Chain) -> Problem {
    let problem =
        Problem::new("no_sign_in", format!("{name} needs no sign-in of Holdfast's: {}", chain.words()));
    let wanted = ProfileName::try_from(name.to_owned()).ok();
    let command = profile::command_for(wanted.as_ref());
    problem.hint_first(command).exit(Exit::Refused)
}

/// Signs a person in, the way that can be had here.
async fn sign_in(calls: &Calls, portal: &Portal, vault: &Vault, args: &Login) -> Result<Token, Problem> {
    // Whoever keeps the sign-in elsewhere needs no keyring for it.
    let elsewhere = Vault::default();
    let here = SignIn { portal, calls, vault: if args.share { &elsewhere } else { vault } };
    if args.code || !has_browser(portal) {
        let show = |code: &crate::aws::identity::oidc::DeviceCode| {
            out::talk(&format!(
                "Open {}\nand confirm that it shows this code: {}",
                harmless(&code.page, 1000),
                harmless(&code.user_code, 40)
            ));
        };
        return here.with_code(show).await;
    }
    let show = |page: &str| {
        out::talk(&format!("Allow Holdfast in the browser. If none opens, open\n{}", harmless(page, 4000)));
        if std::io::stderr().is_terminal() {
            open_page(page);
        }
    };
    here.with_browser(show).await
}

async fn keep(portal: &Portal, token: &Token, vault: &Vault, share: bool) -> Result<(), Problem> {
    let json = token.to_json(portal);
    if share {
        return write_cache_file(portal, &json);
    }
    if !vault.set(&token::name(portal), json).await? && vault.say_once() {
        out::talk(
            "This computer has no keyring, so the sign-in ends with this command. Keep it in the AWS CLI's own file: \
             holdfast login --share",
        );
    }
    Ok(())
}

/// A portal that nobody knows yet: signs in to it, and adds a profile for one of its roles.
async fn add(global: &Global, args: &Login) -> Result<u8, Problem> {
    let nobody = || {
        Problem::new("no_profile", "The AWS configuration has no profile")
            .because("adding one takes answers, and nobody is here to give them")
            .hint("at a terminal: holdfast login --new")
            .exit(Exit::Refused)
    };
    out::talk("A portal of IAM Identity Center: your administrator knows its start URL and its region.");
    let start_url = ask("Start URL, like https://example.awsapps.com/start: ").await.ok_or_else(nobody)?;
    if !start_url.starts_with("https://") && !start_url.starts_with("http://127.0.0.1") {
        return Err(Problem::new("sign_in_portal", "That is no start URL").hint("it begins with https://"));
    }
    let region = ask(&format!("Its region [{PORTAL_REGION}]: ")).await.ok_or_else(nobody)?;
    let region = if region.is_empty() { PORTAL_REGION.to_owned() } else { region };
    let known: Region = region.parse().map_err(|error: holdfast_core::names::NotAllowed| {
        Problem::new("sign_in_portal", error.to_string())
    })?;
    let session = session_name(&start_url);
    let scopes = vec![holdfast_core::profile::DEFAULT_SCOPE.to_owned()];
    let portal = Portal { session: Some(session.clone()), start_url, region, scopes };
    let vault = vault(global)?;
    let calls = crate::aws::calls(&portal, &known, &Options::default()).await;
    let token = {
        let _alone = store(global)?.signing_in()?;
        sign_in(&calls, &portal, &vault, args).await?
    };
    let choose_and_add = async {
        let accounts = calls.accounts(&token).await?;
        let names: Vec<String> =
            accounts.iter().map(|account| format!("{}  {}", account.id, account.name)).collect();
        let account = &accounts[choose("account", &names).await?];
        let roles = calls.roles(&token, &account.id).await?;
        let role = &roles[choose("role", &roles).await?];
        let proposed = format!("{session}/{role}");
        let name = ask(&format!("Name of the profile [{proposed}]: ")).await.ok_or_else(nobody)?;
        let name = if name.is_empty() { proposed } else { name };
        let name: ProfileName = name.parse().map_err(|error: holdfast_core::names::NotAllowed| {
            Problem::new("profile", error.to_string()).exit(Exit::Usage)
        })?;
        write_profile(&portal, &session, &name, &account.id, role, async || {
            keep(&portal, &token, &vault, args.share).await
        })
        .await?;
        Ok::<_, Problem>(name)
    };
    let name = match choose_and_add.await {
        Ok(name) => name,
        Err(problem) => {
            // Nobody has a use for it.
            let _ = calls.log_out(&token).await;
            return Err(problem);
        }
    };
    out::talk(&format!("Signed in with {name}. Use it: holdfast settings set profile {name}"));
    Ok(0)
}

async fn choose(what: &str, names: &[String]) -> Result<usize, Problem> {
    match names {
        [] => Err(Problem::new("no_role", format!("The portal gives you no {what}"))
            .hint("its administrator can assign you one")),
        [only] => {
            out::talk(&format!("The only {what}: {}", harmless(only, 200)));
            Ok(0)
        }
        _ => {
            for (number, name) in names.iter().enumerate() {
                out::talk(&format!("{:>3}  {}", number + 1, harmless(name, 200)));
            }
            let answer = ask(&format!("Which {what}? ")).await.unwrap_or_default();
            let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            number.filter(|number| *number < names.len()).ok_or_else(|| {
                Problem::new("no_choice", format!("{answer:?} is none of them")).exit(Exit::Usage)
            })
        }
    }
}

/// A name for a portal that nobody has named: that of its company.
fn session_name(start_url: &str) -> String {
    let host =
        start_url.split("://").nth(1).unwrap_or(start_url).split(['/', ':', '?']).next().unwrap_or_default();
    let name: String = host
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    if name.is_empty() { "portal".to_owned() } else { name }
}

/// Adds the sections to the AWS configuration, after they were shown.
async fn write_profile(
    portal: &Portal,
    session: &str,
    name: &ProfileName,
    account: &str,
    role: &str,
    keep: impl AsyncFnOnce() -> Result<(), Problem>,
) -> Result<(), Problem> {
    if name.as_str().contains(['\'', '"', '\\', '[', ']']) {
        return Err(Problem::new("profile", "A profile of that name could not be read by the AWS CLI")
            .hint("give it a name without quotes, brackets and backslashes")
            .exit(Exit::Usage));
    }
    let config = profile::config()?;
    if config.profiles.contains_key(name.as_str()) {
        return Err(Problem::new("profile", format!("There is a profile {name} already"))
            .hint(format!("sign in with it: holdfast login {name}"))
            .hint("or give the new one another name"));
    }
    let session_section = Section::session(
        session,
        vec![
            ("sso_start_url", portal.start_url.clone()),
            ("sso_region", portal.region.clone()),
            ("sso_registration_scopes", portal.scopes.join(",")),
        ],
    );
    let profile_section = Section::profile(
        name.as_str(),
        vec![
            ("sso_session", session.to_owned()),
            ("sso_account_id", account.to_owned()),
            ("sso_role_name", role.to_owned()),
        ],
    );
    let known = config.sessions.get(session);
    let same = known.is_some_and(|says| {
        says.get("sso_start_url") == Some(&portal.start_url) && says.get("sso_region") == Some(&portal.region)
    });
    if known.is_some() && !same {
        return Err(Problem::new("profile", format!("There is another sso-session {session} already"))
            .hint("take a profile of that one, or rename it in the AWS configuration"));
    }
    let sections: Vec<Section> =
        (!same).then_some(session_section).into_iter().chain([profile_section]).collect();
    let path = profile::path("AWS_CONFIG_FILE", "config")
        .ok_or_else(|| Problem::new("no_home", "This computer has no home folder"))?;
    let text = text_of(&path)?;
    let new = written(&text, &sections).map_err(|value| {
        Problem::new("profile", format!("{value:?} cannot stand in the AWS configuration"))
    })?;
    let style = Style::stderr();
    out::talk(&format!("\nTo be added to {}:\n{}", path.display(), style.soft(new.added.trim())));
    if !confirm("\nAdd it? [y/N] ").await {
        return Err(Problem::new("no_consent", "Nothing was written").exit(Exit::Refused));
    }
    // Somebody else may have written to it while the question stood there.
    if text_of(&path)? != text {
        return Err(Problem::new(
            "aws_config",
            "The AWS configuration has changed meanwhile, so nothing was written",
        )
        .hint("run the same command again"));
    }
    keep().await?;
    write_whole(&path, new.text.as_bytes()).map_err(|error| {
        Problem::new("aws_config", "The AWS configuration cannot be written").because(error.to_string())
    })
}

/// The text of a file; one that is not there has none.
fn text_of(path: &std::path::Path) -> Result<String, Problem> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| {
            Problem::new("aws_config", format!("{} cannot be read", path.display()))
                .because(error.to_string())
        }),
    }
}

pub(super) async fn logout(global: &Global, given: Option<&ProfileName>) -> Result<u8, Problem> {
    not_in_sandbox(global)?;
    let (name, region) = meant(global, given)?;
    let identity = identity_of(&name, &region, &options(global)?).await?;
    if !identity.chain.wants_person() {
        return Err(nothing_to_do(&name, &identity.chain));
    }
    let mut failed = None;
    if let Some(portal) = identity.chain.portal() {
        let calls = identity.calls(portal);
        let here = SignIn { portal, calls: &calls, vault: identity.vault() };
        for problem in here.revoke().await {
            out::talk(&format!("The portal could not be told: {}", problem.what));
        }
        failed = here.forget().await.err();
    }
    identity.forget_codes().await?;
    if let Some(problem) = failed {
        return Err(problem);
    }
    out::talk(&format!("{name} is signed out on this computer."));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_columns() {
        let of = |name: &str, state, until, note: Option<&str>| Profile {
            name: name.to_owned(),
            kind: "SSO".to_owned(),
            account: Some("111122223333".to_owned()),
            role: None,
            region: Some("us-west-2".to_owned()),
            state,
            until,
            note: note.map(ToOwned::to_owned),
        };
        let all = [
            of("team/Admin", Validity::Valid, Some(1), None),
            of("old", Validity::SignIn, None, Some("holdfast login old")),
            of("x\x1b[2J", Validity::Unknown, None, None),
            of("bad", Validity::Faulty, None, Some("profile bad lacks sso_region")),
        ];
        insta::assert_snapshot!(table(&all), @"
        team/Admin  SSO  111122223333  -  us-west-2  renewed when it is needed
        old         SSO  111122223333  -  us-west-2  sign in: holdfast login old
        x [2J       SSO  111122223333  -  us-west-2
        bad         SSO  111122223333  -  us-west-2  profile bad lacks sso_region
        ");
    }

    #[test]
    fn a_portal_is_called_like_its_company() {
        for (url, name) in [
            ("https://example.awsapps.com/start", "example"),
            ("https://d-1234567890.awsapps.com/start#/", "d-1234567890"),
            ("https://ssoins-7223.portal.us-east-1.app.aws", "ssoins-7223"),
            ("http://127.0.0.1:4566", "127"),
            ("nonsense", "nonsense"),
            ("https:///", "portal"),
        ] {
            assert_eq!(session_name(url), name, "{url}");
        }
    }
}
