//! A connection to one API server: what kubectl's flags mean, requests that are repeated where that helps, Ctrl-C.

use super::Refused;
use super::kubeconfig::{self, Environment};
use super::refused::{self, Failure};
use anyhow::{Context, Result, anyhow};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The most bytes that one answer may have; a page of 500 large objects has a few megabytes.
const MOST_BYTES: usize = 256 << 20;

/// How often a request is repeated at most; where the server names no time to wait, only some of them.
const MOST_RETRIES: u32 = 10;
const RETRIES_UNASKED: u32 = 5;

/// The first pause before a request is repeated; each is twice the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// No date is known of the server.
const NO_SKEW: i64 = i64::MIN;

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--kubeconfig`.
    pub kubeconfig: Option<String>,
    /// `--context`.
    pub context: Option<String>,
    /// `--server`.
    pub server: Option<String>,
    /// `--token`.
    pub token: Option<String>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure: bool,
    /// `--as`.
    pub as_user: Option<String>,
    /// `--as-group`.
    pub as_groups: Vec<String>,
    /// `--request-timeout`; `None` waits for ever.
    pub timeout: Option<Duration>,
}

/// Reads `--request-timeout` as kubectl does: numbers with the units of Go's durations, a bare number in seconds, 0 for
/// no end.
///
/// # Errors
/// What is no such duration.
pub fn timeout(text: &str) -> Result<Option<Duration>> {
    let wrong = || anyhow!("--request-timeout {text:?} is no duration: 30s, 2m, or 0 to wait for ever");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let size = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "" if number.len() == text.trim().len() => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * size;
        rest = after;
    }
    let total = Duration::try_from_secs_f64(total).map_err(|_| wrong())?;
    Ok(Some(total).filter(|total| !total.is_zero()))
}

/// A connection to one cluster, with the runtime that drives it.
pub struct Session {
    /// Taken only when the session ends.
    runtime: Option<tokio::runtime::Runtime>,
    client: Client,
    /// Whether nothing is being asked: then Ctrl-C ends the program as it does by default.
    idle: Arc<AtomicBool>,
    /// Seconds by which the server's clock is ahead of this machine's.
    skew: AtomicI64,
    /// Objects and bytes that were read.
    objects: AtomicUsize,
    bytes: AtomicU64,
    /// Namespace of the context.
    pub namespace: String,
    /// Name of the context; empty inside a cluster.
    pub context: String,
    /// Address of the API server.
    pub server: String,
    /// What one request may take.
    pub timeout: Option<Duration>,
}

impl Session {
    /// Reads the kubeconfig and makes a client. Nothing is sent yet.
    ///
    /// # Errors
    /// A kubeconfig that cannot be read, a context that is not there, credentials that cannot be had.
    pub fn open(flags: &Flags) -> Result<Self> {
        Self::open_within(flags, None)
    }

    /// As [`Session::open`]; with `patience` a credential plugin has no terminal, and is ended after so long.
    ///
    /// # Errors
    /// As [`Session::open`]; a plugin that takes longer.
    pub fn open_within(flags: &Flags, patience: Option<Duration>) -> Result<Self> {
        let (config, context) =
            Environment::of_process(patience, |environment| kubeconfig::config(flags, environment))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let namespace = config.default_namespace.clone();
        let server = shown(&config.cluster_url);
        let client = {
            let _inside = runtime.enter();
            Client::try_from(config)
                .map_err(|error| anyhow!("could not connect to {server}: {}", refused::words(&error)))?
        };
        let idle = Arc::new(AtomicBool::new(true));
        // tokio's handler, once it is set, would keep Ctrl-C from ending the program for good.
        signal_hook::flag::register_conditional_default(signal_hook::consts::SIGINT, Arc::clone(&idle))
            .context("could not watch for Ctrl-C")?;
        let (runtime, skew, timeout) = (Some(runtime), AtomicI64::new(NO_SKEW), flags.timeout);
        let (objects, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Self { runtime, client, idle, skew, objects, bytes, namespace, context, server, timeout })
    }

    /// The client, for subresources that are no plain requests (exec, port-forward).
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Drives a future to its end, or to Ctrl-C.
    ///
    /// # Errors
    /// Ctrl-C.
    pub fn run<F: Future>(&self, future: F) -> Result<F::Output> {
        let runtime = self.runtime.as_ref().ok_or_else(|| anyhow!("the session has ended"))?;
        self.idle.store(false, Ordering::SeqCst);
        let output = runtime.block_on(async {
            tokio::select! {
                output = future => Ok(output),
                _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
            }
        });
        self.idle.store(true, Ordering::SeqCst);
        output
    }

    /// The body of a GET.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, Refused> {
        self.ask("GET", path, "application/json", &[]).await
    }

    /// The body of the answer to a request: `accept` is the form that is wanted, `body` is JSON. Repeated with pauses
    /// where the server is busy or the connection breaks, within `--request-timeout`; only for what may be repeated.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(&self, method: &str, path: &str, accept: &str, body: &[u8]) -> Result<Vec<u8>, Refused> {
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut retries = 0;
        loop {
            let attempt = self.attempt(method, path, accept, body);
            let failure = match deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline, attempt).await {
                    Ok(Ok(bytes)) => return Ok(bytes),
                    Ok(Err(failure)) => failure,
                    Err(_) => return Err(Refused::Timeout),
                },
                None => match attempt.await {
                    Ok(bytes) => return Ok(bytes),
                    Err(failure) => failure,
                },
            };
            let Failure { refused, again, after } = failure;
            let most = if after.is_some() { MOST_RETRIES } else { RETRIES_UNASKED };
            let pause = after.unwrap_or_else(|| FIRST_PAUSE.saturating_mul(1 << retries.min(16)).min(LONGEST_PAUSE));
            let until = Instant::now().checked_add(pause);
            let late = until.is_none_or(|until| deadline.is_some_and(|deadline| until >= deadline));
            if !again || retries >= most || late {
                return Err(refused);
            }
            retries += 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, method: &str, path: &str, accept: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let request = http::Request::builder().method(method).uri(path).header(http::header::ACCEPT, accept);
        let request = request.header(http::header::CONTENT_TYPE, "application/json").body(Body::from(body.to_vec()));
        let request = request.map_err(|error| Failure::last(Refused::Malformed(error.to_string())))?;
        let answer = self.client.send(request).await.map_err(|error| refused::from_client(&error))?;
        self.note_date(answer.headers());
        let (parts, mut body) = answer.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| refused::from_client(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > MOST_BYTES {
                return Err(Failure::last(Refused::TooLarge(MOST_BYTES)));
            }
            self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            bytes.extend_from_slice(&data);
        }
        if parts.status.is_success() {
            Ok(bytes)
        } else {
            Err(refused::from_status(parts.status, &parts.headers, &bytes))
        }
    }

    fn note_date(&self, headers: &http::HeaderMap) {
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok()).and_then(refused::http_date);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok();
        if let (Some(date), Some(now)) = (date, now.and_then(|now| i64::try_from(now.as_secs()).ok())) {
            self.skew.store(date - now, Ordering::Relaxed);
        }
    }

    /// Counts objects that were read.
    pub fn count(&self, objects: usize) {
        self.objects.fetch_add(objects, Ordering::Relaxed);
    }

    /// Objects and bytes that were read so far.
    #[must_use]
    pub fn progress(&self) -> (usize, u64) {
        (self.objects.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Seconds by which the server's clock is ahead of this machine's (behind, where negative), as far as an answer said.
    #[must_use]
    pub fn skew(&self) -> Option<i64> {
        Some(self.skew.load(Ordering::Relaxed)).filter(|skew| *skew != NO_SKEW)
    }

    /// The cluster in words: `https://api.example.com:6443 (context prod)`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.context.is_empty() {
            self.server.clone()
        } else {
            format!("{} (context {})", self.server, self.context)
        }
    }

    /// Why nothing can be read of the cluster at all, with what to try.
    #[must_use]
    pub fn unreachable(&self, why: &Refused) -> anyhow::Error {
        let name = self.name();
        match why {
            Refused::Timeout => {
                let within = self.timeout.map(|timeout| format!(" within {timeout:?}")).unwrap_or_default();
                anyhow!(
                    "{name} did not answer{within}: is it the right context (--context), does it need a VPN or a proxy \
                     (HTTPS_PROXY), or more time (--request-timeout)?"
                )
            }
            Refused::Connection(why) if why.contains("certificate") => anyhow!(
                "{name} cannot be trusted: {why}; pass the CA with --certificate-authority FILE, or look at the clock of \
                 this machine"
            ),
            Refused::Connection(why) => anyhow!(
                "could not reach {name}: {why}; is it the right context (--context), is the server up, does it need a VPN \
                 or a proxy (HTTPS_PROXY)?"
            ),
            Refused::Unauthorized(why) => {
                let skew = self.skew().filter(|skew| skew.abs() > SKEW_THAT_MATTERS).map(skew_words);
                let skew = skew.map(|skew| format!("; {skew}")).unwrap_or_default();
                anyhow!("{name} does not take the credentials: {why}; log in again, or pass --token{skew}")
            }
            other => anyhow!("{name}: {other}"),
        }
    }
}

