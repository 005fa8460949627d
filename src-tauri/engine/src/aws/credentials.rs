//! Credentials, asked for once and kept while they hold.
//!
//! The SDK keeps them for each client, and asks again for each new one. A new client is what a lost network calls for,
//! and every websocket is signed anew, so without this a `credential_process` would run each time.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, Result, SharedCredentialsProvider, future};

/// Credentials that end this soon are renewed. The SDK renews 10 seconds before the end; a websocket's signature is looked
/// at later than that.
const MARGIN: Duration = Duration::from_secs(60);
/// How long credentials without an end are kept: a file may have changed.
const UNDATED: Duration = Duration::from_secs(300);

pub(super) struct Kept {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<(Credentials, SystemTime)>>,
}

impl Kept {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, kept: Mutex::default() }
    }

    async fn get(&self) -> Result {
        let now = SystemTime::now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((credentials, asked)) = kept {
            let holds = match credentials.expiry() {
                Some(end) => end > now + MARGIN,
                None => now.duration_since(asked).is_ok_and(|age| age < UNDATED),
            };
            if holds {
                return Ok(credentials);
            }
        }
        let credentials = self.provider.provide_credentials().await?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((credentials.clone(), now));
        Ok(credentials)
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kept").finish_non_exhaustive()
    }
}
