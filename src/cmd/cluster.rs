//! From kubectl's flags to what a cluster holds, for every command that reads one.

use super::Io;
use crate::cli::{ClusterArgs, ConnectArgs, MeshArgs};
#[cfg(feature = "cluster")]
use crate::input::cluster::{self, Facts, Flags, Session, Wanted, connect};
use crate::model::load::Input;
#[cfg(feature = "cluster")]
use crate::model::load::Unseen;
use anyhow::Result;

/// What a command asks of a cluster.
pub struct Ask<'a> {
    /// Which cluster.
    pub args: &'a ClusterArgs,
    /// What the user says of the mesh.
    pub mesh: &'a MeshArgs,
    /// `-n`.
    pub namespaces: &'a [String],
    /// `-A`.
    pub all: bool,
    /// Namespaces that other flags name.
    pub more: &'a [String],
    /// Also what only `lint` judges.
    pub lint: bool,
}

/// What a cluster gave.
pub struct Live {
    /// Its objects.
    pub input: Input,
    /// What is true of the mesh: what the user says over what the cluster does.
    pub mesh: MeshArgs,
    /// The first namespace asked for: the context's, where none was typed.
    pub namespace: String,
}

/// Connects to the cluster that the flags mean. Nothing is sent yet.
///
/// # Errors
/// A kubeconfig that cannot be read, a context that is not there, credentials that cannot be had.
#[cfg(feature = "cluster")]
pub fn open(args: &ConnectArgs) -> Result<Session> {
    Session::open(&Flags {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        server: args.server.clone(),
        token: args.token.clone(),
        certificate_authority: args.certificate_authority.clone(),
        insecure: args.insecure_skip_tls_verify,
        as_user: args.as_user.clone(),
        as_groups: args.as_group.clone(),
        timeout: connect::timeout(&args.request_timeout)?,
    })
}

/// This binary cannot read a cluster.
///
/// # Errors
/// Always.
#[cfg(not(feature = "cluster"))]
pub fn open(_: &ConnectArgs) -> Result<std::convert::Infallible> {
    anyhow::bail!("this meshctl was built without the cluster: give files, as in -f FILE, or use the build that has it")
}

/// This binary cannot read a cluster.
///
/// # Errors
/// Always.
#[cfg(not(feature = "cluster"))]
pub fn gather(ask: &Ask<'_>, _: &mut Io<'_>) -> Result<Live> {
    match open(&ask.args.connect)? {}
}

/// Reads a cluster.
///
/// # Errors
/// It cannot be reached or does not take the credentials; with `--strict-read` anything that was not read.
#[cfg(feature = "cluster")]
pub fn gather(ask: &Ask<'_>, io: &mut Io<'_>) -> Result<Live> {
    let session = open(&ask.args.connect)?;
    let namespace = ask.namespaces.first().cloned().unwrap_or_else(|| session.namespace.clone());
    let wanted = wanted(ask, &namespace);
    let (mut input, facts) = {
        let mut progress = super::progress::Progress::new(&mut *io.stderr, io.stderr_is_terminal, None);
        cluster::read(&session, &wanted, &mut |_, bytes| progress.at(bytes))?
    };
    for note in notes(&facts) {
        writeln!(io.stderr, "meshctl: {}", crate::render::escape(&note))?;
    }
    let mut mesh = ask.mesh.clone();
    let release = facts.control_plane.version.clone().filter(|text| super::recorded::is_release(text));
    mesh.istio_version = mesh.istio_version.or(release);
    mesh.istiod_env = environment(&facts, ask.mesh, &mut input.unseen);
    if ask.args.strict_read {
        strict(&input)?;
    }
    if !input.unseen.is_empty() {
        let advice = "meshctl doctor says what that costs, and which Role is missing";
        writeln!(io.stderr, "meshctl: not everything could be read: {advice}")?;
    }
    Ok(Live { input, mesh, namespace })
}

#[cfg(feature = "cluster")]
pub(super) fn wanted(ask: &Ask<'_>, namespace: &str) -> Wanted {
    let typed = ask.namespaces.iter().chain(ask.more).cloned();
    Wanted {
        namespaces: (!ask.all).then(|| typed.chain([namespace.to_owned()]).collect()),
        lint: ask.lint,
        istio_namespace: ask.args.istio_namespace.clone(),
        revision: ask.mesh.revision.clone(),
        root_namespace: ask.mesh.root_namespace.clone(),
        mesh_config_given: ask.mesh.mesh_config.is_some(),
        env_given: !ask.mesh.istiod_env.is_empty(),
    }
}

/// istiod's variables, and what they leave open.
#[cfg(feature = "cluster")]
fn environment(facts: &Facts, given: &MeshArgs, unseen: &mut Vec<Unseen>) -> Vec<String> {
    let plane = &facts.control_plane;
    let file = format!("cluster:{}/deployments", plane.namespace);
    let at = crate::location::Location { file: file.as_str().into(), line: 1, column: 1 };
    let mut env = super::recorded::environment(&plane.env, &plane.env_elsewhere, given, &at, unseen);
    env.extend(given.istiod_env.iter().cloned());
    env
}

/// What a person should know of the reading that is no finding.
#[cfg(feature = "cluster")]
pub(super) fn notes(facts: &Facts) -> Vec<String> {
    const MESH: [&str; 2] = ["PeerAuthentication", "DestinationRule"];
    let mut notes = Vec::new();
    let missing: Vec<&str> = MESH.into_iter().filter(|kind| facts.unserved.contains(kind)).collect();
    if !missing.is_empty() {
        notes.push(format!("{} serves no {}: is Istio installed in it?", facts.name, missing.join(" and no ")));
    } else if !facts.control_plane.found {
        notes.push(format!(
            "no istiod was seen in namespace {} (--istio-namespace says where it is)",
            facts.control_plane.namespace
        ));
    }
    let skew = facts.skew.filter(|skew| skew.abs() > connect::SKEW_THAT_MATTERS);
    notes.extend(skew.map(connect::skew_words));
    notes.extend(facts.absent.iter().map(|name| format!("there is no namespace {name}")));
    notes
}

/// `--strict-read`: what was not read, as an error.
#[cfg(feature = "cluster")]
fn strict(input: &Input) -> Result<()> {
    const SHOWN: usize = 3;
    let reasons = input.unseen.iter().map(|unseen| &unseen.reason);
    let reasons: Vec<&String> = reasons.chain(input.findings.iter().map(|finding| &finding.message)).collect();
    if reasons.is_empty() {
        return Ok(());
    }
    let first = reasons.iter().take(SHOWN).map(|reason| reason.as_str()).collect::<Vec<_>>().join("; ");
    let more = reasons.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    anyhow::bail!("--strict-read: {first}{more}")
}
