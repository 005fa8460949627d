//! What all describing operations share: ids, filters and pages.
//!
//! Filters: docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html (values are case-sensitive, `*` and `?`
//! are wildcards, several values of one filter are alternatives, several filters must all match).

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::Kind;
use crate::wire::{Fail, Form, Xml};
use crate::world::Tags;

/// Something that a describing operation lists.
pub(crate) trait Row {
    fn id(&self) -> &str;
    fn tags(&self) -> &Tags;
}

/// How one describing operation selects.
pub(crate) struct Select<'a> {
    /// The kind, and the name of the parameter that lists ids.
    pub(crate) ids: Option<(Kind, &'a str)>,
    /// The filters it knows besides those on tags.
    pub(crate) filters: &'a [&'a str],
    /// The size of a page when the request does not say.
    pub(crate) page: Option<usize>,
}

/// What was selected, and where the next page begins.
pub(crate) struct Selection<T> {
    pub(crate) rows: Vec<T>,
    next: Option<String>,
}

impl<T> Selection<T> {
    /// The list and the token of the next page.
    pub(crate) fn xml(self, name: &str, content: impl Fn(&mut Xml, T)) -> Xml {
        let mut xml = Xml::new();
        xml.list(name, self.rows, content);
        xml.maybe("nextToken", self.next);
        xml
    }

    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

impl Select<'_> {
    /// Selects from rows that come in the order of their ids; `facts` are a row's values for a filter.
    pub(crate) fn from<'r, R: Row + ?Sized>(
        &self,
        form: &Form<'_>,
        rows: impl Iterator<Item = &'r R>,
        facts: impl Fn(&R, &str) -> Vec<String>,
    ) -> Result<Selection<&'r R>, Fail> {
        self.paged(5..=usize::MAX, form, rows, facts)
    }

    /// The same, where `MaxResults` has limits of its own.
    pub(crate) fn paged<'r, R: Row + ?Sized>(
        &self,
        limits: RangeInclusive<usize>,
        form: &Form<'_>,
        rows: impl Iterator<Item = &'r R>,
        facts: impl Fn(&R, &str) -> Vec<String>,
    ) -> Result<Selection<&'r R>, Fail> {
        let filters = self.filters(form)?;
        let mut rows: Vec<&R> = rows.collect();
        if let Some((kind, name)) = self.ids {
            let ids = form.texts(name);
            for id in &ids {
                kind.check(id)?;
                if !rows.iter().any(|row| row.id() == *id) {
                    return Err(kind.not_found(id));
                }
            }
            if !ids.is_empty() {
                rows.retain(|row| ids.contains(&row.id()));
            }
        }
        rows.retain(|row| {
            filters.iter().all(|filter| {
                let values = match &filter.about {
                    About::TagKey => row.tags().keys().cloned().collect(),
                    About::Tag(key) => row.tags().get(key).cloned().into_iter().collect(),
                    About::Fact(name) => facts(row, name),
                };
                values.iter().any(|value| filter.patterns.iter().any(|pattern| matches(pattern, value)))
            })
        });
        self.page(&limits, form, rows)
    }

    fn filters(&self, form: &Form<'_>) -> Result<Vec<Filter>, Fail> {
        form.items("Filter")
            .iter()
            .map(|item| {
                let name = item.need("Name")?;
                let about = match name.strip_prefix("tag:") {
                    Some(key) => About::Tag(key.to_owned()),
                    None if name == "tag-key" => About::TagKey,
                    None if self.filters.contains(&name) => About::Fact(name.to_owned()),
                    None => {
                        return Err(Fail::new(
                            "InvalidParameterValue",
                            format!("The filter '{name}' is invalid"),
                        ));
                    }
                };
                let patterns: Vec<String> = item.texts("Value").into_iter().map(str::to_owned).collect();
                if patterns.len() > 200 {
                    return Err(Fail::new(
                        "FilterLimitExceeded",
                        "The maximum number of filter values specified on a single call is 200",
                    ));
                }
                Ok(Filter { about, patterns })
            })
            .collect()
    }

    fn page<'r, R: Row + ?Sized>(
        &self,
        limits: &RangeInclusive<usize>,
        form: &Form<'_>,
        mut rows: Vec<&'r R>,
    ) -> Result<Selection<&'r R>, Fail> {
        let asked = form.number("MaxResults")?.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        if let Some(max) = asked {
            if max < *limits.start() {
                let why = format!("Expecting a value greater than or equal to {}.", limits.start());
                return Err(form.invalid("MaxResults", &max.to_string(), &why));
            }
            if max > *limits.end() {
                let why = format!("Expecting a value less than or equal to {}.", limits.end());
                return Err(form.invalid("MaxResults", &max.to_string(), &why));
            }
            if let Some((_, name)) = self.ids
                && form.has(name)
            {
                return Err(Fail::new(
                    "InvalidParameterCombination",
                    format!("The parameter {name} cannot be used with the parameter maxResults"),
                ));
            }
        }
        if let Some(token) = form.text("NextToken") {
            let after = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some(after) = after else {
                return Err(Fail::new("InvalidNextToken", format!("The token '{token}' is invalid")));
            };
            rows.retain(|row| row.id() > after.as_str());
        }
        let mut next = None;
        if let Some(max) = asked.or(self.page)
            && rows.len() > max
        {
            rows.truncate(max);
            next = rows.last().map(|row| BASE64.encode(row.id()));
        }
        Ok(Selection { rows, next })
    }
}

struct Filter {
    about: About,
    patterns: Vec<String>,
}

enum About {
    TagKey,
    Tag(String),
    Fact(String),
}

/// Whether the text matches a pattern with `*` (any run of characters) and `?` (one character); a backslash takes the
/// next character as it is.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    fn at(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| at(rest, text.get(skip..).unwrap_or_default())),
            Some(('?', rest)) => text.split_first().is_some_and(|(_, tail)| at(rest, tail)),
            Some(('\\', rest)) if !rest.is_empty() => literal(rest, text),
            Some(_) => literal(pattern, text),
        }
    }
    fn literal(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (Some((want, pattern)), Some((have, text))) => want == have && at(pattern, text),
            (_, _) => false,
        }
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    at(&pattern, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("nixos/*", "nixos/25.11.1.abc-aarch64-linux", true),
            ("nixos/*-aarch64-linux", "nixos/25.11.1.abc-x86_64-linux", false),
            ("m?g.*", "m8g.xlarge", true),
            ("m?g.*", "m10g.xlarge", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("", "", true),
            ("*", "", true),
            ("abc", "ABC", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
