//! Reads the config dump of a Pod's proxy: by a port-forward to Envoy's admin port, else by `pilot-agent` in its container.
//!
//! The dump is handed on as it arrives, a few blocks ahead of the reader; it is never in memory as a whole. Envoy's admin
//! port listens on 127.0.0.1 of the Pod, so the API server's proxy does not reach it.

use super::pods::{self, CONTAINER, Pod};
use super::refused::words;
use super::{Refused, Session, access};
use anyhow::{Result, anyhow};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, Portforwarder};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Envoy's admin port.
const ADMIN: u16 = 15000;

/// What is asked for: with endpoints, which a dump has only where they are asked for.
const REQUEST: &str = "config_dump?include_eds";

/// Blocks under way between the connection and the reader.
const AHEAD: usize = 4;

/// Bytes of standard output that are under way by exec: 30 times as fast as with the 1,024 bytes that are kube's default.
const BUFFER: usize = 1 << 16;

/// How often a way is tried whose connection breaks before an answer.
const TRIES: u32 = 3;

/// The most of what a command said on standard error.
const WORDS: u64 = 2000;

/// How long an explanation is waited for, once something has failed.
const EXPLANATION: Duration = Duration::from_millis(500);

/// Why one way did not work.
#[derive(Debug)]
struct Failed {
    why: String,
    denied: bool,
    /// The connection broke before an answer: a server closes the one on which it refused an upgrade, and the client may
    /// have taken it for the next request.
    broke: bool,
}

impl Failed {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), denied: false, broke: false }
    }
}

/// A dump that has begun to arrive.
enum Opened {
    Forward(Incoming, #[allow(dead_code, reason = "the connection lives as long as it")] Portforwarder),
    Exec { first: Bytes, rest: Box<dyn AsyncRead + Send + Unpin>, process: AttachedProcess },
}

/// Reads a Pod's dump. `take` is given the stream, and says what it made of it; `note` hears what a person should
/// know, `tick` that a block has arrived.
///
/// # Errors
/// Neither way works, or the stream broke; Ctrl-C.
pub fn read<T: Send>(
    session: &Session,
    pod: &Pod,
    note: &mut dyn FnMut(String),
    tick: &mut dyn FnMut(),
    take: impl FnOnce(&mut dyn Read) -> T + Send,
) -> Result<T> {
    if let Some(why) = &pod.without {
        return Err(anyhow!("pod {}.{} has no config dump: {why}", pod.name, pod.namespace));
    }
    let opened = session.run(open(session, pod, note))??;
    let (send, blocks) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || take(&mut Stream { blocks, block: Bytes::new(), ended: false }));
        let pumped = session.run(pump(session, opened, &send, tick));
        if !matches!(pumped, Ok(Ok(()))) {
            // Whoever reads must not take what came so far for the whole.
            let _ = send.send(Err(io::Error::other("the dump broke off")));
        }
        drop(send);
        let taken = reader.join().map_err(|_| anyhow!("the reading of the dump ended unexpectedly"));
        match pumped? {
            Ok(()) => taken,
            Err(why) => {
                let became = session.run(became(session, pod))?.map(|it| format!("; {it}")).unwrap_or_default();
                Err(anyhow!("the dump of pod {}.{} broke off: {why}{became}", pod.name, pod.namespace))
            }
        }
    })
}

/// One of the two ways, or both reasons.
async fn open(session: &Session, pod: &Pod, note: &mut dyn FnMut(String)) -> Result<Opened> {
    let api: Api<core::Pod> = Api::namespaced(session.client(), &pod.namespace);
    let name = format!("{}.{}", pod.name, pod.namespace);
    let forward = match insist(session, || forward(&api, pod)).await {
        Ok(opened) => return Ok(opened),
        Err(failed) => failed,
    };
    let exec = match insist(session, || exec(&api, pod)).await {
        Ok(opened) => {
            note(format!("{name}: no port-forward to {ADMIN} ({}); read by exec of pilot-agent", forward.why));
            return Ok(opened);
        }
        Err(failed) => failed,
    };
    if let Some(became) = became(session, pod).await {
        return Err(anyhow!("could not read the config dump of pod {name}: {became}"));
    }
    let missing = missing(session, pod, forward.denied || exec.denied).await;
    Err(anyhow!(
        "could not read the config dump of pod {name}: by port-forward to {ADMIN}: {}; by exec of pilot-agent: {}{missing}",
        forward.why,
        exec.why
    ))
}

