//! `holdfast profiles`, `holdfast login` and `holdfast logout`.

use std::io::IsTerminal as _;

use clap::Args;
use holdfast_core::app::Addition;
use holdfast_core::app::harmless::harmless;
use holdfast_core::names::{ProfileName, Region};
use holdfast_core::profile::{Chain, Chosen, PORTAL_REGION, Portal, profile_name};
use serde::Serialize;

use super::ask::{ask, confirm};
use super::out::{self, Style};
use super::{Global, desired, load, store, when};
use crate::aws::identity::oidc::Calls;
use crate::aws::identity::token::{self, Token};
use crate::aws::identity::write_cache_file;
use crate::aws::{Options, identity_of, profile};
use crate::portal::{self, Draft};
use crate::problem::{Exit, Problem};
use crate::profiles::{self, Profile, Validity};
use crate::secrets::Vault;
use crate::signin::{SignIn, has_browser, open_page};

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
    Portal::typed(&start_url, PORTAL_REGION)?;
    let region = ask(&format!("Its region [{PORTAL_REGION}]: ")).await.ok_or_else(nobody)?;
    let portal = Portal::typed(&start_url, &region)?;
    let vault = vault(global)?;
    let calls = portal::calls(&portal, &Options::default()).await?;
    let token = {
        let _alone = store(global)?.signing_in()?;
        sign_in(&calls, &portal, &vault, args).await?
    };
    let choose_and_add = async {
        let accounts = portal::accounts(&calls, &token).await?;
        let names: Vec<String> =
            accounts.iter().map(|account| format!("{}  {}", account.id, account.name)).collect();
        let account = accounts[choose("account", &names).await?].id.clone();
        let roles = portal::roles(&calls, &token, &account).await?;
        let role = roles[choose("role", &roles).await?].clone();
        let proposed = portal.proposes(&role);
        let name = ask(&format!("Name of the profile [{proposed}]: ")).await.ok_or_else(nobody)?;
        let name = profile_name(if name.is_empty() { &proposed } else { &name })?;
        let draft = Draft::of(&portal, name, &Chosen { account, role })?;
        let Addition { file, text } = draft.addition();
        out::talk(&format!("\nTo be added to {file}:\n{}", Style::stderr().soft(&text)));
        if !confirm("\nAdd it? [y/N] ").await {
            return Err(Problem::new("no_consent", "Nothing was written").exit(Exit::Refused));
        }
        draft.write(async || keep(&portal, &token, &vault, args.share).await).await?;
        Ok::<_, Problem>(draft.name)
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
}
