//! Asks the API server what the user may do (`SelfSubjectAccessReview`), and who the user is.

use super::{Refused, Session};
use futures_util::StreamExt;
use serde_json::{Value, json};

/// One verb on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// `list`.
    pub verb: &'a str,
    /// API group; empty for core.
    pub group: &'a str,
    /// `pods`, or with a subresource `pods/exec`.
    pub resource: &'a str,
    /// Empty: all namespaces, or a kind without.
    pub namespace: &'a str,
    /// One object; empty: all.
    pub name: &'a str,
}

/// Questions at one time.
const AT_ONCE: usize = 8;

const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const SELF: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Whether the user may do that.
///
/// # Errors
/// The server does not say.
pub async fn allowed(session: &Session, ask: &Ask<'_>) -> Result<bool, Refused> {
    let (resource, subresource) = ask.resource.split_once('/').unwrap_or((ask.resource, ""));
    let attributes = json!({
        "verb": ask.verb, "group": ask.group, "resource": resource, "subresource": subresource,
        "namespace": ask.namespace, "name": ask.name,
    });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let answer = post(session, ACCESS, &review).await?;
    let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
    allowed.ok_or_else(|| Refused::Malformed("it does not say whether that is allowed".to_owned()))
}

/// Asks side by side; the answers stand in the order of the questions.
pub async fn all(session: &Session, asks: &[Ask<'_>]) -> Vec<Result<bool, Refused>> {
    let one = |ask| async move { allowed(session, ask).await };
    futures_util::stream::iter(asks.iter().map(one)).buffered(AT_ONCE).collect().await
}

/// The user's name and groups, where the server says it (Kubernetes 1.28 and later).
///
/// # Errors
/// The server does not say.
pub async fn user(session: &Session) -> Result<(String, Vec<String>), Refused> {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = post(session, SELF, &review).await?;
    let name = answer.pointer("/status/userInfo/username").and_then(Value::as_str).unwrap_or_default();
    let groups = answer.pointer("/status/userInfo/groups").and_then(Value::as_array);
    let groups = groups.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok((name.to_owned(), groups))
}

async fn post(session: &Session, path: &str, body: &Value) -> Result<Value, Refused> {
    let body = session.ask("POST", path, "application/json", body.to_string().as_bytes()).await?;
    serde_json::from_slice(&body).map_err(|error| Refused::Malformed(error.to_string()))
}
