//! What a private repository's host is answered with.

/// For what a token counts: the host of an `https` address, without login and path; `None` for an address that takes none.
pub fn credential_scope(url: &str) -> Option<String> {
    let (authority, _) = url.strip_prefix("https://")?.split_once('/')?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    Some(format!("https://{}", host.to_ascii_lowercase()))
}

/// A text that is no token of a git host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is one word of at most {LONGEST} visible ASCII characters")]
pub struct NotAToken;

/// Those of Azure DevOps and of GitHub's apps are the longest, with some hundred characters.
const LONGEST: usize = 2048;

/// What git reads of its credential helper for this address. GitHub, GitLab, Gitea, Azure DevOps and Bitbucket's own tokens
/// take any name with a token; an address that gives a name needs that one, and git knows it.
/// Source: `git help credentials`, and GitHub's "Authenticating as a GitHub App installation", which uses this name.
///
/// # Errors
/// The token could not be written in that form.
pub fn credential(url: &str, token: &str) -> Result<String, NotAToken> {
    if !(1..=LONGEST).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NotAToken);
    }
    let authority = url.split('/').nth(2).unwrap_or_default();
    let name = if authority.contains('@') { "" } else { "username=x-access-token\n" };
    Ok(format!("{name}password={token}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_the_host_of_an_encrypted_line() {
        for (url, scope) in [
            ("https://github.com/ada/machine.git", Some("https://github.com")),
            ("https://ada@Git.Example.com:8443/ada/machine", Some("https://git.example.com:8443")),
            ("https://host.example/a@b/c", Some("https://host.example")),
            ("ssh://git@github.com/ada/machine.git", None),
            ("git@github.com:ada/machine.git", None),
        ] {
            assert_eq!(credential_scope(url).as_deref(), scope, "{url}");
        }
    }

    #[test]
    fn git_is_answered_with_the_name_of_the_address_if_it_has_one() {
        let plain = credential("https://github.com/a/b", "ghp_abc").unwrap();
        assert_eq!(plain, "username=x-access-token\npassword=ghp_abc\n");
        assert_eq!(credential("https://ada@bitbucket.org/a/b", "x").unwrap(), "password=x\n");
        let long = "x".repeat(LONGEST + 1);
        for bad in ["", "two words", "a\nhost=evil.example", "a\r", "ü", "a\0", &long] {
            assert_eq!(credential("https://github.com/a/b", bad), Err(NotAToken), "{bad:?}");
        }
    }
}
