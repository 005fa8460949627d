//! Where the clone on the machine stands beside its repository.

use super::{Garbled, blocks, number};

/// What `machine ahead` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkout {
    /// The commit that is checked out; `None` where there is no clone.
    pub head: Option<String>,
    /// Something in it is in no commit.
    pub is_dirty: bool,
    /// Commits that were not pushed.
    pub unpushed: u32,
    /// The newest commit of the repository's branch; `None` where the repository could not be asked.
    pub remote: Option<String>,
    /// What is checked out has that commit in its history.
    pub has_remote: bool,
    /// It is a clone of another repository, of which nothing else is told.
    pub is_other: bool,
}

impl Checkout {
    /// Reads the answer.
    ///
    /// # Errors
    /// It is not whole.
    pub fn parse(answer: &[u8]) -> Result<Self, Garbled> {
        let blocks = blocks(answer)?;
        let Some(block) = blocks.first() else { return Ok(Self::default()) };
        let commit = |key: &str| {
            let is_one =
                |text: &&String| text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            block.get(key).filter(is_one).cloned()
        };
        Ok(Self {
            head: commit("head"),
            is_dirty: block.contains_key("dirty"),
            unpushed: number(block, "unpushed").unwrap_or(0),
            remote: commit("remote"),
            has_remote: block.contains_key("has_remote"),
            is_other: block.contains_key("other"),
        })
    }

    /// Whether a machine with this revision runs something else than the repository's newest state; `None` where that cannot
    /// be said. What was built with changes that are in no commit is something else.
    pub fn is_behind(&self, revision: &str) -> Option<bool> {
        let remote = self.remote.as_ref()?;
        if revision.contains('+') {
            return Some(true);
        }
        let runs_head = self.head.as_ref().is_some_and(|head| is_of(revision, head));
        Some(!(is_of(revision, remote) || runs_head && self.has_remote))
    }

    /// Something is on the machine alone.
    pub fn has_own(&self) -> bool {
        self.is_dirty || self.unpushed > 0
    }
}

/// Whether a revision, as in `abc123def456`, was built from this commit.
fn is_of(revision: &str, commit: &str) -> bool {
    !revision.is_empty() && commit.starts_with(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_stands_beside_its_repository() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let answer = |text: &str| Checkout::parse(format!("{text}\nend\n").as_bytes()).unwrap();
        let runs = "111111111111";
        for (text, behind, own) in [
            (format!("head={one}\nremote={one}\nhas_remote=1\n"), Some(false), false),
            (format!("head={one}\nremote={two}\n"), Some(true), false),
            (format!("head={one}\nremote={two}\nhas_remote=1\nunpushed=2\n"), Some(false), true),
            (format!("head={one}\nremote={two}\nunpushed=1\n"), Some(true), true),
            (format!("head={one}\nremote={one}\nhas_remote=1\ndirty=1\n"), Some(false), true),
            // Pulled there, and not yet built.
            (format!("head={two}\nremote={two}\nhas_remote=1\n"), Some(true), false),
            // No clone yet.
            (format!("remote={one}\n"), Some(false), false),
            (format!("remote={two}\n"), Some(true), false),
            (format!("head={one}\n"), None, false),
            ("other=1\n".to_owned(), None, false),
            (String::new(), None, false),
        ] {
            let checkout = answer(&text);
            assert_eq!((checkout.is_behind(runs), checkout.has_own()), (behind, own), "{text}");
            assert_eq!(checkout.is_behind(&format!("{runs}+dirty")), behind.map(|_| true), "{text}");
            assert_ne!(checkout.is_behind("embedded 111111111111"), Some(false), "{text}");
        }
        assert_eq!(answer("head=$(id)\nremote=HEAD\nunpushed=-1\n"), Checkout::default());
        assert_eq!(Checkout::parse(b"head=1\n"), Err(Garbled));
    }
}