/// The verbs that are not there: servers from 1.35 on want both for either way, and say so in no words. `denied`: something
/// was, so that where the server does not say what, it may be any of them.
async fn missing(session: &Session, pod: &Pod, denied: bool) -> String {
    let mut missing = Vec::new();
    for resource in ["pods/portforward", "pods/exec"] {
        let mut verbs = Vec::new();
        for verb in ["get", "create"] {
            let ask = access::Ask { verb, group: "", resource, namespace: &pod.namespace, name: "" };
            if !access::allowed(session, &ask).await.unwrap_or(!denied) {
                verbs.push(verb);
            }
        }
        if !verbs.is_empty() {
            missing.push(format!("{} {resource}", verbs.join(" and ")));
        }
    }
    if missing.is_empty() {
        return String::new();
    }
    format!("; not allowed in namespace {}: {} (one of the two suffices)", pod.namespace, missing.join(", or "))
}

/// One step, within `--request-timeout`.
async fn within<T>(session: &Session, step: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    match session.timeout {
        Some(timeout) => tokio::time::timeout(timeout, step)
            .await
            .unwrap_or_else(|_| Err(Failed::new(format!("no answer within {timeout:?}")))),
        None => step.await,
    }
}

/// One way, on a new connection where the last one broke.
async fn insist<F: Future<Output = Result<Opened, Failed>>>(
    session: &Session,
    way: impl Fn() -> F,
) -> Result<Opened, Failed> {
    let mut tries = 1;
    loop {
        match within(session, way()).await {
            Err(failed) if failed.broke && tries < TRIES => tries += 1,
            answer => return answer,
        }
    }
}

/// What the API server says of an upgrade that it refuses.
fn refused(error: &kube::Error) -> Failed {
    use kube::client::UpgradeConnectionError::ProtocolSwitch;
    match error {
        kube::Error::Api(status) => Failed {
            why: match status.message.trim_end_matches([' ', ':']) {
                "" => format!("status {}", status.code),
                said => said.to_owned(),
            },
            denied: status.code == 403,
            broke: false,
        },
        kube::Error::UpgradeConnection(ProtocolSwitch(status)) => {
            let denied = status.as_u16() == 403;
            Failed {
                why: if denied { "forbidden".to_owned() } else { format!("status {status}") },
                denied,
                broke: false,
            }
        }
        other => Failed { broke: super::refused::from_client(other).again, ..Failed::new(words(other)) },
    }
}

async fn forward(api: &Api<core::Pod>, pod: &Pod) -> Result<Opened, Failed> {
    let mut forwarder = api.portforward(&pod.name, &[ADMIN]).await.map_err(|error| refused(&error))?;
    let stream = forwarder.take_stream(ADMIN).ok_or_else(|| Failed::new("no stream"))?;
    let said = forwarder.take_error(ADMIN);
    let answer = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = http::Request::get(format!("/{REQUEST}"))
            .header(http::header::HOST, format!("127.0.0.1:{ADMIN}"))
            .header(http::header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new());
        match request {
            Ok(request) => sender.send_request(request).await.map(Some),
            Err(_) => Ok(None),
        }
    };
    match answer.await {
        Ok(Some(answer)) if answer.status().is_success() => Ok(Opened::Forward(answer.into_body(), forwarder)),
        Ok(Some(answer)) => Err(Failed::new(format!("Envoy's admin port answers {}", answer.status()))),
        Ok(None) => Err(Failed::new("no request")),
        Err(error) => {
            // The kubelet's own words, where it has some: connection refused, no such container.
            let said = match said {
                Some(said) => tokio::time::timeout(EXPLANATION, said).await.ok().flatten(),
                None => None,
            };
            Err(Failed::new(said.map_or_else(|| words(&error), |said| said.trim().to_owned())))
        }
    }
}

