//! From text to settings.
//!
//! Everything is read to the end whatever is wrong before: a mistake is noted and its place left empty, so that one
//! run shows all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use toml_edit::{Document, Item, Key, Table, TableLike, TomlError, Value};

use super::{
    DEFAULT_INSTANCE_TYPE, DEFAULT_MACHINE, DEFAULT_REGION, DEFAULT_SNAPSHOT_KEEP, DEFAULT_TAGS,
    DEFAULT_VOLUME_IOPS, DEFAULT_VOLUME_SIZE, DEFAULT_VOLUME_THROUGHPUT, MACHINE_KEYS, MAX_PROFILE_NAME,
    MAX_ROLE_NAME, MAX_SNAPSHOT_KEEP, MAX_TAGS, MAX_VOLUME_IOPS, MAX_VOLUME_SIZE, MAX_VOLUME_THROUGHPUT,
    MIN_VOLUME_SIZE, OFF_WHEN_IDLE, SNAPSHOT_EVERY, Settings, SettingsError, TOP_KEYS, VERSION, Wrong,
    dotted, nearest,
};
use crate::machine::{ConfigSource, Desired};
use crate::names::{InstanceType, MachineName, NotAllowed, Region, TagKey, TagValue, UserName, Zone};
use crate::notices::NoticeKind;
use crate::terminal::Choice;

pub(super) fn settings(text: &str, login: Option<&UserName>) -> Result<Settings, Vec<SettingsError>> {
    let document = Document::parse(text).map_err(|error| vec![syntax(text, &error)])?;
    let no_machine = Table::new();
    let mut reader =
        Reader { text, login, no_machine: &no_machine, errors: Vec::new(), given: BTreeSet::new() };
    let settings = reader.settings(&Section { path: Vec::new(), line: None, table: document.as_table() });
    let Reader { mut errors, given, .. } = reader;
    errors.sort_by_key(|error| error.line.unwrap_or(usize::MAX));
    match settings {
        Some((default, app, machines)) if errors.is_empty() => {
            let OfApp { terminal, mute, updates } = app;
            Ok(Settings { default, terminal, mute, updates, machines, given })
        }
        Some(_) | None => Err(errors),
    }
}

/// The error that text which is not TOML gives.
pub(super) fn syntax(text: &str, error: &TomlError) -> SettingsError {
    let line = error.span().map(|span| line_at(text, span.start));
    let written = line.and_then(|line| text.lines().nth(line - 1)).map(|written| shown(written.trim()));
    SettingsError {
        key: String::new(),
        line,
        value: written,
        wrong: Wrong::Syntax(error.message().to_owned()),
    }
}

pub(super) struct Reader<'a> {
    text: &'a str,
    login: Option<&'a UserName>,
    no_machine: &'a Table,
    errors: Vec<SettingsError>,
    given: BTreeSet<String>,
}

/// A table of the file.
pub(super) struct Section<'a> {
    path: Vec<&'a str>,
    line: Option<usize>,
    table: &'a dyn TableLike,
}

/// A setting that stands in the file.
pub(super) struct Field<'a> {
    path: Vec<&'a str>,
    line: Option<usize>,
    item: &'a Item,
}

type Machines = BTreeMap<MachineName, Desired>;

/// What is about this computer and no machine.
struct OfApp {
    terminal: Choice,
    mute: BTreeSet<NoticeKind>,
    updates: bool,
}

impl<'a> Reader<'a> {
    fn settings(&mut self, top: &Section<'a>) -> Option<(MachineName, OfApp, Machines)> {
        if !self.version(top) {
            return None;
        }
        self.refuse_unknown_at_top(top);
        let app = OfApp { terminal: self.terminal(top), mute: self.mute(top), updates: self.updates(top) };
        let sections = match self.field(top, "machine") {
            None => Vec::new(),
            Some(field) => self.section(&field, "tables like [machine.remote-dev]")?.fields(self.text),
        };
        let (mut names, mut machines) = (Vec::new(), Machines::new());
        for field in &sections {
            let name = self.name_of(field);
            names.extend(name.clone());
            if let Some(section) = self.section(field, "a table of settings") {
                machines
                    .extend(self.machine(name, &section).map(|desired| (desired.machine.clone(), desired)));
            }
        }
        if sections.is_empty() {
            let section =
                Section { path: vec!["machine", DEFAULT_MACHINE], line: None, table: self.no_machine };
            let name: Option<MachineName> = DEFAULT_MACHINE.parse().ok();
            names.extend(name.clone());
            machines.extend(self.machine(name, &section).map(|desired| (desired.machine.clone(), desired)));
        }
        Some((self.default(top, names)?, app, machines))
    }

