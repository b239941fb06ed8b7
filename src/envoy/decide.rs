//! What decides who may call a chain, in the order in which Envoy evaluates it (output.md 3, `authz[]`).

use super::judged::Authz;
use super::model::{Action, Chain, ExtAuthz, Filter, HttpManager, Layer, Policy, Proxy, Rbac, Rules};
use super::routes::{self, Change, MOST_CHANGES, RouteChange};
use std::collections::BTreeSet;

/// What is said of a filter that is known, and whose decisions no dump shows.
pub(super) const OPAQUE: &str = "may decide who may call; a dump does not show how";

/// Doubts that are kept of one chain.
const MOST_DOUBTS: usize = 20;

/// Names of the policies of a CUSTOM action begin so (Istio 1.9 on).
const CUSTOM_NAME: &str = "istio-ext-authz-";

/// `shadow_rules_stat_prefix` of the filter that marks calls for a CUSTOM action.
const CUSTOM_PREFIX: &str = "istio_ext_authz_";

/// Names of the policies that stand for a CUSTOM action whose provider is not usable end so: they refuse.
const BAD_PROVIDER: &str = "-deny-due-to-bad-CUSTOM-action";

/// What decides who may call a chain, in the order in which it is evaluated, and the issuers of JWTs that it accepts;
/// third: what of it was not understood. Filters that ECDS delivers and rules of routes by RDS are looked up in `proxy`.
#[must_use]
pub fn decide(chain: &Chain, proxy: &Proxy) -> (Vec<Authz>, Vec<String>, Vec<String>) {
    let mut steps = Steps::of(proxy);
    for filter in &chain.filters {
        steps.take(filter, Layer::Network);
    }
    steps.finish()
}

/// What was found so far.
struct Steps<'a> {
    proxy: &'a Proxy,
    authz: Vec<Authz>,
    issuers: Vec<String>,
    doubts: Vec<String>,
    /// Shadow policies that mark calls for an external service which has not come yet, with their layer.
    marks: Vec<(Layer, &'a Policy)>,
    /// The filter that is read came by ECDS.
    is_discovered: bool,
}

impl<'a> Steps<'a> {
    fn of(proxy: &'a Proxy) -> Self {
        let (authz, issuers, doubts) = (Vec::new(), Vec::new(), Vec::new());
        Self { proxy, authz, issuers, doubts, marks: Vec::new(), is_discovered: false }
    }

    fn take(&mut self, filter: &'a Filter, layer: Layer) {
        match filter {
            Filter::Http(manager) => self.manager(manager),
            Filter::Rbac(rbac) => self.rbac(rbac, None),
            Filter::ExtAuthz(external) => self.ext_authz(external),
            Filter::Jwt(providers) => self.issuers.extend(providers.iter().map(|one| any_if_empty(&one.issuer))),
            Filter::IstioAuthn(authn) => {
                for issuer in authn.issuers.iter().map(|issuer| any_if_empty(issuer)) {
                    if !self.issuers.contains(&issuer) {
                        self.issuers.push(issuer);
                    }
                }
            }
            Filter::Discovered(name) => self.discovered(filter, name, layer),
            Filter::Opaque(kind) => self.doubt(format!("filter {kind} {OPAQUE}")),
            Filter::Unknown(kind) => self.doubt(format!("filter {kind} is not known")),
            Filter::TcpProxy(_) | Filter::Other => {}
        }
    }

    /// A filter that ECDS delivers.
    fn discovered(&mut self, filter: &'a Filter, name: &str, layer: Layer) {
        let found = routes::delivered(filter, self.proxy);
        if self.is_discovered {
            self.doubt(format!("filter {name} is delivered by ECDS, inside another one that is"));
            return;
        }
        let Some((last, others)) = found.split_last() else {
            self.doubt(format!("filter {name} is delivered by ECDS and is not in the dump"));
            return;
        };
        if others.iter().any(|other| other != last) {
            self.doubt(format!("filter {name} is delivered by ECDS more than once, not the same each time"));
        }
        self.is_discovered = true;
        self.take(last, layer);
        self.is_discovered = false;
    }

