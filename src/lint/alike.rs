//! Which failing calls one finding stands for: those of alike workloads without proxy, and those between clients and
//! servers of the same kinds.

use super::suppress::Ignores;
use crate::finding::{Code, MTLS_TO_PLAINTEXT_SERVER, PLAINTEXT_TO_STRICT, TLS_TO_MESH_PORT};
use crate::location::Path;
use crate::model::{Mesh, ObjectId, Proxy, Workload};
use crate::mtls::client::{Decision, Reach, Why};
use crate::mtls::endpoints::Front;
use foldhash::HashSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The object that stands for a workload without proxy: the first of its namespace. Those whose own
/// ignore hides the finding stand for themselves: what is meant of one workload says nothing of the others.
#[derive(Default)]
pub struct First {
    alike: BTreeMap<Arc<str>, ObjectId>,
    ignored: HashSet<ObjectId>,
}

impl First {
    /// Looks at every workload without proxy.
    #[must_use]
    pub fn new(mesh: &Mesh) -> Self {
        let ignores = Ignores::read(mesh);
        let hidden = |id| ignores.cover(&mesh.locate(id, &Path::default()), &PLAINTEXT_TO_STRICT);
        let mut first = Self::default();
        for workload in mesh.workloads.iter().filter(|w| matches!(w.proxy, Proxy::None)) {
            let id = workload.meta.id;
            if !ignores.is_empty() && hidden(id) {
                first.ignored.insert(id);
            } else {
                first.alike.entry(workload.meta.namespace.clone()).or_insert(id);
            }
        }
        first
    }

    /// The object for a workload.
    #[must_use]
    pub fn of(&self, workload: &Workload) -> ObjectId {
        let alike = || self.alike.get(&workload.meta.namespace).copied();
        let alone = self.ignored.contains(&workload.meta.id);
        if alone { None } else { alike() }.unwrap_or(workload.meta.id)
    }
}

/// Who decides what a client sends, where no field says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Client {
    #[default]
    Other,
    Grpc,
    Ztunnel,
}

/// What turns a call away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Server {
    #[default]
    Other,
    Grpc,
    Ztunnel,
}

/// The kinds of a failing call's client and server: what is said of one kind is false of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kinds(Client, Server);

impl Kinds {
    /// Those of a call, for the codes whose words hang on them.
    #[must_use]
    pub fn of(code: &'static Code, decision: &Decision, front: Option<Front>) -> Self {
        let spoken = [&PLAINTEXT_TO_STRICT, &MTLS_TO_PLAINTEXT_SERVER, &TLS_TO_MESH_PORT];
        if !spoken.iter().any(|one| std::ptr::eq(*one, code)) {
            return Self::default();
        }
        let client = match (decision.reach, decision.why) {
            (Reach::Ztunnel, _) => Client::Ztunnel,
            (Reach::Known, Why::Grpc) => Client::Grpc,
            _ => Client::Other,
        };
        let server = match front {
            Some(Front::Ambient(_)) => Server::Ztunnel,
            Some(Front::Grpc(_)) => Server::Grpc,
            _ => Server::Other,
        };
        Self(client, server)
    }
}
