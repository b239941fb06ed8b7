//! Reads a live cluster through the Kubernetes API, and never changes it.
//!
//! [`connect`] turns kubectl's flags into a [`Session`]; whatever is asked goes through [`Session::get`], which waits,
//! retries and says in words what was refused. [`fetch`] asks what is served ([`discover`]), finds the control plane
//! ([`control_plane`]) and lists the rest ([`list`]); [`Fetched::into_input`] makes documents of it, the same as those of
//! files, without lines.

pub mod access;
pub mod connect;
pub mod control_plane;
pub mod discover;
pub mod dump;
mod kubeconfig;
pub mod list;
pub mod names;
pub mod page;
mod plugin;
pub mod pods;
mod proxy;
pub mod refused;

pub use connect::{Flags, Session};
pub use control_plane::ControlPlane;
pub use refused::Refused;

use crate::finding::{self, Finding};
use crate::location::{Location, ObjectRef, SourceId};
use crate::model::load::{Input, Unseen};
use crate::yaml::{self, Broken, Listed};
use anyhow::Result;
use list::{Listing, Lists};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How often a reader hears how far it is.
const TICK: Duration = Duration::from_millis(200);

/// What a command wants to know of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The namespaces asked for; `None`: all. Those of the control plane are added.
    pub namespaces: Option<BTreeSet<String>>,
    /// Also the kinds that only `lint` judges.
    pub lint: bool,
    /// Where the control plane is.
    pub istio_namespace: String,
    /// The control plane's revision; `None`: the default one, or the only one.
    pub revision: Option<String>,
    /// The root namespace, where the user says it.
    pub root_namespace: Option<String>,
    /// The user gives the mesh's settings: the cluster's may be hidden.
    pub mesh_config_given: bool,
    /// The user says what istiod's environment sets: its Deployment may be hidden.
    pub env_given: bool,
}

/// What is known of a cluster besides its objects.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The cluster in words: address and context.
    pub name: String,
    /// The namespaces that were read; `None`: all.
    pub namespaces: Option<BTreeSet<String>>,
    /// Namespaces that the user asked for and that are not there.
    pub absent: Vec<String>,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// Kinds that the cluster does not serve.
    pub unserved: Vec<&'static str>,
    /// How many objects of each kind were read, as (resource, objects).
    pub counts: Vec<(String, usize)>,
    /// Seconds by which the server's clock is ahead of this machine's, where it said its time.
    pub skew: Option<i64>,
}

/// What a cluster gave: the texts of its objects, before anything is made of them.
#[derive(Debug, Default)]
pub struct Fetched {
    /// The objects, by kind.
    pub listings: Vec<Listing>,
    /// What was not read.
    pub unseen: Vec<Unseen>,
    /// What else is known.
    pub facts: Facts,
}

/// Reads a cluster and makes documents of it.
///
/// # Errors
/// The cluster cannot be reached, or does not take the credentials; the revision asked for is not there; Ctrl-C. What single lists refuse is in
/// [`Input::unseen`].
pub fn read(session: &Session, wanted: &Wanted, tick: &mut dyn FnMut(usize, u64)) -> Result<(Input, Facts)> {
    Ok(fetch(session, wanted, tick)?.into_input())
}

/// Reads a cluster. `tick` hears the objects and bytes so far, a few times each second.
///
/// # Errors
/// As [`read`].
pub fn fetch(session: &Session, wanted: &Wanted, tick: &mut dyn FnMut(usize, u64)) -> Result<Fetched> {
    session.run(async {
        let reading = fetch_all(session, wanted);
        tokio::pin!(reading);
        loop {
            tokio::select! {
                fetched = &mut reading => break fetched,
                () = tokio::time::sleep(TICK) => {
                    let (objects, bytes) = session.progress();
                    tick(objects, bytes);
                }
            }
        }
    })?
}

