//! The settings file that a user begins with.

/// A commented settings file that changes nothing: every setting stands there with its default, switched off.
pub fn template() -> &'static str {
    TEMPLATE
}

const TEMPLATE: &str = r#"# Settings of Holdfast. A line that begins with # changes nothing: remove the # to set what it shows.
# `holdfast settings show` prints what is in force, `holdfast plan` what it would change in AWS.

version = 1

# The machine that a command means when it names none.
default = "remote-dev"

# The terminal that `holdfast open` and the app open: a name such as "kitty", or the words that start one, with "{}" in place
# of those that are to run in it.
# terminal = "default"
# terminal = ["foot", "--app-id", "work", "{}"]

# What no notification is about: some of "rebuild", "state", "operation", "sign_in", "disk", "update".
# mute = []

# Once a day the app looks for a newer version of itself, and shows a link when there is one. Nothing else is sent.
# updates = true

[machine.remote-dev]
# The profile of the AWS configuration files; without it the standard chain decides (AWS_PROFILE and so on).
# profile = "team/Admin"

# region = "us-west-2"

# The zone that a new machine is made in; one that is there moves with `holdfast replace`. Without it: where it is, or the first
# that offers the type.
# zone = "us-west-2a"

# arm64 and x86_64 types both work; the price is shown before anything is made.
# instance_type = "m8g.xlarge"

# What it becomes for now when AWS has none of a new type free after the stop, the best first.
# alternates = ["m7g.xlarge", "m8g.2xlarge"]

# The root volume in GiB. AWS lets it grow, never shrink.
# volume_size = 100

# How fast it is: operations a second (at most 500 for each GiB), and MiB a second (at most one for each 4 operations).
# volume_iops = 3000
# volume_throughput = 125

# The user on the machine; the default is the login name of this computer.
# user = "ada"

# Where the machine's NixOS configuration comes from. Attribute is a name under nixosConfigurations.
# config = "embedded"
# config = { git = "https://example.com/team/machines.git", branch = "main", folder = "nixos", attribute = "remote-dev" }
# config = { directory = "~/machines", attribute = "remote-dev" }

# The machine switches itself off: at this time of day of its own time zone (timeZone in machine.json, which is UTC unless you
# change it), and after so many minutes in which nobody needs it. Never, if neither is set. Connect starts it.
# off_at = "22:30"
# off_when_idle = 45

# A snapshot of the volume is taken every so many hours (1, 2, 3, 4, 6, 8, 12 or 24), by AWS, whether or not this computer is on; so
# many of them stay. Never, if snapshot_every is not set.
# snapshot_every = 24
# snapshot_keep = 7

# Tags for everything that is made. This one is there by default; write false to leave it out.
# tags.do-not-nuke = "true"
# tags.team = "compilers"

# For accounts that forbid making networks or roles: existing ones are used as they are and never deleted.
# subnet = "subnet-0123456789abcdef0"
# instance_profile = "company-ssm"
# permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
# kms_key = "alias/company-ebs"
"#;
