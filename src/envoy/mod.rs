//! Envoy configuration dumps: what a proxy was really told.
//!
//! Reading order: [`tree`] is one item of a dump, pruned; [`dump`] walks the sections of any era and hands items to
//! [`listener`], [`cluster`] and [`secret`], which turn them into the plain data of [`model`]; [`filter`] and [`rbac`] read
//! what decides who may call ([`words`] puts it in words, [`routes`] tells where it is another, [`decide`] the order), [`tls`] what is spoken. [`rows`] judges chains and ports, [`upstream`] what is sent,
//! [`certificates`] the certificates; [`judged`] is the result, [`findings`] what is wrong, [`report`], [`json`] and
//! [`compat`] how it is shown.

pub mod certificates;
pub mod cluster;
pub mod compat;
pub mod decide;
pub mod dump;
#[cfg(test)]
mod fake;
pub mod filter;
pub mod findings;
mod group;
pub mod json;
pub mod judged;
mod keys;
pub mod listener;
pub mod model;
mod peer;
pub mod rbac;
pub mod report;
pub mod routes;
pub mod rows;
pub mod secret;
mod selector;
mod sentence;
mod side;
pub mod tls;
pub mod tree;
pub mod upstream;
mod vocabulary;
pub mod words;

use judged::Judged;
use model::Proxy;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Seconds since 1970 at which certificates are judged.
    pub at: i64,
    /// Seconds that a certificate must still be valid for, else it expires soon; `None`: a quarter of its lifetime, at
    /// most 30 days.
    pub warn_within: Option<i64>,
    /// Whether upstreams are wanted.
    pub upstreams: bool,
}

/// Judges one proxy.
#[must_use]
pub fn judge(proxy: Proxy, query: &Query) -> Judged {
    let mut judged = Judged { proxy, ..Judged::default() };
    rows::judge(&mut judged);
    if query.upstreams {
        judged.upstreams = upstream::judge(&judged.proxy);
    }
    judged.set_certificates(certificates::judge(&judged.proxy, query));
    let unread = certificates::unread(&judged.proxy);
    judged.proxy.unread.extend(unread);
    rows::note_doubts(&mut judged);
    rows::finish(&mut judged);
    judged.findings = findings::find(&judged, query);
    judged
}