async fn fetch_all(session: &Session, wanted: &Wanted) -> Result<Fetched> {
    let discovery = discover::discover(session).await.map_err(|why| session.unreachable(&why))?;
    let mut of_plane = Lists::default();
    let plane = control_plane::find(session, &discovery, wanted, &mut of_plane).await?;
    let namespaces = wanted.namespaces.clone().map(|mut names| {
        names.extend([plane.namespace.clone(), plane.root_namespace.clone()]);
        names
    });
    let known = Some(plane.namespace.as_str()).filter(|_| plane.deployments_read);
    let lists = list::read(session, &discovery, namespaces.as_ref(), wanted.lint, known).await;
    let Lists { mut listings, mut unseen, mut absent } = lists;
    absent.retain(|name| wanted.namespaces.as_ref().is_some_and(|asked| asked.contains(name)));
    listings.extend(of_plane.listings);
    unseen.extend(of_plane.unseen);
    let mut counts: Vec<(String, usize)> = Vec::new();
    for listing in &listings {
        let objects = listing.pages.iter().map(|page| page.items.len()).sum::<usize>();
        match counts.iter_mut().find(|(resource, _)| *resource == listing.served.resource) {
            Some((_, count)) => *count += objects,
            None => counts.push((listing.served.resource.clone(), objects)),
        }
    }
    let unserved = discovery.unserved.iter().map(|row| row.kind).collect();
    let facts = Facts {
        name: session.name(),
        namespaces,
        absent,
        control_plane: plane,
        unserved,
        counts,
        skew: session.skew(),
    };
    Ok(Fetched { listings, unseen, facts })
}

/// One object on the way to a document.
struct Part {
    source: SourceId,
    text: Arc<str>,
    range: Range<usize>,
    listed: Listed,
    namespace: String,
    name: String,
}

impl Fetched {
    /// Makes documents, in parallel. One that does not decode is a finding, and what it may change is UNKNOWN.
    #[must_use]
    pub fn into_input(self) -> (Input, Facts) {
        let Self { listings, unseen, facts } = self;
        let read_namespaces = facts.namespaces.clone().unwrap_or_default();
        let mut input = Input { unseen, read_namespaces, ..Input::default() };
        let mut parts = Vec::new();
        for Listing { served, pages } in listings {
            let listed = Listed::new((served.api_version().into(), served.row.kind.into()));
            for page in pages {
                for page::Entry { range, namespace, name } in page.items {
                    let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
                    let path =
                        format!("cluster:{place}{}/{}", served.resource, if name.is_empty() { "?" } else { &name });
                    let source = input.sources.add_live(&path, Arc::clone(&page.text));
                    let (text, listed) = (Arc::clone(&page.text), listed.clone());
                    parts.push(Part { source, text, range, listed, namespace, name });
                }
            }
        }
        input.inputs.push((format!("cluster {}", facts.name), parts.len()));
        let parsed: Vec<_> = parts
            .par_iter()
            .map(|part| yaml::parse_item(part.source, &part.text, part.range.clone(), part.listed.clone()))
            .collect();
        for (part, document) in parts.into_iter().zip(parsed) {
            match document {
                Ok(document) => input.documents.push(document),
                Err(why) => broken(part, &why, &mut input),
            }
        }
        (input, facts)
    }
}

/// Keeps an object that does not decode.
fn broken(part: Part, why: &str, input: &mut Input) {
    let Part { source, range, listed, namespace, name, .. } = part;
    let (api_version, kind) = &*listed;
    let at = input.sources.location(source, 0);
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let (namespace, name) = (given(namespace), given(name));
    let object = ObjectRef {
        kind: Arc::clone(kind),
        namespace: namespace.as_deref().map(Into::into),
        name: name.as_deref().unwrap_or("?").into(),
    };
    let message = format!("{object} does not decode: {why}");
    let help = "look at it with kubectl get -o json; what it may change is UNKNOWN";
    let mut finding = Finding::new(&finding::NOT_READ, Location { ..at }, message, help);
    finding.object = Some(object);
    input.findings.push(finding);
    let start = u32::try_from(range.start).unwrap_or(u32::MAX);
    let (api_version, kind) = (Some(api_version.to_string()), Some(kind.to_string()));
    input.broken.push(Broken { source, number: 1, at: start, start, api_version, kind, namespace, name });
}