async fn exec(api: &Api<core::Pod>, pod: &Pod) -> Result<Opened, Failed> {
    let parameters = AttachParams::default().container(CONTAINER).stdin(false).stdout(true).stderr(true);
    let parameters = parameters.max_stdout_buf_size(BUFFER).max_stderr_buf_size(BUFFER);
    let command = ["pilot-agent", "request", "GET", REQUEST];
    let mut process = api.exec(&pod.name, command, &parameters).await.map_err(|error| refused(&error))?;
    let mut rest = process.stdout().ok_or_else(|| Failed::new("no standard output"))?;
    let stderr = process.stderr();
    // A full pipe would stop the other one, so it is emptied, and its beginning kept for the reason.
    let said = tokio::spawn(async move {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = (&mut stderr).take(WORDS).read_to_end(&mut text).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
        String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let mut first = vec![0; BUFFER];
    let length = rest.read(&mut first).await.map_err(|error| Failed::new(words(&error)))?;
    first.truncate(length);
    if length > 0 {
        return Ok(Opened::Exec { first: first.into(), rest: Box::new(rest), process });
    }
    let why = ended(&mut process).await.err().unwrap_or_else(|| "it printed nothing".to_owned());
    let said = tokio::time::timeout(EXPLANATION, said).await.ok().and_then(Result::ok).unwrap_or_default();
    Err(Failed::new(if said.is_empty() { why } else { format!("{why}: {said}") }))
}

/// How a command ended: what it printed is whole only where it says that it succeeded.
async fn ended(process: &mut AttachedProcess) -> Result<(), String> {
    let Some(status) = process.take_status() else { return Err("it does not say how it ended".to_owned()) };
    match status.await {
        Some(status) if status.status.as_deref() == Some("Success") => Ok(()),
        Some(status) => Err(status.message.unwrap_or_else(|| "it failed".to_owned())),
        None => Err("the connection was closed before it ended".to_owned()),
    }
}

/// Hands the blocks on, each within `--request-timeout`. A reader that has gone has what it wants.
async fn pump(
    session: &Session,
    opened: Opened,
    send: &SyncSender<io::Result<Bytes>>,
    tick: &mut dyn FnMut(),
) -> Result<(), String> {
    match opened {
        Opened::Forward(mut body, _forwarder) => loop {
            let frame = within(session, async { Ok(body.frame().await) }).await.map_err(|failed| failed.why)?;
            let Some(frame) = frame else { return Ok(()) };
            let Ok(block) = frame.map_err(|error| words(&error))?.into_data() else { continue };
            tick();
            if send.send(Ok(block)).is_err() {
                return Ok(());
            }
        },
        Opened::Exec { first, mut rest, mut process } => {
            let mut block = first;
            loop {
                tick();
                if send.send(Ok(block)).is_err() {
                    process.abort();
                    return Ok(());
                }
                let mut next = vec![0; BUFFER];
                let length =
                    within(session, async { Ok(rest.read(&mut next).await) }).await.map_err(|failed| failed.why)?;
                next.truncate(length.map_err(|error| words(&error))?);
                if next.is_empty() {
                    let end = async { ended(&mut process).await.map_err(Failed::new) };
                    return within(session, end).await.map_err(|failed| failed.why);
                }
                block = next.into();
            }
        }
    }
}

/// What became of a Pod that stopped answering.
async fn became(session: &Session, pod: &Pod) -> Option<String> {
    match pods::now(session, pod).await {
        Err(Refused::NotFound(_)) => Some("the pod was deleted meanwhile".to_owned()),
        Ok(now) if now.uid != pod.uid => Some("the pod was replaced by another of that name meanwhile".to_owned()),
        Ok(now) if now.restarts != pod.restarts => Some(format!("its {CONTAINER} was restarted meanwhile")),
        Ok(now) => now.without,
        Err(_) => None,
    }
}

/// The blocks as a [`Read`].
struct Stream {
    blocks: Receiver<io::Result<Bytes>>,
    block: Bytes,
    ended: bool,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.block.is_empty() && !self.ended {
            match self.blocks.recv() {
                Ok(block) => self.block = block?,
                Err(_) => self.ended = true,
            }
        }
        let length = self.block.len().min(buffer.len());
        let piece = self.block.split_to(length);
        if let Some(room) = buffer.get_mut(..length) {
            room.copy_from_slice(&piece);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_arrive_as_one_text_and_a_break_is_an_error() {
        let (send, blocks) = sync_channel(8);
        for block in ["ab", "", "cde"] {
            send.send(Ok(Bytes::from_static(block.as_bytes()))).unwrap();
        }
        drop(send);
        let mut text = String::new();
        Stream { blocks, block: Bytes::new(), ended: false }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcde");
        let (send, blocks) = sync_channel(8);
        send.send(Ok(Bytes::from_static(b"ab"))).unwrap();
        send.send(Err(io::Error::other("broke"))).unwrap();
        let mut text = String::new();
        assert!(Stream { blocks, block: Bytes::new(), ended: false }.read_to_string(&mut text).is_err());
    }
}
