//! Instance types: the current general-purpose families and their neighbours.
//!
//! Within a family vCPUs follow from the size and memory from the vCPUs; values as `aws ec2 describe-instance-types`
//! gives them (docs.aws.amazon.com/ec2/latest/instancetypes).

mod network;

use super::select::{Row, Select, matches};
use super::{Arch, zones};
use crate::conditions::Conditions;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

struct Family {
    name: &'static str,
    arch: Arch,
    maker: &'static str,
    gib_per_vcpu: u32,
    threads_per_core: u32,
    sizes: &'static [&'static str],
}

const fn family(
    name: &'static str,
    arch: Arch,
    maker: &'static str,
    gib_per_vcpu: u32,
    threads_per_core: u32,
    sizes: &'static [&'static str],
) -> Family {
    Family { name, arch, maker, gib_per_vcpu, threads_per_core, sizes }
}

const TO_16: &[&str] = &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"];
const MEDIUM_TO_16: &[&str] =
    &["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"];
const TO_24: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"];
const TO_32: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"];
const TO_48: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"];
const TO_32_AND_48: &[&str] = &[
    "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge",
    "48xlarge",
];
const MEDIUM_TO_48: &[&str] = &[
    "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
    "48xlarge",
];
const MEDIUM_TO_32_AND_48: &[&str] = &[
    "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge",
    "32xlarge", "48xlarge",
];
const TO_96: &[&str] = &[
    "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge",
    "48xlarge", "96xlarge",
];
const BURSTABLE: &[&str] = &["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"];

const FAMILIES: [Family; 29] = [
    family("c6a", Arch::X86_64, "AMD", 2, 2, TO_32_AND_48),
    family("c6g", Arch::Arm64, "AWS", 2, 1, MEDIUM_TO_16),
    family("c6i", Arch::X86_64, "Intel", 2, 2, TO_32),
    family("c7a", Arch::X86_64, "AMD", 2, 1, MEDIUM_TO_32_AND_48),
    family("c7g", Arch::Arm64, "AWS", 2, 1, MEDIUM_TO_16),
    family("c7i", Arch::X86_64, "Intel", 2, 2, TO_48),
    family("c7i-flex", Arch::X86_64, "Intel", 2, 2, TO_16),
    family("c8g", Arch::Arm64, "AWS", 2, 1, MEDIUM_TO_48),
    family("m5", Arch::X86_64, "Intel", 4, 2, TO_24),
    family("m6a", Arch::X86_64, "AMD", 4, 2, TO_32_AND_48),
    family("m6g", Arch::Arm64, "AWS", 4, 1, MEDIUM_TO_16),
    family("m6i", Arch::X86_64, "Intel", 4, 2, TO_32),
    family("m7a", Arch::X86_64, "AMD", 4, 1, MEDIUM_TO_32_AND_48),
    family("m7g", Arch::Arm64, "AWS", 4, 1, MEDIUM_TO_16),
    family("m7i", Arch::X86_64, "Intel", 4, 2, TO_48),
    family("m7i-flex", Arch::X86_64, "Intel", 4, 2, TO_16),
    family("m8a", Arch::X86_64, "AMD", 4, 1, MEDIUM_TO_48),
    family("m8g", Arch::Arm64, "AWS", 4, 1, MEDIUM_TO_48),
    family("m8i", Arch::X86_64, "Intel", 4, 2, TO_96),
    family("m8i-flex", Arch::X86_64, "Intel", 4, 2, TO_16),
    family("r6g", Arch::Arm64, "AWS", 8, 1, MEDIUM_TO_16),
    family("r6i", Arch::X86_64, "Intel", 8, 2, TO_32),
    family("r7a", Arch::X86_64, "AMD", 8, 1, MEDIUM_TO_32_AND_48),
    family("r7g", Arch::Arm64, "AWS", 8, 1, MEDIUM_TO_16),
    family("r7i", Arch::X86_64, "Intel", 8, 2, TO_48),
    family("r8g", Arch::Arm64, "AWS", 8, 1, MEDIUM_TO_48),
    family("t3", Arch::X86_64, "Intel", 4, 2, BURSTABLE),
    family("t3a", Arch::X86_64, "AMD", 4, 2, BURSTABLE),
    family("t4g", Arch::Arm64, "AWS", 4, 1, BURSTABLE),
];

