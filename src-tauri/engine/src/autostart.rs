//! Whether the app starts when its user signs in to the desktop.

use auto_launch::AutoLaunchBuilder;

/// The name under which the system knows of it.
pub const NAME: &str = "Holdfast";

/// Whether it does; `None` where the system does not tell.
pub fn is_on() -> Option<bool> {
    let program = std::env::current_exe().ok()?;
    let app = AutoLaunchBuilder::new().set_app_name(NAME).set_app_path(program.to_str()?).build().ok()?;
    app.is_enabled().ok()
}
