//! Edits of TOML text by position, so that every line that is not meant stays as it is, byte for byte.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike, TomlError, Value};

use super::dotted;

/// How many parts of a path a header line of its own may have: `[machine.NAME]`.
const HEADER: usize = 2;

/// The text with the setting at `path` having the value `literal`, which is TOML.
pub(super) fn put(text: &str, path: &[&str], literal: &str) -> Result<String, TomlError> {
    let document = Document::parse(text)?;
    let (tables, end) = walk(&document, path);
    let depth = tables.len() - 1;
    match end {
        None => Ok(insert(text, &tables, path, literal)),
        Some(item) => match solid(item) {
            Some(span) => {
                let rest = path.get(depth + 1..).unwrap_or_default();
                let value = if rest.is_empty() {
                    literal.to_owned()
                } else {
                    format!("{{ {} = {literal} }}", dotted(rest))
                };
                Ok(spliced(text, span, &value))
            }
            None => {
                let without = cut(text, path)?;
                let document = Document::parse(without.as_str())?;
                Ok(insert(&without, &walk(&document, path).0, path, literal))
            }
        },
    }
}

/// The text without the setting or table at `path`; comments stay unless they share a line with what goes.
pub(super) fn cut(text: &str, path: &[&str]) -> Result<String, TomlError> {
    let document = Document::parse(text)?;
    let (tables, end) = walk(&document, path);
    let Some(item) = end.filter(|_| tables.len() == path.len()) else { return Ok(text.to_owned()) };
    let mut pairs = Vec::new();
    let mut headers = Vec::new();
    match solid(item) {
        Some(value) => {
            let key = tables.last().zip(path.last()).and_then(|(table, key)| table.table.get_key_value(key));
            let key = key.and_then(|(key, _)| key.span()).unwrap_or_else(|| value.clone());
            pairs.push(key.start..value.end);
        }
        None => everything(item, &mut pairs, &mut headers),
    }
    let inline = tables.iter().any(|table| table.kind == Kind::Inline);
    if inline {
        let Some(pair) = pairs.pop() else { return Ok(text.to_owned()) };
        let shorter = spliced(text, inline_pair(text, pair), "");
        return if pairs.is_empty() { Ok(shorter) } else { cut(&shorter, path) };
    }
    let mut lines: Vec<_> = pairs.into_iter().chain(headers).map(|range| lines_of(text, range)).collect();
    lines.sort_by_key(|range| std::cmp::Reverse(range.start));
    lines.dedup();
    Ok(lines.into_iter().fold(text.to_owned(), |text, range| spliced(&text, range, "")))
}

/// The text with the empty table at `path` added at its end, when there is none.
pub(super) fn add_table(text: &str, path: &[&str]) -> Result<String, TomlError> {
    let there = walk(&Document::parse(text)?, path).1.is_some();
    Ok(if there { text.to_owned() } else { appended(text, &format!("[{}]", dotted(path))) })
}

/// Whether the text has a table at `path`.
pub(super) fn has_table(text: &str, path: &[&str]) -> bool {
    Document::parse(text).is_ok_and(|document| walk(&document, path).1.is_some_and(Item::is_table_like))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Root,
    /// `[a.b]`
    Header,
    /// `a.b` where only `[a.b.c]` stands in the file.
    Implicit,
    /// `a` in `a.b = 1`
    Dotted,
    /// `{ … }`
    Inline,
}

struct Node<'a> {
    kind: Kind,
    table: &'a dyn TableLike,
    span: Range<usize>,
}

/// The tables along `path` from the root on, and what stands where they end: nothing, the item that `path` names, or
/// a value in the way.
fn walk<'a>(document: &'a Document<&str>, path: &[&str]) -> (Vec<Node<'a>>, Option<&'a Item>) {
    let mut table: &dyn TableLike = document.as_table();
    let mut tables = vec![Node { kind: Kind::Root, table, span: 0..0 }];
    for (at, key) in path.iter().enumerate() {
        let Some(item) = table.get(key) else { return (tables, None) };
        match node(item) {
            Some(node) if at + 1 < path.len() => {
                table = node.table;
                tables.push(node);
            }
            Some(_) | None => return (tables, Some(item)),
        }
    }
    (tables, None)
}

fn node(item: &Item) -> Option<Node<'_>> {
    let kind = match item {
        Item::Table(table) if table.is_dotted() => Kind::Dotted,
        Item::Table(table) if table.is_implicit() => Kind::Implicit,
        Item::Table(_) => Kind::Header,
        Item::Value(Value::InlineTable(table)) if table.is_dotted() => Kind::Dotted,
        Item::Value(Value::InlineTable(_)) => Kind::Inline,
        Item::Value(_) | Item::None | Item::ArrayOfTables(_) => return None,
    };
    Some(Node { kind, table: item.as_table_like()?, span: item.span()? })
}