/// An instance type.
#[derive(Clone, Debug)]
pub(crate) struct InstanceType {
    pub(crate) name: String,
    pub(crate) arch: Arch,
    pub(crate) vcpus: u32,
    memory_mib: u32,
    threads_per_core: u32,
    maker: &'static str,
    burstable: bool,
    none: Tags,
}

impl Row for InstanceType {
    fn id(&self) -> &str {
        &self.name
    }
    fn tags(&self) -> &Tags {
        &self.none
    }
}

impl InstanceType {
    /// Whether AWS still counts the family as current.
    fn is_current(&self) -> bool {
        !["m5.", "m6i.", "r6i.", "r7g."].iter().any(|family| self.name.starts_with(family))
    }

    pub(crate) fn cpu_options(&self, xml: &mut Xml) {
        xml.text("coreCount", self.vcpus / self.threads_per_core)
            .text("threadsPerCore", self.threads_per_core);
    }
}

/// Every type, by name.
pub(crate) fn all() -> Vec<InstanceType> {
    let of =
        |family: &Family| family.sizes.iter().map(|size| instance_type(family, size)).collect::<Vec<_>>();
    let mut types: Vec<InstanceType> = FAMILIES.iter().flat_map(of).collect();
    types.sort_by(|a, b| a.name.cmp(&b.name));
    types
}

pub(crate) fn named(name: &str) -> Option<InstanceType> {
    let (family, size) = name.split_once('.')?;
    let family = FAMILIES.iter().find(|known| known.name == family)?;
    family.sizes.contains(&size).then(|| instance_type(family, size))
}

fn instance_type(family: &Family, size: &str) -> InstanceType {
    let burstable = family.name.starts_with('t');
    let vcpus = match size.strip_suffix("xlarge") {
        Some("") => 4,
        Some(times) => times.parse::<u32>().unwrap_or(1) * 4,
        None if size == "medium" && !burstable => 1,
        None => 2,
    };
    let memory_mib = match size {
        "nano" => 512,
        "micro" => 1024,
        "small" => 2048,
        "medium" if burstable => 4096,
        _ => vcpus * family.gib_per_vcpu * 1024,
    };
    InstanceType {
        name: format!("{}.{size}", family.name),
        arch: family.arch,
        vcpus,
        memory_mib,
        threads_per_core: family.threads_per_core,
        maker: family.maker,
        burstable,
        none: Tags::new(),
    }
}

/// Whether the zone offers the type.
pub(crate) fn offered(conditions: &Conditions, zone: &str, name: &str) -> bool {
    !conditions.not_offered.iter().any(|(zones, types)| matches(zones, zone) && matches(types, name))
}

/// Whether any zone of the region offers the type.
pub(crate) fn offered_in(conditions: &Conditions, region: &str, name: &str) -> bool {
    zones::zones_of(region).iter().any(|zone| offered(conditions, &zone.name, name))
}

