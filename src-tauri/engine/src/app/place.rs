//! Where the files and AWS of the app are.

use std::time::SystemTime;

use holdfast_core::app::{self, Setup, WayIn};
use holdfast_core::cost::History;
use holdfast_core::machine::Desired;
use holdfast_core::names::{MachineName, UserName};
use holdfast_core::time::Moment;

use crate::aws::{Aws, Options, profile};
use crate::problem::Problem;
use crate::secrets::Vault;
use crate::store::{self, Store};
use crate::{prices, sandbox, signin};

/// Where the files and AWS are.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) store: Store,
    pub(super) sandbox: bool,
    pub(super) options: Option<Options>,
    /// One for the process: what no keyring takes is in it.
    pub(super) vault: Vault,
    pub(super) clock: fn() -> SystemTime,
}

impl Place {
    /// The user's own place, or that of the sandbox on this computer.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn open(sandbox: bool) -> Result<Self, Problem> {
        let store = if sandbox { sandbox::store()? } else { Store::open()? };
        let vault = store.vault();
        Ok(Self { store, sandbox, options: None, vault, clock: SystemTime::now })
    }

    /// This store, this AWS and this clock.
    pub fn at(store: Store, options: Options, clock: fn() -> SystemTime) -> Self {
        let vault = options.vault.clone();
        Self { store, sandbox: false, options: Some(options), vault, clock }
    }

    /// Where the files are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn now(&self) -> Moment {
        let since = (self.clock)().duration_since(SystemTime::UNIX_EPOCH);
        Moment::from_epoch(since.unwrap_or_default())
    }

    pub(super) async fn aws(&self, desired: &Desired) -> Result<Aws, Problem> {
        let mut options = self.options().await?;
        options.maker = self.store.maker()?;
        options.prices = prices::known(&self.store, desired);
        Ok(Aws::connect(desired, options).await)
    }

    pub(super) async fn options(&self) -> Result<Options, Problem> {
        let options = match &self.options {
            Some(options) => options.clone(),
            None if self.sandbox => sandbox::endpoint().await?,
            None => Options::default(),
        };
        self.vault.look_again();
        Ok(Options { vault: self.vault.clone(), ..options })
    }

    /// How a person signs in, unless the credentials are given.
    pub(super) fn way_in(&self, desired: &Desired) -> Option<WayIn> {
        let given = self.options.as_ref().is_some_and(|options| options.credentials.is_some());
        if self.sandbox || given { None } else { signin::way(desired) }
    }

    pub(super) fn read_settings(&self, chosen: Option<&MachineName>) -> Result<Box<Setup>, Problem> {
        let text = self.store.read_settings_text()?.unwrap_or_default();
        let setup = Setup::read(text, self.login(), chosen);
        let met = |setup: Setup| {
            let history = self.store.history(&setup.desired.key()).ok().flatten();
            let met = history.is_some_and(|history| history != History::default());
            Box::new(Setup { met, ..setup })
        };
        setup.map(met).map_err(|errors| Problem::settings(&self.store.settings_path(), &errors))
    }

    /// The user of a machine whose settings name none. In the sandbox it need not fit anything.
    pub(super) fn login(&self) -> Option<UserName> {
        store::login().or_else(|| "dev".parse().ok().filter(|_| self.sandbox))
    }

    /// A problem as the app shows it, with the command that signs in where that may help and the app cannot do it itself.
    pub(super) fn explain(&self, desired: &Desired, problem: Problem) -> app::Problem {
        if problem.is_about_credentials() && !self.sandbox && self.way_in(desired).is_none() {
            let command = profile::sign_in_command(desired);
            return problem.hint_first(command.map(|command| format!("sign in: {command}"))).into();
        }
        problem.into()
    }
}
