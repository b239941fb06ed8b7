//! The tree of one item of a dump, pruned while it is read: only keys that meshctl knows are kept, in one spelling.
//!
//! Envoy prints `snake_case`, Go's protojson `lowerCamelCase`, and some files hold both. The table of `keys` lists what is kept;
//! anything else is skipped without being stored. `private_key` is not in it: no key material is ever in memory as a
//! value. The accessors know proto3 JSON (absent is the default, numbers as strings) and the quirks of the untyped
//! `Struct` form of old filters (one element in place of a list, `{"value": x}` wrappers, booleans as strings).

use super::keys::{Keep, SPELLINGS};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// How deep a tree is kept; what is deeper is [`Node::Deep`]. `serde_json` itself stops at 128.
const DEEPEST: u8 = 100;

/// A value of a dump.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Node<'a> {
    /// `null`, or nothing there.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A number; proto JSON has no others that matter than whole ones.
    Number(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Self>),
    /// An object: the kept keys in `snake_case`, in the order of the file.
    Map(Vec<(Cow<'a, str>, Self)>),
    /// Something below the depth that is kept.
    Deep,
}

static NULL: Node<'static> = Node::Null;

impl<'a> Node<'a> {
    /// The value of a key, `Null` where it is absent. Where a key stands twice the last one counts, as in protobuf.
    #[must_use]
    pub fn get(&self, key: &str) -> &Self {
        match self {
            Self::Map(entries) => entries.iter().rev().find(|(name, _)| name == key).map_or(null(), |(_, value)| value),
            _ => null(),
        }
    }

    /// The value at the end of several keys.
    #[must_use]
    pub fn at(&self, keys: &[&str]) -> &Self {
        keys.iter().fold(self, |node, key| node.get(key))
    }

    /// Whether the key is there, whatever its value but `null`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        !self.get(key).is_null()
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The items of a list; anything else that is there counts as a list of one (old `Struct` configurations).
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Null => &[],
            one => std::slice::from_ref(one),
        }
    }

    /// Keys and values of an object.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let entries = if let Self::Map(entries) = self { entries.as_slice() } else { &[] };
        entries.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// The text, also of a `{"value": "x"}` wrapper.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Map(_) => match self.get("value") {
                Self::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The texts of a list.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// A boolean in any of its spellings: `true`, `"true"`, `{"value": true}`.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            Self::Map(_) => match self.get("value") {
                Self::Map(_) => None,
                value => value.bool(),
            },
            _ => None,
        }
    }

    /// A number in any of its spellings: `1`, `"1"`, `{"value": 1}`.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            Self::Map(_) => match self.get("value") {
                Self::Map(_) => None,
                value => value.number(),
            },
            _ => None,
        }
    }

    /// A port, or `None` for what cannot be one (0 too: it means "not set").
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.number().and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0)
    }

    /// An enum, by name or by its number in the proto: `names` in the order of their numbers.
    #[must_use]
    pub fn one_of(&self, names: &[&'static str]) -> Option<&'static str> {
        match self {
            Self::Text(text) => names.iter().find(|name| **name == text).copied(),
            Self::Number(number) => usize::try_from(*number).ok().and_then(|at| names.get(at)).copied(),
            _ => None,
        }
    }

    /// The type of an extension (a filter, a transport socket, a validator) and its body: of `typed_config`, of the
    /// `value` of a `TypedStruct` in it, or of an old untyped `config`. The type is what follows the last `/` of its
    /// URL, and empty where nothing says it.
    #[must_use]
    pub fn extension(&self) -> (&str, &Self) {
        let body = match self.get("typed_config") {
            Self::Null => self.get("config"),
            body => body,
        };
        let kind = short(body.get("@type").text().unwrap_or_default());
        if kind.ends_with(".TypedStruct") {
            return (short(body.get("type_url").text().unwrap_or_default()), body.get("value"));
        }
        (kind, body)
    }

    /// What follows the last `/` of `@type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        short(self.get("@type").text().unwrap_or_default())
    }
}

/// `Null`, of any lifetime.
fn null<'n, 'a>() -> &'n Node<'a> {
    &NULL
}

/// What follows the last `/` of a type URL.
#[must_use]
pub fn short(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// Reads a value of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    keep: Keep,
    depth: u8,
}

impl Tree {
    /// An object of the schema.
    #[must_use]
    pub fn new() -> Self {
        Self { keep: Keep::Known, depth: 0 }
    }

    fn below(self, keep: Keep) -> Self {
        Self { keep, depth: self.depth + 1 }
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        if self.depth >= DEEPEST {
            return IgnoredAny::deserialize_any(deserializer);
        }
        deserializer.deserialize_any(self)
    }
}

/// A tree as a type of its own, for a stream of values.
pub(super) struct Kept<'de>(pub(super) Node<'de>);

impl<'de> serde::Deserialize<'de> for Kept<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tree::new().deserialize(deserializer).map(Self)
    }
}

/// Skips a value and says that something was there.
trait Skip {
    fn deserialize_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Node<'de>, D::Error>;
}

