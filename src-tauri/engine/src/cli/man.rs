//! `holdfast man`: the manual pages, made from the same definition as the help.

use std::fs;
use std::path::Path;

use clap_mangen::Man;

use crate::problem::Problem;

/// Writes a page for this command, and one for each of its own, into the folder.
pub(super) fn write(command: clap::Command, folder: &Path) -> Result<u8, Problem> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let failed = |error: std::io::Error| {
        Problem::new("man", format!("The manual pages cannot be written to {}", folder.display()))
            .because(error.to_string())
    };
    fs::create_dir_all(folder).map_err(failed)?;
    page(command, folder).map_err(failed)?;
    Ok(0)
}

fn page(command: clap::Command, folder: &Path) -> std::io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        page(command.clone(), folder)?;
    }
    let man = Man::new(command).manual("Holdfast");
    let mut text = Vec::new();
    man.render(&mut text)?;
    // The pages have no date of their own, and it writes nothing for an empty word.
    let text = String::from_utf8_lossy(&text).replacen(" 1  ", " 1 \"\" ", 1);
    fs::write(folder.join(man.get_filename()), text)
}
