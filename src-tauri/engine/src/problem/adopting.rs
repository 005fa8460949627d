//! What stands in the way of adopting a machine.

use holdfast_core::machine::{Desired, Owner};
use holdfast_core::names::InstanceId;
use holdfast_core::plan::Refused;

use super::{Exit, Problem};

impl Problem {
    /// An instance that cannot be adopted, with every reason.
    pub fn not_adoptable(desired: &Desired, id: &InstanceId, refused: &[Refused]) -> Self {
        let words = refused.iter().map(|refused| match refused {
            Refused::Blocked { because } => {
                let problem = Self::blocked(desired, because);
                (problem.to_string(), problem.hints.first().cloned())
            }
            Refused::Ended { .. }
            | Refused::Market { .. }
            | Refused::Windows
            | Refused::NoVolume
            | Refused::Claimed { .. }
            | Refused::Another { .. }
            | Refused::Remains { .. }
            | Refused::NoProfile
            | Refused::Unseen { .. }
            | Refused::OddProfile { .. }
            | Refused::Groups { .. }
            | Refused::DefaultGroup { .. }
            | Refused::SharedGroup { .. } => refused.words(id.as_str()),
        });
        let (why, hints): (Vec<String>, Vec<Option<String>>) = words.unzip();
        let mut hints: Vec<String> = hints.into_iter().flatten().collect();
        hints.dedup();
        if hints.is_empty() {
            hints.push("nothing was changed".to_owned());
        }
        let problem = Self::new("not_adoptable", format!("{id} cannot become {}", desired.machine));
        Self { hints, ..problem.because(why.join("\n")).exit(Exit::Refused) }
    }

    /// An instance that the account does not have here.
    pub fn no_such_instance(desired: &Desired, id: &InstanceId, caller: &Owner) -> Self {
        Self::new("no_such_instance", format!("There is no instance {id} in {}", desired.region))
            .because(format!("you are {caller}"))
            .hint("it may be in another region: holdfast settings set region REGION")
            .hint("or in another account: holdfast settings set profile NAME")
    }

    /// Nothing that could be meant.
    pub fn nothing_to_adopt(desired: &Desired) -> Self {
        let name = desired.name("machine");
        Self::new("nothing_to_adopt", format!("No instance in {} is named {name}", desired.region))
            .hint("say which one is meant: holdfast adopt INSTANCE-ID")
    }

    /// More than one that could be meant.
    pub fn several_to_adopt(desired: &Desired, ids: &[InstanceId]) -> Self {
        let all: Vec<&str> = ids.iter().map(InstanceId::as_str).collect();
        let what = format!("Several instances could be {}: {}", desired.machine, all.join(", "));
        Self::new("several_to_adopt", what)
            .hint("say which one is meant: holdfast adopt INSTANCE-ID")
            .exit(Exit::Refused)
    }

    /// What was agreed to is not what there is by now.
    pub fn adoption_changed() -> Self {
        Self::new("changed", "Meanwhile somebody has changed what was to be taken over")
            .hint("look at it again: run the same command again")
            .exit(Exit::Refused)
    }
}