impl Skip for IgnoredAny {
    fn deserialize_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_ignored_any(Self).map(|_| Node::Deep)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        // The cast saturates; a fraction is no port and no enum.
        let whole = value as i64;
        Ok(if whole as f64 == value { Node::Number(whole) } else { Node::Null })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(redact(Cow::Borrowed(value)).into_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Node<'de>, E> {
        Ok(Node::Text(redact(Cow::Owned(value))))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(redact(Cow::Borrowed(value))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below(self.keep))? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node<'de>, A::Error> {
        let mut map = Vec::new();
        while let Some((name, keep)) = entries.next_key_seed(Key(self.keep))? {
            match name {
                Some(name) => map.push((name, entries.next_value_seed(self.below(keep))?)),
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Node::Map(map))
    }
}

/// What stands between the dashes of a private key in PEM (RFC 7468), whatever its kind.
const KEY: &str = "PRIVATE KEY-----";

/// Takes private keys in PEM out of a text: an error of a refused push may quote one, and so may any name.
fn redact(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() < KEY.len() || memchr::memmem::find(text.as_bytes(), KEY.as_bytes()).is_none() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find(KEY) {
        let (head, after) = rest.split_at(at);
        // From the dashes before to the dashes of its end; a key that is cut off goes to the end of the text.
        out.push_str(head.rfind("-----BEGIN").and_then(|begin| head.get(..begin)).unwrap_or(head));
        out.push_str("[redacted]");
        let after = after.get(KEY.len()..).unwrap_or_default();
        rest = after.find(KEY).and_then(|end| after.get(end + KEY.len()..)).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Reads a key: its name, unless its value is to be skipped, and what the value holds.
struct Key(Keep);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = (Option<Cow<'de, str>>, Keep);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Key {
    fn find<'de>(&self, key: &str, name: impl FnOnce() -> Cow<'de, str>) -> (Option<Cow<'de, str>>, Keep) {
        match self.0 {
            Keep::Known => match SPELLINGS.get(key) {
                Some((name, keep)) => (Some(Cow::Borrowed(*name)), *keep),
                None => (None, Keep::Known),
            },
            Keep::Names => (Some(name()), Keep::Known),
            Keep::All => (Some(name()), Keep::All),
        }
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = (Option<Cow<'de, str>>, Keep);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.find(key, || Cow::Owned(key.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(self.find(key, || Cow::Borrowed(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node<'_> {
        Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    #[test]
    fn both_spellings_are_one_and_what_is_not_known_is_skipped() {
        let tree = read(
            r#"{"filterChains": [{"filter_chain_match": {"destinationPort": "9080", "private_key": 1}}], "privateKey": {"inline_string": "x"}}"#,
        );
        let chain = &tree.get("filter_chains").items()[0];
        assert_eq!(chain.at(&["filter_chain_match", "destination_port"]).port(), Some(9080));
        assert!(!format!("{tree:?}").contains("inline_string"));
    }

    #[test]
    fn names_are_kept_as_they_are_spelled() {
        let tree = read(
            r#"{"policies": {"fooBar": {"privateKey": 1, "notRule": {"any": true}}}, "metadata": {"filterMetadata": {"istio": {"fooBar": [{"x": 1}]}}}}"#,
        );
        assert_eq!(tree.at(&["policies", "fooBar", "not_rule", "any"]).bool(), Some(true));
        assert!(!tree.at(&["policies", "fooBar"]).has("privateKey"));
        let data = tree.at(&["metadata", "filter_metadata", "istio", "fooBar"]);
        assert_eq!(data.items()[0].get("x").number(), Some(1));
    }

    #[test]
    fn quirks_of_struct_are_seen_through() {
        let tree = read(
            r#"{"http_filters": {"name": "envoy.router"}, "require_client_certificate": {"value": "true"}, "port_value": {"value": 8.0}}"#,
        );
        assert_eq!(tree.get("http_filters").items().len(), 1);
        assert_eq!(tree.get("require_client_certificate").bool(), Some(true));
        assert_eq!(tree.get("port_value").port(), Some(8));
    }

    #[test]
    fn the_type_of_an_extension_is_found_in_every_form() {
        for (text, kind, inner) in [
            (r#"{"typed_config": {"@type": "type.googleapis.com/a.B", "name": "x"}}"#, "a.B", "x"),
            (
                r#"{"typedConfig": {"@type": "t/udpa.type.v1.TypedStruct", "typeUrl": "t/c.D", "value": {"name": "y"}}}"#,
                "c.D",
                "y",
            ),
            (r#"{"config": {"name": "z"}}"#, "", "z"),
        ] {
            let tree = read(text);
            let (found, body) = tree.extension();
            assert_eq!((found, body.get("name").text()), (kind, Some(inner)), "{text}");
        }
    }

    #[test]
    fn private_keys_in_texts_are_taken_out() {
        let key = |kind: &str| {
            format!(
                "-----BEGIN {kind}PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n-----END {kind}PRIVATE KEY-----"
            )
        };
        for (text, want) in [
            (format!("a {} b", key("RSA ")), "a [redacted] b"),
            (format!("{}{}", key(""), key("EC ")), "[redacted][redacted]"),
            (format!("cut {}", &key("")[..60]), "cut [redacted]"),
            ("short".to_owned(), "short"),
            (format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", "A".repeat(99)), ""),
        ] {
            let json = format!("{{\"details\": \"{text}\"}}");
            let tree = read(&json);
            let found = tree.get("details").text().unwrap();
            assert!(found == want || (want.is_empty() && found == text), "{text}: {found}");
            assert!(!found.contains("MIIEv"));
        }
    }

    #[test]
    fn depth_has_a_limit_and_no_panic() {
        let text = format!("{}1{}", r#"{"not_id":"#.repeat(5000), "}".repeat(5000));
        let tree = read(&text);
        let mut node = &tree;
        let mut depth = 0;
        while node.has("not_id") {
            node = node.get("not_id");
            depth += 1;
        }
        assert!(*node == Node::Deep && depth == usize::from(DEEPEST));
    }
}
