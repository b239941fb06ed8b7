//! Names that a shell offers to complete a word: few, and soon, or none.

use super::discover::segment;
use super::{Flags, Session, kubeconfig};
use anyhow::Result;
use serde_json::Value;

/// More are no help.
const MOST: usize = 500;

/// Only names and labels are sent, not the objects.
const ACCEPT: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// The contexts of the kubeconfig.
///
/// # Errors
/// It cannot be read.
pub fn contexts(flags: &Flags) -> Result<Vec<String>> {
    kubeconfig::Environment::of_process(None, |environment| kubeconfig::contexts(flags, environment))
}

/// The namespaces of the cluster; where they may not be listed, that of the context.
///
/// # Errors
/// The session has ended.
pub fn namespaces(session: &Session) -> Result<Vec<String>> {
    let found = listed(session, "/api/v1/namespaces")?;
    Ok(if found.is_empty() { vec![session.namespace.clone()] } else { found })
}

/// The pods of a namespace.
///
/// # Errors
/// The session has ended.
pub fn pods(session: &Session, namespace: &str) -> Result<Vec<String>> {
    listed(session, &format!("/api/v1/namespaces/{}/pods", segment(namespace)))
}

fn listed(session: &Session, path: &str) -> Result<Vec<String>> {
    let path = format!("{path}?limit={MOST}");
    let answer = session.run(session.ask("GET", &path, ACCEPT, &[]))?;
    let answer: Option<Value> = answer.ok().and_then(|body| serde_json::from_slice(&body).ok());
    let items = answer.as_ref().and_then(|answer| answer.get("items")?.as_array());
    let names = items.into_iter().flatten().filter_map(|item| item.pointer("/metadata/name")?.as_str());
    Ok(names.map(str::to_owned).collect())
}
