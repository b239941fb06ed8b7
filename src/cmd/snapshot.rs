//! `meshctl snapshot`: what the other commands would read of a cluster, as one file that they read later.

use super::{Exit, Io};
use crate::cli::Snapshot;
use anyhow::Result;

/// This binary cannot read a cluster.
///
/// # Errors
/// Always.
#[cfg(not(feature = "cluster"))]
pub fn run(args: &Snapshot, _: &mut Io<'_>) -> Result<Exit> {
    match super::cluster::open(&args.cluster.connect)? {}
}

#[cfg(feature = "cluster")]
pub use with_cluster::run;

#[cfg(feature = "cluster")]
mod with_cluster {
    use super::{Exit, Io, Result, Snapshot};
    use crate::cli::MeshArgs;
    use crate::cmd::cluster::{self, Ask};
    use crate::cmd::progress::Progress;
    use crate::cmd::recorded::{API, KIND};
    use crate::cmd::unless_closed;
    use crate::input::cluster::{self as input, Facts, Fetched};
    use crate::input::keep::Keep;
    use crate::model::load::Unseen;
    use crate::render::{document, escape};
    use crate::words::count;
    use anyhow::{Context, anyhow, bail};
    use serde_json::{Map, Value, json};
    use std::io::Write;
    use std::path::Path;

    /// What was not read is said on standard error up to so many; the file has all.
    const SHOWN: usize = 5;

    /// What `kubectl apply` keeps of an object in itself: a second copy, of another time.
    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

    /// Runs the command.
    ///
    /// # Errors
    /// The cluster cannot be reached; a file that is there, or cannot be written.
    pub fn run(args: &Snapshot, io: &mut Io<'_>) -> Result<Exit> {
        let path = Some(Path::new(&args.output)).filter(|_| args.output != "-");
        if let Some(path) = path.filter(|path| !args.force && path.exists()) {
            bail!("{} is there already, and stays as it is: --force writes over it", path.display());
        }
        let session = cluster::open(&args.cluster.connect)?;
        let asked = match (args.all_namespaces, args.namespace.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec![session.namespace.clone()],
            (false, false) => args.namespace.clone(),
        };
        let (root_namespace, revision) = (args.root_namespace.clone(), args.revision.clone());
        let mesh = MeshArgs { root_namespace, revision, ..MeshArgs::default() };
        let all = args.all_namespaces;
        let ask = Ask { args: &args.cluster, mesh: &mesh, namespaces: &asked, all, more: &[], lint: true };
        let wanted = cluster::wanted(&ask, asked.first().unwrap_or(&session.namespace));
        let fetched = {
            let mut progress = Progress::new(&mut *io.stderr, io.stderr_is_terminal, None);
            input::fetch(&session, &wanted, &mut |_, bytes| progress.at(bytes))?
        };
        for note in cluster::notes(&fetched.facts) {
            writeln!(io.stderr, "meshctl: {}", escape(&note))?;
        }
        let root = args.root_namespace.as_deref();
        let (objects, unseen, facts) = objects(fetched);
        if args.cluster.strict_read
            && let Some(first) = unseen.first()
        {
            let more = unseen.len() - 1;
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            bail!("--strict-read: {}{more}", first.reason);
        }
        match path {
            Some(path) => {
                let name = path.file_name().ok_or_else(|| anyhow!("{} is no file", path.display()))?;
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let mut keep = Keep::begin(folder, &name.to_string_lossy())?;
                write(&asked, root, &facts, &unseen, &objects, &mut keep.out())
                    .with_context(|| format!("could not write {}", path.display()))?;
                if args.force {
                    keep.replace()?
                } else {
                    keep.end()?
                }
                let text = format!("wrote {} to {}", count(objects.len(), "object"), path.display());
                writeln!(io.stderr, "meshctl: {}", escape(&text))?;
            }
            None => unless_closed(write(&asked, root, &facts, &unseen, &objects, &mut io.stdout))?,
        }
        for one in unseen.iter().take(SHOWN) {
            writeln!(io.stderr, "meshctl: not read: {}", escape(&one.reason))?;
        }
        if unseen.len() > SHOWN {
            writeln!(io.stderr, "meshctl: not read: and {} more, as the snapshot says", unseen.len() - SHOWN)?;
        }
        if unseen.is_empty() || args.allow_partial {
            return Ok(Exit::Clean);
        }
        writeln!(
            io.stderr,
            "meshctl: the snapshot is not whole, and says so; --allow-partial takes it as it is, meshctl doctor says what \
             is missing"
        )?;
        Ok(Exit::Failed)
    }

    /// The objects in the order of the lists; what does not decode joins what was not seen.
    fn objects(fetched: Fetched) -> (Vec<Value>, Vec<Unseen>, Facts) {
        let Fetched { listings, mut unseen, facts } = fetched;
        let mut objects = Vec::new();
        for listing in listings {
            let (api, row, resource) = (listing.served.api_version(), listing.served.row, &listing.served.resource);
            for page in &listing.pages {
                for item in &page.items {
                    let text = page.text.get(item.range.clone()).unwrap_or_default();
                    let own = |object: Map<String, Value>| match object.get("kind").and_then(Value::as_str) {
                        Some(other) if other != row.kind => Err(format!("its kind is {other:?}")),
                        _ => Ok(object),
                    };
                    let object = serde_json::from_str::<Map<String, Value>>(text).map_err(|why| why.to_string());
                    match object.and_then(own) {
                        Ok(object) => objects.push(cleaned(object, &api, row.kind)),
                        Err(why) => {
                            let place = if item.namespace.is_empty() { "" } else { "/" };
                            let name = format!("{}{place}{}", item.namespace, item.name);
                            let file = format!("cluster:{name}/{resource}");
                            unseen.push(Unseen {
                                kind: row.kind.to_owned(),
                                namespace: item.namespace.as_str().into(),
                                name: item.name.as_str().into(),
                                reason: format!("{} {name} does not decode: {why}", row.kind),
                                at: crate::location::Location { file: file.as_str().into(), line: 1, column: 1 },
                            });
                        }
                    }
                }
            }
        }
        (objects, unseen, facts)
    }

