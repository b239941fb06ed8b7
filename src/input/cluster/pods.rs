//! From what a user types to the Pods whose proxies are meant, and whether there is a proxy to ask.

use super::discover::segment;
use super::page::{self, Of};
use super::{Refused, Session};
use anyhow::{Result, anyhow, bail};
use serde_json::Value;
use std::collections::BTreeSet;

/// Pods on one page.
const PAGE: usize = 500;

/// Pages of one list.
const MOST_PAGES: usize = 1000;

/// The container of the proxy, in sidecars, gateways and waypoints (`pkg/kube/inject/inject.go : ProxyContainerName`).
pub const CONTAINER: &str = "istio-proxy";

/// A kind that leads to Pods.
pub struct Owner {
    /// What kubectl calls it.
    pub words: &'static [&'static str],
    /// Its API group; empty for core.
    pub group: &'static str,
    /// The version that is asked for.
    pub version: &'static str,
    /// Its name in paths.
    pub resource: &'static str,
    /// Whether few name it: then nobody misses the right to read it.
    pub rare: bool,
}

impl Owner {
    fn api(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }
}

const fn owner(
    words: &'static [&'static str],
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    rare: bool,
) -> Owner {
    Owner { words, group, version, resource, rare }
}

/// Kinds that lead to Pods. `doctor` asks for the right to get each of them.
pub static OWNERS: &[Owner] = &[
    owner(&["deploy", "deployment", "deployments"], "apps", "v1", "deployments", false),
    owner(&["sts", "statefulset", "statefulsets"], "apps", "v1", "statefulsets", false),
    owner(&["ds", "daemonset", "daemonsets"], "apps", "v1", "daemonsets", false),
    owner(&["rs", "replicaset", "replicasets"], "apps", "v1", "replicasets", true),
    owner(&["rc", "replicationcontroller", "replicationcontrollers"], "", "v1", "replicationcontrollers", true),
    owner(&["job", "jobs"], "batch", "v1", "jobs", true),
    owner(&["svc", "service", "services"], "", "v1", "services", true),
    owner(&["dc", "deploymentconfig", "deploymentconfigs"], "apps.openshift.io", "v1", "deploymentconfigs", true),
    owner(&["ro", "rollout", "rollouts"], "argoproj.io", "v1alpha1", "rollouts", true),
];

/// A Pod, as far as it matters for its proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What tells it from a later one of the same name.
    pub uid: String,
    /// How often its proxy was started again.
    pub restarts: i64,
    /// Whether it takes traffic.
    pub ready: bool,
    /// Why there is no proxy that could be asked.
    pub without: Option<String>,
    /// Whether that is because none belongs to it.
    pub outside: bool,
}

/// What is typed.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// `POD` or `POD.NAMESPACE`.
    Pod(&'a str),
    /// `KIND/NAME` or `KIND/NAME.NAMESPACE`.
    Owner(&'static Owner, &'a str),
}

fn parse(typed: &str) -> Result<Target<'_>> {
    let Some((kind, name)) = typed.split_once('/') else { return Ok(Target::Pod(typed)) };
    // kubectl takes the group behind the kind too: deployment.apps/details.
    let lower = kind.split('.').next().unwrap_or(kind).to_ascii_lowercase();
    match &*lower {
        "po" | "pod" | "pods" => return Ok(Target::Pod(name)),
        "cj" | "cronjob" | "cronjobs" => {
            bail!("a CronJob has no Pods of its own: name one of its Jobs, as in job/NAME")
        }
        _ => {}
    }
    let found = OWNERS.iter().find(|owner| owner.words.contains(&&*lower));
    let owner = found.ok_or_else(|| {
        anyhow!("{kind} is no kind that leads to Pods: pod, deploy, sts, ds, rs, job, svc, rc, dc, rollout")
    })?;
    Ok(Target::Owner(owner, name))
}

