//! MC0201: calls that send plaintext to a port that takes mutual TLS only (istio-mtls.md 3.1); only where calls fail.

use crate::finding::PLAINTEXT_TO_STRICT;
use crate::lint::{Lint, Out, conflict};

/// Reports every field that makes such calls fail and has no code of its own.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    conflict::report(lint, out, &PLAINTEXT_TO_STRICT);
}
