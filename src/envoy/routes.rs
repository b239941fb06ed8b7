//! What routes change of the filters of a chain, and where parts of a chain are found that come separately (RDS, ECDS).
//!
//! A route configuration, a virtual host, a route and a cluster of a weighted choice may each turn a filter off or give it
//! another configuration (`typed_per_filter_config`), by the name of the filter. Old proxies looked the filter up by the
//! name of its kind, whatever it was called: both are taken.

use super::filter::{is_other, key};
use super::model::{Filter, HttpManager, Layer, Proxy, Rbac, Section};
use super::rbac;
use super::tree::{Node, short};

/// Changes that are looked at, of one chain.
pub const MOST_CHANGES: usize = 500;

/// What a route configuration changes of filters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteRules {
    /// Every change, in the order of the dump; those of filters without a say in who may call are left out.
    pub changes: Vec<RouteChange>,
}

/// A change of one filter, in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteChange {
    /// Where, in words: `virtual host v`.
    pub place: String,
    /// Name of the filter; empty: any.
    pub filter: String,
    /// What the filter is, by its type or else its name, in the words of `key`.
    pub kind: String,
    /// What it becomes there.
    pub what: Change,
}

/// What a filter becomes in a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It does nothing there.
    Off,
    /// RBAC with these rules.
    Rbac(Box<Rbac>),
    /// It does what it does elsewhere.
    Same,
    /// It is not known what.
    Unread,
}

impl RouteChange {
    /// Whether a filter is of the kind that it is for.
    fn is_of_kind(&self, filter: &Filter) -> bool {
        let kind = match filter {
            Filter::Rbac(_) => "http/rbac",
            Filter::ExtAuthz(_) => "http/ext_authz",
            Filter::Jwt(_) => "http/jwt_authn",
            _ => return false,
        };
        self.kind == kind
    }

    /// The filters of a manager that it changes: the one of its name, else those of its kind. For one that ECDS delivers
    /// stands what it delivers.
    pub fn targets<'p>(&self, manager: &'p HttpManager, proxy: &'p Proxy) -> Vec<&'p Filter> {
        let named = manager.names.iter().zip(&manager.filters);
        let own: Vec<&Filter> =
            named.filter(|(name, _)| !name.is_empty() && **name == self.filter).map(|(_, filter)| filter).collect();
        if own.is_empty() {
            let all = manager.filters.iter().flat_map(|filter| delivered(filter, proxy));
            return all.filter(|filter| self.filter.is_empty() || self.is_of_kind(filter)).collect();
        }
        own.into_iter().flat_map(|filter| delivered(filter, proxy)).collect()
    }
}

/// A filter, or what ECDS delivers in its place: nothing where that is not in the dump.
pub fn delivered<'p>(filter: &'p Filter, proxy: &'p Proxy) -> &'p [Filter] {
    match filter {
        Filter::Discovered(name) => proxy.extensions.get(name).map(Vec::as_slice).unwrap_or_default(),
        filter => std::slice::from_ref(filter),
    }
}

/// Every filter of a chain, those of an HTTP connection manager in its place, those that ECDS delivers too.
pub fn filters<'p>(filters: &'p [Filter], proxy: &'p Proxy) -> impl Iterator<Item = &'p Filter> {
    let inside = move |filter: &'p Filter| match filter {
        // A manager that ECDS delivers does not exist.
        Filter::Http(manager) => manager.filters.as_slice(),
        filter => std::slice::from_ref(filter),
    };
    filters.iter().flat_map(inside).flat_map(move |filter| delivered(filter, proxy))
}

/// What the routes of a manager change: those in it, and those that RDS delivers.
pub fn changes<'p>(manager: &'p HttpManager, proxy: &'p Proxy) -> impl Iterator<Item = &'p RouteChange> {
    let by_rds = manager.route.as_ref().filter(|_| manager.is_rds).and_then(|name| proxy.routes.get(name));
    manager.routes.changes.iter().chain(by_rds.into_iter().flat_map(|routes| &routes.changes))
}