/// The Pods that `typed` means, by name. `explicit`: the user said the namespace.
///
/// # Errors
/// There is none, or it may not be seen; a kind that leads to no Pods.
pub async fn find(session: &Session, typed: &str, namespace: &str, explicit: bool) -> Result<Vec<Pod>> {
    let target = parse(typed)?;
    let (Target::Pod(name) | Target::Owner(_, name)) = target;
    let mut tried = Vec::new();
    let mut denied = None;
    for (name, namespace) in readings(name, namespace, explicit) {
        let (api, resource) = match target {
            Target::Pod(_) => ("/api/v1".to_owned(), "pods"),
            Target::Owner(owner, _) => (owner.api(), owner.resource),
        };
        let path = format!("{api}/namespaces/{}/{resource}/{}", segment(namespace), segment(name));
        match get(session, &path).await {
            Ok(object) => match target {
                Target::Pod(_) => return Ok(vec![describe(&object)]),
                Target::Owner(..) => {
                    let Some(selector) = selector(&object) else {
                        bail!("{typed} selects no Pods: it has no selector")
                    };
                    let found = list(session, namespace, &selector).await?;
                    if found.is_empty() {
                        bail!("{typed} has no Pods: none in namespace {namespace} has the labels {selector}");
                    }
                    return Ok(found);
                }
            },
            Err(Refused::NotFound(_)) => tried.push(format!("{namespace}/{name}")),
            Err(why @ Refused::Forbidden(_)) => {
                let why = anyhow!("could not get {resource} {name} of namespace {namespace}: {why}");
                denied.get_or_insert(why);
            }
            Err(why) => return Err(session.unreachable(&why)),
        }
    }
    let what = if matches!(target, Target::Pod(_)) { "pod" } else { typed.split('/').next().unwrap_or("object") };
    Err(denied.unwrap_or_else(|| {
        anyhow!(
            "there is no {what} {}: -n names the namespace, kubectl get {what} shows those that there are",
            tried.join(" nor ")
        )
    }))
}

/// Every Pod of a namespace that has a proxy, or should have one.
///
/// # Errors
/// They may not be listed.
pub async fn all(session: &Session, namespace: &str) -> Result<Vec<Pod>> {
    let mut found = list(session, namespace, "").await?;
    found.retain(|pod| !pod.outside);
    if found.is_empty() {
        bail!("no pod of namespace {namespace} has a proxy");
    }
    Ok(found)
}

/// A name may hold dots, so `a.b` is pod `a` of namespace `b`, else pod `a.b`; the other way round where the user said the
/// namespace.
fn readings<'a>(name: &'a str, namespace: &'a str, explicit: bool) -> Vec<(&'a str, &'a str)> {
    let split = name.rsplit_once('.').filter(|(stem, end)| !stem.is_empty() && !end.is_empty());
    let whole = (name, namespace);
    match (split, explicit) {
        (None, _) => vec![whole],
        (Some(split), true) => vec![whole, split],
        (Some(split), false) => vec![split, whole],
    }
}

/// The Pod as it is now.
///
/// # Errors
/// Why it cannot be seen.
pub async fn now(session: &Session, pod: &Pod) -> Result<Pod, Refused> {
    let path = format!("/api/v1/namespaces/{}/pods/{}", segment(&pod.namespace), segment(&pod.name));
    get(session, &path).await.map(|object| describe(&object))
}

async fn get(session: &Session, path: &str) -> Result<Value, Refused> {
    let body = session.get(path).await?;
    serde_json::from_slice(&body).map_err(|error| Refused::Malformed(error.to_string()))
}

