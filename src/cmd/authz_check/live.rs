//! The dumps of live proxies, read where they run.

use super::Gathered;
use crate::cli::AuthzCheck;
use crate::cmd::Io;
use anyhow::Result;

/// This binary cannot read a cluster.
///
/// # Errors
/// Always.
#[cfg(not(feature = "cluster"))]
pub(super) fn gather(args: &AuthzCheck, _: bool, _: &mut Io<'_>) -> Result<Gathered> {
    match crate::cmd::cluster::open(&args.cluster)? {}
}

#[cfg(feature = "cluster")]
pub(super) use with_cluster::gather;

#[cfg(feature = "cluster")]
mod with_cluster {
    use super::super::no_dump;
    use super::{AuthzCheck, Gathered, Io, Result};
    use crate::cmd::cluster;
    use crate::cmd::progress::Progress;
    use crate::envoy::dump::{self, Wanted};
    use crate::envoy::report::input;
    use crate::finding::{self, Finding};
    use crate::input::cluster::pods::{self, Pod};
    use crate::input::cluster::{Session, dump as streams};
    use crate::input::keep::Keep;
    use crate::location::Location;
    use crate::render::escape;
    use anyhow::bail;
    use std::io::Read;
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Reads the dumps that the arguments mean.
    ///
    /// # Errors
    /// The cluster cannot be reached, there is no such Pod; the dump of the only one cannot be read.
    pub(in super::super) fn gather(args: &AuthzCheck, endpoints: bool, io: &mut Io<'_>) -> Result<Gathered> {
        if args.pod.is_none() && !args.all_pods {
            bail!(
                "whose dump? Name a POD[.NAMESPACE] or KIND/NAME of the live cluster, or --all-pods for those of a \
                 namespace; or give dumps with -f FILE, a folder, a glob, or -f - for standard input"
            );
        }
        if args.namespace.len() > 1 {
            bail!("one namespace at a time: -n was given {} times", args.namespace.len());
        }
        let session = cluster::open(&args.cluster)?;
        let pods = chosen(args, &session, io)?;
        let single = pods.len() == 1;
        let mut gathered = Gathered::default();
        let mut proxies = Vec::new();
        for pod in &pods {
            match proxy(args, &session, pod, Wanted { endpoints }, io) {
                Ok(proxy) => {
                    gathered.inputs.push(input(&proxy.path, proxy.bytes));
                    match no_dump(&proxy) {
                        Some(why) => gathered.refuse(&proxy, &why),
                        None => proxies.push(proxy),
                    }
                }
                Err(why) if single => return Err(why),
                Err(why) => gathered.unread(pod, &format!("{why:#}")),
            }
        }
        gathered.proxies = dump::join(proxies);
        Ok(gathered)
    }

    /// The Pods to ask: all that are meant, or the first ready one of them.
    fn chosen(args: &AuthzCheck, session: &Session, io: &mut Io<'_>) -> Result<Vec<Pod>> {
        let explicit = args.namespace.first();
        let namespace = explicit.cloned().unwrap_or_else(|| session.namespace.clone());
        let Some(typed) = &args.pod else { return session.run(pods::all(session, &namespace))? };
        let mut found = session.run(pods::find(session, typed, &namespace, explicit.is_some()))??;
        if args.all_pods || found.len() < 2 {
            return Ok(found);
        }
        let count = found.len();
        let best = |pod: &Pod| (pod.without.is_some(), !pod.ready);
        let Some(at) = (0..count).min_by_key(|at| found.get(*at).map(best)) else { return Ok(found) };
        let pod = found.swap_remove(at);
        let how = if pod.ready { "the first that is ready" } else { "none is ready" };
        let text = format!("{}.{} of {count} pods of {typed} ({how}); --all-pods reads all", pod.name, pod.namespace);
        writeln!(io.stderr, "meshctl: {}", escape(&text))?;
        Ok(vec![pod])
    }

    /// Reads one dump, and keeps it where that is asked for.
    fn proxy(
        args: &AuthzCheck,
        session: &Session,
        pod: &Pod,
        wanted: Wanted,
        io: &mut Io<'_>,
    ) -> Result<crate::envoy::model::Proxy> {
        let path = format!("cluster:{}/pods/{}", pod.namespace, pod.name);
        let file = format!("{}.{}.json", pod.name, pod.namespace);
        let mut keep = args.save.as_deref().map(|folder| Keep::begin(Path::new(folder), &file)).transpose()?;
        let mut notes = Vec::new();
        let done = AtomicU64::new(0);
        let read = {
            let mut progress = Progress::new(&mut *io.stderr, io.stderr_is_terminal, None);
            let mut tick = || progress.at(done.load(Ordering::Relaxed));
            streams::read(session, pod, &mut |text| notes.push(text), &mut tick, |source| {
                let mut tee = Tee { source, keep: keep.as_mut(), done: &done, problem: None };
                let proxy = dump::from_reader(&path, &mut tee, wanted);
                // What follows a break in the text is kept too.
                let _ = std::io::copy(&mut tee, &mut std::io::sink());
                (proxy, tee.problem)
            })
        };
        for text in notes {
            writeln!(io.stderr, "meshctl: note: {}", escape(&text))?;
        }
        let (proxy, problem) = read?;
        if let Some(problem) = problem {
            return Err(problem);
        }
        if let Some(keep) = keep {
            keep.end()?;
        }
        Ok(proxy)
    }

    /// A stream that is written down while it is read.
    struct Tee<'a> {
        source: &'a mut dyn Read,
        keep: Option<&'a mut Keep>,
        done: &'a AtomicU64,
        problem: Option<anyhow::Error>,
    }

    impl Read for Tee<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.source.read(buffer)?;
            self.done.fetch_add(length as u64, Ordering::Relaxed);
            if let (Some(keep), Some(bytes)) = (&mut self.keep, buffer.get(..length))
                && let Err(why) = keep.write(bytes)
            {
                self.problem = Some(why);
                self.keep = None;
            }
            Ok(length)
        }
    }

    impl Gathered {
        /// A Pod whose dump could not be read, among others.
        fn unread(&mut self, pod: &Pod, why: &str) {
            let file = format!("cluster:{}/pods/{}", pod.namespace, pod.name);
            let at = Location { file: file.as_str().into(), line: 1, column: 1 };
            let help = "meshctl doctor says what is missing; docs/cluster.md has the Role that suffices";
            self.findings.push(Finding::new(&finding::NOT_READ, at, why.to_owned(), help));
            self.failures.push(why.to_owned());
        }
    }
}