    fn mute(&mut self, top: &Section<'a>) -> BTreeSet<NoticeKind> {
        let Some(field) = self.field(top, "mute") else { return BTreeSet::new() };
        let words: Vec<&str> = NoticeKind::ALL.map(NoticeKind::word).to_vec();
        let allowed = format!("a list of some of {}", words.join(", "));
        let Some(list) = field.item.as_array() else {
            self.refuse_type(&field, allowed);
            return BTreeSet::new();
        };
        let kinds: Option<BTreeSet<NoticeKind>> =
            list.iter().map(|item| NoticeKind::read(item.as_str()?)).collect();
        kinds.unwrap_or_else(|| {
            self.refuse(&field, Wrong::Value { allowed });
            BTreeSet::new()
        })
    }

    fn updates(&mut self, top: &Section<'a>) -> bool {
        let Some(field) = self.field(top, "updates") else { return true };
        field.item.as_bool().unwrap_or_else(|| {
            self.refuse_type(&field, "true or false");
            true
        })
    }

    /// Whether the file is of a version that can be read. Of a newer one nothing else is said, since every other
    /// error may be a thing that only the newer Holdfast knows.
    fn version(&mut self, top: &Section<'a>) -> bool {
        let Some(field) = self.field(top, "version") else { return true };
        match field.item.as_integer() {
            Some(VERSION) => true,
            Some(newer) if newer > VERSION => {
                self.refuse(&field, Wrong::Newer);
                false
            }
            Some(_) => {
                self.refuse(
                    &field,
                    Wrong::Value { allowed: format!("{VERSION}, the only version there is") },
                );
                true
            }
            None => {
                self.refuse_type(&field, format!("the whole number {VERSION}"));
                true
            }
        }
    }

    fn default(&mut self, top: &Section<'a>, machines: Vec<MachineName>) -> Option<MachineName> {
        let Some(field) = self.field(top, "default") else {
            if machines.len() > 1 {
                let wrong = Wrong::NoDefault { machines };
                self.errors.push(SettingsError { key: "default".to_owned(), line: None, value: None, wrong });
                return None;
            }
            return machines.into_iter().next();
        };
        let name: MachineName = self.text(&field)?;
        if !machines.contains(&name) {
            let near = nearest(name.as_str(), machines.iter().map(MachineName::as_str)).map(str::to_owned);
            self.refuse(&field, Wrong::NoMachine { near, machines });
            return None;
        }
        Some(name)
    }

    fn machine(&mut self, name: Option<MachineName>, section: &Section<'a>) -> Option<Desired> {
        let errors_before = self.errors.len();
        self.refuse_unknown(section, &MACHINE_KEYS);
        let profile = self.optional(section, "profile");
        let region = self.or_default(section, "region", DEFAULT_REGION);
        let zone = self.zone(section, region.as_ref());
        let instance_type = self.or_default(section, "instance_type", DEFAULT_INSTANCE_TYPE);
        let alternates = self.alternates(section);
        let volume_size = self.volume_size(section);
        let volume_iops = self.volume_iops(section, volume_size);
        let volume_throughput = self.volume_throughput(section, volume_iops);
        let user = self.user(section);
        let config = self.config(section, name.as_ref());
        let off_at = self.optional(section, "off_at");
        let off_when_idle = self.off_when_idle(section);
        if let Some(ConfigSource::Git { .. } | ConfigSource::Directory { .. }) = &config {
            self.refuse_in_own(section, "off_at", "holdfast.power.offAt");
            self.refuse_in_own(section, "off_when_idle", "holdfast.power.offWhenIdle");
        }
        let snapshot_every = self.snapshot_every(section);
        let most = MAX_SNAPSHOT_KEEP;
        let snapshot_keep =
            self.number(section, "snapshot_keep", DEFAULT_SNAPSHOT_KEEP, 1..=most, "snapshots", "");
        let tags = self.tags(section);
        let subnet = self.optional(section, "subnet");
        let instance_profile = self.optional(section, "instance_profile");
        let permissions_boundary = self.optional(section, "permissions_boundary");
        let kms_key = self.optional(section, "kms_key");
        let desired = Desired {
            machine: name?,
            user: user?,
            profile,
            region: region?,
            zone,
            instance_type: instance_type?,
            alternates,
            volume_size,
            volume_iops,
            volume_throughput,
            tags,
            config: config?,
            off_at,
            off_when_idle,
            snapshot_every,
            snapshot_keep,
            subnet,
            instance_profile,
            permissions_boundary,
            kms_key,
            home_from: None,
        };
        if self.errors.len() == errors_before && desired.instance_profile.is_none() {
            self.refuse_long_names(section, &desired);
        }
        Some(desired)
    }