/// Clocks that differ by less agree: certificates and tokens are issued with more slack.
pub const SKEW_THAT_MATTERS: i64 = 60;

/// A URL without the name and password that it may hold.
fn shown(url: &http::Uri) -> String {
    let Some(authority) = url.authority() else { return url.to_string() };
    let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
    format!("{}://{host}{}", url.scheme_str().unwrap_or("https"), url.path().trim_end_matches('/'))
}

/// `the server's clock is 300 s ahead of this machine's`.
#[must_use]
pub fn skew_words(skew: i64) -> String {
    let side = if skew < 0 { "behind" } else { "ahead of" };
    format!(
        "the server's clock is {} s {side} this machine's: what has expired is judged by this machine's",
        skew.abs()
    )
}

impl Drop for Session {
    fn drop(&mut self) {
        // A name that is still being resolved is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, want) in [
            ("https://me:pw@api.example.com:6443/", "https://api.example.com:6443"),
            ("https://api.example.com", "https://api.example.com"),
            ("http://[::1]:80/k8s/clusters/c", "http://[::1]:80/k8s/clusters/c"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), want);
        }
    }

    #[test]
    fn timeouts_are_kubectl_s() {
        let millis = |ms| Some(Duration::from_millis(ms));
        for (text, want) in [
            ("0", None),
            ("0s", None),
            ("5", millis(5000)),
            ("1s", millis(1000)),
            ("2m", millis(120_000)),
            ("1m30s", millis(90_000)),
            ("1.5s", millis(1500)),
            ("300ms", millis(300)),
            ("1h", millis(3_600_000)),
        ] {
            assert_eq!(timeout(text).unwrap(), want, "{text}");
        }
        for text in ["", "s", "1d", "-1s", "1s2", "1 s", "abc", "1e999s", "1.2.3s"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }
}
