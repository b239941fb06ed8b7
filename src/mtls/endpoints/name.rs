//! Endpoints by name.

use super::Who;
use crate::model::{Mesh, Service};
use std::borrow::Cow;

/// The name of an endpoint's workload and its namespace, for people and for JSON.
#[must_use]
pub fn name_of<'m>(mesh: &'m Mesh, service: &'m Service, who: Who) -> Option<(Cow<'m, str>, &'m str)> {
    let named = |meta: &'m crate::model::Meta| (Cow::Borrowed(&*meta.name), &*meta.namespace);
    match who {
        Who::Workload(n) => mesh.workloads.get(n as usize).map(|w| named(&w.meta)),
        Who::Machine(n) => mesh.machines.get(n as usize).map(|m| named(&m.meta)),
        Who::Template(n) => mesh.machine_templates.get(n as usize).map(|m| named(&m.meta)),
        Who::Inline(..) | Who::Address | Who::MissingPod => None,
        Who::Imagined(policy) => {
            let policy = policy.and_then(|n| mesh.policies.get(n as usize));
            let text = policy.map_or("any workload".to_owned(), |p| format!("any workload with {}", p.selector));
            Some((Cow::Owned(text), &*service.meta.namespace))
        }
    }
}
