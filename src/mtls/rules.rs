//! Which DestinationRule a client uses for a service: three indexes, merging, and the choice.
//!
//! `pilot/pkg/model/push_context.go : setDestinationRules, destinationRule`,
//! `pilot/pkg/model/destination_rule.go : mergeDestinationRule`, `sidecar.go : SidecarScope.DestinationRule`.

use crate::model::meta::order_known;
use crate::model::{DestinationRule, Host, Labels, Mesh, Version};
use foldhash::HashMap;
use std::sync::Arc;

/// Rules of one host that were merged into one (2.5). Numbers into [`Mesh::rules`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first rule: it gives host, exportTo, selector and name.
    pub first: u32,
    /// The rule whose `trafficPolicy` counts.
    pub policy: Option<u32>,
    /// Rules whose `trafficPolicy` gives what that one leaves out, in order: only where one was made of a policy of the
    /// Gateway API.
    pub under: Vec<u32>,
    /// Subsets: the rule, and the number in its list.
    pub subsets: Vec<(u32, u32)>,
    /// Every rule that was merged into it, the first included.
    pub merged: Vec<u32>,
}

/// The entries of one host, for each order of its rules that the input allows: usually one.
#[derive(Clone, Debug, Default)]
pub struct HostRules {
    /// Entries per possible order.
    pub orders: Vec<Vec<Entry>>,
    /// There are more orders than were tried.
    pub too_many: bool,
}

/// Rules by host.
#[derive(Debug, Default)]
pub struct Table {
    hosts: HashMap<Host, HostRules>,
    /// Lengths of the wildcard hosts, longest first.
    lengths: Vec<usize>,
}

/// Orders of rules without times that are tried: up to four rules.
const MAX_RIVALS: usize = 4;

impl Table {
    fn new(mesh: &Mesh, numbers: impl Iterator<Item = u32>) -> Self {
        let mut by_host: HashMap<Host, Vec<u32>> = HashMap::default();
        for number in numbers {
            if let Some(rule) = mesh.rules.get(number as usize) {
                by_host.entry(rule.host.clone()).or_default().push(number);
            }
        }
        let mut lengths: Vec<usize> =
            by_host.keys().filter(|h| h.wildcard().is_some()).map(|h| h.as_str().len()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let hosts = by_host.into_iter().map(|(host, numbers)| (host, host_rules(mesh, &numbers))).collect();
        Self { hosts, lengths }
    }

    /// The rules of the most specific host that matches a service (`MostSpecificHostMatch`): equality beats wildcards,
    /// among wildcards the longest wins.
    #[must_use]
    pub fn best(&self, service: &Host) -> Option<&HostRules> {
        if let Some(found) = self.hosts.get(service) {
            return Some(found);
        }
        wildcards_of(service, &self.lengths).find_map(|host| self.hosts.get(&host))
    }
}

/// The wildcard hosts of given lengths that match a service, in the order of the lengths.
fn wildcards_of<'a>(service: &'a Host, lengths: &'a [usize]) -> impl Iterator<Item = Host> + 'a {
    let name = service.wildcard().unwrap_or(service.as_str());
    lengths.iter().filter_map(move |length| {
        let start = (name.len() + 1).checked_sub(*length)?;
        Some(Host(format!("*{}", name.get(start..)?).into()))
    })
}

/// The three indexes of section 2.3.
#[derive(Debug, Default)]
pub struct RuleIndex {
    local: HashMap<Arc<str>, Table>,
    exported: HashMap<Arc<str>, Table>,
    root_local: Table,
    /// Namespaces whose local index has a host, and those with a wildcard.
    local_hosts: HashMap<Host, Vec<Arc<str>>>,
    /// Lengths of the wildcards among them.
    local_lengths: Vec<usize>,
}

/// In which of the places that are searched a rule was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The client's own namespace.
    Client,
    /// The service's namespace.
    Service,
    /// The root namespace.
    Root,
}

fn has(set: &[Box<str>], word: &str) -> bool {
    set.iter().any(|w| **w == *word)
}

