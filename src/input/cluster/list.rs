//! Lists what the table of kinds says, in pages, side by side, and keeps what was refused.

use super::discover::{Discovery, Served, segment};
use super::page::{self, Of, Page};
use super::{Refused, Session};
use crate::location::Location;
use crate::model::kinds::List;
use crate::model::load::Unseen;
use futures_util::StreamExt;
use std::collections::BTreeSet;

/// Objects on one page: what kubectl asks for.
const PAGE: usize = 500;

/// Requests at one time: a server gives each user a share of what it can do, and refuses what is beyond.
const AT_ONCE: usize = 8;

/// How often a list is begun again because it changed faster than it could be read.
const RESTARTS: usize = 5;

/// Pages of one list; more than ten million objects are no cluster.
const MOST_PAGES: usize = 20_000;

/// Bytes of one list: 200,000 large Pods.
const MOST_BYTES: u64 = 2 << 30;

/// Where a list of the whole cluster is refused, each namespace is asked for, up to so many.
const MOST_NAMESPACES: usize = 64;

/// Objects of one kind, from one list.
#[derive(Debug)]
pub struct Listing {
    /// Their kind.
    pub served: Served,
    /// The pages, in the server's order.
    pub pages: Vec<Page>,
}

/// What was read, and what was not.
#[derive(Debug, Default)]
pub struct Lists {
    /// Lists, by the order of the table, then by namespace.
    pub listings: Vec<Listing>,
    /// What was refused.
    pub unseen: Vec<Unseen>,
    /// Namespaces that were asked for and are not there.
    pub absent: Vec<String>,
}

/// Reads the lists of every kind of the table; `namespaces`: `None` for all. The Deployments of namespace `known` were
/// asked for before.
pub async fn read(
    session: &Session,
    discovery: &Discovery,
    namespaces: Option<&BTreeSet<String>>,
    lint: bool,
    known: Option<&str>,
) -> Lists {
    let mut lists = Lists::default();
    for (row, why) in discovery.unclear.iter().filter(|(row, _)| wanted(discovery, row.list, row.group, lint)) {
        let file = format!("cluster:{}", row.kind);
        let at = Location { file: file.as_str().into(), line: 1, column: 1 };
        let reason = format!("{}s of {} could not be read: {why}", row.kind, row.group);
        lists.unseen.push(Unseen { kind: row.kind.to_owned(), namespace: "".into(), name: "".into(), reason, at });
    }
    let mut jobs: Vec<(Served, Option<String>)> = Vec::new();
    for served in &discovery.served {
        let row = served.row;
        if row.kind == "Namespace" && row.group.is_empty() || !wanted(discovery, row.list, row.group, lint) {
            continue;
        }
        match namespaces.filter(|_| row.namespaced) {
            Some(names) => jobs.extend(by_namespace(served, names, known)),
            None => jobs.push((served.clone(), None)),
        }
    }
    let spaces = read_namespaces(session, discovery, namespaces, &mut lists);
    let (spaces, answers) = futures_util::future::join(spaces, all(session, jobs, known)).await;
    let mut again = Vec::new();
    let mut found = Vec::new();
    for (served, namespace, pages, refused) in answers {
        let whole_cluster = namespace.is_none() && served.row.namespaced;
        match refused {
            Some(Refused::Forbidden(_)) if whole_cluster && pages.is_empty() && !spaces.is_empty() => {
                again.extend(by_namespace(&served, &spaces, known));
            }
            Some(why) => {
                let help = if whole_cluster && matches!(why, Refused::Forbidden(_)) {
                    "; ask for single namespaces with -n"
                } else {
                    ""
                };
                found.push((served.clone(), pages));
                lists.unseen.push(unseen(&served, namespace.as_deref(), &why, help));
            }
            None => found.push((served, pages)),
        }
    }
    for (served, namespace, pages, refused) in all(session, again, known).await {
        lists.unseen.extend(refused.map(|why| unseen(&served, namespace.as_deref(), &why, "")));
        found.push((served, pages));
    }
    lists.listings.extend(found.into_iter().map(|(served, pages)| Listing { served, pages }));
    lists
}

/// Whether these are the Deployments that [`super::control_plane::find`] asks for.
fn holds_istiod(served: &Served) -> bool {
    served.row.kind == "Deployment" && served.row.group == "apps"
}

/// A list for each namespace, but for what is known.
fn by_namespace<'a>(
    served: &Served,
    names: impl IntoIterator<Item = &'a String>,
    known: Option<&str>,
) -> Vec<(Served, Option<String>)> {
    let open = |name: &&String| !holds_istiod(served) || known != Some(name);
    names.into_iter().filter(open).map(|name| (served.clone(), Some(name.clone()))).collect()
}

/// Whether objects of a row are listed.
#[must_use]
pub fn wanted(discovery: &Discovery, list: List, group: &str, lint: bool) -> bool {
    match list {
        List::Check => true,
        List::Lint => lint,
        List::Unless(other) => !discovery.served.iter().any(|one| one.row.kind == other && one.row.group != group),
        List::Named | List::Never => false,
    }
}

