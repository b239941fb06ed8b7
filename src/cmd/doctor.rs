//! `meshctl doctor`: what meshctl may read of a cluster, what it may not, and what that costs.

pub mod json;
pub mod report;
mod role;

use super::{Exit, Io};
use crate::cli::{Colour, Doctor};
use anyhow::Result;

/// This binary cannot read a cluster.
///
/// # Errors
/// Always.
#[cfg(not(feature = "cluster"))]
pub fn run(args: &Doctor, _: Colour, _: &mut Io<'_>) -> Result<Exit> {
    match super::cluster::open(&args.cluster.connect)? {}
}

#[cfg(feature = "cluster")]
pub use with_cluster::run;

#[cfg(feature = "cluster")]
mod with_cluster {
    use super::json::{ClusterJson, IstioJson};
    use super::report::{Answer, DoctorReport, Row};
    use super::{Colour, Doctor, Exit, Io, Result};
    use crate::cmd::cluster::{self, Ask as Question};
    use crate::cmd::{outputs, write};
    use crate::input::cluster::access::{self, Ask};
    use crate::input::cluster::control_plane::{self, ControlPlane};
    use crate::input::cluster::discover::{self, Discovery, Served};
    use crate::input::cluster::list::{self, Lists};
    use crate::input::cluster::pods::OWNERS;
    use crate::input::cluster::{Session, Wanted};
    use crate::model::kinds::{List, Role};
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Runs the command.
    ///
    /// # Errors
    /// The cluster cannot be reached, or does not take the credentials.
    pub fn run(args: &Doctor, colour: Colour, io: &mut Io<'_>) -> Result<Exit> {
        let outputs = outputs(&args.output)?;
        let session = cluster::open(&args.cluster.connect)?;
        let (typed, all) = (&args.namespace, args.all_namespaces);
        let mesh = crate::cli::MeshArgs { revision: args.revision.clone(), ..crate::cli::MeshArgs::default() };
        let ask = Question { args: &args.cluster, mesh: &mesh, namespaces: typed, all, more: &[], lint: true };
        let first = typed.first().cloned().unwrap_or_else(|| session.namespace.clone());
        let wanted = cluster::wanted(&ask, &first);
        let report = session.run(examine(&session, &wanted))??;
        write(&report, &outputs, colour, io)?;
        Ok(if report.is_whole() { Exit::Clean } else { Exit::Found })
    }

    async fn examine(session: &Session, wanted: &Wanted) -> Result<DoctorReport> {
        let discovery = discover::discover(session).await.map_err(|why| session.unreachable(&why))?;
        let version = version(session).await;
        let user = access::user(session).await.ok();
        let mut lists = Lists::default();
        let plane = control_plane::find(session, &discovery, wanted, &mut lists).await?;
        let asks = asks(&discovery, wanted, &plane);
        let questions: Vec<Ask<'_>> = asks.iter().map(Row::ask).collect();
        let answers = access::all(session, &questions).await;
        let mut rows: Vec<Row> = asks;
        for (row, answer) in rows.iter_mut().zip(answers) {
            row.answer = match answer {
                Ok(true) => Answer::Allowed,
                Ok(false) => Answer::Denied,
                Err(why) => Answer::Unclear(why.to_string()),
            };
        }
        for (row, why) in &discovery.unclear {
            let cost = "what it may change is UNKNOWN".to_owned();
            let mut unclear = Row::new("list", row.group, row.kind, "", cost);
            unclear.answer = Answer::Unclear(why.clone());
            rows.push(unclear);
        }
        either_way(&mut rows);
        let config = lists.listings.iter().find(|listing| listing.served.row.kind == "ConfigMap");
        let config = config.and_then(|listing| listing.pages.first()?.items.first());
        let mesh_config = match (config, lists.unseen.iter().find(|one| one.kind == "ConfigMap")) {
            (Some(map), _) => format!("ConfigMap {}/{}", map.namespace, map.name),
            (None, Some(unseen)) => unseen.reason.clone(),
            (None, None) => "none: Istio's defaults".to_owned(),
        };
        let notes = lists.unseen.iter().filter(|one| one.kind == "Deployment").map(|one| one.reason.clone()).collect();
        let (name, groups) = user.unwrap_or_default();
        let cluster = ClusterJson {
            context: session.context.clone(),
            server: session.server.clone(),
            version,
            user: Some(name).filter(|name| !name.is_empty()),
            groups,
            namespaces: wanted.namespaces.clone().unwrap_or_default().into_iter().collect(),
        };
        let istio = IstioJson {
            namespace: plane.namespace.clone(),
            found: plane.found,
            version: plane.version.clone(),
            revision: plane.revision.clone(),
            revisions: plane.revisions.clone(),
            root_namespace: plane.root_namespace.clone(),
            mesh_config,
            notes,
        };
        // Where another kind shows the same, this one is not missed.
        let unserved = discovery.unserved.iter().filter(|row| matches!(row.list, List::Check | List::Lint));
        let unserved = unserved.map(|row| {
            let dot = if row.group.is_empty() { "" } else { "." };
            format!("{}{dot}{}", row.kind, row.group)
        });
        let unserved = unserved.collect();
        Ok(DoctorReport::new(cluster, istio, unserved, rows))
    }

