//! Names and ids as types: a value of one of these is safe in a request, and safe to quote for a shell.

use std::fmt;
use std::str::FromStr;

/// A text that a name type does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {allowed}")]
pub struct NotAllowed {
    /// The text as it was given.
    pub value: String,
    /// What would have been allowed, as the end of a sentence.
    pub allowed: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $allowed:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What this type allows, as the end of a sentence.
            pub const ALLOWED: &'static str = $allowed;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAllowed;
            fn from_str(text: &str) -> Result<Self, NotAllowed> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotAllowed { value: text.to_owned(), allowed: Self::ALLOWED })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAllowed;
            fn try_from(text: String) -> Result<Self, NotAllowed> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        name!($(#[$doc])* $name, concat!("an id like ", $prefix, "-0123456789abcdef0"), |text| is_id(text, $prefix));

        impl $name {
            /// The id of a thing that a plan would make: it stands in previews and never reaches a request.
            pub fn planned() -> Self {
                Self(PLANNED.to_owned())
            }

            /// Whether the thing exists in a plan only.
            pub fn is_planned(&self) -> bool {
                self.0 == PLANNED
            }
        }
    )*};
}

const PLANNED: &str = "(new)";

fn is_id(text: &str, prefix: &str) -> bool {
    let hex = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    matches!(hex.len(), 8..=17) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn within(text: &str, length: std::ops::RangeInclusive<usize>, allowed: impl Fn(u8) -> bool) -> bool {
    length.contains(&text.len()) && text.bytes().all(allowed)
}

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase()
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

name!(
    /// The name of a machine, unique among its user's machines in a region.
    MachineName,
    "a machine name: 1 to 24 small letters, digits and hyphens, a letter first, no hyphen last",
    |text| within(text, 1..=24, |b| lower_or_digit(b) || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
);

name!(
    /// The name of a session on a machine: what goes on in it goes on without a window, and every window that is opened
    /// on it shows the same.
    SessionName,
    "a session name: 1 to 32 letters, digits and -_., a letter or digit first",
    |text| within(text, 1..=32, |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
);

impl Default for SessionName {
    /// The session that is meant when nobody names one.
    fn default() -> Self {
        Self("main".to_owned())
    }
}

name!(
    /// The user on the machine, also the first part of every resource's name.
    UserName,
    "a Linux user name: 1 to 31 small letters, digits, _ and -, a letter or _ first, not root",
    |text| within(text, 1..=31, |b| lower_or_digit(b) || b == b'_' || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text != "root"
);

impl UserName {
    /// A user name made from the login name of this computer, which may have capitals, dots or spaces; `None` when
    /// nothing usable is left of it.
    pub fn from_login(login: &str) -> Option<Self> {
        let text: String = login
            .to_lowercase()
            .chars()
            .map(|c| if matches!(c, 'a'..='z' | '0'..='9' | '_' | '-') { c } else { '-' })
            .skip_while(|c| !c.is_ascii_lowercase())
            .take(31)
            .collect();
        text.trim_end_matches('-').parse().ok()
    }
}

name!(
    /// A region of AWS.
    Region,
    "an AWS region like us-west-2",
    |text| {
        let mut parts = text.rsplitn(2, '-');
        let number = parts.next().unwrap_or_default();
        let place = parts.next().unwrap_or_default();
        within(number, 1..=2, |b| b.is_ascii_digit())
            && within(place, 4..=24, |b| lower(b) || b == b'-')
            && place.contains('-')
            && place.split('-').all(|part| !part.is_empty())
    }
);

impl Region {
    /// The partition that the region's ARNs name.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("cn-") {
            "aws-cn"
        } else if self.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }

    /// The principal that lets EC2 assume a role here.
    pub fn ec2_principal(&self) -> &'static str {
        if self.0.starts_with("cn-") { "ec2.amazonaws.com.cn" } else { "ec2.amazonaws.com" }
    }
}

name!(
    /// An availability zone of a region. The settings check that it is one of the machine's.
    /// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-regions-availability-zones.html>
    Zone,
    "an availability zone like us-west-2a",
    |text| text.strip_suffix(|c: char| c.is_ascii_lowercase()).is_some_and(|region| region.parse::<Region>().is_ok())
);

impl Zone {
    /// Whether it is one of the region's.
    pub fn is_in(&self, region: &Region) -> bool {
        self.0.strip_prefix(region.as_str()).is_some_and(|letter| letter.len() == 1)
    }
}

name!(
    /// A time of day at which a machine switches itself off, in its own time zone.
    OffAt,
    "a time of day from 00:00 to 23:59, like 22:30",
    |text| {
        let part = |text: &str, most: u8| {
            text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u8>().is_ok_and(|n| n <= most)
        };
        text.split_once(':').is_some_and(|(hour, minute)| part(hour, 23) && part(minute, 59))
    }
);

name!(
    /// An EC2 instance type.
    InstanceType,
    "an EC2 instance type like m8g.xlarge",
    |text| text.split_once('.').is_some_and(|(family, size)| {
        within(family, 2..=20, |b| lower_or_digit(b) || b == b'-')
            && family.starts_with(|c: char| c.is_ascii_lowercase())
            && within(size, 1..=20, |b| lower_or_digit(b) || b == b'-')
    })
);

name!(
    /// A profile of the AWS configuration files. Any printable text: granted makes names with slashes.
    ProfileName,
    "the name of an AWS profile: 1 to 128 printable characters without ] and line ends",
    |text| (1..=128).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c == ']')
);

