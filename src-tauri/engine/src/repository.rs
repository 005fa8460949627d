//! A configuration in a repository: what its host is answered with, and where the clone on the machine stands.

use holdfast_core::config::{credential, credential_scope};
use holdfast_core::jobs::Checkout;
use holdfast_core::machine::ConfigSource;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::place;
use crate::jobs::{failed, garbled};
use crate::problem::Problem;
use crate::remote::{Answer, Machine};
use crate::secrets::Vault;

/// The environment variable with a token, where there is no keyring. It comes before the keyring.
pub const TOKEN: &str = "HOLDFAST_GIT_TOKEN";

/// A token that the machine has for one task.
#[derive(Debug)]
pub(crate) struct Lent {
    /// The file in the home of the machine's user; empty where there is no token. Who is told of it there removes it.
    pub(crate) file: String,
    /// Why the keyring could not be asked. A repository that everybody may read does not need it.
    pub(crate) keyring: Option<Problem>,
}

/// Puts on the machine what the repository's host asks for, if this computer has it. It goes there as the body of a file: no
/// parameter, no command line and no log has it.
pub(crate) async fn lend(machine: Machine<'_>, url: &str) -> Result<Lent, Problem> {
    let mut lent = Lent { file: String::new(), keyring: None };
    let token = match token(machine.aws.vault(), url).await {
        Ok(token) => token,
        Err(problem) => {
            lent.keyring = Some(problem);
            None
        }
    };
    if let Some(token) = token {
        let answer = credential(url, token.expose_secret()).map_err(|error| {
            Problem::new("token", "The token makes no sense").because(error.to_string()).hint(GIVE)
        })?;
        lent.file = format!(".holdfast-git-{}", uuid::Uuid::new_v4().simple());
        machine.upload(&lent.file, 0o600, answer.as_bytes()).await?;
    }
    Ok(lent)
}

const GIVE: &str = "give another: holdfast config token";

/// Under which name the vault keeps the token of a git host; `scope` is what [`credential_scope`] says.
pub(crate) fn name(scope: &str) -> String {
    format!("git {scope}")
}

async fn token(vault: &Vault, url: &str) -> Result<Option<SecretString>, Problem> {
    let Some(scope) = credential_scope(url) else { return Ok(None) };
    match std::env::var(TOKEN) {
        Ok(token) if !token.is_empty() => Ok(Some(token.into())),
        Ok(_) | Err(_) => vault.read(&name(&scope)).await,
    }
}

/// Makes a commit of what was changed in the clone on the machine, and pushes it.
///
/// # Errors
/// git refuses; or the machine cannot be reached.
pub async fn share(machine: Machine<'_>, url: &str, message: &str) -> Result<(), Problem> {
    let lent = lend(machine, url).await?;
    let answer = at_clone(machine, "share", url, &lent.file, message).await?;
    if answer.status == 0 {
        return Ok(());
    }
    let problem = failed("What was changed on the machine cannot be pushed", &answer)
        .hint("it is in the clone there: holdfast exec -- git -C remote-dev status")
        .hint("a token that may write helps where the host denies it: holdfast config token");
    Err(problem.hint_first(lent.keyring.map(|keyring| format!("the keyring: {keyring}"))))
}

/// Where the clone on the machine stands beside its repository. A host that lets everybody in is asked without a token.
///
/// # Errors
/// The machine cannot be reached, or answers nonsense; or the keyring does not give the token that may help. A repository that
/// cannot be asked otherwise is none.
pub async fn checkout(machine: Machine<'_>) -> Result<Checkout, Problem> {
    let ConfigSource::Git { url, branch, .. } = &machine.desired.config else {
        return Ok(Checkout::default());
    };
    let branch = branch.as_deref().unwrap_or_default();
    let ask = async |file: &str| {
        let answer = at_clone(machine, "ahead", url, file, branch).await?;
        Checkout::parse(&answer.out).map_err(garbled)
    };
    let open = ask("").await?;
    if open.remote.is_some() || open.is_other {
        return Ok(open);
    }
    match lend(machine, url).await? {
        Lent { keyring: Some(problem), .. } => Err(problem),
        Lent { file, .. } if file.is_empty() => Ok(open),
        Lent { file, .. } => ask(&file).await,
    }
}

async fn at_clone(
    machine: Machine<'_>,
    order: &str,
    url: &str,
    file: &str,
    last: &str,
) -> Result<Answer, Problem> {
    let scope = credential_scope(url).unwrap_or_default();
    let (folder, user) = (place(machine.desired), machine.desired.user.as_str());
    machine.order(&[order, &folder, user, url, &scope, file, last]).await
}
