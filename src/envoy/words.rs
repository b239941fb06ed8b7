//! Principals and permissions of RBAC in the words of an AuthorizationPolicy, with what they rest on.
//!
//! Every condition becomes an `Expr`; whether it always or never holds, and what it rests on, is computed from that.
//! What is not understood is never taken for a condition that holds or does not.

use super::model::Policy;
use super::tree::Node;

/// Characters of the words of one policy.
const LONGEST: usize = 400;

/// What a condition rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Identity of the peer.
    Identity,
    /// The request, which only HTTP has.
    Http,
    /// The method or path: written one after the other.
    Target,
    /// The connection.
    Connection,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
enum Expr {
    /// Holds always.
    Always,
    /// All of them hold.
    All(Vec<Expr>),
    /// One of them holds.
    Any(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// A single condition, in words.
    Leaf(About, String),
    /// Not understood.
    Unread,
}

/// Whether a condition holds, as far as it does not depend on the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Always,
    Never,
    Depends,
}

impl Expr {
    fn holds(&self) -> Holds {
        self.holds_if(Holds::Depends)
    }

    /// Whether it holds for a caller without any identity, which no condition on one is true of.
    fn holds_without_identity(&self) -> Holds {
        self.holds_if(Holds::Never)
    }

    /// Whether it holds where every condition on the identity of the peer does as said.
    fn holds_if(&self, identity: Holds) -> Holds {
        match self {
            Self::Always => Holds::Always,
            Self::All(parts) => fold(parts, identity, Holds::Always, Holds::Never),
            Self::Any(parts) => fold(parts, identity, Holds::Never, Holds::Always),
            Self::Not(part) => match part.holds_if(identity) {
                Holds::Always => Holds::Never,
                Holds::Never => Holds::Always,
                Holds::Depends => Holds::Depends,
            },
            Self::Leaf(About::Identity, _) => identity,
            Self::Leaf(..) | Self::Unread => Holds::Depends,
        }
    }

    /// Calls `see` with every single condition and whether it is negated.
    fn visit(&self, is_negated: bool, see: &mut impl FnMut(&Self, bool)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(is_negated, see)),
            Self::Not(part) => part.visit(!is_negated, see),
            Self::Always | Self::Leaf(..) | Self::Unread => see(self, is_negated),
        }
    }

    /// Writes it, in brackets where it stands `inside` something else and has several parts.
    fn write(&self, is_inside: bool, out: &mut String) {
        if out.len() > LONGEST * 4 {
            return;
        }
        match self {
            Self::Always => out.push_str("anything"),
            Self::Leaf(_, words) => out.push_str(words),
            Self::Unread => out.push_str("(not understood)"),
            Self::Not(part) => {
                out.push_str("not ");
                part.write(true, out);
            }
            Self::All(parts) | Self::Any(parts) => {
                let (of_all, neutral) = match self {
                    Self::All(_) => (true, Holds::Always),
                    _ => (false, Holds::Never),
                };
                let parts: Vec<&Self> = parts.iter().filter(|part| part.holds() != neutral).collect();
                match parts.as_slice() {
                    [] => out.push_str(if of_all { "anything" } else { "nothing" }),
                    [one] => one.write(is_inside, out),
                    several => {
                        out.push_str(if is_inside { "(" } else { "" });
                        write_several(several, of_all, out);
                        out.push_str(if is_inside { ")" } else { "" });
                    }
                }
            }
        }
    }

    /// A method or a path, or some of them.
    fn is_target(&self) -> bool {
        match self {
            Self::Leaf(about, _) => *about == About::Target,
            Self::Any(parts) => !parts.is_empty() && parts.iter().all(Self::is_target),
            _ => false,
        }
    }
}

/// Writes parts with `and` or `or` between them; method and path stand side by side, as in a request.
fn write_several(parts: &[&Expr], of_all: bool, out: &mut String) {
    let mut before: Option<&Expr> = None;
    for part in parts {
        if let Some(before) = before {
            let is_request = of_all && before.is_target() && part.is_target();
            out.push_str(if is_request { " " } else { joint(of_all) });
        }
        part.write(true, out);
        before = Some(part);
    }
}

