//! What the app has the doctor do.

use holdfast_core::app::Event;
use holdfast_core::doctor::Report;
use holdfast_core::names::MachineName;
use holdfast_core::settings::Settings;
use holdfast_core::terminal::Choice;

use super::{Desk, Place, Shell};
use crate::doctor::{Opened, or_without, report};

/// Looks at everything that the settings of this moment need.
pub(super) async fn examine(place: &Place, chosen: Option<MachineName>) -> Report {
    let text = place.store.read_settings_text().ok().flatten().unwrap_or_default();
    let settings = Settings::parse(&text, place.login().as_ref());
    let terminal = settings.map_or(Choice::Default, |settings| settings.terminal);
    let opened = async {
        let settings = place.read_settings(chosen.as_ref());
        let (desired, broken) = or_without(settings.map(|setup| setup.desired))?;
        let aws = place.aws(&desired).await?;
        Ok(Opened { aws, desired, broken })
    };
    report(&place.store, opened, &terminal, place.now().since_epoch().as_secs()).await
}

impl<S: Shell> Desk<'_, S> {
    pub(super) fn examine_if_asked(&mut self) {
        if !self.app.awaits_doctor() {
            self.examining = None;
        }
        if self.app.wants_doctor() {
            self.examining = Some(Box::pin(examine(self.place, self.kept.chosen.clone())));
            self.on(Event::Examining);
        }
    }
}