/// The Namespaces: all of them, or those asked for, each by its name. Gives the names to fall back on.
async fn read_namespaces(
    session: &Session,
    discovery: &Discovery,
    namespaces: Option<&BTreeSet<String>>,
    lists: &mut Lists,
) -> Vec<String> {
    let Some(served) = discovery.served.iter().find(|served| served.row.kind == "Namespace") else { return Vec::new() };
    let mut pages = Vec::new();
    match namespaces {
        None => {
            let (found, refused) = list(session, served, None, None).await;
            lists.unseen.extend(refused.map(|why| unseen(served, None, &why, "; ask for single namespaces with -n")));
            pages = found;
        }
        Some(names) => {
            let one = |name: String| async move {
                let path = format!("{}/{}", served.path(None), segment(&name));
                let answer = session.get(&path).await;
                let api = served.api_version();
                let of = Of { api_version: &api, kind: served.row.kind };
                (name, answer.and_then(|body| page::object(&body, of).map_err(Refused::Malformed)))
            };
            let mut answers = futures_util::stream::iter(names.iter().cloned().map(one)).buffered(AT_ONCE);
            while let Some((name, answer)) = answers.next().await {
                match answer {
                    Ok(page) => pages.push(page),
                    // One that is not there has nothing in it.
                    Err(Refused::NotFound(_)) => lists.absent.push(name),
                    Err(why) => {
                        let mut unseen = unseen(served, Some(&name), &why, "");
                        unseen.name = name.as_str().into();
                        lists.unseen.push(unseen);
                    }
                }
            }
        }
    }
    let names: Vec<String> = pages.iter().flat_map(|page| page.items.iter().map(|item| item.name.clone())).collect();
    lists.listings.push(Listing { served: served.clone(), pages });
    if namespaces.is_none() && names.len() <= MOST_NAMESPACES { names } else { Vec::new() }
}

type Answer = (Served, Option<String>, Vec<Page>, Option<Refused>);

/// Reads lists side by side; the answers stand in the order of the questions.
async fn all(session: &Session, jobs: Vec<(Served, Option<String>)>, known: Option<&str>) -> Vec<Answer> {
    let one = |(served, namespace): (Served, Option<String>)| async move {
        let known = known.filter(|_| holds_istiod(&served));
        let (pages, refused) = list(session, &served, namespace.as_deref(), known).await;
        (served, namespace, pages, refused)
    };
    futures_util::stream::iter(jobs).map(one).buffered(AT_ONCE).collect().await
}

/// Every page of a list: what could be read, and why the rest could not. A list of all namespaces leaves `known` out.
pub(super) async fn list(
    session: &Session,
    served: &Served,
    namespace: Option<&str>,
    known: Option<&str>,
) -> (Vec<Page>, Option<Refused>) {
    let path = served.path(namespace);
    let api = served.api_version();
    let of = Of { api_version: &api, kind: served.row.kind };
    let but = match known {
        Some(known) if namespace.is_none() => {
            format!("&fieldSelector={}", segment(&format!("metadata.namespace!={known}")))
        }
        _ => String::new(),
    };
    for _ in 0..=RESTARTS {
        let mut pages: Vec<Page> = Vec::new();
        let mut tokens: BTreeSet<String> = BTreeSet::new();
        let mut bytes = 0_u64;
        loop {
            let token = pages.last().map(|page| page.next.as_str()).unwrap_or_default();
            let more = if token.is_empty() { String::new() } else { format!("&continue={}", segment(token)) };
            let page = match session.get(&format!("{path}?limit={PAGE}{but}{more}")).await {
                Ok(body) => page::cut(&body, of).map_err(Refused::Malformed),
                // The token is older than what the server remembers (`Expired`): from the beginning.
                Err(Refused::Gone) => break,
                Err(why) => Err(why),
            };
            match page {
                Ok(page) => {
                    let last = page.next.is_empty();
                    // A token leads to what follows: one that comes again leads round in a circle.
                    if !last && !tokens.insert(page.next.clone()) {
                        let why = "the list does not end: a page leads to one that was read".to_owned();
                        return (pages, Some(Refused::Malformed(why)));
                    }
                    session.count(page.items.len());
                    bytes += page.text.len() as u64;
                    pages.push(page);
                    if last {
                        return (pages, None);
                    }
                    if bytes > MOST_BYTES {
                        let why = format!("the list has more than {} MiB", MOST_BYTES >> 20);
                        return (pages, Some(Refused::Malformed(why)));
                    }
                    if pages.len() >= MOST_PAGES {
                        return (pages, Some(Refused::Malformed(format!("the list has more than {MOST_PAGES} pages"))));
                    }
                }
                Err(why) => return (pages, Some(why)),
            }
        }
    }
    (Vec::new(), Some(Refused::Gone))
}

/// What a refused list leaves open.
pub(super) fn unseen(served: &Served, namespace: Option<&str>, why: &Refused, help: &str) -> Unseen {
    let resource = &served.resource;
    let (file, place) = match namespace {
        Some(namespace) => (format!("cluster:{namespace}/{resource}"), format!(" of namespace {namespace}")),
        None => (format!("cluster:{resource}"), String::new()),
    };
    Unseen {
        kind: served.row.kind.to_owned(),
        namespace: namespace.unwrap_or_default().into(),
        name: "".into(),
        reason: format!("{resource}{place} could not be read: {why}{help}"),
        at: Location { file: file.as_str().into(), line: 1, column: 1 },
    }
}