fn joint(of_all: bool) -> &'static str {
    if of_all { " and " } else { " or " }
}

/// `neutral` is what changes nothing, `decisive` what decides by itself.
fn fold(parts: &[Expr], identity: Holds, neutral: Holds, decisive: Holds) -> Holds {
    let mut all = neutral;
    for part in parts {
        match part.holds_if(identity) {
            holds if holds == decisive => return decisive,
            Holds::Depends => all = Holds::Depends,
            _ => {}
        }
    }
    all
}

/// Reads one policy.
pub fn policy(name: &str, node: &Node<'_>) -> Policy {
    let from = Expr::Any(node.get("principals").items().iter().map(principal).collect());
    let to = Expr::Any(node.get("permissions").items().iter().map(permission).collect());
    // A condition in CEL narrows what the policy matches.
    let has_condition = node.has("condition") || node.has("checked_condition") || node.has("cel_config");
    let is_read = matches!(node, Node::Map(_));
    let mut policy = Policy { name: name.to_owned(), unread: has_condition || !is_read, ..Policy::default() };
    if !is_read {
        "(not understood)".clone_into(&mut policy.words);
        return policy;
    }
    for side in [&from, &to] {
        // What holds for everybody without an identity does not rest on one.
        let rests_on_one = side.holds_without_identity() != Holds::Always;
        side.visit(false, &mut |expr, is_negated| match expr {
            Expr::Leaf(About::Identity, _) if is_negated => policy.excludes_identity = true,
            Expr::Leaf(About::Identity, _) => policy.needs_identity |= rests_on_one,
            Expr::Leaf(About::Http | About::Target, _) => policy.needs_http = true,
            Expr::Unread => policy.unread = true,
            _ => {}
        });
        policy.identity_only |= side.holds_without_identity() == Holds::Never;
    }
    let (from_holds, to_holds) = (from.holds(), to.holds());
    policy.matches_nothing = from_holds == Holds::Never || to_holds == Holds::Never;
    policy.matches_all = !policy.unread && from_holds == Holds::Always && to_holds == Holds::Always;
    policy.words = if policy.matches_nothing {
        "nothing".to_owned()
    } else {
        let mut parts = Vec::new();
        for (word, side, holds) in [("from", &from, from_holds), ("to", &to, to_holds)] {
            if holds != Holds::Always {
                let mut out = format!("{word} ");
                side.write(false, &mut out);
                parts.push(out);
            }
        }
        if has_condition {
            parts.push("when (a condition in CEL, not understood)".to_owned());
        }
        if parts.is_empty() { "anything".to_owned() } else { parts.join(", ") }
    };
    policy.words = shortened(policy.words);
    policy
}

/// At most [`LONGEST`] characters.
fn shortened(words: String) -> String {
    match words.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}\u{2026}", words.get(..at).unwrap_or_default()),
        None => words,
    }
}

/// Reads a `Principal`.
fn principal(node: &Node<'_>) -> Expr {
    let mut conditions = node.entries();
    let (Some((key, value)), None) = (conditions.next(), conditions.next()) else { return Expr::Unread };
    match key {
        "and_ids" => Expr::All(value.get("ids").items().iter().map(principal).collect()),
        "or_ids" => Expr::Any(value.get("ids").items().iter().map(principal).collect()),
        "not_id" => Expr::Not(Box::new(principal(value))),
        "authenticated" => match value.get("principal_name") {
            Node::Null if matches!(value, Node::Map(_)) => Expr::Leaf(About::Identity, "any TLS client".to_owned()),
            name => identity(name),
        },
        "filter_state" if value.get("key").text() == Some("io.istio.peer_principal") => {
            identity(value.get("string_match"))
        }
        "source_ip" | "direct_remote_ip" => range(value, "source IP"),
        "remote_ip" => range(value, "remote IP"),
        _ => common(key, value),
    }
}