/// Where a value stands that is in one piece.
fn solid(item: &Item) -> Option<Range<usize>> {
    match item {
        Item::Value(Value::InlineTable(table)) if table.is_dotted() => None,
        Item::Value(value) => value.span(),
        Item::None | Item::Table(_) | Item::ArrayOfTables(_) => None,
    }
}

/// Every `key = value` and every header inside `item`.
fn everything(item: &Item, pairs: &mut Vec<Range<usize>>, headers: &mut Vec<Range<usize>>) {
    let Some(node) = node(item) else { return };
    if node.kind == Kind::Header {
        headers.push(node.span.clone());
    }
    pairs.extend(own_pairs(node.table));
    for (_, item) in node.table.iter() {
        if let Item::Table(table) = item
            && !table.is_dotted()
        {
            everything(item, pairs, headers);
        }
    }
}

/// Every `key = value` that stands in a table itself, dotted keys included: from the last part of the key on.
fn own_pairs(table: &dyn TableLike) -> Vec<Range<usize>> {
    let mut pairs = Vec::new();
    for (key, _) in table.iter() {
        let Some((key, item)) = table.get_key_value(key) else { continue };
        match (solid(item), node(item)) {
            (Some(value), _) => pairs.push(key.span().map_or(value.start, |key| key.start)..value.end),
            (None, Some(node)) if node.kind == Kind::Dotted => pairs.extend(own_pairs(node.table)),
            (None, Some(_) | None) => {}
        }
    }
    pairs
}

fn insert(text: &str, tables: &[Node<'_>], path: &[&str], literal: &str) -> String {
    let whole = tables.iter().rposition(|table| table.kind != Kind::Dotted).unwrap_or(0);
    let Some(table) = tables.get(whole) else { return text.to_owned() };
    let through_dotted = tables.len() > whole + 1;
    let pair = |from: usize| format!("{} = {literal}", dotted(path.get(from..).unwrap_or_default()));
    let last = own_pairs(table.table).into_iter().map(|pair| pair.end).max();
    let in_body = match table.kind {
        Kind::Inline => {
            let (at, pair) = match last {
                Some(end) => (end, format!(", {}", pair(whole))),
                None => (table.span.start + 1, format!(" {} ", pair(whole))),
            };
            return spliced(text, at..at, &pair);
        }
        Kind::Root => path.len() == 1 || through_dotted,
        Kind::Header => whole >= HEADER || through_dotted,
        Kind::Implicit | Kind::Dotted => false,
    };
    if !in_body {
        let (header, _) = path.split_at(path.len().min(HEADER));
        return appended(text, &format!("[{}]{}{}", dotted(header), newline(text), pair(HEADER)));
    }
    let at = match (last, table.kind == Kind::Root) {
        (Some(end), _) => line_end(text, end),
        (None, false) => line_end(text, table.span.end),
        (None, true) => match top_of_body(text, table) {
            Some(at) => {
                return spliced(text, at..at, &format!("{}{}{}", pair(whole), newline(text), newline(text)));
            }
            None => return appended(text, &pair(whole)),
        },
    };
    let line = format!("{}{}", pair(whole), newline(text));
    if text.get(..at).is_none_or(|before| before.ends_with('\n')) {
        spliced(text, at..at, &line)
    } else {
        spliced(text, at..at, &format!("{}{}", newline(text), line.trim_end()))
    }
}

/// Where the first setting of a file goes that has headers only: below an opening comment that stands apart.
fn top_of_body(text: &str, root: &Node<'_>) -> Option<usize> {
    if root.table.is_empty() {
        return None;
    }
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut at = start;
    for line in text.get(start..)?.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() && at > start + line.len() {
            return Some(at);
        }
        if !line.starts_with('#') {
            break;
        }
    }
    Some(start)
}

/// The range of a pair inside `{ … }` with the comma that goes with it and with the first parts of a dotted key.
fn inline_pair(text: &str, pair: Range<usize>) -> Range<usize> {
    let before = text.get(..pair.start).unwrap_or_default();
    let start = before.rfind([',', '{']).map_or(pair.start, |at| at + 1);
    let after = text.get(pair.end..).unwrap_or_default();
    let to_comma = after.len() - after.trim_start().len();
    if after.trim_start().starts_with(',') {
        start..pair.end + to_comma + 1
    } else if before.get(..start).is_some_and(|before| before.ends_with(',')) {
        start - 1..pair.end
    } else {
        start..pair.end
    }
}

/// `block` at the end of the text, after an empty line.
fn appended(text: &str, block: &str) -> String {
    let newline = newline(text);
    let mut text = text.to_owned();
    if !text.is_empty() {
        if !text.ends_with('\n') {
            text.push_str(newline);
        }
        if text.trim_end_matches(['\r', '\n']).len() + newline.len() == text.len() {
            text.push_str(newline);
        }
    }
    text + block + newline
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn lines_of(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    start..line_end(text, range.end)
}

/// The offset behind the end of the line at `offset`.
fn line_end(text: &str, offset: usize) -> usize {
    text.get(offset..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| offset + at + 1)
}

fn spliced(text: &str, range: Range<usize>, with: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(range, with);
    text
}