    fn user(&mut self, section: &Section<'a>) -> Option<UserName> {
        match (self.field(section, "user"), self.login) {
            (Some(field), _) => self.text(&field),
            (None, Some(login)) => Some(login.clone()),
            (None, None) => {
                self.errors.push(SettingsError {
                    key: section.key("user"),
                    line: section.line,
                    value: None,
                    wrong: Wrong::NoUser,
                });
                None
            }
        }
    }

    fn volume_size(&mut self, section: &Section<'a>) -> u32 {
        let range = MIN_VOLUME_SIZE..=MAX_VOLUME_SIZE;
        self.number(section, "volume_size", DEFAULT_VOLUME_SIZE, range, "GiB", "")
    }

    fn volume_iops(&mut self, section: &Section<'a>, size: u32) -> u32 {
        let (most, per_gib) = MAX_VOLUME_IOPS;
        let range = DEFAULT_VOLUME_IOPS..=most.min(size.saturating_mul(per_gib)).max(DEFAULT_VOLUME_IOPS);
        let why = format!(" ({per_gib} for each GiB at most)");
        self.number(section, "volume_iops", DEFAULT_VOLUME_IOPS, range, "operations a second", &why)
    }

    fn volume_throughput(&mut self, section: &Section<'a>, iops: u32) -> u32 {
        let (most, iops_per_mib) = MAX_VOLUME_THROUGHPUT;
        let range = DEFAULT_VOLUME_THROUGHPUT..=most.min(iops / iops_per_mib).max(DEFAULT_VOLUME_THROUGHPUT);
        let why = format!(" (one for each {iops_per_mib} of volume_iops at most)");
        self.number(section, "volume_throughput", DEFAULT_VOLUME_THROUGHPUT, range, "MiB a second", &why)
    }

    fn off_when_idle(&mut self, section: &Section<'a>) -> Option<u32> {
        self.field(section, "off_when_idle")?;
        let (least, most) = OFF_WHEN_IDLE;
        Some(self.number(section, "off_when_idle", least, least..=most, "minutes", ""))
    }

    fn snapshot_every(&mut self, section: &Section<'a>) -> Option<u32> {
        let field = self.field(section, "snapshot_every")?;
        let allowed = "a number of hours that a day holds: 1, 2, 3, 4, 6, 8, 12 or 24";
        let Some(hours) = field.item.as_integer() else {
            self.refuse_type(&field, allowed);
            return None;
        };
        let found = SNAPSHOT_EVERY.into_iter().find(|every| i64::from(*every) == hours);
        if found.is_none() {
            self.refuse(&field, Wrong::Value { allowed: allowed.to_owned() });
        }
        found
    }

    /// A zone of the region; in a subnet of the company's it is the subnet's.
    fn zone(&mut self, section: &Section<'a>, region: Option<&Region>) -> Option<Zone> {
        let zone: Zone = self.optional(section, "zone")?;
        let field = self.field(section, "zone")?;
        if let Some(region) = region.filter(|region| !zone.is_in(region)) {
            self.refuse(&field, Wrong::Value { allowed: format!("a zone of {region}, like {region}a") });
        }
        if self.field(section, "subnet").is_some() {
            self.refuse(&field, Wrong::Excluded { by: "subnet" });
        }
        Some(zone)
    }

    /// A setting that reaches the machine through the configuration that ships with Holdfast.
    fn refuse_in_own(&mut self, section: &Section<'a>, key: &'static str, option: &'static str) {
        if let Some(field) = self.field(section, key) {
            self.refuse(&field, Wrong::OwnConfiguration { option });
        }
    }

    fn number(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
        unit: &str,
        why: &str,
    ) -> u32 {
        let Some(field) = self.field(section, key) else { return default };
        let allowed = || format!("a whole number of {unit} from {} to {}{why}", range.start(), range.end());
        match field.item.as_integer().map(u32::try_from) {
            Some(Ok(number)) if range.contains(&number) => return number,
            Some(Ok(_) | Err(_)) => self.refuse(&field, Wrong::Value { allowed: allowed() }),
            None => self.refuse_type(&field, allowed()),
        }
        default
    }