/// Every RBAC filter of a chain, of both layers, also those that ECDS delivers and those that routes put in their place.
pub fn rbac<'p>(of_chain: &'p [Filter], proxy: &'p Proxy) -> impl Iterator<Item = &'p Rbac> {
    let own = filters(of_chain, proxy)
        .filter_map(|filter| if let Filter::Rbac(rbac) = filter { Some(&**rbac) } else { None });
    let managers =
        of_chain.iter().filter_map(|filter| if let Filter::Http(manager) = filter { Some(&**manager) } else { None });
    let by_routes = managers.flat_map(move |manager| changes(manager, proxy).take(MOST_CHANGES));
    own.chain(by_routes.filter_map(|change| if let Change::Rbac(rbac) = &change.what { Some(&**rbac) } else { None }))
}

/// Whether the routes of a manager come by RDS and are not in the dump. Of a section of routes only those are kept that
/// change something, so that it is there has to be enough.
pub fn are_missing(manager: &HttpManager, proxy: &Proxy) -> bool {
    let is_there =
        |name: &String| proxy.sections.contains(&Section::Routes) || proxy.routes.contains_key(name.as_str());
    manager.is_rds && !manager.route.as_ref().is_some_and(is_there)
}

/// Reads what a route configuration changes of filters.
pub fn read(node: &Node<'_>) -> RouteRules {
    let mut rules = RouteRules::default();
    overrides(node, "every route", &mut rules);
    for host in node.get("virtual_hosts").items() {
        let name = host.get("name").text().unwrap_or_default();
        overrides(host, &format!("virtual host {name}"), &mut rules);
        if host.has("matcher") {
            // Routes in a matching tree are not looked into.
            let (filter, kind) = (String::new(), String::new());
            let place = format!("routes of virtual host {name}");
            rules.changes.push(RouteChange { place, filter, kind, what: Change::Unread });
        }
        for (at, route) in host.get("routes").items().iter().enumerate() {
            let words = match route.get("name").text() {
                Some(route) => format!("route {route} of virtual host {name}"),
                None => format!("route {at} of virtual host {name}"),
            };
            overrides(route, &words, &mut rules);
            for cluster in route.at(&["route", "weighted_clusters", "clusters"]).items() {
                let cluster_name = cluster.get("name").text().unwrap_or_default();
                overrides(cluster, &format!("cluster {cluster_name} of {words}"), &mut rules);
            }
        }
    }
    rules
}

/// Reads the configurations that a route (or virtual host) has for filters.
fn overrides(owner: &Node<'_>, words: &str, rules: &mut RouteRules) {
    for list in ["typed_per_filter_config", "per_filter_config"] {
        for (name, value) in owner.get(list).entries() {
            if let Some((kind, what)) = change(name, value) {
                rules.changes.push(RouteChange { place: words.to_owned(), filter: name.to_owned(), kind, what });
            }
        }
    }
}

/// What a filter is, and what it becomes; `None`: it has no say in who may call.
fn change(name: &str, value: &Node<'_>) -> Option<(String, Change)> {
    let (kind, body) = inner(value);
    if kind == "envoy.config.route.v3.FilterConfig" {
        if body.get("disabled").bool() == Some(true) {
            let (kind, _) = inner(body.get("config"));
            return Some((key(kind, name, Layer::Http), Change::Off));
        }
        let (kind, inside) = inner(body.get("config"));
        return of_kind(key(kind, name, Layer::Http), !kind.is_empty(), inside);
    }
    of_kind(key(kind, name, Layer::Http), !kind.is_empty(), body)
}

/// What a filter of that kind becomes. Without a type the filter may be another than its name says.
fn of_kind(kind: String, is_typed: bool, body: &Node<'_>) -> Option<(String, Change)> {
    if is_typed && is_other(&kind) {
        return None;
    }
    let is_off = body.get("disabled").bool() == Some(true);
    let what = match kind.as_str() {
        _ if !matches!(body, Node::Map(_)) => Change::Unread,
        // Without `rbac`, nothing is enforced there.
        "http/rbac" if !body.has("rbac") => Change::Off,
        "http/rbac" => Change::Rbac(Box::new(rbac::read(body.get("rbac"), Layer::Http))),
        "http/ext_authz" | "http/jwt_authn" if is_off => Change::Off,
        // `check_settings` change what the service is told, not that it is asked.
        "http/ext_authz" => Change::Same,
        _ if is_other(&kind) => Change::Same,
        _ => Change::Unread,
    };
    Some((kind, what))
}

