//! MC0002: a field that the kind does not have, with the nearest real name.

use crate::finding::Confidence;
use crate::lint::schema::{Meant, judged};
use crate::lint::{Lint, Out};

/// Reports each such key. Keys that are fields elsewhere are MC0008's.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    for (id, strays) in judged(lint) {
        let kind = mesh.objects.get(id.0 as usize).map_or("", |object| &*object.kind);
        for stray in strays.iter().filter(|stray| !stray.misplaced()) {
            let key = &stray.key;
            let place = match stray.parent.as_str() {
                "" => format!("a {kind}"),
                parent => format!("{parent} of a {kind}"),
            };
            let message =
                format!("`{key}` is no field of {place}: it has no effect, or the API server refuses the object");
            let help = match &stray.meant {
                Meant::Name(name) => format!("replace {key} by {name}"),
                _ => format!("remove {key}, or look up its name and level in the reference of the kind"),
            };
            let finding = out.add(id, stray.path(), message, help);
            if stray.meant == Meant::Nothing {
                // A newer Istio may have it.
                finding.confidence = Confidence::Medium;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::UNKNOWN_FIELD as CODE;
    use crate::lint::trial::{findings, places, policy};

    #[test]
    fn unknown_keys_are_reported_and_misplaced_ones_left_to_the_other_rule() {
        for (spec, want) in [
            ("{mtls: {mod: STRICT}}", "spec.mtls.mod warning high"),
            ("{colour: red}", "spec.colour warning medium"),
            ("{mode: STRICT}", ""),
            ("{mtls: {mode: STRICT}}", ""),
        ] {
            assert_eq!(places(&policy("a", "shop", "", spec), &CODE).join("; "), want, "{spec}");
        }
        let found = findings(&policy("a", "shop", "", "{mtls: {mod: STRICT}}"), &CODE);
        assert_eq!(found[0].help, "replace mod by mode");
    }
}
