//! Files of older versions.

use toml_edit::{DocumentMut, Item, Value};

use super::VERSION;

/// Makes a file of one version into one of the next.
type Step = fn(&mut DocumentMut);

/// From version 1 to 2, from 2 to 3, and so on. There is one as soon as a file of before would no longer be read, or would
/// mean something else.
const STEPS: &[Step] = &[];

const _: () = assert!(STEPS.len() as i64 + 1 == VERSION, "each version has a step to it");

/// What a settings file of an older version is in this one, comments included; `None`: it is of this version, of a newer one,
/// or broken, which whoever reads it finds. A file that does not say its version is of this one.
pub fn migrated(text: &str) -> Option<String> {
    migrate(text, STEPS)
}

fn migrate(text: &str, steps: &[Step]) -> Option<String> {
    let mut file: DocumentMut = text.parse().ok()?;
    let version = usize::try_from(file.get("version")?.as_integer()?).ok()?;
    let missing = steps.get(version.checked_sub(1)?..).filter(|steps| !steps.is_empty())?;
    for step in missing {
        step(&mut file);
    }
    if let Some(Item::Value(Value::Integer(version))) = file.get_mut("version") {
        let decor = version.decor().clone();
        *version = toml_edit::Formatted::new(i64::try_from(steps.len()).ok()? + 1);
        *version.decor_mut() = decor;
    }
    Some(file.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(file: &mut DocumentMut, old: &str, new: &str) {
        for (_, machine) in file["machine"].as_table_mut().unwrap().iter_mut() {
            let machine = machine.as_table_mut().unwrap();
            if let Some((key, item)) = machine.remove_entry(old) {
                let key = toml_edit::Key::new(new).with_leaf_decor(key.leaf_decor().clone());
                machine.insert_formatted(&key, item);
            }
        }
    }

    /// Two steps that there may once be.
    const MADE_UP: &[Step] =
        &[|file| rename(file, "size", "volume_size"), |file| rename(file, "volume_size", "root_size")];

    #[test]
    fn an_older_file_takes_every_step_to_this_version() {
        let file = |version: i64, size: &str| {
            format!(
                "# mine\nversion = {version} # of the file\n\n[machine.a]\n# much\n{size} = 200\nuser = \"ada\"\n"
            )
        };
        let shown = migrate(&file(1, "size"), MADE_UP).unwrap();
        insta::assert_snapshot!(shown, @r#"
        # mine
        version = 3 # of the file

        [machine.a]
        user = "ada"
        # much
        root_size = 200
        "#);
        assert_eq!(migrate(&file(2, "volume_size"), MADE_UP), Some(shown));
        for (version, size) in [(3, "root_size"), (4, "from_the_future"), (0, "size"), (-1, "size")] {
            assert_eq!(migrate(&file(version, size), MADE_UP), None);
        }
        for text in
            ["", "[machine.a]\nsize = 1\n", "version = \"1\"", "version = ", "version = 99999999999999999999"]
        {
            assert_eq!(migrate(text, MADE_UP), None, "{text}");
        }
    }

    /// The settings that the first Holdfast knew, all of them, as it wrote them.
    #[test]
    fn the_first_settings_mean_what_they_meant() {
        let text = include_str!("first.toml");
        assert_eq!(migrated(text), None);
        let settings = super::super::Settings::parse(text, None).unwrap();
        let shown = super::super::show(&settings).into_iter().map(|setting| {
            let machine = setting.machine.map(|machine| format!("{machine} ")).unwrap_or_default();
            format!("{machine}{} = {} ({:?})", setting.key, setting.value, setting.origin)
        });
        insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @"
        default = remote-dev (Set)
        terminal = default (Default)
        mute = (none) (Default)
        updates = true (Default)
        remote-dev profile = team/Admin (Set)
        remote-dev region = eu-central-1 (Set)
        remote-dev zone = (none) (Default)
        remote-dev instance_type = m8g.2xlarge (Set)
        remote-dev alternates = (none) (Default)
        remote-dev volume_size = 200 (Set)
        remote-dev volume_iops = 3000 (Default)
        remote-dev volume_throughput = 125 (Default)
        remote-dev user = ada (Set)
        remote-dev config.git = https://example.com/team/machines.git (Set)
        remote-dev config.branch = main (Set)
        remote-dev config.folder = nixos (Default)
        remote-dev config.attribute = remote-dev (Set)
        remote-dev off_at = (none) (Default)
        remote-dev off_when_idle = (none) (Default)
        remote-dev snapshot_every = (none) (Default)
        remote-dev snapshot_keep = 7 (Default)
        remote-dev tags.do-not-nuke = (none) (Set)
        remote-dev tags.team = compilers (Set)
        remote-dev subnet = subnet-0123456789abcdef0 (Set)
        remote-dev instance_profile = company-ssm (Set)
        remote-dev permissions_boundary = arn:aws:iam::123456789012:policy/boundary (Set)
        remote-dev kms_key = alias/company-ebs (Set)
        second profile = (none) (Default)
        second region = us-west-2 (Default)
        second zone = (none) (Default)
        second instance_type = m8g.xlarge (Default)
        second alternates = (none) (Default)
        second volume_size = 100 (Default)
        second volume_iops = 3000 (Default)
        second volume_throughput = 125 (Default)
        second user = ada (Set)
        second config.directory = ~/machines (Set)
        second config.attribute = second (Set)
        second off_at = (none) (Default)
        second off_when_idle = (none) (Default)
        second snapshot_every = (none) (Default)
        second snapshot_keep = 7 (Default)
        second tags.do-not-nuke = true (Default)
        second subnet = (none) (Default)
        second instance_profile = (none) (Default)
        second permissions_boundary = (none) (Default)
        second kms_key = (none) (Default)
        ");
    }
}
