//! What the app has the doctor do.

use holdfast_core::doctor::Report;
use holdfast_core::names::MachineName;
use holdfast_core::settings::Settings;
use holdfast_core::terminal::Choice;

use super::Place;
use crate::doctor::{Opened, report};

/// Looks at everything that the settings of this moment need.
pub(super) async fn examine(place: &Place, chosen: Option<MachineName>) -> Report {
    let text = place.store.read_settings_text().ok().flatten().unwrap_or_default();
    let settings = Settings::parse(&text, place.login().as_ref());
    let terminal = settings.map_or(Choice::Default, |settings| settings.terminal);
    let opened = async {
        let desired = place.read_settings(chosen.as_ref())?.desired;
        let aws = place.aws(&desired).await?;
        Ok(Opened { store: place.store.clone(), aws, desired })
    };
    report(opened, &terminal, place.now().since_epoch().as_secs()).await
}
