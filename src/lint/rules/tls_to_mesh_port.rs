//! MC0203: TLS that is not Istio's to a port of the mesh (istio-mtls.md 3.1); only where calls fail.

use crate::finding::TLS_TO_MESH_PORT;
use crate::lint::{Lint, Out, conflict};

/// Reports every field that makes such calls fail and has no code of its own.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    conflict::report(lint, out, &TLS_TO_MESH_PORT);
}
