//! The profiles of the AWS configuration as they are listed: what each is, and whether it gives credentials now.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::provider::ProvideCredentials as _;
use futures_util::{StreamExt as _, stream};
use holdfast_core::names::{ProfileName, Region};
use holdfast_core::profile::Config;
pub use holdfast_core::profile::{Profile, Validity};
use tokio::time::timeout;

use crate::aws::identity::token;
use crate::aws::{Aws, Options, profile};
use crate::problem::Problem;
use crate::secrets::Vault;
use crate::signin::best;

/// How long AWS, or the program that prints credentials, may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many profiles are tried at once.
const AT_ONCE: usize = 8;

/// All profiles, without asking anybody.
///
/// # Errors
/// The AWS configuration makes no sense.
pub async fn list(vault: &Vault) -> Result<Vec<Profile>, Problem> {
    let (config, vault) = (profile::config()?, vault.only_looking());
    let mut all = Vec::new();
    for name in config.profiles.keys() {
        all.push(listed(&config, name, &vault).await);
    }
    Ok(all)
}

async fn listed(config: &Config, name: &str, vault: &Vault) -> Profile {
    let mut listed = Profile {
        name: name.to_owned(),
        kind: "nothing".to_owned(),
        account: None,
        role: None,
        region: config.region(name).map(ToOwned::to_owned),
        state: Validity::Unknown,
        until: None,
        note: None,
    };
    let chain = match config.chain(name) {
        Ok(chain) => chain,
        Err(faulty) => return Profile { state: Validity::Faulty, note: Some(faulty.to_string()), ..listed },
    };
    listed.kind = chain.words();
    (listed.account, listed.role) = chain.identity();
    let wants_code = chain.mfa_serial().is_some();
    if let Some(portal) = chain.portal() {
        match best(portal, vault).await {
            Ok(Some(token)) => {
                listed.state = Validity::Valid;
                listed.until = Some(token::ends(&token).since_epoch().as_secs());
            }
            Ok(None) => {
                listed.state = Validity::SignIn;
                listed.note = Some(format!("holdfast login {name}"));
            }
            Err(problem) => listed.note = Some(problem.to_string()),
        }
    }
    // Whether the code of its device was said, only asking tells.
    if wants_code && listed.state == Validity::Valid {
        (listed.state, listed.until) = (Validity::Unknown, None);
    }
    listed
}

/// Asks AWS who each profile lets one be. Programs that print credentials run for it.
pub async fn check(all: Vec<Profile>, region: &Region, options: &Options) -> Vec<Profile> {
    let checks = all.into_iter().map(|listed| checked(listed, region, options));
    stream::iter(checks).buffered(AT_ONCE).collect().await
}

async fn checked(listed: Profile, region: &Region, options: &Options) -> Profile {
    if matches!(listed.state, Validity::Faulty | Validity::SignIn) {
        return listed;
    }
    let name = match listed.name.parse::<ProfileName>() {
        Ok(name) => name,
        Err(error) => return Profile { state: Validity::Refused, note: Some(error.to_string()), ..listed },
    };
    let ask = async {
        let aws = Aws::of_profile(region.clone(), name, options.clone()).await;
        let who = aws.who().await?;
        let credentials = match aws.credentials() {
            Some(provider) => provider.provide_credentials().await.ok(),
            None => None,
        };
        let ends = credentials.and_then(|known| known.expiry());
        let ends = ends.and_then(|ends| ends.duration_since(UNIX_EPOCH).ok()).map(|ends| ends.as_secs());
        Ok::<_, Problem>((who, ends))
    };
    match timeout(PATIENCE, ask).await {
        Ok(Ok((who, ends))) => {
            let role = who.as_str().split_once('/').map(|(_, role)| role.to_owned());
            Profile {
                account: listed.account.or_else(|| Some(who.account().to_owned())),
                role: listed.role.or(role),
                state: Validity::Valid,
                until: ends.or(listed.until),
                ..listed
            }
        }
        Ok(Err(problem)) => Profile { state: Validity::Refused, note: Some(problem.to_string()), ..listed },
        Err(_) => {
            let note = format!("no answer within {} seconds", PATIENCE.as_secs());
            Profile { state: Validity::Refused, note: Some(note), ..listed }
        }
    }
}
