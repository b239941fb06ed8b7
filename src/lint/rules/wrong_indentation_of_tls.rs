//! MC0008: a field of mutual TLS at a level where Istio does not look for it, such as YAML that lost its indentation.

use crate::finding::Severity;
use crate::lint::schema::{Meant, REMOVED, Stray, judged};
use crate::lint::{Lint, Out, related};
use crate::model::ObjectId;
use crate::yaml::Node;

/// Reports the keys that stand in one mapping and belong under one field together.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for (id, strays) in judged(lint) {
        let mut groups: Vec<(Group<'_>, Vec<&Stray>)> = Vec::new();
        for stray in &strays {
            let Some(group) = Group::of(stray) else { continue };
            match groups.iter_mut().find(|(other, _)| *other == group) {
                Some((_, members)) => members.push(stray),
                None => groups.push((group, vec![stray])),
            }
        }
        for (group, members) in &groups {
            report(lint, out, id, group, members);
        }
    }
}

/// What one finding is about: the mapping that keys stand in, and where they belong.
#[derive(PartialEq)]
struct Group<'s> {
    parent: &'s str,
    /// `metadata`, `spec.mtls`, or a field of another kind.
    home: &'s str,
    elsewhere: bool,
}

impl<'s> Group<'s> {
    fn of(stray: &'s Stray) -> Option<Self> {
        let parent = stray.parent.as_str();
        match &stray.meant {
            Meant::Place(place) => {
                let mut dots = place.match_indices('.').map(|(at, _)| at);
                let end = if place.starts_with("metadata.") { dots.next() } else { dots.nth(1) };
                let home = place.get(..end.unwrap_or(place.len())).unwrap_or(place);
                Some(Self { parent, home, elsewhere: false })
            }
            Meant::Elsewhere(place) => Some(Self { parent, home: place, elsewhere: true }),
            Meant::Name(_) | Meant::Nothing => None,
        }
    }
}

fn report(lint: &Lint<'_>, out: &mut Out<'_>, id: ObjectId, group: &Group<'_>, members: &[&Stray]) {
    let mesh = lint.mesh;
    let Some((first, others)) = members.split_first() else { return };
    let kind = mesh.objects.get(id.0 as usize).map_or("", |object| &*object.kind);
    let level = match group.parent {
        "" => format!("at the top level of the {kind}"),
        parent => format!("under {parent}"),
    };
    let keys: Vec<String> = members.iter().map(|stray| format!("`{}`", stray.key)).collect();
    let (stand, them) = if others.is_empty() { ("stands", "it") } else { ("stand", "them") };
    let mut message = format!("{} {stand} {level}, where Istio does not look for {them}", keys.join(", "));
    let help = if group.elsewhere {
        let key = &first.key;
        format!("remove {key} here and write it where it belongs: {}", group.home)
    } else {
        let empty = |key: &str| lint.node(id).and_then(|root| root.get(key)).is_some_and(Node::is_null);
        if group.parent.is_empty() && (empty("spec") || empty("metadata")) {
            message.push_str(": the lines have lost their indentation");
        }
        let moves = members.iter().filter_map(|stray| match &stray.meant {
            Meant::Place(place) => Some(format!("{} to {place}", stray.key)),
            _ => None,
        });
        format!("indent it: move {}", moves.collect::<Vec<_>>().join(", "))
    };
    let finding = out.add(id, first.path(), message, help);
    if group.home.contains(REMOVED) {
        // A Policy says that mutual TLS was wanted, and nothing reads it.
        finding.severity = Severity::Error;
    }
    for stray in others {
        let path = stray.path();
        let place = if let Meant::Place(place) = &stray.meant { place } else { group.home };
        finding.related.push(related(mesh, id, &path, format!("`{}` belongs at {place}", stray.key)));
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::WRONG_INDENTATION_OF_TLS as CODE;
    use crate::lint::trial::{findings, places, policy};

    #[test]
    fn keys_that_belong_together_are_one_finding() {
        let flat = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\nname: a\nnamespace: b\n\
                    spec:\nselector:\nmatchLabels:\napp: web\nmtls:\nmode: STRICT\n";
        assert_eq!(places(flat, &CODE), ["name warning high", "selector warning high", "mtls warning high"]);
        let found = findings(flat, &CODE);
        assert_eq!(found.iter().map(|f| (f.at.line, f.related.len())).collect::<Vec<_>>(), [(4, 1), (7, 1), (10, 1)]);
        assert!(found[2].message.ends_with("the lines have lost their indentation"));
        assert_eq!(found[2].help, "indent it: move mtls to spec.mtls, mode to spec.mtls.mode");
        assert!(findings(flat, &crate::finding::UNKNOWN_FIELD).is_empty());
    }

    #[test]
    fn what_the_removed_policy_said_is_an_error() {
        let text = policy("a", "shop", "", "{peers: [{mtls: {}}], targets: [{name: web}]}");
        assert_eq!(places(&text, &CODE), ["spec.peers error high", "spec.targets error high"]);
        assert_eq!(
            places(&policy("a", "shop", "", "{selector: {app: web}}"), &CODE),
            ["spec.selector.app warning high"]
        );
    }
}