impl RuleIndex {
    /// Builds the indexes.
    #[must_use]
    pub fn new(mesh: &Mesh) -> Self {
        let private_by_default = mesh.config.rules_private;
        let private_only = |rule: &DestinationRule| match &rule.export_to[..] {
            [] => private_by_default,
            [one] => **one == *"." || **one == *rule.meta.namespace,
            _ => false,
        };
        let rule = |n: &u32| mesh.rules.get(*n as usize);
        let mut index = Self::default();
        if mesh.version < Version::one(1) {
            // `push_context.go : initDestinationRules` at 1.0.0: one table for everybody, whatever the namespaces.
            let all = (0..).zip(&mesh.rules).map(|(number, _)| number);
            index.exported.insert(mesh.root.clone(), Table::new(mesh, all));
            return index;
        }
        let mut namespaces: Vec<_> = mesh.index.rules.iter().collect();
        namespaces.sort_unstable();
        for (namespace, numbers) in namespaces {
            let local = numbers.iter().filter(|n| {
                rule(n).is_some_and(|r| {
                    r.export_to.is_empty()
                        || has(&r.export_to, "*")
                        || has(&r.export_to, ".")
                        || has(&r.export_to, namespace)
                })
            });
            let exported = numbers.iter().filter(|n| rule(n).is_some_and(|r| !private_only(r)));
            index.local.insert(namespace.clone(), Table::new(mesh, local.copied()));
            index.exported.insert(namespace.clone(), Table::new(mesh, exported.copied()));
            if *namespace == mesh.root {
                let private = numbers.iter().filter(|n| rule(n).is_some_and(private_only));
                index.root_local = Table::new(mesh, private.copied());
            }
        }
        let mut locals: Vec<_> = index.local.iter().filter(|(namespace, _)| **namespace != mesh.root).collect();
        locals.sort_unstable_by_key(|(namespace, _)| *namespace);
        for (namespace, table) in locals {
            #[expect(clippy::iter_over_hash_type, reason = "each host has a list of its own: no order can be seen")]
            for host in table.hosts.keys() {
                index.local_hosts.entry(host.clone()).or_default().push(namespace.clone());
            }
            index.local_lengths.extend(&table.lengths);
        }
        index.local_lengths.sort_unstable();
        index.local_lengths.dedup();
        index
    }

    /// Namespaces (but the root's) whose own rules have a host that matches a service: their clients look no further.
    #[must_use]
    pub fn namespaces_with_local(&self, service: &Host) -> Vec<Arc<str>> {
        let mut found: Vec<_> = self.local_hosts.get(service).cloned().unwrap_or_default();
        for host in wildcards_of(service, &self.local_lengths) {
            found.extend(self.local_hosts.get(&host).into_iter().flatten().cloned());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Namespaces that the exported rules for a service name: their clients may get another rule than most.
    #[must_use]
    pub fn namespaces_named(&self, mesh: &Mesh, service: &Host, namespace: &str) -> Vec<Arc<str>> {
        let mut named = Vec::new();
        for table in [self.exported.get(namespace), self.exported.get(&mesh.root)].into_iter().flatten() {
            for entry in table.best(service).into_iter().flat_map(|rules| rules.orders.iter().flatten()) {
                let export = mesh.rules.get(entry.first as usize).map_or(&[][..], |rule| &rule.export_to);
                named
                    .extend(export.iter().filter(|word| !matches!(&***word, "*" | "." | "~")).map(|w| Arc::from(&**w)));
            }
        }
        named.sort_unstable();
        named.dedup();
        named
    }

    /// The rules of exactly this host in the indexes of a namespace: what they merge into.
    pub fn merged(&self, namespace: &str, host: &Host, root: bool) -> impl Iterator<Item = &HostRules> {
        let private = root.then_some(&self.root_local);
        let tables = [self.local.get(namespace), self.exported.get(namespace), private];
        let rules: Vec<_> = tables.into_iter().flatten().filter_map(|table| table.hosts.get(host)).collect();
        rules.into_iter()
    }

    /// The rules that a client of a namespace finds for a service (2.4): client namespace, service namespace, root
    /// namespace; the first namespace with *any* host match ends the search, useful or not.
    #[must_use]
    pub fn find(&self, mesh: &Mesh, client: &str, service: &Host, service_namespace: &str) -> Found<'_> {
        let own = if *client == *mesh.root { Some(&self.root_local) } else { self.local.get(client) };
        if let Some(rules) = own.and_then(|table| table.best(service)) {
            return Found::of(Step::Client, rules);
        }
        for (step, namespace) in [(Step::Service, service_namespace), (Step::Root, &*mesh.root)] {
            let Some(rules) = self.exported.get(namespace).and_then(|table| table.best(service)) else { continue };
            if rules.too_many {
                return Found::Unclear;
            }
            let reaches = |order: &&Vec<Entry>| order.iter().any(|entry| exported_to(mesh, entry, client));
            match rules.orders.iter().filter(reaches).count() {
                0 => {}
                count if count == rules.orders.len() => return Found::of(step, rules),
                _ => return Found::Unclear,
            }
        }
        Found::Nothing
    }
}

/// What a search for rules ended with.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// No rule.
    Nothing,
    /// Rules of one host, in the place that ended the search.
    Rules(Step, &'a HostRules),
    /// The ages of rules decide, and there are too many orders, or they end the search in different places.
    Unclear,
}

impl<'a> Found<'a> {
    fn of(step: Step, rules: &'a HostRules) -> Self {
        if rules.too_many { Self::Unclear } else { Self::Rules(step, rules) }
    }
}

/// Whether an entry of an exported index is exported to a client's namespace: literally (`.` is not expanded, E12).
fn exported_to(mesh: &Mesh, entry: &Entry, client: &str) -> bool {
    let export = mesh.rules.get(entry.first as usize).map_or(&[][..], |rule| &rule.export_to);
    export.is_empty() || has(export, "*") || has(export, client)
}

/// The entry that a proxy uses of those that were found: the first whose selector selects it, else the *last* without
/// one (`SidecarScope.DestinationRule`).
#[must_use]
pub fn choose<'a>(
    mesh: &Mesh,
    order: &'a [Entry],
    step: Step,
    client: &str,
    selects: impl Fn(&Labels) -> bool,
) -> Option<&'a Entry> {
    let mut catch_all = None;
    for entry in order.iter().filter(|entry| step == Step::Client || exported_to(mesh, entry, client)) {
        let Some(rule) = mesh.rules.get(entry.first as usize) else { continue };
        match &rule.selector {
            None => catch_all = Some(entry),
            Some(selector) if *rule.meta.namespace == *client && selects(selector) => return Some(entry),
            Some(_) => {}
        }
    }
    catch_all
}

