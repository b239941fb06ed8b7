//! `filter_chain_matcher`: the tree of conditions by which newer listeners (waypoints) select a filter chain.
//!
//! Every way through the tree to the name of a chain becomes a [`MatcherHit`]. A condition that is not understood counts
//! as one that may hold, so that no way is lost, and is noted.

use super::listener::{is_unreadable, ranges};
use super::model::{MatcherHit, Unread};
use super::tree::Node;

/// How deep matchers may be nested.
const DEEPEST: u8 = 32;

/// How many ways to chains are kept.
const MOST: usize = 20_000;

/// How many ports that went another way are kept of one tree; without the others too much is seen, never too little.
const MOST_TAKEN: usize = 64;

/// What a matcher looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Port,
    Ip,
    Transport,
    Alpn,
    Sni,
    /// Where a connection comes from: whoever it is meant for can be there.
    Source,
}

/// Inputs by their type (`envoy.extensions.matching.common_inputs.network.v3`).
const INPUTS: &[(&str, Input)] = &[
    ("ApplicationProtocolInput", Input::Alpn),
    ("DestinationIPInput", Input::Ip),
    ("DestinationPortInput", Input::Port),
    ("DirectSourceIPInput", Input::Source),
    ("ServerNameInput", Input::Sni),
    ("SourceIPInput", Input::Source),
    ("SourcePortInput", Input::Source),
    ("SourceTypeInput", Input::Source),
    ("TransportProtocolInput", Input::Transport),
];

/// Every way through a `filter_chain_matcher` to a chain, in order.
pub fn read(node: &Node<'_>, path: &str, unread: &mut Vec<Unread>) -> Vec<MatcherHit> {
    let mut walk = Walk { hits: Vec::new(), path, unread };
    if !node.is_null() {
        walk.matcher(node, &MatcherHit::default(), 0);
    }
    walk.hits
}

/// The same conditions, and something more that may not hold.
fn loose(on: &MatcherHit) -> MatcherHit {
    MatcherHit { is_loose: true, ..on.clone() }
}

/// Ports that a tree decides about at once, so that none of them gets to what is for no match.
fn taken(tree: &Node<'_>) -> Vec<u16> {
    let (kind, _) = tree.get("input").extension();
    if !kind.ends_with(".DestinationPortInput") {
        return Vec::new();
    }
    let entries = tree.at(&["exact_match_map", "map"]).entries();
    entries.filter(|(_, on)| on.has("action")).filter_map(|(port, _)| port.parse().ok()).take(MOST_TAKEN).collect()
}

struct Walk<'w> {
    hits: Vec<MatcherHit>,
    path: &'w str,
    unread: &'w mut Vec<Unread>,
}