/// Reads a `Permission`.
fn permission(node: &Node<'_>) -> Expr {
    let mut conditions = node.entries();
    let (Some((key, value)), None) = (conditions.next(), conditions.next()) else { return Expr::Unread };
    let connection = |words: Option<String>| words.map_or(Expr::Unread, |words| Expr::Leaf(About::Connection, words));
    match key {
        "and_rules" => Expr::All(value.get("rules").items().iter().map(permission).collect()),
        "or_rules" => Expr::Any(value.get("rules").items().iter().map(permission).collect()),
        "not_rule" => Expr::Not(Box::new(permission(value))),
        "destination_port" => connection(value.number().map(|port| format!("port {port}"))),
        "destination_port_range" => {
            let (start, end) = (value.get("start").number().unwrap_or(0), value.get("end").number());
            connection(end.map(|end| format!("ports {start}-{}", end.saturating_sub(1))))
        }
        "destination_ip" => range(value, "destination IP"),
        "requested_server_name" => connection(matched(value).map(|name| format!("SNI {name}"))),
        "uri_template" => match value.at(&["typed_config", "path_template"]).text() {
            Some(template) => Expr::Leaf(About::Target, template.to_owned()),
            None => Expr::Unread,
        },
        _ => common(key, value),
    }
}

/// Reads what principals and permissions have in common.
fn common(key: &str, value: &Node<'_>) -> Expr {
    match key {
        "any" if value.bool() == Some(true) => Expr::Always,
        "header" => header(value),
        "url_path" => {
            matched(value.get("path")).map_or(Expr::Unread, |path| Expr::Leaf(About::Target, path_words(path)))
        }
        "metadata" => metadata(value),
        "sourced_metadata" => metadata(value.get("metadata_matcher")),
        _ => Expr::Unread,
    }
}

/// A path; one that does not begin as a path says that it is one.
fn path_words(path: String) -> String {
    if path.starts_with('/') { path } else { format!("path {path}") }
}

/// A range of addresses, in words.
fn range(node: &Node<'_>, what: &str) -> Expr {
    let Some(address) = node.get("address_prefix").text() else { return Expr::Unread };
    let words = match node.get("prefix_len").number() {
        Some(length) => format!("{what} {address}/{length}"),
        None => format!("{what} {address}/0"),
    };
    Expr::Leaf(About::Connection, words)
}

/// Reads the name that a peer must have.
fn identity(node: &Node<'_>) -> Expr {
    let leaf = |words: String| Expr::Leaf(About::Identity, words);
    let regex = node.at(&["safe_regex", "regex"]).text().or_else(|| node.get("regex").text());
    match regex {
        Some(regex) => leaf(identity_of_regex(regex).unwrap_or_else(|| regex_words(regex))),
        None => match matched(node) {
            Some(name) if name == "*" => leaf("any identity".to_owned()),
            Some(name) => leaf(name),
            None => Expr::Unread,
        },
    }
}

/// What Istio means by a regex on a principal: `source.namespaces` becomes `.*/ns/N/.*`, a service account
/// `.*/ns/N/sa/S`, `*` becomes `.*` or `.+`.
fn identity_of_regex(regex: &str) -> Option<String> {
    if matches!(regex, ".*" | ".+") {
        return Some("any identity".to_owned());
    }
    let (before, rest) = regex.split_once("/ns/")?;
    let domain = before.strip_prefix("spiffe://").unwrap_or(before);
    if !matches!(domain, ".*" | ".+" | "[^/]*" | "[^/]+") {
        return None;
    }
    let (namespace, account) = rest.split_once('/')?;
    let namespace = plain(namespace)?;
    match account {
        ".*" | ".+" => Some(format!("namespace {namespace}")),
        _ => {
            let account = account.strip_prefix(".*").unwrap_or(account).strip_prefix("sa/")?;
            Some(format!("service account {namespace}/{}", plain(account)?))
        }
    }
}

/// A part of a regex that is a name, or a name with `.*` at an end.
fn plain(regex: &str) -> Option<String> {
    let name = regex.replace(".*", "*").replace("\\.", ".").replace("\\-", "-");
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '*'));
    // A dot that was not escaped stands for any character; in a name it is one.
    (is_name && !name.is_empty()).then_some(name)
}