/// The entries of one host for each order of its rules that the input allows.
fn host_rules(mesh: &Mesh, numbers: &[u32]) -> HostRules {
    let rule = |n: &u32| mesh.rules.get(*n as usize);
    let unsure: Vec<u32> = numbers
        .iter()
        .filter(|n| {
            numbers.iter().any(|other| match (rule(n), rule(other)) {
                (Some(a), Some(b)) => {
                    n != &other && a.selector.is_some() == b.selector.is_some() && !order_known(&a.meta, &b.meta)
                }
                _ => false,
            })
        })
        .copied()
        .collect();
    let (numbers, unsure) = match unsure.len() > MAX_RIVALS && alike(mesh, numbers) {
        true => (&without_twins(mesh, numbers)[..], without_twins(mesh, &unsure)),
        false => (numbers, unsure),
    };
    if unsure.len() > MAX_RIVALS {
        return HostRules { orders: vec![merge(mesh, numbers)], too_many: true };
    }
    let mut orders = Vec::new();
    for order in permutations(&unsure) {
        // The unsure rules stand in every order among themselves; those with times keep theirs.
        let mut next = order.iter();
        let sequence: Vec<u32> =
            numbers.iter().map(|n| if unsure.contains(n) { next.next().copied().unwrap_or(*n) } else { *n }).collect();
        let in_selector_order = sequence.windows(2).all(|pair| match pair {
            [a, b] => rule(a).is_some_and(|a| a.selector.is_some()) || rule(b).is_some_and(|b| b.selector.is_none()),
            _ => true,
        });
        let times_hold = sequence.iter().enumerate().all(|(at, a)| {
            sequence.iter().skip(at + 1).all(|b| match (rule(a), rule(b)) {
                (Some(x), Some(y)) if x.selector.is_some() == y.selector.is_some() && order_known(&x.meta, &y.meta) => {
                    x.meta.age_key() <= y.meta.age_key()
                }
                _ => true,
            })
        });
        if in_selector_order && times_hold {
            let merged = merge(mesh, &sequence);
            if !orders.contains(&merged) {
                orders.push(merged);
            }
        }
    }
    HostRules { orders, too_many: false }
}