name!(
    /// The key of a tag that the user sets. IAM's character set, since roles are tagged too.
    /// Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html>
    TagKey,
    "a tag key: 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws: or holdfast:",
    |text| (1..=128).contains(&text.chars().count())
        && text.chars().all(is_tag_char)
        && !text.to_lowercase().starts_with("aws:")
        && !text.starts_with("holdfast:")
        && text != "Name"
);

name!(
    /// The value of a tag that the user sets.
    TagValue,
    "a tag value: at most 256 letters, digits, spaces and _.:/=+-@",
    |text| text.chars().count() <= 256 && text.chars().all(is_tag_char)
);

fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

name!(
    /// An instance profile that the company made.
    InstanceProfileName,
    "the name of an instance profile: 1 to 128 letters, digits and _+=,.@-",
    |text| within(text, 1..=128, |b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
);

name!(
    /// The ARN of a policy.
    PolicyArn,
    "the ARN of a policy, like arn:aws:iam::123456789012:policy/boundary",
    |text| within(text, 20..=512, |b| b.is_ascii_graphic())
        && text.starts_with("arn:aws")
        && text.contains(":iam::")
        && text.contains(":policy/")
);

name!(
    /// A KMS key: id, ARN or alias.
    KmsKey,
    "a KMS key id, alias/NAME or key ARN",
    |text| within(text, 1..=512, |b| b.is_ascii_alphanumeric() || b"-_/:".contains(&b))
);

ids! {
    /// A VPC.
    VpcId = "vpc";
    /// A subnet.
    SubnetId = "subnet";
    /// An internet gateway.
    GatewayId = "igw";
    /// A route table.
    RouteTableId = "rtb";
    /// The association of a route table with a subnet.
    AssociationId = "rtbassoc";
    /// A security group.
    GroupId = "sg";
    /// A rule of a security group.
    RuleId = "sgr";
    /// An instance.
    InstanceId = "i";
    /// A network interface.
    InterfaceId = "eni";
    /// A volume.
    VolumeId = "vol";
    /// A snapshot.
    SnapshotId = "snap";
    /// A capacity reservation.
    ReservationId = "cr";
    /// A machine image.
    ImageId = "ami";
    /// A policy of Data Lifecycle Manager.
    PolicyId = "policy";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_allow_what_they_say() {
        let ok = |text: &str| (text.parse::<MachineName>().is_ok(), text.parse::<UserName>().is_ok());
        assert_eq!(ok("remote-dev"), (true, true));
        assert_eq!(ok("root"), (true, false));
        assert_eq!(ok("_x"), (false, true));
        for bad in ["", "-a", "A", "a b", "a/b", "$(id)", "ä", "a\n"] {
            assert_eq!(ok(bad), (false, false), "{bad:?}");
        }
    }

    #[test]
    fn sessions() {
        let longest = "a".repeat(32);
        for good in ["main", "0", "Work.2", "a-b_c", &longest] {
            assert!(good.parse::<SessionName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a;b", "ä", "a\n", &(longest + "a")] {
            assert!(bad.parse::<SessionName>().is_err(), "{bad:?}");
        }
        assert_eq!(SessionName::default().as_str().parse(), Ok(SessionName::default()));
    }

    #[test]
    fn regions_types_and_profiles() {
        for good in ["us-west-2", "ap-southeast-10", "us-gov-east-1", "us-iso-east-1", "mx-central-1"] {
            assert!(good.parse::<Region>().is_ok(), "{good}");
        }
        for bad in ["", "us", "us-west", "us-west-2a", "US-west-2", "us--west-2", "-west-2", "us-west-2\n"] {
            assert!(bad.parse::<Region>().is_err(), "{bad:?}");
        }
        let (region, zone): (Region, Zone) = ("us-west-2".parse().unwrap(), "us-west-2b".parse().unwrap());
        assert!(zone.is_in(&region) && !zone.is_in(&"us-west-1".parse().unwrap()));
        for bad in ["", "b", "us-west-2", "us-west-2B", "us-west-2-lax-1", "us-west-2bc", "usw2-az1"] {
            assert!(bad.parse::<Zone>().is_err(), "{bad:?}");
        }
        for good in ["m8g.xlarge", "m7i-flex.2xlarge", "u-6tb1.112xlarge", "t4g.micro", "m8g.metal-24xl"] {
            assert!(good.parse::<InstanceType>().is_ok(), "{good}");
        }
        for bad in ["m8g", ".xlarge", "m8g.", "m8g.xlarge;id", "8g.x"] {
            assert!(bad.parse::<InstanceType>().is_err(), "{bad:?}");
        }
        assert!("dil-team-eevee/SandboxAdministratorAccess".parse::<ProfileName>().is_ok());
        assert!("a]\n[b".parse::<ProfileName>().is_err());
    }

    #[test]
    fn ids_are_hexadecimal() {
        assert!("vpc-0123456789abcdef0".parse::<VpcId>().is_ok());
        assert!("i-12345678".parse::<InstanceId>().is_ok());
        for bad in ["vpc-", "vpc-xyz", "i-0123456789abcdef0", "vpc-0123456789abcdef0 ", "(new)"] {
            assert!(bad.parse::<VpcId>().is_err(), "{bad:?}");
        }
        assert!(VpcId::planned().is_planned());
    }

    #[test]
    fn a_login_name_becomes_a_user() {
        let user = |login: &str| UserName::from_login(login).map(String::from);
        assert_eq!(user("dagafonov").as_deref(), Some("dagafonov"));
        assert_eq!(user("Ada.Lovelace").as_deref(), Some("ada-lovelace"));
        assert_eq!(user("DOMAIN\\Ada").as_deref(), Some("domain-ada"));
        assert_eq!(user("root"), None);
        assert_eq!(user("Жук"), None);
        assert_eq!(user(""), None);
    }

    #[test]
    fn tags_are_what_iam_takes_too() {
        assert!("do-not-nuke".parse::<TagKey>().is_ok());
        for bad in ["", "aws:x", "AWS:x", "holdfast:machine", "Name", "a#b"] {
            assert!(bad.parse::<TagKey>().is_err(), "{bad:?}");
        }
        assert!("team @ 5 = größe".parse::<TagValue>().is_ok());
        assert!("a\nb".parse::<TagValue>().is_err());
    }
}