    fn manager(&mut self, manager: &'a HttpManager) {
        for filter in &manager.filters {
            // One manager inside another does not exist; it would be a way to recurse.
            match filter {
                Filter::Http(_) => self.doubt("an HTTP connection manager among HTTP filters".to_owned()),
                filter => self.take(filter, Layer::Http),
            }
        }
        // Where nothing decides, routes have nothing to change.
        let mut all = manager.filters.iter().flat_map(|filter| routes::delivered(filter, self.proxy));
        if all.any(decides) && routes::are_missing(manager, self.proxy) {
            let name = manager.route.as_deref().unwrap_or("?");
            self.doubt(format!("route configuration {name} is not in the dump: routes may change who may call"));
        }
        let mut changes = routes::changes(manager, self.proxy);
        for change in changes.by_ref().take(MOST_CHANGES) {
            for filter in change.targets(manager, self.proxy) {
                self.change(change, filter);
            }
        }
        if changes.next().is_some() {
            self.doubt(format!("routes change filters in more than {MOST_CHANGES} places"));
        }
    }

    /// What a route makes of one filter of the chain.
    fn change(&mut self, change: &'a RouteChange, filter: &'a Filter) {
        let RouteChange { place, what, .. } = change;
        match (what, filter) {
            (Change::Same, filter) if decides(filter) => {}
            (Change::Off, Filter::Rbac(rbac)) if !has_rules(rbac) => {}
            (Change::Off, Filter::Rbac(_)) => self.authz.push(off(Action::Allow, place)),
            (Change::Off, Filter::ExtAuthz(_)) => self.authz.push(off(Action::Custom, place)),
            (Change::Off, Filter::Jwt(_) | Filter::IstioAuthn(_)) => {
                self.doubt(format!("no token is asked for on {place}: filter {} is off there", change.filter));
            }
            (Change::Rbac(rbac), Filter::Rbac(_)) if has_rules(rbac) => self.rbac(rbac, Some(place)),
            (Change::Rbac(_), Filter::Rbac(_)) => self.authz.push(off(Action::Allow, place)),
            // Is in doubt wherever it is, or has no say.
            (_, Filter::Opaque(_) | Filter::Unknown(_)) | (Change::Off, _) => {}
            // It may be about any filter: of those without a say it is none.
            _ if change.filter.is_empty() && !decides(filter) => {}
            _ if change.filter.is_empty() => {
                self.doubt(format!("what becomes of filters on {place} is not understood"));
            }
            _ => {
                let name = &change.filter;
                self.doubt(format!("filter {name} is another one on {place}, in a way that is not understood"));
            }
        }
    }

    /// An RBAC filter: rules, and shadow rules beside them.
    fn rbac(&mut self, rbac: &'a Rbac, route: Option<&str>) {
        if rbac.odd {
            let place = route.map(|route| format!(" on {route}")).unwrap_or_default();
            self.doubt(format!("RBAC{place} has a matcher, or an action or rules that are not understood"));
        }
        if let Some(rules) = &rbac.rules {
            self.unread(rules);
            self.enforced(rbac.layer, rules, route);
        }
        let Some(shadow) = &rbac.shadow else { return };
        if is_mark(shadow, &rbac.shadow_prefix) {
            self.unread(shadow);
            self.marks.extend(shadow.policies.iter().map(|policy| (rbac.layer, policy)));
        } else if let Some(entry) = entry(rbac.layer, shadow, route) {
            self.authz.push(Authz { enforced: false, denies_all: false, ..entry });
        }
    }

    fn enforced(&mut self, layer: Layer, rules: &Rules, route: Option<&str>) {
        let Some(mut entry) = entry(layer, rules, route) else { return };
        let names = || rules.policies.iter().map(|policy| policy.name.as_str());
        entry.bad_provider = rules.action == Action::Deny && names().any(|name| name.contains(BAD_PROVIDER));
        // A CUSTOM action that the control plane could not compile (or a dry run of one) is a DENY with its names.
        if rules.action == Action::Deny && names().next().is_some() && names().all(|name| name.starts_with(CUSTOM_NAME))
        {
            entry.action = Action::Custom;
            entry.bad_provider = true;
        }
        self.authz.push(entry);
    }

