//! Requests of the query protocols: a flat form whose names spell out lists and structures.

use std::collections::BTreeMap;

use super::Fail;

/// A request, or one structure in it.
#[derive(Clone, Debug)]
pub(crate) struct Form<'a> {
    fields: &'a BTreeMap<String, String>,
    prefix: String,
    /// What stands between a list's name and the index: nothing in EC2, `.member` in IAM and STS.
    infix: &'static str,
}

impl<'a> Form<'a> {
    pub(crate) fn ec2(fields: &'a BTreeMap<String, String>) -> Self {
        Self { fields, prefix: String::new(), infix: "" }
    }

    pub(crate) fn aws_query(fields: &'a BTreeMap<String, String>) -> Self {
        Self { fields, prefix: String::new(), infix: ".member" }
    }

    /// All fields of the whole request.
    pub(crate) fn fields(&self) -> &'a BTreeMap<String, String> {
        self.fields
    }

    /// A field as it stands, also when it is empty.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        self.fields.get(&format!("{}{name}", self.prefix)).map(String::as_str)
    }

    /// A field that is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.raw(name).filter(|text| !text.is_empty())
    }

    /// A field that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&'a str, Fail> {
        self.text(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn missing(&self, name: &str) -> Fail {
        Fail::new("MissingParameter", format!("The request must contain the parameter {}{name}", self.prefix))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Fail> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(self.invalid(name, text, "Invalid boolean value")),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Fail> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.invalid(name, text, "Expecting a number"))
    }

    pub(crate) fn invalid(&self, name: &str, value: &str, why: &str) -> Fail {
        let mut path = format!("{}{name}", self.prefix);
        if let Some(first) = path.get_mut(0..1) {
            first.make_ascii_lowercase();
        }
        Fail::new("InvalidParameterValue", format!("Value ({value}) for parameter {path} is invalid. {why}"))
    }

    /// Whether the field, list or structure is there in any form.
    pub(crate) fn has(&self, name: &str) -> bool {
        let path = format!("{}{name}", self.prefix);
        let inside = format!("{path}.");
        self.fields.keys().any(|key| *key == path || key.starts_with(&inside))
    }

    /// A structure.
    pub(crate) fn at(&self, name: &str) -> Self {
        Self { fields: self.fields, prefix: format!("{}{name}.", self.prefix), infix: self.infix }
    }

    /// A list of texts, in the order of its indices.
    pub(crate) fn texts(&self, name: &str) -> Vec<&'a str> {
        let prefix = format!("{}{name}{}.", self.prefix, self.infix);
        self.indices(&prefix)
            .filter_map(|index| self.fields.get(&format!("{prefix}{index}")))
            .map(String::as_str)
            .collect()
    }

    /// A list of structures, in the order of its indices.
    pub(crate) fn items(&self, name: &str) -> Vec<Self> {
        let prefix = format!("{}{name}{}.", self.prefix, self.infix);
        self.indices(&prefix)
            .map(|index| Self { fields: self.fields, prefix: format!("{prefix}{index}."), infix: self.infix })
            .collect()
    }

    fn indices(&self, prefix: &str) -> impl Iterator<Item = u32> {
        let mut indices: Vec<u32> = self
            .fields
            .range(prefix.to_owned()..)
            .map_while(|(key, _)| key.strip_prefix(prefix))
            .filter_map(|rest| rest.split('.').next()?.parse().ok())
            .collect();
        indices.sort_unstable();
        indices.dedup();
        indices.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lists_come_in_the_order_of_their_numbers() {
        let fields = fields(&[
            ("InstanceId.10", "j"),
            ("InstanceId.2", "b"),
            ("InstanceId.1", "a"),
            ("Filter.1.Name", "tag:x"),
            ("Filter.1.Value.1", "y"),
        ]);
        let form = Form::ec2(&fields);
        assert_eq!(form.texts("InstanceId"), ["a", "b", "j"]);
        let filters = form.items("Filter");
        assert_eq!(filters.len(), 1);
        assert_eq!(filters[0].need("Name").unwrap(), "tag:x");
        assert_eq!(filters[0].texts("Value"), ["y"]);
    }

    #[test]
    fn iam_puts_member_into_its_lists() {
        let fields = fields(&[("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "")]);
        let form = Form::aws_query(&fields);
        assert_eq!(form.items("Tags")[0].raw("Value"), Some(""));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let fields = fields(&[("EnableDnsSupport.Value", "perhaps")]);
        let form = Form::ec2(&fields);
        assert_eq!(form.need("VpcId").unwrap_err().code, "MissingParameter");
        let fail = form.at("EnableDnsSupport").flag("Value").unwrap_err();
        assert_eq!(fail.code, "InvalidParameterValue");
        assert!(fail.message.contains("(perhaps) for parameter enableDnsSupport.Value"), "{}", fail.message);
    }
}
