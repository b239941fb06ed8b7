//! Puts answers of several admin endpoints of one proxy together: `details.json` and `details.certs.json`.

use super::super::model::{Problem, Proxy, Section, Shape};

/// Words after `-` or `_` that make a file a part of the dump whose name stands before them.
const PARTS: [&str; 8] = ["certs", "certificates", "clusters", "ecds", "endpoints", "listeners", "routes", "secrets"];

/// Gives every part (the answer of a single admin endpoint, a dump masked so that it does not say who it is of) to the
/// dump that it belongs to: in the same folder the one with the longest name that its own begins with, else the only dump
/// of the run. A part that has nothing new, or belongs to none, stays by itself.
#[must_use]
pub fn join(proxies: Vec<Proxy>) -> Vec<Proxy> {
    let (mut slots, mut parts) = (Vec::with_capacity(proxies.len()), Vec::new());
    for (at, proxy) in proxies.into_iter().enumerate() {
        if proxy.shape == Shape::Envoy && !is_full(&proxy) {
            slots.push(None);
            parts.push((at, proxy));
        } else {
            slots.push(Some(proxy));
        }
    }
    let full = |slots: &[Option<Proxy>]| -> Vec<usize> {
        let of = |(at, slot): (usize, &Option<Proxy>)| slot.as_ref().is_some_and(is_full).then_some(at);
        slots.iter().enumerate().filter_map(of).collect()
    };
    let dumps = full(&slots);
    for (at, part) in parts {
        let names = dumps.iter().filter_map(|at| Some((*at, slots.get(*at)?.as_ref()?.path.clone())));
        let named = names.filter(|(_, path)| belongs(&part.path, path)).max_by_key(|(_, path)| path.len());
        let only = if let [only] = *dumps.as_slice() { Some(only) } else { None };
        let target = named.map(|(at, _)| at).or(only);
        match target.and_then(|target| slots.get_mut(target)?.as_mut()) {
            Some(dump) if part.sections.iter().all(|section| !dump.sections.contains(section)) => merge(dump, part),
            _ => {
                if let Some(slot) = slots.get_mut(at) {
                    *slot = Some(part);
                }
            }
        }
    }
    slots.into_iter().flatten().collect()
}

/// It says who it is of.
fn is_full(proxy: &Proxy) -> bool {
    proxy.shape == Shape::Envoy && proxy.sections.contains(&Section::Bootstrap)
}

/// Folder and name of a file without its endings.
fn stem(path: &str) -> (&str, &str) {
    let (folder, mut name) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
    for ending in [".gz", ".zst", ".json"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    (folder, name)
}

/// Whether the name of a part begins with that of a dump in its folder, and one more word follows: any after a dot, one
/// of [`PARTS`] after `-` and `_` (`details-v1` is another pod than `details`).
fn belongs(part: &str, dump: &str) -> bool {
    let ((part_folder, part), (dump_folder, dump)) = (stem(part), stem(dump));
    let Some(rest) = part.strip_prefix(dump).filter(|_| part_folder == dump_folder) else { return false };
    match rest.strip_prefix('.') {
        Some(word) => !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_'),
        None => rest.strip_prefix(['-', '_']).is_some_and(|word| PARTS.contains(&word)),
    }
}

fn merge(dump: &mut Proxy, part: Proxy) {
    dump.bytes += part.bytes;
    dump.sections.extend(part.sections);
    dump.listeners.extend(part.listeners);
    dump.clusters.extend(part.clusters);
    dump.secrets.extend(part.secrets);
    dump.extensions.extend(part.extensions);
    dump.routes.extend(part.routes);
    dump.rejected.extend(part.rejected);
    dump.served.extend(part.served);
    dump.bound = dump.bound.take().or(part.bound);
    // What a cluster or EDS says has metadata; `/clusters` only fills what is absent.
    let in_clusters: Vec<&str> =
        dump.clusters.iter().filter(|cluster| !cluster.endpoints.is_empty()).map(|cluster| &*cluster.name).collect();
    for (name, endpoints) in part.endpoints {
        if !in_clusters.contains(&name.as_str()) {
            dump.endpoints.entry(name).or_insert(endpoints);
        }
    }
    let path = &part.path;
    dump.unread.extend(part.unread.into_iter().map(|mut unread| {
        unread.path = format!("{path}: {}", unread.path);
        unread
    }));
    if let Some(Problem { why, line, column }) = part.problem {
        dump.problem.get_or_insert(Problem { why: format!("{path}: {why}"), line, column });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Wanted, from_slice};
    use super::*;

    fn joined(files: &[(&str, &str)]) -> Vec<String> {
        let read = |(path, text): &(&str, &str)| from_slice(path, text.as_bytes(), Wanted { endpoints: true });
        let proxies = join(files.iter().map(read).collect());
        let show = |proxy: &Proxy| {
            format!("{} {} {} {}", proxy.path, proxy.served.len(), proxy.endpoints.len(), proxy.listeners.len())
        };
        proxies.iter().map(show).collect()
    }

    const DUMP: &str = r#"{"configs": [{"bootstrap": {"node": {"id": "x"}}}, {"static_listeners": [{"listener": {}}]}, {"static_endpoint_configs": [{"endpoint_config": {"cluster_name": "c"}}]}]}"#;
    const CERTS: &str = r#"{"certificates": [{"ca_cert": [{"path": "p"}]}]}"#;
    const CLUSTERS: &str = r#"{"cluster_statuses": [{"name": "c", "host_statuses": []}, {"name": "d"}]}"#;
    const LISTENERS: &str = r#"{"static_listeners": [{"listener": {}}]}"#;

    #[test]
    fn parts_go_to_the_dump_of_their_name() {
        assert_eq!(
            joined(&[
                ("f/a.certs.json", CERTS),
                ("f/a.json", DUMP),
                ("f/a-b.json", DUMP),
                ("f/a-b.clusters.json.gz", CLUSTERS),
                ("f/a-b-certs.json", CERTS),
                ("g/a.certs.json", CERTS),
                ("f/a-v1.certs.json", CERTS),
                ("f/z.json", "{}"),
            ]),
            ["f/a.json 1 1 1", "f/a-b.json 1 2 1", "g/a.certs.json 1 0 0", "f/a-v1.certs.json 1 0 0", "f/z.json 0 0 0"]
        );
    }

    #[test]
    fn the_only_dump_takes_what_it_does_not_have() {
        assert_eq!(
            joined(&[("-", DUMP), ("x", CERTS), ("y", LISTENERS), ("z", CERTS)]),
            ["- 1 1 1", "y 0 0 1", "z 1 0 0"]
        );
        assert_eq!(joined(&[("x", CERTS), ("y", LISTENERS)]), ["x 1 0 0", "y 0 0 1"]);
    }

    #[test]
    fn what_is_wrong_with_a_part_stays_known() {
        let read = |path, text: &str| from_slice(path, text.as_bytes(), Wanted::default());
        let all =
            join(vec![read("a.json", DUMP), read("a.certs.json", r#"{"certificates": [{}, {"ca_cert": [{}]}], "#)]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].unread[0].path, "a.certs.json: certificates[0]");
        assert!(all[0].problem.as_ref().unwrap().why.starts_with("a.certs.json: "));
    }
}