    fn alternates(&mut self, section: &Section<'a>) -> Vec<InstanceType> {
        let Some(field) = self.field(section, "alternates") else { return Vec::new() };
        let allowed = "a list of instance types, like [\"m7g.xlarge\", \"m8g.2xlarge\"]";
        let Some(list) = field.item.as_array() else {
            self.refuse_type(&field, allowed);
            return Vec::new();
        };
        let types: Option<Vec<InstanceType>> = list.iter().map(|item| item.as_str()?.parse().ok()).collect();
        types.unwrap_or_else(|| {
            self.refuse(&field, Wrong::Value { allowed: allowed.to_owned() });
            Vec::new()
        })
    }

    fn tags(&mut self, section: &Section<'a>) -> BTreeMap<TagKey, TagValue> {
        let mut tags = BTreeMap::new();
        let field = self.field(section, "tags");
        let given = field.as_ref().and_then(|field| self.section(field, "a table of tags"));
        let given = given.map(|section| section.fields(self.text)).unwrap_or_default();
        let mut keys: Vec<(&str, bool)> = Vec::new();
        for (default, value) in DEFAULT_TAGS {
            if given.iter().all(|field| field.name() != default) {
                keys.push((default, true));
                tags.extend(default.parse().ok().zip(value.parse().ok()));
            }
        }
        for field in &given {
            let name = field.name();
            self.given.insert(dotted(&field.path));
            let default_tag = DEFAULT_TAGS.iter().any(|(default, _)| *default == name);
            if default_tag && field.item.as_bool() == Some(false) {
                continue;
            }
            let key = name.parse::<TagKey>();
            if key.is_err() {
                self.refuse(field, Wrong::Key { allowed: TagKey::ALLOWED });
            }
            if let Some((other, default)) =
                keys.iter().find(|(key, _)| key.to_lowercase() == name.to_lowercase())
            {
                self.refuse(field, Wrong::SameTag { other: (*other).to_owned(), default: *default });
            }
            keys.push((name, false));
            if field.item.is_table_like() {
                self.refuse_type(field, "text; a key with a dot in it needs quotes: \"a.b\" = \"…\"");
            } else {
                tags.extend(key.ok().zip(self.text(field)));
            }
        }
        if let Some(field) = field.filter(|_| keys.len() > MAX_TAGS) {
            self.refuse(&field, Wrong::TooManyTags { count: keys.len(), max: MAX_TAGS });
        }
        tags
    }

    fn refuse_long_names(&mut self, section: &Section<'a>, desired: &Desired) {
        let names = [
            ("IAM role", desired.role_name(), MAX_ROLE_NAME),
            ("instance profile", desired.own_profile_name(), MAX_PROFILE_NAME),
            ("IAM role for snapshots", desired.backup_role_name(), MAX_ROLE_NAME),
        ];
        let names = names.into_iter().take(if desired.snapshot_every.is_some() { 3 } else { 2 });
        for (what, name, max) in names {
            if name.len() > max {
                let (user, machine) = (desired.user.clone(), desired.machine.clone());
                let line = self.field(section, "user").map_or(section.line, |field| field.line);
                let wrong = Wrong::NameTooLong { what, name, user, machine, max };
                self.errors.push(SettingsError { key: dotted(&section.path), line, value: None, wrong });
            }
        }
    }