    /// A call of an external service: the shadow policies that mark calls for it are folded into it.
    fn ext_authz(&mut self, external: &ExtAuthz) {
        let marked = |(layer, policy): &(Layer, &Policy)| {
            *layer == external.layer
                && external.only_for.as_deref().is_some_and(|prefix| policy.name.starts_with(prefix))
        };
        let (policies, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.marks).into_iter().partition(marked);
        self.marks = others;
        let policies: Vec<&Policy> = policies.into_iter().map(|(_, policy)| policy).collect();
        if policies.is_empty() && external.only_for.is_some() {
            self.doubt("ext_authz is asked only for marked calls, and no rule marks any".to_owned());
        }
        let mut entry = described(empty(external.layer, Action::Custom), policies.iter().copied());
        entry.enforced = true;
        entry.fails_open = external.failure_mode_allow;
        self.authz.push(entry);
    }

    /// Notes policies that were not understood.
    fn unread(&mut self, rules: &Rules) {
        for policy in rules.policies.iter().filter(|policy| policy.unread) {
            self.doubt(format!("policy {} has a condition that is not understood", policy.name));
        }
    }

    fn doubt(&mut self, words: String) {
        if self.doubts.len() < MOST_DOUBTS && !self.doubts.contains(&words) {
            self.doubts.push(words);
        }
    }

    fn finish(mut self) -> (Vec<Authz>, Vec<String>, Vec<String>) {
        // Marks that nobody asks about decide nothing.
        for layer in [Layer::Network, Layer::Http] {
            let marks: Vec<&Policy> = self.marks.iter().filter(|(of, _)| *of == layer).map(|(_, one)| *one).collect();
            if !marks.is_empty() {
                self.doubt("rules mark calls for an external service that no filter asks".to_owned());
                self.authz.push(described(empty(layer, Action::Custom), marks.into_iter()));
            }
        }
        (self.authz, self.issuers, self.doubts)
    }
}

/// Whether a filter has a say in who may call, as far as it is understood.
fn decides(filter: &Filter) -> bool {
    matches!(filter, Filter::Rbac(_) | Filter::ExtAuthz(_) | Filter::Jwt(_) | Filter::IstioAuthn(_))
}

/// Whether an RBAC filter does anything, or may.
fn has_rules(rbac: &Rbac) -> bool {
    rbac.rules.is_some() || rbac.shadow.is_some() || rbac.odd
}

/// The entry for a filter that is turned off in a place.
fn off(action: Action, place: &str) -> Authz {
    let rules = vec!["nothing is enforced there".to_owned()];
    Authz { rules, route: Some(place.to_owned()), off: true, ..empty(Layer::Http, action) }
}

/// The issuer; a provider without one takes tokens of any.
fn any_if_empty(issuer: &str) -> String {
    if issuer.is_empty() { "*".to_owned() } else { issuer.to_owned() }
}

/// Whether shadow rules only mark calls for an external service.
fn is_mark(shadow: &Rules, prefix: &str) -> bool {
    let is_named =
        || !shadow.policies.is_empty() && shadow.policies.iter().all(|one| one.name.starts_with(CUSTOM_NAME));
    prefix == CUSTOM_PREFIX || is_named()
}

/// An entry without policies.
fn empty(layer: Layer, action: Action) -> Authz {
    Authz {
        layer,
        action,
        enforced: false,
        policies: Vec::new(),
        denies_all: false,
        bad_provider: false,
        fails_open: false,
        needs_identity: false,
        rules: Vec::new(),
        route: None,
        off: false,
    }
}

/// The entry of enforced rules. DENY and AUDIT without policies match nothing and do nothing: no entry.
fn entry(layer: Layer, rules: &Rules, route: Option<&str>) -> Option<Authz> {
    if rules.policies.is_empty() && rules.action != Action::Allow {
        return None;
    }
    let mut entry = described(empty(layer, rules.action), rules.policies.iter());
    entry.enforced = rules.action != Action::Audit;
    // Nothing passes an ALLOW whose policies match nothing, as nothing passes one without any.
    entry.denies_all = rules.action == Action::Allow && rules.policies.iter().all(|policy| policy.matches_nothing);
    entry.route = route.map(str::to_owned);
    Some(entry)
}

