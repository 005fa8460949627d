//! Taking over a machine that Pulumi, Terraform, hands or another identity have made.

use holdfast_core::machine::{Desired, Observed, Power};
use holdfast_core::names::InstanceId;
use holdfast_core::plan::{self, Adoption, Applied, Blocked, Goal, Plan, Planned, Setting};

use crate::aws::Aws;
use crate::converge::{Event, Witness, perform_all};
use crate::history::Recorded;
use crate::problem::Problem;
use crate::store::{Intent, Store};
use crate::world::World as _;

/// What there is to take over.
#[derive(Debug)]
pub enum Looked {
    /// A machine of Holdfast's that belongs to another identity: its tags say so.
    OfOther(Box<(Observed, Plan)>),
    /// An instance that Holdfast did not make.
    Foreign(Box<Adoption>),
}

/// Looks at what would be taken over: the instance `named`, or the one that has our names. Changes nothing.
///
/// # Errors
/// No instance or more than one that could be meant, and what forbids looking.
pub async fn look(aws: &Aws, desired: &Desired, named: Option<&InstanceId>) -> Result<Looked, Problem> {
    let observed = aws.observe(desired, Goal::Settings).await?;
    let blocked = plan::plan(desired, &observed, Goal::Settings).blocked;
    if let Some(unseen) = blocked.iter().find(|blocked| matches!(blocked, Blocked::CannotSee { .. })) {
        return Err(Problem::blocked(desired, unseen));
    }
    let of_other = plan::taking_over(desired, &observed);
    let winners = observed.winners(desired);
    if !of_other.steps.is_empty() && named.is_none_or(|id| winners.is_instance(id)) {
        return Ok(Looked::OfOther(Box::new((observed, of_other))));
    }
    let id = match named {
        Some(id) => id.clone(),
        None => meant(aws, desired, &observed).await?,
    };
    let site = aws.site(desired, &id).await?;
    Ok(Looked::Foreign(Box::new(plan::adoption(desired, &observed, &site))))
}

/// The instance that is meant when nobody names one.
async fn meant(aws: &Aws, desired: &Desired, observed: &Observed) -> Result<InstanceId, Problem> {
    let several = match plan::candidate(desired, observed) {
        Ok(id) => return Ok(id),
        Err(none) if none.is_empty() => aws.in_named_vpc(desired).await?,
        Err(several) => several,
    };
    match &several[..] {
        [] => Err(Problem::nothing_to_adopt(desired)),
        [one] => Ok(one.clone()),
        [_, ..] => Err(Problem::several_to_adopt(desired, &several)),
    }
}

/// Takes over what was agreed to, in tags alone. Interrupted, it goes on when it is run again. `save` writes the settings.
///
/// # Errors
/// A machine that is locked, what has changed since it was agreed to, and what AWS refuses.
pub async fn adopt(
    aws: &Aws,
    store: &Store,
    desired: &Desired,
    agreed: &Adoption,
    save: impl Fn(&[Setting]) -> Result<(), Problem>,
    witness: &impl Witness,
) -> Result<usize, Problem> {
    let _lock = store.lock(&desired.key(), "adopt")?;
    let id = &agreed.instance;
    let Looked::Foreign(adoption) = look(aws, desired, Some(id)).await? else {
        return Err(Problem::adoption_changed());
    };
    if !adoption.refused.is_empty() {
        return Err(Problem::not_adoptable(&adoption.desired, id, &adoption.refused));
    }
    let same = adoption.takes == agreed.takes
        && adoption.leaves == agreed.leaves
        && adoption.settings == agreed.settings;
    if !same {
        return Err(Problem::adoption_changed());
    }
    let intent = store.intent(&desired.key());
    if !adoption.is_done() {
        intent.write(&Intent::now(format!("adopt {id}"), Goal::Settings.word()))?;
    }
    let wanted = &adoption.desired;
    perform_all(&Recorded::new(aws, store, "adopt"), wanted, &adoption.first, witness).await?;
    save(&adoption.settings)?;
    perform_all(&Recorded::new(aws, store, "adopt"), wanted, &adoption.then, witness).await?;

    // Whoever came last has it: somebody else may have taken it over at the same moment.
    let observed = aws.observe(wanted, Goal::Settings).await?;
    witness.event(Event::Saw(&observed));
    if let Some(blocked) = plan::plan(wanted, &observed, Goal::Settings).blocked.first() {
        return Err(Problem::blocked(wanted, blocked));
    }
    let Some(instance) = observed.winners(wanted).instance.filter(|instance| &instance.id == id) else {
        return Err(Problem::adoption_changed());
    };
    if !adoption.is_done() {
        let on = matches!(instance.power, Power::Pending | Power::Running);
        store.keep_applied(&desired.key(), Some(&Applied::of(wanted, on)))?;
    }
    intent.clear()?;
    Ok(adoption.first.len() + adoption.then.len())
}

/// The machine's instance, where its profile is not the one that the settings know: whoever takes the machine over has role and profile
/// yet to adopt.
pub fn with_other_names(desired: &Desired, observed: &Observed) -> Option<InstanceId> {
    let instance = observed.winners(desired).instance?;
    let other = instance.profile.as_ref().is_some_and(|profile| *profile != desired.profile_name());
    other.then(|| instance.id.clone())
}

/// Makes the caller the owner of everything that carries the machine's tag. Interrupted, it goes on when it is run again.
///
/// # Errors
/// A machine that is locked, and what AWS refuses.
pub async fn take_over(
    aws: &Aws,
    store: &Store,
    desired: &Desired,
    witness: &impl Witness,
) -> Result<usize, Problem> {
    let _lock = store.lock(&desired.key(), "adopt")?;
    let observed = aws.observe(desired, Goal::Settings).await?;
    let steps: Vec<Planned> = plan::taking_over(desired, &observed).steps;
    perform_all(&Recorded::new(aws, store, "adopt"), desired, &steps, witness).await?;
    Ok(steps.len())
}