    async fn version(session: &Session) -> Option<String> {
        let body = session.get("/version").await.ok()?;
        let answer: Value = serde_json::from_slice(&body).ok()?;
        answer.get("gitVersion").and_then(Value::as_str).map(str::to_owned)
    }

    /// Every verb that meshctl uses, in the order of the table of kinds.
    fn asks(discovery: &Discovery, wanted: &Wanted, plane: &ControlPlane) -> Vec<Row> {
        let mut places: Vec<String> = match &wanted.namespaces {
            None => vec![String::new()],
            Some(names) => {
                let control = [plane.namespace.clone(), plane.root_namespace.clone()];
                names.iter().cloned().chain(control).collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        places.sort();
        let mut rows = Vec::new();
        for served in &discovery.served {
            let row = served.row;
            let (kind, group) = (row.kind, row.group);
            if kind == "Namespace" {
                let cost = "whether namespaces are injected is not known: their rows are UNKNOWN";
                // A Namespace stands in itself, so that a Role in it suffices (`k8s.io/apiserver`,
                // `pkg/endpoints/request/requestinfo.go : NewRequestInfo`).
                rows.extend(places.iter().map(|place| {
                    let verb = if place.is_empty() { "list" } else { "get" };
                    Row { name: place.clone(), ..Row::new(verb, group, &served.resource, place, cost.to_owned()) }
                }));
            } else if kind == "ConfigMap" {
                let cost = "the mesh's settings are not known: every row is UNKNOWN, unless --mesh-config gives them";
                let name =
                    if plane.revision == "default" { "istio".to_owned() } else { format!("istio-{}", plane.revision) };
                rows.push(Row { name, ..Row::new("get", group, &served.resource, &plane.namespace, cost.to_owned()) });
            } else if list::wanted(discovery, row.list, group, true) {
                let everywhere = [String::new()];
                let places = if row.namespaced { &places[..] } else { &everywhere };
                rows.extend(
                    places
                        .iter()
                        .map(|place| Row::new("list", group, &served.resource, place, cost(served, place, plane))),
                );
            }
        }
        rows.extend(dumps(wanted).into_iter().filter(|row| is_there(discovery, &row.group)));
        rows
    }

    /// What a kind that cannot be listed costs.
    fn cost(served: &Served, place: &str, plane: &ControlPlane) -> String {
        let row = served.row;
        if row.role == Role::Known {
            return "lint does not see them".to_owned();
        }
        if row.kind == "Deployment" && place == plane.namespace {
            return "istiod's environment is not known: every row is UNKNOWN, unless --istiod-env says it".to_owned();
        }
        if place.is_empty() {
            return "rows of every namespace are UNKNOWN, unless -n asks for one that may be read".to_owned();
        }
        if place == plane.root_namespace && row.group.ends_with("istio.io") {
            return "what holds for the whole mesh is not known: every row is UNKNOWN".to_owned();
        }
        format!("rows of namespace {place} become UNKNOWN")
    }

    /// Nobody misses the right to read what a cluster does not serve: OpenShift's and Argo's kinds.
    fn is_there(discovery: &Discovery, group: &str) -> bool {
        let known = matches!(group, "" | "apps" | "batch");
        known || discovery.served.iter().any(|served| served.row.group == group)
    }

    /// What `authz-check` needs, in the namespaces that were asked for.
    fn dumps(wanted: &Wanted) -> Vec<Row> {
        const ASKS: &[(&str, &str, &str, &str)] = &[
            ("get", "", "pods", "authz-check finds no pod"),
            ("get", "", "pods/portforward", "authz-check cannot read config dumps"),
            ("create", "", "pods/portforward", "authz-check cannot read config dumps"),
            ("get", "", "pods/exec", "authz-check cannot read config dumps"),
            ("create", "", "pods/exec", "authz-check cannot read config dumps"),
        ];
        let places: Vec<String> = match &wanted.namespaces {
            None => vec![String::new()],
            Some(names) => names.iter().cloned().collect(),
        };
        let of = |place: &String| {
            let rows = ASKS
                .iter()
                .map(|(verb, group, resource, cost)| Row::new(verb, group, resource, place, (*cost).to_owned()));
            let owners = OWNERS.iter().map(|owner| {
                let short = owner.words.first().unwrap_or(&owner.resource);
                let cost = format!("authz-check takes no {short}/NAME, only pods");
                let optional = owner.rare;
                let cost = if optional { format!("optional: {cost}") } else { cost };
                Row { optional, ..Row::new("get", owner.group, owner.resource, place, cost) }
            });
            rows.chain(owners).collect::<Vec<_>>()
        };
        places.iter().flat_map(of).collect()
    }

    /// Of port-forward and exec one suffices: the other is not missed, and where both lack something, exec is not.
    fn either_way(rows: &mut [Row]) {
        for row in rows.iter_mut().filter(|row| row.optional && row.answer == Answer::Denied) {
            row.answer = Answer::NotNeeded;
        }
        let places: BTreeSet<String> =
            rows.iter().filter(|row| row.resource.starts_with("pods/")).map(|row| row.namespace.clone()).collect();
        for place in places {
            let whole = |resource: &str| {
                let of = rows.iter().filter(|row| row.namespace == place && row.resource == resource);
                of.into_iter().all(|row| row.answer == Answer::Allowed)
            };
            let spare = if whole("pods/exec") && !whole("pods/portforward") { "pods/portforward" } else { "pods/exec" };
            for row in rows.iter_mut().filter(|row| row.namespace == place && row.resource == spare) {
                if row.answer == Answer::Denied {
                    row.answer = Answer::NotNeeded;
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn each_kind_that_authz_check_takes_is_asked_for() {
            let names = Some(BTreeSet::from(["a".to_owned()]));
            let mut rows = dumps(&Wanted { namespaces: names, ..Wanted::default() });
            for row in &mut rows {
                row.answer = Answer::Denied;
            }
            either_way(&mut rows);
            for (resource, want) in [
                ("deployments", Answer::Denied),
                ("services", Answer::NotNeeded),
                ("replicasets", Answer::NotNeeded),
                ("jobs", Answer::NotNeeded),
                ("rollouts", Answer::NotNeeded),
            ] {
                let row = rows.iter().find(|row| row.resource == resource && row.verb == "get").unwrap();
                assert_eq!(row.answer, want, "{resource}");
                assert_eq!(row.cost.starts_with("optional: "), want == Answer::NotNeeded, "{resource}");
            }
        }

        #[test]
        fn one_way_to_a_dump_suffices() {
            for (allowed, want) in [
                (&["get pods/portforward", "create pods/portforward"][..], 0),
                (&["get pods/exec", "create pods/exec"], 0),
                (&["get pods/exec"], 2),
                (&["get pods/portforward"], 1),
                (&[], 2),
            ] {
                let names = Some(BTreeSet::from(["a".to_owned()]));
                let mut rows = dumps(&Wanted { namespaces: names, ..Wanted::default() });
                rows.retain(|row| row.resource.starts_with("pods/"));
                for row in &mut rows {
                    let yes = allowed.contains(&&*format!("{} {}", row.verb, row.resource));
                    row.answer = if yes { Answer::Allowed } else { Answer::Denied };
                }
                either_way(&mut rows);
                let denied = rows.iter().filter(|row| row.answer == Answer::Denied).count();
                assert_eq!(denied, want, "{allowed:?}");
            }
        }
    }
}
