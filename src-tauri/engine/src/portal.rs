//! Adding a profile for a portal that the AWS configuration does not know yet: what it gives, and what is written for it.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use holdfast_core::app::Addition;
use holdfast_core::names::{ProfileName, Region};
use holdfast_core::profile::{Chosen, Portal, Unfit, sections_for, written};

use crate::aws::identity::oidc::{Account, Calls};
use crate::aws::identity::token::Token;
use crate::aws::{self, Options, profile};
use crate::problem::{Exit, Problem};
use crate::store::write_whole;

/// How many accounts are asked for their roles at a time.
const AT_ONCE: usize = 6;

/// The calls of a portal.
///
/// # Errors
/// Its region is none.
pub async fn calls(portal: &Portal, options: &Options) -> Result<Calls, Problem> {
    let region: Region = portal.region.parse().map_err(|error| Problem::from(Unfit::Region(error)))?;
    Ok(aws::calls(portal, &region, options).await)
}

/// The accounts that the portal gives to whoever has signed in.
///
/// # Errors
/// It gives none, or cannot be asked.
pub async fn accounts(calls: &Calls, token: &Token) -> Result<Vec<Account>, Problem> {
    let accounts = calls.accounts(token).await?;
    if accounts.is_empty() { Err(gives_no("account")) } else { Ok(accounts) }
}

/// The roles in an account.
///
/// # Errors
/// There is none, or the portal cannot be asked.
pub async fn roles(calls: &Calls, token: &Token, account: &str) -> Result<Vec<String>, Problem> {
    let roles = calls.roles(token, account).await?;
    if roles.is_empty() { Err(gives_no("role")) } else { Ok(roles) }
}

/// The roles in all of these accounts, told as they come, by the account's id.
///
/// # Errors
/// There is none in any of them, or the portal cannot be asked.
pub async fn all_roles(
    calls: &Calls,
    token: &Token,
    accounts: &[Account],
    tell: impl Fn(Vec<(String, Vec<String>)>),
) -> Result<(), Problem> {
    let mut any = false;
    for some in accounts.chunks(AT_ONCE) {
        let roles = some.iter().map(async |account| {
            let roles = calls.roles(token, &account.id).await?;
            Ok::<_, Problem>((account.id.clone(), roles))
        });
        let roles = try_join_all(roles).await?;
        any |= roles.iter().any(|(_, roles)| !roles.is_empty());
        tell(roles);
    }
    if any { Ok(()) } else { Err(gives_no("role")) }
}

fn gives_no(what: &str) -> Problem {
    Problem::new("no_role", format!("The portal gives you no {what}"))
        .hint("its administrator can assign you one")
}

/// A profile that can be added as the AWS configuration is now.
#[derive(Debug)]
pub struct Draft {
    /// Its name.
    pub name: ProfileName,
    path: PathBuf,
    before: String,
    after: String,
    added: String,
}

impl Draft {
    /// The profile of this name for a role of a portal.
    ///
    /// # Errors
    /// Something of that name is there, the configuration cannot be read, or something in it could not be read by others.
    pub fn of(portal: &Portal, name: ProfileName, chosen: &Chosen) -> Result<Self, Problem> {
        let sections = sections_for(&profile::config()?, portal, &name, chosen)?;
        let path = profile::path("AWS_CONFIG_FILE", "config")
            .ok_or_else(|| Problem::new("no_home", "This computer has no home folder"))?;
        let before = text_of(&path)?;
        let new = written(&before, &sections).map_err(|value| {
            Problem::new("profile", format!("{value:?} cannot stand in the AWS configuration"))
        })?;
        Ok(Self { name, path, before, after: new.text, added: new.added })
    }

    /// What somebody is to read before it is written.
    pub fn addition(&self) -> Addition {
        Addition { file: self.path.display().to_string(), text: self.added.trim().to_owned() }
    }

    /// Keeps the sign-in, then writes the profile. Gives what keeping it gives.
    ///
    /// # Errors
    /// Somebody else has written to the file meanwhile, or the sign-in cannot be kept, or the file cannot be written: then there is
    /// no profile.
    pub async fn write<T>(&self, keep: impl AsyncFnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
        if text_of(&self.path)? != self.before {
            return Err(Problem::new(
                "aws_config",
                "The AWS configuration has changed meanwhile, so nothing was written",
            )
            .hint("add it once more, to what is there now"));
        }
        let kept = keep().await?;
        write_whole(&self.path, self.after.as_bytes()).map_err(|error| {
            Problem::new("aws_config", "The AWS configuration cannot be written").because(error.to_string())
        })?;
        Ok(kept)
    }
}

/// The text of a file; one that is not there has none.
fn text_of(path: &Path) -> Result<String, Problem> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| {
            Problem::new("aws_config", format!("{} cannot be read", path.display()))
                .because(error.to_string())
        }),
    }
}

impl From<Unfit> for Problem {
    fn from(unfit: Unfit) -> Self {
        let (code, exit) = match unfit {
            Unfit::StartUrl | Unfit::Region(_) => ("sign_in_portal", Exit::Problem),
            Unfit::Name(_) | Unfit::Unreadable => ("profile", Exit::Usage),
            Unfit::Taken(_) | Unfit::OtherSession(_) => ("profile", Exit::Problem),
        };
        let hints = unfit.hints();
        let problem = Self::new(code, unfit.to_string()).exit(exit);
        hints.into_iter().fold(problem, Problem::hint)
    }
}