async fn list(session: &Session, namespace: &str, selector: &str) -> Result<Vec<Pod>> {
    const PODS: Of<'_> = Of { api_version: "v1", kind: "Pod" };
    let refused = |why: Refused| anyhow!("could not list the pods of namespace {namespace}: {why}");
    let malformed = |why: String| refused(Refused::Malformed(why));
    let mut found = Vec::new();
    let mut tokens = BTreeSet::from([String::new()]);
    let mut next = String::new();
    let labels = if selector.is_empty() { String::new() } else { format!("&labelSelector={}", segment(selector)) };
    loop {
        if tokens.len() > MOST_PAGES {
            return Err(malformed(format!("the list has more than {MOST_PAGES} pages")));
        }
        let path = format!("/api/v1/namespaces/{}/pods?limit={PAGE}{labels}{next}", segment(namespace));
        let body = session.get(&path).await.map_err(refused)?;
        let page = page::cut(&body, PODS).map_err(malformed)?;
        for item in &page.items {
            let text = page.text.get(item.range.clone()).unwrap_or_default();
            let pod: Value = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
            found.push(describe(&pod));
        }
        if page.next.is_empty() {
            break;
        }
        next = format!("&continue={}", segment(&page.next));
        if !tokens.insert(page.next) {
            return Err(malformed("the list does not end: a page leads to one that was read".to_owned()));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// A selector as the API takes it: labels and expressions, or the plain map of Services and the oldest kinds.
fn selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?.as_object()?;
    let nested = selector.contains_key("matchLabels") || selector.contains_key("matchExpressions");
    let labels = if nested { selector.get("matchLabels").and_then(Value::as_object) } else { Some(selector) };
    let mut terms: Vec<String> =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
    let expressions = selector.get("matchExpressions").filter(|_| nested).and_then(Value::as_array);
    for one in expressions.into_iter().flatten() {
        let word = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or("");
        let key = word("key");
        let values = one.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let values = values.collect::<Vec<_>>().join(",");
        terms.push(match word("operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!terms.is_empty()).then(|| terms.join(","))
}

fn describe(pod: &Value) -> Pod {
    let word = |at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or("").to_owned();
    let list = |at: &str| pod.pointer(at).and_then(Value::as_array).into_iter().flatten();
    let condition = |kind: &str| {
        list("/status/conditions").any(|one| {
            one.get("type").and_then(Value::as_str) == Some(kind)
                && one.get("status").and_then(Value::as_str) == Some("True")
        })
    };
    let statuses = list("/status/containerStatuses").chain(list("/status/initContainerStatuses"));
    let status = statuses.into_iter().find(|one| is_proxy(one));
    let leaving = pod.pointer("/metadata/deletionTimestamp").is_some();
    let without = without(pod, status);
    Pod {
        name: word("/metadata/name"),
        namespace: word("/metadata/namespace"),
        uid: word("/metadata/uid"),
        restarts: status.and_then(|one| one.get("restartCount")?.as_i64()).unwrap_or(0),
        ready: condition("Ready") && !leaving,
        outside: !has_proxy(pod),
        without,
    }
}

fn is_proxy(container: &Value) -> bool {
    container.get("name").and_then(Value::as_str) == Some(CONTAINER)
}

/// Native sidecars stand among the init containers.
fn has_proxy(pod: &Value) -> bool {
    let list = |at: &str| pod.pointer(at).and_then(Value::as_array).into_iter().flatten();
    list("/spec/containers").chain(list("/spec/initContainers")).any(is_proxy)
}

/// Why nobody answers for the Pod's proxy.
fn without(pod: &Value, status: Option<&Value>) -> Option<String> {
    let word = |at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or("");
    if !has_proxy(pod) {
        // `cni/pkg/util/podutil.go`: istio-cni notes here that the Pod's traffic goes through ztunnel.
        if word("/metadata/annotations/ambient.istio.io~1redirection") == "enabled" {
            let node = word("/spec/nodeName");
            return Some(format!(
                "it is of the ambient mesh, and has no proxy of its own: the ztunnel of node {} holds its configuration",
                if node.is_empty() { "?" } else { node }
            ));
        }
        return Some(format!("it has no sidecar: none of its containers is called {CONTAINER}"));
    }
    let state = |name: &str| status.and_then(|one| one.pointer(&format!("/state/{name}")));
    let reason = |state: &Value| state.get("reason").and_then(Value::as_str).unwrap_or("no reason given").to_owned();
    match word("/status/phase") {
        _ if state("running").is_some() => None,
        phase @ ("Succeeded" | "Failed") => Some(format!("it has ended ({phase})")),
        _ if state("waiting").is_some() => {
            Some(format!("its {CONTAINER} does not run yet ({})", state("waiting").map(reason).unwrap_or_default()))
        }
        _ if state("terminated").is_some() => {
            Some(format!("its {CONTAINER} has ended ({})", state("terminated").map(reason).unwrap_or_default()))
        }
        "Pending" => {
            let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
            let why = conditions.into_iter().flatten().find_map(|one| {
                let failed = one.get("status").and_then(Value::as_str) == Some("False");
                one.get("message").and_then(Value::as_str).filter(|text| failed && !text.is_empty())
            });
            Some(format!("it is pending{}", why.map(|why| format!(": {why}")).unwrap_or_default()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_are_kubectl_s() {
        for (typed, want) in [
            ("details-v1-x", "pod details-v1-x"),
            ("po/a", "pod a"),
            ("Deploy/a.b", "/apis/apps/v1 deployments a.b"),
            ("deployment.apps/a", "/apis/apps/v1 deployments a"),
            ("sts/a", "/apis/apps/v1 statefulsets a"),
            ("svc/a", "/api/v1 services a"),
            ("cj/a", "none"),
            ("secret/a", "none"),
        ] {
            let found = match parse(typed) {
                Ok(Target::Pod(name)) => format!("pod {name}"),
                Ok(Target::Owner(owner, name)) => format!("{} {} {name}", owner.api(), owner.resource),
                Err(_) => "none".to_owned(),
            };
            assert_eq!(found, want, "{typed}");
        }
    }

    #[test]
    fn a_dot_is_read_both_ways() {
        assert_eq!(readings("a", "n", false), [("a", "n")]);
        assert_eq!(readings("a.b", "n", false), [("a", "b"), ("a.b", "n")]);
        assert_eq!(readings("a.b", "n", true), [("a.b", "n"), ("a", "b")]);
        assert_eq!(readings("a.", "n", false), [("a.", "n")]);
    }

    #[test]
    fn selectors_are_those_of_the_api() {
        for (spec, want) in [
            (json!({"matchLabels": {"a": "b", "c": "d"}}), Some("a=b,c=d")),
            (json!({"a": "b"}), Some("a=b")),
            (
                json!({"matchExpressions": [
                {"key": "a", "operator": "In", "values": ["x", "y"]}, {"key": "b", "operator": "NotIn", "values": ["z"]},
                {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"}]}),
                Some("a in (x,y),b notin (z),c,!d"),
            ),
            (json!({"matchExpressions": [{"key": "a", "operator": "Gt"}]}), None),
            (json!({}), None),
            (json!(null), None),
        ] {
            assert_eq!(selector(&json!({"spec": {"selector": spec}})).as_deref(), want, "{spec}");
        }
    }

    #[test]
    fn a_pod_says_why_it_has_no_proxy_to_ask() {
        let proxy = json!([{"name": "app"}, {"name": "istio-proxy"}]);
        let app = json!([{"name": "app"}]);
        for (spec, meta, status, want) in [
            (json!({"containers": proxy}), json!({}), json!({"phase": "Running"}), None),
            (
                json!({"containers": app, "initContainers": [{"name": "istio-proxy"}]}),
                json!({}),
                json!({"phase": "Pending",
                "initContainerStatuses": [{"name": "istio-proxy", "state": {"running": {}}}]}),
                None,
            ),
            (json!({"containers": app}), json!({}), json!({"phase": "Running"}), Some("no sidecar")),
            (
                json!({"containers": app, "nodeName": "n1"}),
                json!({"annotations": {"ambient.istio.io/redirection": "enabled"}}),
                json!({}),
                Some("ztunnel of node n1"),
            ),
            (json!({"containers": proxy}), json!({}), json!({"phase": "Succeeded"}), Some("ended (Succeeded)")),
            (
                json!({"containers": proxy}),
                json!({}),
                json!({"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}),
                Some("pending: 0/3 nodes"),
            ),
            (
                json!({"containers": proxy}),
                json!({}),
                json!({"phase": "Running", "containerStatuses": [
                {"name": "istio-proxy", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
                Some("does not run yet (CrashLoopBackOff)"),
            ),
        ] {
            let found = describe(&json!({"metadata": meta, "spec": spec, "status": status})).without;
            match want {
                Some(want) => assert!(found.as_deref().is_some_and(|why| why.contains(want)), "{found:?}: {want}"),
                None => assert_eq!(found, None),
            }
        }
    }
}