impl Walk<'_> {
    fn note(&mut self, kind: &str, why: &str) {
        let unread = Unread { path: self.path.to_owned(), kind: kind.to_owned(), why: why.to_owned() };
        if !self.unread.contains(&unread) {
            self.unread.push(unread);
        }
    }

    /// A `Matcher`.
    fn matcher(&mut self, node: &Node<'_>, on: &MatcherHit, depth: u8) {
        if depth >= DEEPEST {
            self.note("", "matchers are nested too deeply");
            return;
        }
        let tree = node.get("matcher_tree");
        let list = node.at(&["matcher_list", "matchers"]);
        if tree.is_null() && list.is_null() && !node.has("on_no_match") {
            self.note("", "a matcher of a kind that is not known");
        }
        for one in list.items() {
            let conditions = self.predicate(one.get("predicate"), on, depth);
            self.on_match(one.get("on_match"), &conditions, depth);
        }
        if !tree.is_null() {
            self.tree(tree, on, depth);
        }
        let mut rest = on.clone();
        rest.not_ports.extend(taken(tree));
        self.on_match(node.get("on_no_match"), &rest, depth);
    }

    /// An `OnMatch`: a matcher again, or the name of the chain.
    fn on_match(&mut self, node: &Node<'_>, on: &MatcherHit, depth: u8) {
        if node.has("matcher") {
            return self.matcher(node.get("matcher"), on, depth + 1);
        }
        let action = node.get("action");
        if action.is_null() {
            return;
        }
        let (kind, body) = action.extension();
        if kind != "google.protobuf.StringValue" {
            self.note(kind, "an action of a kind that is not known");
        }
        if self.hits.len() >= MOST {
            return self.note("", "more ways to chains than are kept");
        }
        let chain = body.get("value").text().or_else(|| action.get("name").text()).unwrap_or_default();
        self.hits.push(MatcherHit { chain: chain.to_owned(), ..on.clone() });
    }

    /// A `MatcherTree`.
    fn tree(&mut self, node: &Node<'_>, on: &MatcherHit, depth: u8) {
        let input = self.input(node.get("input"));
        for (key, is_prefix) in [("exact_match_map", false), ("prefix_match_map", true)] {
            for (value, on_match) in node.at(&[key, "map"]).entries() {
                // A prefix of a port or a name says less than the value: the condition may hold for others too.
                let with = if is_prefix { loose(on) } else { self.with(on, input, value) };
                self.on_match(on_match, &with, depth);
            }
        }
        let custom = node.get("custom_match");
        if custom.is_null() {
            return;
        }
        let (kind, body) = custom.extension();
        match kind {
            "xds.type.matcher.v3.IPMatcher" => {
                for one in body.get("range_matchers").items() {
                    let mut with = on.clone();
                    if input == Some(Input::Ip) {
                        with.ranges = ranges(one.get("ranges"));
                        if with.ranges.iter().any(|range| is_unreadable(range)) {
                            self.note("", "a range of addresses in a matcher that is none");
                            with.ranges.clear();
                        }
                    }
                    with.is_loose = true;
                    self.on_match(one.get("on_match"), &with, depth);
                }
            }
            "xds.type.matcher.v3.ServerNameMatcher" => {
                for one in body.get("domain_matchers").items() {
                    let mut with = MatcherHit { sni: one.get("domains").texts(), is_loose: true, ..on.clone() };
                    if with.sni.iter().any(|name| matches!(name.as_str(), "" | "*")) {
                        with.sni.clear();
                    }
                    self.on_match(one.get("on_match"), &with, depth);
                }
            }
            _ => self.note(kind, "a matcher of a type that is not known"),
        }
    }

    /// What an input is; noted where it is not known.
    fn input(&mut self, node: &Node<'_>) -> Option<Input> {
        let (kind, _) = node.extension();
        let short = kind.rsplit('.').next().unwrap_or_default();
        let known = INPUTS.iter().find(|(name, _)| *name == short).map(|(_, input)| *input);
        if known.is_none() {
            let kind = kind.to_owned();
            self.note(&kind, "an input of a matcher that is not known");
        }
        known
    }

    /// The conditions so far, and that an input has this value.
    fn with(&mut self, on: &MatcherHit, input: Option<Input>, value: &str) -> MatcherHit {
        let mut on = on.clone();
        match input {
            Some(Input::Port) => match value.parse() {
                Ok(port) => on.port = Some(port),
                Err(_) => {
                    on.is_loose = true;
                    self.note("", "a port in a matcher that is none");
                }
            },
            Some(Input::Ip) => {
                let length = if value.contains(':') { 128 } else { 32 };
                on.ranges = vec![format!("{value}/{length}")];
            }
            Some(Input::Transport) => on.transport = Some(value.to_owned()),
            // Envoy gives the protocols as a list of quoted names: `'h2c'`.
            Some(Input::Alpn) => on.alpn = value.split(',').map(|name| name.trim_matches('\'').to_owned()).collect(),
            // Without a server name: plaintext among others.
            Some(Input::Sni) if value.is_empty() => on.is_loose = true,
            Some(Input::Sni) => on.sni = vec![value.to_owned()],
            Some(Input::Source) | None => on.is_loose = true,
        }
        on
    }

    /// A `Predicate`: what one value must be, or several must.
    fn predicate(&mut self, node: &Node<'_>, on: &MatcherHit, depth: u8) -> MatcherHit {
        if depth >= DEEPEST {
            return loose(on);
        }
        let single = node.get("single_predicate");
        if !single.is_null() {
            let input = self.input(single.get("input"));
            return match single.at(&["value_match", "exact"]).text() {
                Some(value) => self.with(on, input, value),
                // Any other comparison may hold for any value.
                None => loose(on),
            };
        }
        let all = node.at(&["and_matcher", "predicate"]);
        if all.is_null() {
            // One of several, or not one: may hold for any value.
            return loose(on);
        }
        let mut on = on.clone();
        for one in all.items() {
            on = self.predicate(one, &on, depth + 1);
        }
        on
    }
}
