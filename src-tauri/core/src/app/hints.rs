//! Commands in what is shown name the machine that is shown, unless they mean it anyway.

use super::view::View;
use super::{App, Problem};
use crate::hints::naming;
use crate::names::MachineName;

impl App {
    /// The machine that a command has to name to be about the one that is shown; `None`: it is the default one.
    pub(super) fn to_be_named(&self) -> Option<&MachineName> {
        let setup = self.setup()?;
        Some(&setup.desired.machine).filter(|machine| **machine != setup.settings.default)
    }

    /// The machine that the last failure is about, where that is not the one that is shown.
    pub(super) fn failed_elsewhere(&self) -> Option<&MachineName> {
        let shown = &self.setup()?.desired.machine;
        self.failed.as_ref()?.machine.as_ref().filter(|machine| *machine != shown)
    }
}

/// Has every command in the view that is about a machine name this one.
pub(super) fn name(view: &mut View, machine: &MachineName) {
    let hints = problems(view).into_iter().flat_map(|problem| &mut problem.hints);
    hints.for_each(|hint| *hint = naming(hint, machine));
    texts(view).into_iter().for_each(|text| *text = naming(text, machine));
}

/// Whatever does not work, and has hints.
fn problems(view: &mut View) -> Vec<&mut Problem> {
    let View {
        machine,
        sessions,
        system,
        snapshots,
        failed,
        settings,
        preview,
        sign_in,
        profiles,
        portal,
        types,
        ..
    } = view;
    let mut all = vec![
        machine.problem.as_mut(),
        failed.as_mut().map(|failed| &mut failed.problem),
        settings.problem.as_mut(),
        settings.autostart.as_mut().and_then(|it| it.problem.as_mut()),
        profiles.problem.as_mut(),
        portal.problem.as_mut(),
        sessions.as_mut().and_then(|it| it.problem.as_mut()),
        snapshots.as_mut().and_then(|it| it.problem.as_mut()),
        preview.as_mut().and_then(|it| it.problem.as_mut()),
        types.as_mut().and_then(|it| it.problem.as_mut()),
    ];
    if let Some(system) = system {
        all.push(system.problem.as_mut());
        all.push(system.job.as_mut().and_then(|job| job.problem.as_mut()));
        all.push(system.last.as_mut().and_then(|last| last.problem.as_mut()));
    }
    if let Some(sign_in) = sign_in {
        all.extend([sign_in.why.as_mut(), sign_in.problem.as_mut()]);
    }
    all.into_iter().flatten().collect()
}

/// What else says what to do.
fn texts(view: &mut View) -> Vec<&mut String> {
    let View {
        machine,
        system,
        replacement,
        snapshots,
        operation,
        interrupted,
        settings,
        preview,
        doctor,
        ..
    } = view;
    let mut all: Vec<&mut String> = machine.notes.iter_mut().chain(&mut machine.detail).collect();
    if let Some(system) = system {
        all.extend(&mut system.note);
        all.extend(system.standing.as_mut().map(|standing| &mut standing.text));
    }
    all.extend(replacement.as_mut().map(|replacement| &mut replacement.text));
    all.extend(snapshots.as_mut().and_then(|snapshots| snapshots.note.as_mut()));
    all.extend(operation.as_mut().and_then(|operation| operation.waiting.as_mut()));
    all.extend(interrupted.as_mut().map(|interrupted| &mut interrupted.sentence));
    all.extend(&mut settings.growth.notes);
    all.extend(preview.as_mut().into_iter().flat_map(|preview| &mut preview.notes));
    all.extend(doctor.pressing.iter_mut().filter_map(|finding| finding.todo.as_mut()));
    all
}