/// The type and body of a value that is an extension by itself.
fn inner<'n, 'a>(value: &'n Node<'a>) -> (&'n str, &'n Node<'a>) {
    let kind = value.kind();
    if kind.ends_with(".TypedStruct") {
        return (short(value.get("type_url").text().unwrap_or_default()), value.get("value"));
    }
    (kind, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::tree::Tree;
    use serde::de::DeserializeSeed;

    fn tree(text: &str) -> Node<'_> {
        Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    fn word(what: &Change) -> &'static str {
        match what {
            Change::Off => "off",
            Change::Rbac(rbac) if rbac.rules.is_some() => "rules",
            Change::Rbac(_) => "no rules",
            Change::Same => "same",
            Change::Unread => "unread",
        }
    }

    #[test]
    fn changes_of_every_kind_are_read() {
        let rbac = r#""@type": "t/envoy.extensions.filters.http.rbac.v3.RBACPerRoute""#;
        let config = r#""@type": "t/envoy.config.route.v3.FilterConfig""#;
        let external = r#""@type": "t/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute""#;
        let jwt = r#""@type": "t/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig""#;
        for (name, value, kind, what) in [
            ("envoy.filters.http.rbac", format!("{{{rbac}}}"), "http/rbac", "off"),
            ("mine", format!(r#"{{{rbac}, "rbac": {{"rules": {{}}}}}}"#), "http/rbac", "rules"),
            ("mine", format!(r#"{{{rbac}, "rbac": {{}}}}"#), "http/rbac", "no rules"),
            ("my-rbac", format!(r#"{{{config}, "disabled": true}}"#), "my-rbac", "off"),
            ("envoy.filters.http.rbac", format!(r#"{{{config}, "disabled": true}}"#), "http/rbac", "off"),
            ("mine", format!(r#"{{{config}, "config": {{{rbac}, "rbac": {{}}}}}}"#), "http/rbac", "no rules"),
            ("mine", format!("{{{config}}}"), "mine", "unread"),
            ("ea", format!(r#"{{{external}, "disabled": true}}"#), "http/ext_authz", "off"),
            ("ea", format!(r#"{{{external}, "check_settings": {{}}}}"#), "http/ext_authz", "same"),
            ("jwt", format!(r#"{{{jwt}, "disabled": true}}"#), "http/jwt_authn", "off"),
            ("jwt", format!(r#"{{{jwt}, "requirement_name": "x"}}"#), "http/jwt_authn", "unread"),
            ("x", r#"{"@type": "t/acme.v1.Thing"}"#.to_owned(), "acme.Thing", "unread"),
        ] {
            let (found, change) = change(name, &tree(&value)).unwrap();
            assert_eq!((found.as_str(), word(&change)), (kind, what), "{value}");
        }
        assert_eq!(change("c", &tree(r#"{"@type": "t/envoy.extensions.filters.http.cors.v3.CorsPolicy"}"#)), None);
    }

    #[test]
    fn every_place_that_can_change_a_filter_is_read() {
        let off =
            r#""typed_per_filter_config": {"r": {"@type": "t/envoy.config.route.v3.FilterConfig", "disabled": true}}"#;
        let text = format!(
            r#"{{{off}, "virtual_hosts": [{{"name": "h", {off}, "routes": [{{"name": "x", {off}}},
              {{"route": {{"weighted_clusters": {{"clusters": [{{"name": "c", {off}}}]}}}}}}]}},
              {{"name": "m", "matcher": {{}}}}]}}"#
        );
        let found: Vec<String> = read(&tree(&text)).changes.into_iter().map(|change| change.place).collect();
        assert_eq!(
            found,
            [
                "every route",
                "virtual host h",
                "route x of virtual host h",
                "cluster c of route 1 of virtual host h",
                "routes of virtual host m",
            ]
        );
    }
}