fn regex_words(regex: &str) -> String {
    match regex {
        ".*" | ".+" => "*".to_owned(),
        _ => format!("regex {regex}"),
    }
}

/// A `StringMatcher`, in words: `x`, `x*`, `*x`, `*x*`, `*`, or `regex x`.
fn matched(node: &Node<'_>) -> Option<String> {
    let text = |key: &str| node.get(key).text();
    let regex = node.at(&["safe_regex", "regex"]).text().or_else(|| text("regex"));
    let words = if let Some(exact) = text("exact") {
        exact.to_owned()
    } else if let Some(prefix) = text("prefix") {
        format!("{prefix}*")
    } else if let Some(suffix) = text("suffix") {
        format!("*{suffix}")
    } else if let Some(part) = text("contains") {
        format!("*{part}*")
    } else {
        regex_words(regex?)
    };
    let ignores_case = node.get("ignore_case").bool() == Some(true);
    Some(if ignores_case { format!("{words} (any case)") } else { words })
}

/// Reads a `HeaderMatcher`, in the forms of v2 and v3.
fn header(node: &Node<'_>) -> Expr {
    let Some(name) = node.get("name").text() else { return Expr::Unread };
    let text = |key: &str| node.get(key).text();
    let mut is_negated = node.get("invert_match").bool() == Some(true);
    let value = if node.has("string_match") {
        matched(node.get("string_match"))
    } else if let Some(exact) = text("exact_match") {
        Some(exact.to_owned())
    } else if let Some(prefix) = text("prefix_match") {
        Some(format!("{prefix}*"))
    } else if let Some(suffix) = text("suffix_match") {
        Some(format!("*{suffix}"))
    } else if let Some(part) = text("contains_match") {
        Some(format!("*{part}*"))
    } else if let Some(regex) = node.at(&["safe_regex_match", "regex"]).text().or_else(|| text("regex_match")) {
        Some(regex_words(regex))
    } else if node.has("range_match") {
        let range = node.get("range_match");
        let (start, end) = (range.get("start").number().unwrap_or(0), range.get("end").number().unwrap_or(0));
        Some(format!("{start}-{}", end.saturating_sub(1)))
    } else {
        // Nothing but the name: the header must be there.
        is_negated ^= node.get("present_match").bool() == Some(false);
        Some("*".to_owned())
    };
    let Some(value) = value else { return Expr::Unread };
    let leaf = match name.to_ascii_lowercase().as_str() {
        ":method" => Expr::Leaf(About::Target, if value == "*" { "any method".to_owned() } else { value }),
        ":path" => Expr::Leaf(About::Target, path_words(value)),
        ":authority" | "host" => Expr::Leaf(About::Http, format!("host {value}")),
        _ => Expr::Leaf(About::Http, format!("header {name}={value}")),
    };
    if is_negated { Expr::Not(Box::new(leaf)) } else { leaf }
}

/// Reads a `MetadataMatcher`: what `istio_authn` and `jwt_authn` found out about a request.
fn metadata(node: &Node<'_>) -> Expr {
    let filter = node.get("filter").text().unwrap_or_default();
    let keys: Vec<&str> = node.get("path").items().iter().filter_map(|one| one.get("key").text()).collect();
    let value = node.get("value");
    let leaf = match (filter, keys.as_slice()) {
        ("istio_authn", ["source.principal" | "source.user"]) => identity(value.get("string_match")),
        ("istio_authn", ["source.namespace"]) => match metadata_value(value) {
            Some(name) => Expr::Leaf(About::Identity, format!("namespace {name}")),
            None => Expr::Unread,
        },
        (_, []) => Expr::Unread,
        (filter, keys) => match metadata_value(value) {
            Some(value) => Expr::Leaf(About::Http, format!("{}={value}", metadata_key(filter, keys))),
            None => Expr::Unread,
        },
    };
    if node.get("invert").bool() == Some(true) { Expr::Not(Box::new(leaf)) } else { leaf }
}

