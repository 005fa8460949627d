//! Where there is no Unix there are no machines: the sandbox's control plane works, its instances cannot be entered.

use std::io;
use std::path::{Path, PathBuf};

use holdfast_core::names::UserName;

use super::kind::Guest;
use super::{Failure, Input, Next, Program, Reading};

const WHY: &str = "the machines of the sandbox need a Unix system";

#[derive(Clone, Debug)]
pub(super) struct ProcessGuest {
    root: PathBuf,
}

impl ProcessGuest {
    pub(super) fn boot(root: PathBuf, _instance_id: &str) -> io::Result<Self> {
        Ok(Self { root })
    }

    pub(super) fn set_user(&self, _user: Option<&UserName>) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

pub(super) fn kill_machine(_root: &Path) {}

#[derive(Debug)]
pub(crate) struct Running;

impl Running {
    pub(super) fn start(_guest: &Guest, _program: &Program, _reading: Reading) -> Result<Self, Failure> {
        Err(Failure::before(WHY))
    }

    pub(crate) async fn next(&mut self, _read: bool, _write: bool) -> Next {
        std::future::pending().await
    }

    pub(crate) fn input(&self, _input: Input) -> Result<(), Input> {
        Ok(())
    }

    pub(crate) fn hang_up(self) {}
}