/// `MaxResults` is 5 to 100 here, and 5 to 1000 for the offerings
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference: API_DescribeInstanceTypes.html and
/// API_DescribeInstanceTypeOfferings.html).
pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let mut types = all();
    types.retain(|row| offered_in(ctx.conditions, ctx.region, &row.name));
    let wanted = form.texts("InstanceType");
    let unknown: Vec<&str> =
        wanted.iter().copied().filter(|name| !types.iter().any(|row| row.name == *name)).collect();
    if !unknown.is_empty() {
        return Err(Fail::new(
            "InvalidInstanceType",
            format!("The following supplied instance types do not exist: [{}]", unknown.join(", ")),
        ));
    }
    types.retain(|row| wanted.is_empty() || wanted.contains(&row.name.as_str()));
    let select = Select {
        ids: None,
        filters: &[
            "bare-metal",
            "burstable-performance-supported",
            "current-generation",
            "hypervisor",
            "instance-type",
            "memory-info.size-in-mib",
            "network-info.network-performance",
            "processor-info.supported-architecture",
            "supported-root-device-type",
            "supported-usage-class",
            "supported-virtualization-type",
            "vcpu-info.default-cores",
            "vcpu-info.default-vcpus",
        ],
        page: Some(100),
    };
    let selection = select.paged(5..=100, form, types.iter(), |row, name| match name {
        "bare-metal" => vec!["false".to_owned()],
        "burstable-performance-supported" => vec![row.burstable.to_string()],
        "current-generation" => vec![row.is_current().to_string()],
        "hypervisor" => vec!["nitro".to_owned()],
        "memory-info.size-in-mib" => vec![row.memory_mib.to_string()],
        "network-info.network-performance" => vec![row.network_performance().to_owned()],
        "processor-info.supported-architecture" => vec![row.arch.name().to_owned()],
        "supported-root-device-type" => vec!["ebs".to_owned()],
        "supported-usage-class" => vec!["on-demand".to_owned(), "spot".to_owned()],
        "supported-virtualization-type" => vec!["hvm".to_owned()],
        "vcpu-info.default-cores" => vec![(row.vcpus / row.threads_per_core).to_string()],
        "vcpu-info.default-vcpus" => vec![row.vcpus.to_string()],
        _ => vec![row.name.clone()],
    })?;
    Ok(selection.xml("instanceTypeSet", |xml, row| {
        xml.text("instanceType", &row.name)
            .text("currentGeneration", row.is_current())
            .text("freeTierEligible", false)
            .list("supportedUsageClasses", ["on-demand", "spot"], text)
            .list("supportedRootDeviceTypes", ["ebs"], text)
            .list("supportedVirtualizationTypes", ["hvm"], text)
            .text("bareMetal", false)
            .text("hypervisor", "nitro")
            .text("instanceStorageSupported", false)
            .text("hibernationSupported", true)
            .text("burstablePerformanceSupported", row.burstable)
            .text("dedicatedHostsSupported", true)
            .text("autoRecoverySupported", true);
        xml.node("processorInfo", |xml| {
            xml.list("supportedArchitectures", [row.arch.name()], text).text("manufacturer", row.maker);
        });
        xml.node("vCpuInfo", |xml| {
            xml.text("defaultVCpus", row.vcpus)
                .text("defaultCores", row.vcpus / row.threads_per_core)
                .text("defaultThreadsPerCore", row.threads_per_core);
        });
        xml.node("memoryInfo", |xml| {
            xml.text("sizeInMiB", row.memory_mib);
        });
        xml.node("ebsInfo", |xml| {
            xml.text("ebsOptimizedSupport", "default")
                .text("encryptionSupport", "supported")
                .text("nvmeSupport", "required");
        });
        xml.node("networkInfo", |xml| row.network_xml(xml));
        xml.list("supportedBootModes", row.arch.boot_modes().iter().copied(), text);
    }))
}

fn text(xml: &mut Xml, value: &str) {
    xml.value(value);
}

pub(crate) fn describe_offerings(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let location_type = form.text("LocationType").unwrap_or("region");
    let zones = zones::zones_of(ctx.region);
    let places: Vec<(String, Option<String>)> = match location_type {
        "region" => vec![(ctx.region.to_owned(), None)],
        "availability-zone" => zones.into_iter().map(|zone| (zone.name.clone(), Some(zone.name))).collect(),
        "availability-zone-id" => zones.into_iter().map(|zone| (zone.id, Some(zone.name))).collect(),
        other => return Err(form.invalid("LocationType", other, "Unknown location type.")),
    };
    let mut offers = Vec::new();
    for (location, zone) in places {
        for row in all() {
            let there = match &zone {
                Some(zone) => offered(ctx.conditions, zone, &row.name),
                None => offered_in(ctx.conditions, ctx.region, &row.name),
            };
            if there {
                let id = format!("{} {location}", row.name);
                offers.push(Offer { id, name: row.name, location: location.clone(), none: Tags::new() });
            }
        }
    }
    offers.sort_by(|a, b| a.id.cmp(&b.id));
    let select = Select { ids: None, filters: &["instance-type", "location"], page: Some(1000) };
    let selection = select.paged(5..=1000, form, offers.iter(), |offer, name| {
        vec![if name == "location" { offer.location.clone() } else { offer.name.clone() }]
    })?;
    Ok(selection.xml("instanceTypeOfferingSet", |xml, offer| {
        xml.text("instanceType", &offer.name)
            .text("locationType", location_type)
            .text("location", &offer.location);
    }))
}

struct Offer {
    id: String,
    name: String,
    location: String,
    none: Tags,
}

impl Row for Offer {
    fn id(&self) -> &str {
        &self.id
    }
    fn tags(&self) -> &Tags {
        &self.none
    }
}
