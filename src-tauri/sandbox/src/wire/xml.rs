//! XML, written by hand: three shapes are all that the query protocols need.

use std::fmt::{Display, Write as _};

/// A growing XML fragment.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    out: String,
}

impl Xml {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `<name>value</name>`
    pub(crate) fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        let _ = write!(self.out, "<{name}>{}</{name}>", escape(&value.to_string()));
        self
    }

    /// Text in the element that is open: the items of a list of texts.
    pub(crate) fn value(&mut self, value: impl Display) -> &mut Self {
        self.out.push_str(&escape(&value.to_string()));
        self
    }

    /// The element when there is a value, and nothing when there is none.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// An element with elements in it.
    pub(crate) fn node(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        let _ = write!(self.out, "<{name}>");
        content(self);
        let _ = write!(self.out, "</{name}>");
        self
    }

    /// `<name><item>…</item>…</name>`
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        content: impl Fn(&mut Self, T),
    ) -> &mut Self {
        self.node(name, |xml| {
            for item in items {
                xml.node("item", |xml| content(xml, item));
            }
        })
    }

    /// `<name><member>…</member>…</name>`
    pub(crate) fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        content: impl Fn(&mut Self, T),
    ) -> &mut Self {
        self.node(name, |xml| {
            for item in items {
                xml.node("member", |xml| content(xml, item));
            }
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.out
    }
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_lists_and_escapes() {
        let mut xml = Xml::new();
        xml.text("vpcId", "vpc-1").maybe("none", None::<u8>).list("tagSet", ["a&b", "<c>"], |xml, value| {
            xml.text("value", value);
        });
        assert_eq!(
            xml.as_str(),
            "<vpcId>vpc-1</vpcId><tagSet><item><value>a&amp;b</value></item><item><value>&lt;c&gt;</value></item></tagSet>"
        );
    }
}
