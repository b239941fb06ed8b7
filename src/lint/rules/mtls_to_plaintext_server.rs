//! MC0202: Istio mutual TLS to a port where nothing terminates it (istio-mtls.md 3.1); only where calls fail.

use crate::finding::MTLS_TO_PLAINTEXT_SERVER;
use crate::lint::{Lint, Out, conflict};

/// Reports every field that makes such calls fail and has no code of its own.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    conflict::report(lint, out, &MTLS_TO_PLAINTEXT_SERVER);
}