    /// An object by itself: with its kind, which items of lists lack, and without what says nothing of the mesh.
    fn cleaned(mut object: Map<String, Value>, api: &str, kind: &str) -> Value {
        let mut whole = Map::new();
        for (key, text) in [("apiVersion", api), ("kind", kind)] {
            let own = object.shift_remove(key).filter(Value::is_string);
            whole.insert(key.to_owned(), own.unwrap_or_else(|| text.into()));
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("managedFields");
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.shift_remove(LAST_APPLIED);
                if annotations.is_empty() {
                    metadata.shift_remove("annotations");
                }
            }
        }
        if kind == "CustomResourceDefinition"
            && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
        {
            // Schemas are by far the largest part, and only the conversion matters.
            spec.shift_remove("validation");
            for version in spec.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten() {
                version.as_object_mut().map(|version| version.shift_remove("schema"));
            }
        }
        whole.extend(object);
        Value::Object(whole)
    }

    /// The document of our own: what is true of the mesh, and what was not seen.
    fn head(asked: &[String], root: Option<&str>, facts: &Facts, unseen: &[Unseen], objects: usize) -> Value {
        let plane = &facts.control_plane;
        let mut control = json!({"namespace": plane.namespace, "revision": plane.revision});
        let mut add = |key: &str, value: Value| control.as_object_mut().map(|map| map.insert(key.to_owned(), value));
        if let Some(version) = &plane.version {
            add("version", version.as_str().into());
        }
        if let Some(root) = root {
            add("rootNamespace", root.into());
        }
        add("environment", plane.env.clone().into());
        add("environmentElsewhere", plane.env_elsewhere.clone().into());
        let unseen = unseen.iter().map(|one| {
            let mut entry = Map::new();
            for (key, text) in
                [("kind", &*one.kind), ("namespace", &*one.namespace), ("name", &*one.name), ("reason", &*one.reason)]
            {
                if !text.is_empty() || key == "kind" || key == "reason" {
                    entry.insert(key.to_owned(), text.into());
                }
            }
            Value::Object(entry)
        });
        json!({
            "apiVersion": API, "kind": KIND,
            "spec": {
                "cluster": facts.name, "meshctl": env!("CARGO_PKG_VERSION"), "namespaces": asked,
                "readNamespaces": facts.namespaces.clone().unwrap_or_default(), "controlPlane": control,
                "objects": objects, "unseen": unseen.collect::<Vec<_>>(),
            },
        })
    }

    fn write(
        asked: &[String],
        root: Option<&str>,
        facts: &Facts,
        unseen: &[Unseen],
        objects: &[Value],
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let mut out = std::io::BufWriter::with_capacity(1 << 16, out);
        let of = if asked.is_empty() { "all namespaces".to_owned() } else { format!("namespace {}", asked.join(", ")) };
        writeln!(out, "# meshctl snapshot of {}: {}", escape(&facts.name), escape(&of))?;
        if !unseen.is_empty() {
            writeln!(out, "# It is not whole. What could not be read:")?;
        }
        for one in unseen {
            writeln!(out, "# - {}", escape(&one.reason))?;
        }
        document(&head(asked, root, facts, unseen, objects.len()), &mut out)?;
        for object in objects {
            writeln!(out, "---")?;
            document(object, &mut out)?;
        }
        out.flush()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn objects_stand_by_themselves_and_without_copies() {
            let object = |value: Value| value.as_object().unwrap().clone();
            let pod = json!({"metadata": {"name": "a", "managedFields": [], "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {LAST_APPLIED: "{}"}}, "spec": {}});
            let want = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}});
            assert_eq!(cleaned(object(pod), "v1", "Pod"), want);
            let crd = json!({"kind": "CustomResourceDefinition", "spec": {"conversion": {"strategy": "Webhook"},
                "versions": [{"name": "v1", "schema": {}}, 5]}});
            let want = json!({"apiVersion": "x/v1", "kind": "CustomResourceDefinition",
                "spec": {"conversion": {"strategy": "Webhook"}, "versions": [{"name": "v1"}, 5]}});
            assert_eq!(cleaned(object(crd), "x/v1", "CustomResourceDefinition"), want);
        }

        #[test]
        fn what_was_not_seen_stands_in_the_file_twice() {
            let at = crate::location::Location::unknown();
            let (kind, namespace, reason) = ("Pod".to_owned(), "a".into(), "pods: \n\u{1b}[31mno".to_owned());
            let unseen = [Unseen { kind, namespace, name: "".into(), reason, at }];
            let mut out = Vec::new();
            let facts = Facts { name: "https://x".to_owned(), ..Facts::default() };
            write(&["a".to_owned()], Some("base"), &facts, &unseen, &[json!({"kind": "Pod"})], &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.starts_with("# meshctl snapshot of https://x: namespace a\n# It is not whole."), "{text}");
            assert!(text.lines().filter(|line| line.starts_with('#')).all(|line| !line.contains('\u{1b}')), "{text}");
            assert!(text.contains("rootNamespace: base") && text.ends_with("---\nkind: Pod\n"), "{text}");
        }
    }
}