/// The entry with policies, in words.
fn described<'p>(mut entry: Authz, policies: impl Iterator<Item = &'p Policy>) -> Authz {
    let mut seen = BTreeSet::new();
    for policy in policies {
        let (name, rule) = name(&policy.name);
        entry.rules.push(match rule {
            Some(rule) => format!("{name}[{rule}]: {}", policy.words),
            None => format!("{name}: {}", policy.words),
        });
        if seen.insert(name.clone()) {
            entry.policies.push(name);
        }
        entry.needs_identity |= policy.needs_identity;
    }
    entry
}

/// `ns[N]-policy[P]-rule[i]`, wherever it stands in the key, as `N/P` and `i`; any other key as it stands.
#[must_use]
pub fn name(key: &str) -> (String, Option<&str>) {
    let parts = || {
        let (_, rest) = key.split_once("ns[")?;
        let (namespace, rest) = rest.split_once("]-policy[")?;
        let (policy, rest) = rest.split_once("]-rule[")?;
        let (rule, _) = rest.split_once(']')?;
        let is_index = !rule.is_empty() && rule.bytes().all(|b| b.is_ascii_digit());
        is_index.then(|| (format!("{namespace}/{policy}"), Some(rule)))
    };
    parts().unwrap_or_else(|| (key.to_owned(), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::fake::shared;
    use crate::envoy::filter;
    use crate::envoy::model::Section;
    use crate::envoy::tree::Tree;
    use serde::de::DeserializeSeed;
    use serde_json::Value;

    fn read(text: &str) -> Filter {
        let tree = Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap();
        filter::read(&tree, Layer::Network)
    }

    fn of(filters: Vec<Filter>) -> (Vec<Authz>, Vec<String>, Vec<String>) {
        let manager = HttpManager { filters, ..HttpManager::default() };
        decide(&Chain { filters: vec![Filter::Http(Box::new(manager))], ..Chain::default() }, &Proxy::default())
    }

    fn rules(action: Action, names: &[&str]) -> Option<Rules> {
        let policies = names.iter().map(|name| Policy { name: (*name).to_owned(), ..Policy::default() }).collect();
        Some(Rules { action, policies })
    }

    fn rbac(rules: Option<Rules>, shadow: Option<Rules>) -> Filter {
        Filter::Rbac(Box::new(Rbac { rules, shadow, ..Rbac::default() }))
    }

    #[test]
    fn names_of_policies() {
        for (key, expected) in [
            ("ns[a]-policy[b]-rule[0]", ("a/b", Some("0"))),
            ("istio-ext-authz-opa-ns[a]-policy[b]-rule[12]-x", ("a/b", Some("12"))),
            ("service-viewer", ("service-viewer", None)),
            ("ns[a]-policy[b]-rule[x]", ("ns[a]-policy[b]-rule[x]", None)),
        ] {
            let (name, rule) = name(key);
            assert_eq!((name.as_str(), rule), expected);
        }
    }

    #[test]
    fn absent_empty_and_shadow_rules() {
        assert!(of(vec![rbac(None, None)]).0.is_empty());
        let found = of(vec![rbac(rules(Action::Allow, &[]), None)]).0;
        assert!(found[0].denies_all && found[0].enforced);
        assert!(of(vec![rbac(rules(Action::Deny, &[]), None)]).0.is_empty());
        let found = of(vec![rbac(rules(Action::Deny, &["b"]), rules(Action::Allow, &["a"]))]).0;
        let found: Vec<_> = found.iter().map(|one| (one.action, one.enforced)).collect();
        assert_eq!(found, [(Action::Deny, true), (Action::Allow, false)]);
        assert!(!of(vec![rbac(rules(Action::Audit, &["a"]), None)]).0[0].enforced);
    }

    #[test]
    fn a_custom_action_is_one_entry() {
        let mark = || rbac(None, rules(Action::Deny, &["istio-ext-authz-x-ns[a]-policy[b]-rule[0]"]));
        let ask = |only_for: Option<&str>| {
            Filter::ExtAuthz(ExtAuthz { only_for: only_for.map(str::to_owned), ..ExtAuthz::default() })
        };
        let (found, _, doubts) = of(vec![mark(), ask(Some("istio-ext-authz-x"))]);
        assert_eq!((found.len(), found[0].action, found[0].enforced), (1, Action::Custom, true));
        assert!(found[0].policies == ["a/b"] && doubts.is_empty());
        let (found, _, doubts) = of(vec![ask(None)]);
        assert!(found[0].policies.is_empty() && found[0].enforced && doubts.is_empty());
        let (found, _, doubts) = of(vec![mark()]);
        assert!(!found[0].enforced && doubts.len() == 1);
        let bad = "istio-ext-authz-ns[a]-policy[b]-rule[0]-deny-due-to-bad-CUSTOM-action";
        let found = of(vec![rbac(rules(Action::Deny, &[bad]), None)]).0;
        assert!(found[0].bad_provider && found[0].enforced && found[0].policies == ["a/b"]);
    }

    #[test]
    fn what_is_not_understood_is_a_doubt() {
        for filter in [
            Filter::Opaque("wasm".to_owned()),
            Filter::Unknown("acme".to_owned()),
            Filter::Discovered("lost".to_owned()),
            Filter::Rbac(Box::new(Rbac { odd: true, ..Rbac::default() })),
        ] {
            assert_eq!(of(vec![filter]).2.len(), 1);
        }
    }

    /// What a chain with these HTTP filters and routes decides, in words; and the doubts.
    fn by_routes(filters: &str, routes: &str, ecds: &str) -> (Vec<String>, Vec<String>) {
        let kind = "t/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        let manager = read(&format!(
            r#"{{"name": "m", "typed_config": {{"@type": "{kind}", "http_filters": [{filters}], {routes}}}}}"#
        ));
        let mut proxy = Proxy::default();
        if !ecds.is_empty() {
            let tree = Tree::new().deserialize(&mut serde_json::Deserializer::from_str(ecds)).unwrap();
            proxy.extensions.insert("e".to_owned(), vec![filter::read(&tree, Layer::Http)]);
        }
        let (authz, _, doubts) = decide(&Chain { filters: vec![manager], ..Chain::default() }, &proxy);
        let words = |one: &Authz| {
            let off = if one.off { " off" } else { "" };
            format!("{}{off} {}", one.action.word(), one.route.as_deref().unwrap_or("everywhere"))
        };
        (authz.iter().map(words).collect(), doubts)
    }

    #[test]
    fn routes_change_filters_by_name_and_by_kind() {
        let types = "t/envoy.extensions.filters.http";
        let rbac = |name: &str| {
            format!(r#"{{"name": "{name}", "typed_config": {{"@type": "{types}.rbac.v3.RBAC", "rules": {{}}}}}}"#)
        };
        let external = format!(r#"{{"name": "ea", "typed_config": {{"@type": "{types}.ext_authz.v3.ExtAuthz"}}}}"#);
        let jwt =
            format!(r#"{{"name": "jwt", "typed_config": {{"@type": "{types}.jwt_authn.v3.JwtAuthentication"}}}}"#);
        let on_host = |name: &str, config: &str| {
            format!(
                r#""route_config": {{"virtual_hosts": [{{"name": "v", "typed_per_filter_config": {{"{name}": {config}}}}}]}}"#
            )
        };
        let per = |kind: &str, body: &str| format!(r#"{{"@type": "{types}.{kind}"{body}}}"#);
        let filter_off = r#"{"@type": "t/envoy.config.route.v3.FilterConfig", "disabled": true}"#;
        let standard = "envoy.filters.http.rbac";
        let weighted = format!(
            r#""route_config": {{"virtual_hosts": [{{"name": "v", "routes": [{{"route": {{"weighted_clusters":
            {{"clusters": [{{"name": "c", "typed_per_filter_config": {{"{standard}": {}}}}}]}}}}}}]}}]}}"#,
            per("rbac.v3.RBACPerRoute", "")
        );
        let (allow, off) = ("ALLOW everywhere", "ALLOW off virtual host v");
        for (filters, routes, expected, doubts) in [
            (rbac(standard), on_host(standard, filter_off), vec![allow, off], 0),
            (rbac("my-rbac"), on_host("my-rbac", filter_off), vec![allow, off], 0),
            (rbac("my-rbac"), on_host("another", filter_off), vec![allow], 0),
            (rbac("my-rbac"), on_host(standard, &per("rbac.v3.RBACPerRoute", "")), vec![allow, off], 0),
            (rbac(standard), weighted, vec![allow, "ALLOW off cluster c of route 0 of virtual host v"], 0),
            (
                rbac(standard),
                on_host(standard, &per("rbac.v3.RBACPerRoute", r#", "rbac": {"rules": {"action": 9}}"#)),
                vec![allow],
                1,
            ),
            (rbac(standard), on_host(standard, r#"{"@type": "t/acme.Thing"}"#), vec![allow], 1),
            (
                external.clone(),
                on_host("ea", &per("ext_authz.v3.ExtAuthzPerRoute", r#", "disabled": true"#)),
                vec!["CUSTOM everywhere", "CUSTOM off virtual host v"],
                0,
            ),
            (
                external,
                on_host("ea", &per("ext_authz.v3.ExtAuthzPerRoute", r#", "check_settings": {}"#)),
                vec!["CUSTOM everywhere"],
                0,
            ),
            (
                format!(
                    r#"{{"name": "ea", "disabled": true, "typed_config": {{"@type": "{types}.ext_authz.v3.ExtAuthz"}}}}"#
                ),
                on_host("ea", &per("ext_authz.v3.ExtAuthzPerRoute", r#", "check_settings": {}"#)),
                vec![],
                1,
            ),
            (jwt.clone(), on_host("jwt", &per("jwt_authn.v3.PerRouteConfig", r#", "disabled": true"#)), vec![], 1),
            (jwt, on_host("jwt", &per("jwt_authn.v3.PerRouteConfig", r#", "requirement_name": "x""#)), vec![], 1),
            (rbac(standard), r#""rds": {"route_config_name": "lost"}"#.to_owned(), vec![allow], 1),
            (rbac(standard), r#""scoped_routes": {"name": "s"}"#.to_owned(), vec![allow], 1),
            (
                r#"{"name": "envoy.filters.http.cors"}"#.to_owned(),
                r#""rds": {"route_config_name": "x"}"#.to_owned(),
                vec![],
                0,
            ),
        ] {
            let (found, found_doubts) = by_routes(&filters, &routes, "");
            assert_eq!(found, expected, "{filters} {routes}");
            assert_eq!(found_doubts.len(), doubts, "{found_doubts:?} {routes}");
        }
        let discovered = r#"{"name": "e", "config_discovery": {}}"#;
        let (found, _) = by_routes(discovered, &on_host("e", filter_off), &rbac("e"));
        assert_eq!(found, [allow, off]);
        let (found, doubts) =
            by_routes(discovered, r#""stat_prefix": """#, r#"{"name": "e", "typed_config": {"@type": "t/foo.Bar"}}"#);
        assert!(found.is_empty() && doubts == ["filter foo.Bar is not known"], "{doubts:?}");
    }

    #[test]
    fn an_allow_whose_policies_match_nothing_denies_all() {
        let nothing = Policy { matches_nothing: true, ..Policy::default() };
        for (action, policies, expected) in [
            (Action::Allow, vec![nothing.clone()], true),
            (Action::Allow, vec![nothing.clone(), Policy::default()], false),
            (Action::Deny, vec![nothing], false),
        ] {
            let found = of(vec![rbac(Some(Rules { action, policies }), None)]).0;
            assert_eq!(found[0].denies_all, expected, "{action:?}");
        }
    }

    #[test]
    fn a_condition_that_is_not_understood_is_a_doubt() {
        for (action, policy) in [
            ("ALLOW", r#"{"permissions": [{"any": true}], "principals": [{"any": true}], "condition": {}}"#),
            ("DENY", r#"{"permissions": [{"any": true}], "principals": [{"acme": 1}]}"#),
            ("LOG", "7"),
        ] {
            let text = format!(
                r#"{{"name": "r", "typed_config": {{"@type": "t/envoy.extensions.filters.network.rbac.v3.RBAC",
                "rules": {{"action": "{action}", "policies": {{"p": {policy}}}}}}}}}"#
            );
            let (_, _, doubts) = decide(&Chain { filters: vec![read(&text)], ..Chain::default() }, &Proxy::default());
            assert_eq!(doubts, ["policy p has a condition that is not understood"], "{policy}");
        }
    }

    /// `(layer, action, enforced, policies)`, as the scorer compares them.
    type Fact = (String, String, bool, Vec<String>);

    fn custom() -> Fact {
        (String::new(), "CUSTOM".to_owned(), true, Vec::new())
    }

    fn wanted(chain: &Value) -> (BTreeSet<Fact>, Vec<String>) {
        let (mut facts, mut issuers) = (BTreeSet::new(), Vec::new());
        for one in chain["authz"].as_array().into_iter().flatten() {
            for (_, provider) in one["providers"].as_object().into_iter().flatten() {
                issuers.push(provider["issuer"].as_str().unwrap().to_owned());
            }
            let Some(action) = one["action"].as_str() else { continue };
            let keys = one["policies"].as_array().into_iter().flatten().map(|key| key.as_str().unwrap());
            if action == "CUSTOM" || keys.clone().any(|key| key.starts_with("istio-ext-authz")) {
                facts.insert(custom());
                continue;
            }
            let policies: BTreeSet<String> = keys.map(|key| name(key).0).collect();
            let action = if action == "LOG" { "AUDIT" } else { action };
            let layer = one["layer"].as_str().unwrap().to_owned();
            facts.insert((layer, action.to_owned(), one["enforced"] == true, policies.into_iter().collect()));
        }
        issuers.sort();
        (facts, issuers)
    }

    fn found(chain: &Value) -> (BTreeSet<Fact>, Vec<String>, Vec<String>) {
        let filters = chain["filters"].as_array().into_iter().flatten().map(|one| read(&one.to_string())).collect();
        let proxy = Proxy { sections: vec![Section::Routes], ..Proxy::default() };
        let (authz, mut issuers, doubts) = decide(&Chain { filters, ..Chain::default() }, &proxy);
        let fact = |one: &Authz| {
            if one.action == Action::Custom {
                return custom();
            }
            let layer = if one.layer == Layer::Http { "http" } else { "network" };
            let policies: BTreeSet<String> = one.policies.iter().cloned().collect();
            (layer.to_owned(), one.action.word().to_owned(), one.enforced, policies.into_iter().collect())
        };
        issuers.sort();
        (authz.iter().map(fact).collect(), issuers, doubts)
    }

    /// Every chain of every dump beside the package is decided as its truth says, and without a doubt.
    #[test]
    fn the_shared_dumps_are_decided_as_they_were_measured() {
        let files = shared("fixtures/configdump", ".truth.json");
        let mut chains = 0;
        for path in &files {
            let text = path.to_string_lossy().into_owned();
            let Some(stem) = text.strip_suffix(".truth.json") else { continue };
            let json = |path: &str| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
            let (truth, dump) = (json(&text), json(&format!("{stem}.json")));
            let sections = dump["configs"].as_array().unwrap().iter();
            let entries: Vec<&Value> =
                sections.flat_map(|one| one["dynamic_listeners"].as_array().into_iter().flatten()).collect();
            for want in truth["filter_chains"].as_array().unwrap() {
                let listener = entries.iter().find(|one| one["name"] == want["listener"]).unwrap();
                let all = listener["active_state"]["listener"]["filter_chains"].as_array().unwrap();
                let is_it = |chain: &&Value| {
                    let at = &chain["filter_chain_match"];
                    let transport = at["transport_protocol"].as_str();
                    (want["name"] == chain["name"] || chain["name"].is_null())
                        && at["destination_port"].as_u64() == want["destination_port"].as_u64()
                        && (transport.is_none() || transport == want["transport"].as_str())
                        && at["application_protocols"].as_array().map_or(0, Vec::len)
                            == want["alpn_match"].as_array().map_or(0, Vec::len)
                };
                let Some(chain) = all.iter().find(is_it) else { continue };
                let (facts, issuers, doubts) = found(chain);
                assert_eq!((facts, issuers), wanted(want), "{stem} {want}");
                assert!(doubts.is_empty(), "{stem} {doubts:?}");
                chains += 1;
            }
        }
        assert!(chains > 100 || files.is_empty(), "{chains}");
    }
}