/// Whether rules merge into one whatever their order: no selector, and one exportTo.
fn alike(mesh: &Mesh, numbers: &[u32]) -> bool {
    let mut rules = numbers.iter().filter_map(|n| mesh.rules.get(*n as usize));
    let Some(first) = rules.next() else { return true };
    first.selector.is_none() && rules.all(|rule| rule.selector.is_none() && rule.export_to == first.export_to)
}

/// Of rules that say the same, the first: in rules that merge into one, the others add nothing.
fn without_twins(mesh: &Mesh, numbers: &[u32]) -> Vec<u32> {
    let same_subsets = |a: &DestinationRule, b: &DestinationRule| {
        let all = || a.subsets.iter().zip(&b.subsets);
        a.subsets.len() == b.subsets.len()
            && all().all(|(x, y)| x.name == y.name && x.labels == y.labels && x.policy == y.policy)
    };
    let mut kept: Vec<u32> = Vec::new();
    for number in numbers {
        let Some(rule) = mesh.rules.get(*number as usize) else { continue };
        let mut earlier = kept.iter().filter_map(|n| mesh.rules.get(*n as usize));
        if !earlier.any(|other| other.policy == rule.policy && same_subsets(other, rule)) {
            kept.push(*number);
        }
    }
    kept
}

fn permutations(items: &[u32]) -> Vec<Vec<u32>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for tail in permutations(rest) {
        for at in 0..=tail.len() {
            let mut order = tail.clone();
            order.insert(at, *first);
            all.push(order);
        }
    }
    all
}

/// Takes a rule's `trafficPolicy` into an entry: if there is none yet; or, between a user's rule and one that istiod made
/// (`fields`), field by field, the user's first.
fn merge_policy(entry: &mut Entry, number: u32, rule: &DestinationRule, fields: bool) {
    match entry.policy {
        _ if rule.policy.is_none() => {}
        None => entry.policy = Some(number),
        Some(_) if fields && rule.made_from.is_some() => entry.under.push(number),
        Some(earlier) if fields => {
            entry.under.insert(0, earlier);
            entry.policy = Some(number);
        }
        Some(_) => {}
    }
}

/// Merges rules of one host in order (`mergeDestinationRule`). There is no field-level merging of `trafficPolicy`; an
/// absent `exportTo` and `["*"]` are different sets (E10).
fn merge(mesh: &Mesh, numbers: &[u32]) -> Vec<Entry> {
    let enhanced = mesh.options.env.enhanced_merge && mesh.version.merges_by_export();
    let by_field = mesh.version.merges_backend_fields();
    let mut entries: Vec<Entry> = Vec::new();
    for number in numbers {
        let Some(rule) = mesh.rules.get(*number as usize) else { continue };
        let mut append = true;
        for entry in &mut entries {
            let Some(existing) = mesh.rules.get(entry.first as usize) else { continue };
            if enhanced {
                let superset = existing.export_to.iter().all(|word| has(&rule.export_to, word));
                if rule.export_to == existing.export_to {
                    append = false;
                } else if !existing.export_to.is_empty() && superset {
                    append = true;
                } else {
                    append = true;
                    continue;
                }
            }
            match (&rule.selector, &existing.selector) {
                (Some(a), Some(b)) if a != b => {
                    append = true;
                    continue;
                }
                (None, None) | (Some(_), Some(_)) => append = false,
                _ => {}
            }
            for (at, subset) in (0..).zip(&rule.subsets) {
                let known = entry.subsets.iter().any(|(owner, index)| {
                    let subsets = mesh.rules.get(*owner as usize).map(|r| &r.subsets);
                    subsets.and_then(|s| s.get(*index as usize)).is_some_and(|s| s.name == subset.name)
                });
                if !known {
                    entry.subsets.push((*number, at));
                }
            }
            let fields = by_field && rule.made_from.is_some() != existing.made_from.is_some();
            merge_policy(entry, *number, rule, fields);
            entry.merged.push(*number);
        }
        if append {
            let subsets = (0..).zip(&rule.subsets).map(|(at, _)| (*number, at)).collect();
            let policy = rule.policy.is_some().then_some(*number);
            entries.push(Entry { first: *number, policy, under: Vec::new(), subsets, merged: vec![*number] });
        }
    }
    entries
}