    fn optional<T: FromStr<Err = NotAllowed>>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
    ) -> Option<T> {
        let field = self.field(section, key)?;
        self.text(&field)
    }

    fn or_default<T: FromStr<Err = NotAllowed>>(
        &mut self,
        section: &Section<'a>,
        key: &'static str,
        default: &str,
    ) -> Option<T> {
        match self.field(section, key) {
            Some(field) => self.text(&field),
            None => default.parse().ok(),
        }
    }

    /// The setting `key` when the file gives it.
    pub(super) fn field(&mut self, section: &Section<'a>, key: &'static str) -> Option<Field<'a>> {
        let (written, item) = section.table.get_key_value(key)?;
        let field = section.field(self.text, written, item);
        self.given.insert(dotted(&field.path));
        Some(field)
    }

    /// The table that a setting should be.
    pub(super) fn section(&mut self, field: &Field<'a>, allowed: &str) -> Option<Section<'a>> {
        let Some(table) = field.item.as_table_like() else {
            self.refuse_type(field, allowed);
            return None;
        };
        Some(Section { path: field.path.clone(), line: field.line, table })
    }

    /// The validated text that a setting should be.
    pub(super) fn text<T: FromStr<Err = NotAllowed>>(&mut self, field: &Field<'_>) -> Option<T> {
        let Some(text) = field.item.as_str() else {
            // No name may have a control character in it, and the error says what it may have.
            let allowed = "\0".parse::<T>().err().map_or("text", |not| not.allowed);
            self.refuse_type(field, format!("text in quotes: {allowed}"));
            return None;
        };
        text.parse()
            .map_err(|NotAllowed { allowed, .. }| {
                self.refuse(field, Wrong::Value { allowed: allowed.to_owned() })
            })
            .ok()
    }

    fn name_of(&mut self, field: &Field<'_>) -> Option<MachineName> {
        let name = field.name().parse().ok();
        if name.is_none() {
            self.refuse(field, Wrong::Key { allowed: MachineName::ALLOWED });
        }
        name
    }

    fn refuse_unknown_at_top(&mut self, top: &Section<'a>) {
        let machine = match top.table.get("machine").and_then(Item::as_table_like) {
            Some(machines) => machines.iter().next().map_or(DEFAULT_MACHINE, |(name, _)| name),
            None => DEFAULT_MACHINE,
        };
        for field in top.fields(self.text) {
            let name = field.name();
            if TOP_KEYS.contains(&name) {
                continue;
            }
            let near = if MACHINE_KEYS.contains(&name) {
                Some(dotted(&["machine", machine, name]))
            } else if let Some(near) = nearest(name, TOP_KEYS) {
                Some(near.to_owned())
            } else if field.item.is_table_like() {
                Some(dotted(&["machine", name]))
            } else {
                nearest(name, MACHINE_KEYS).map(|near| dotted(&["machine", machine, near]))
            };
            self.refuse(&field, Wrong::UnknownKey { near, known: TOP_KEYS.to_vec() });
        }
    }

    pub(super) fn refuse_unknown(&mut self, section: &Section<'a>, known: &[&'static str]) {
        for field in section.fields(self.text) {
            if !known.contains(&field.name()) {
                let near = nearest(field.name(), known.iter().copied()).map(str::to_owned);
                self.refuse(&field, Wrong::UnknownKey { near, known: known.to_vec() });
            }
        }
    }

    pub(super) fn refuse_type(&mut self, field: &Field<'_>, allowed: impl Into<String>) {
        self.refuse(field, Wrong::Type { found: type_of(field.item), allowed: allowed.into() });
    }

    pub(super) fn refuse(&mut self, field: &Field<'_>, wrong: Wrong) {
        let value = match field.item {
            Item::Value(Value::String(text)) => Some(shown(&format!("{:?}", text.value()))),
            Item::Value(value) => value.span().and_then(|span| self.text.get(span)).map(shown),
            Item::None | Item::Table(_) | Item::ArrayOfTables(_) => None,
        };
        self.errors.push(SettingsError { key: dotted(&field.path), line: field.line, value, wrong });
    }
}

impl<'a> Section<'a> {
    fn fields(&self, text: &str) -> Vec<Field<'a>> {
        let entries = self.table.iter().filter_map(|(key, _)| self.table.get_key_value(key));
        entries.map(|(key, item)| self.field(text, key, item)).collect()
    }

    fn field(&self, text: &str, key: &'a Key, item: &'a Item) -> Field<'a> {
        let mut path = self.path.clone();
        path.push(key.get());
        Field { path, line: key.span().map(|Range { start, .. }| line_at(text, start)), item }
    }

    fn key(&self, key: &str) -> String {
        let mut path = self.path.clone();
        path.push(key);
        dotted(&path)
    }
}

impl<'a> Field<'a> {
    pub(super) fn item(&self) -> &'a Item {
        self.item
    }

    fn name(&self) -> &'a str {
        self.path.last().copied().unwrap_or_default()
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Text from the file, short and on one line.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() { format!("{line}…") } else { line }
}

fn type_of(item: &Item) -> &'static str {
    match item {
        Item::None => "nothing",
        Item::Value(Value::String(_)) => "text",
        Item::Value(Value::Integer(_)) => "a whole number",
        Item::Value(Value::Float(_)) => "a number with a fraction",
        Item::Value(Value::Boolean(_)) => "a truth value",
        Item::Value(Value::Datetime(_)) => "a date",
        Item::Value(Value::Array(_)) => "a list",
        Item::Value(Value::InlineTable(_)) | Item::Table(_) => "a table",
        Item::ArrayOfTables(_) => "a list of tables",
    }
}
