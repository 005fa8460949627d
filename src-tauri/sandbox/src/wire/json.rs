//! Requests of the JSON 1.1 services.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Fail;

/// A request's members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(pub(crate) &'a Value);

impl<'a> Json<'a> {
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&'a str, Fail> {
        self.text(name).ok_or_else(|| {
            let mut member = name.to_owned();
            if let Some(first) = member.get_mut(0..1) {
                first.make_ascii_lowercase();
            }
            Fail::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
                     Member must not be null"
                ),
            )
        })
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<&'a str> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(crate) fn items(&self, name: &str) -> Vec<Self> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().map(Self).collect()
    }

    /// A map of texts, such as an encryption context.
    pub(crate) fn map(&self, name: &str) -> BTreeMap<String, String> {
        let map = self.0.get(name).and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    /// A map of lists of texts, such as a document's parameters.
    pub(crate) fn lists(&self, name: &str) -> BTreeMap<String, Vec<String>> {
        let map = self.0.get(name).and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .map(|(key, list)| {
                let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
                (key.clone(), texts.map(str::to_owned).collect())
            })
            .collect()
    }
}