/// The name of a key of the metadata, as AuthorizationPolicy calls it.
fn metadata_key(filter: &str, keys: &[&str]) -> String {
    match (filter, keys) {
        ("istio_authn", ["request.auth.claims", claim @ ..])
        | ("envoy.filters.http.jwt_authn", ["payload", claim @ ..])
            if !claim.is_empty() =>
        {
            format!("claim {}", claim.join("."))
        }
        ("istio_authn", ["request.auth.principal"]) => "request principal".to_owned(),
        ("istio_authn", ["request.auth.audiences"]) => "audience".to_owned(),
        ("istio_authn", ["request.auth.presenter"]) => "presenter".to_owned(),
        _ => format!("metadata {filter}[{}]", keys.join("][")),
    }
}

/// A `ValueMatcher`, in words.
fn metadata_value(node: &Node<'_>) -> Option<String> {
    if node.has("string_match") {
        return matched(node.get("string_match"));
    }
    if node.has("list_match") {
        return metadata_value(node.at(&["list_match", "one_of"]));
    }
    if node.has("or_match") {
        let values = node.at(&["or_match", "value_matchers"]).items().iter();
        return values.map(metadata_value).collect::<Option<Vec<_>>>().map(|values| values.join("|"));
    }
    if let Some(value) = node.get("bool_match").bool() {
        return Some(value.to_string());
    }
    (node.get("present_match").bool() == Some(true)).then(|| "*".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::tree::Tree;
    use serde::de::DeserializeSeed;

    fn read(principal: &str, permission: &str) -> Policy {
        let text = format!(r#"{{"principals": [{principal}], "permissions": [{permission}]}}"#);
        policy("p", &Tree::new().deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap())
    }

    const ANY: &str = r#"{"any": true}"#;

    #[test]
    fn principals_are_said_in_the_words_of_istio() {
        for (principal, words) in [
            (r#"{"authenticated": {"principal_name": {"exact": "spiffe://td/ns/a/sa/b"}}}"#, "spiffe://td/ns/a/sa/b"),
            (r#"{"authenticated": {"principal_name": {"safe_regex": {"regex": ".*/ns/foo/.*"}}}}"#, "namespace foo"),
            (
                r#"{"authenticated": {"principal_name": {"safe_regex": {"regex": ".*/ns/foo/sa/bar"}}}}"#,
                "service account foo/bar",
            ),
            (r#"{"authenticated": {"principal_name": {"safe_regex": {"regex": ".+"}}}}"#, "any identity"),
            (r#"{"authenticated": {"principal_name": {"safe_regex": {"regex": "a|b"}}}}"#, "regex a|b"),
            (r#"{"authenticated": {}}"#, "any TLS client"),
            (
                r#"{"filter_state": {"key": "io.istio.peer_principal", "string_match": {"prefix": "spiffe://td/"}}}"#,
                "spiffe://td/*",
            ),
            (
                r#"{"metadata": {"filter": "istio_authn", "path": [{"key": "source.principal"}], "value": {"string_match": {"regex": ".*/ns/foo/.*"}}}}"#,
                "namespace foo",
            ),
        ] {
            let policy = read(principal, ANY);
            assert_eq!(policy.words, format!("from {words}"));
            assert!(
                policy.needs_identity && !policy.needs_http && !policy.unread && !policy.matches_all,
                "{principal}"
            );
            let policy = read(&format!(r#"{{"not_id": {principal}}}"#), ANY);
            assert!(policy.excludes_identity && !policy.needs_identity, "{principal}");
        }
    }

    #[test]
    fn whether_callers_without_an_identity_can_match() {
        let one = r#"{"authenticated": {"principal_name": {"exact": "spiffe://td/ns/a/sa/b or c"}}}"#;
        let other = format!(r#"{{"not_id": {one}}}"#);
        let range = r#"{"direct_remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}"#;
        let any_of = |ids: &[&str]| format!(r#"{{"or_ids": {{"ids": [{}]}}}}"#, ids.join(","));
        let all_of = |ids: &[&str]| format!(r#"{{"and_ids": {{"ids": [{}]}}}}"#, ids.join(","));
        for (principals, needs, only) in [
            (one.to_owned(), true, true),
            (format!("{one}, {one}"), true, true),
            (format!("{one}, {range}"), true, false),
            (any_of(&[one, range]), true, false),
            (any_of(&[one, ANY]), false, false),
            (all_of(&[one, ANY]), true, true),
            (all_of(&[one, &other]), true, true),
            (any_of(&[one, &other]), false, false),
            (other.clone(), false, false),
            (format!(r#"{{"not_id": {other}}}"#), true, true),
            (all_of(&[one, r#"{"acme": 1}"#]), true, true),
            (any_of(&[one, r#"{"acme": 1}"#]), true, false),
            (range.to_owned(), false, false),
            (r#"{"authenticated": {}}"#.to_owned(), true, true),
        ] {
            let policy = read(&principals, ANY);
            assert_eq!((policy.needs_identity, policy.identity_only), (needs, only), "{principals}");
        }
        let tree = Node::Bool(true);
        let policy = policy("p", &tree);
        assert!(policy.unread && !policy.matches_nothing && !policy.identity_only);
    }

    #[test]
    fn conditions_on_requests_and_connections() {
        for (principal, permission, words, needs_http) in [
            (
                ANY,
                r#"{"and_rules": {"rules": [{"or_rules": {"rules": [{"header": {"name": ":method", "string_match": {"exact": "GET"}}}]}}, {"or_rules": {"rules": [{"url_path": {"path": {"prefix": "/d"}}}]}}]}}"#,
                "to GET /d*",
                true,
            ),
            (ANY, r#"{"header": {"name": ":authority", "exact_match": "a.b"}}"#, "to host a.b", true),
            (
                ANY,
                r#"{"header": {"name": "x", "invert_match": true, "present_match": true}}"#,
                "to not header x=*",
                true,
            ),
            (
                ANY,
                r#"{"or_rules": {"rules": [{"destination_port": 80}, {"destination_port_range": {"start": 90, "end": 100}}]}}"#,
                "to port 80 or ports 90-99",
                false,
            ),
            (ANY, r#"{"requested_server_name": {"suffix": ".b"}}"#, "to SNI *.b", false),
            (
                r#"{"remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}"#,
                ANY,
                "from remote IP 10.0.0.0/8",
                false,
            ),
            (
                r#"{"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": "iss"}], "value": {"list_match": {"one_of": {"string_match": {"exact": "i"}}}}}}"#,
                ANY,
                "from claim iss=i",
                true,
            ),
            (
                r#"{"metadata": {"filter": "istio_authn", "path": [{"key": "request.auth.claims"}, {"key": "iss"}], "value": {"string_match": {"exact": "i"}}}}"#,
                ANY,
                "from claim iss=i",
                true,
            ),
        ] {
            let policy = read(principal, permission);
            assert_eq!((policy.words.as_str(), policy.needs_http), (words, needs_http));
            assert!(!policy.unread && !policy.needs_identity, "{words}");
        }
    }

    #[test]
    fn nothing_everything_and_what_is_not_understood() {
        let all = r#"{"and_ids": {"ids": [{"any": true}]}}"#;
        assert!(read(all, ANY).matches_all);
        let none = read(r#"{"not_id": {"any": true}}"#, r#"{"not_rule": {"any": true}}"#);
        assert!(none.matches_nothing && !none.matches_all && none.words == "nothing");
        assert!(read("", ANY).matches_nothing);
        for odd in
            ["{}", r#"{"acme": 1}"#, r#"{"any": false}"#, r#"{"not_id": {"acme": {}}}"#, "7", r#"{"matcher": {}}"#]
        {
            let policy = read(odd, ANY);
            assert!(policy.unread && !policy.matches_all && !policy.matches_nothing, "{odd}");
        }
        let long =
            read(&format!(r#"{{"authenticated": {{"principal_name": {{"exact": "{}"}}}}}}"#, "ä".repeat(5000)), ANY);
        assert_eq!(long.words.chars().count(), LONGEST + 1);
    }
}
