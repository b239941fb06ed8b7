//! From flags to what the engine takes: the mesh's settings, as every command that judges manifests has them.

use crate::cli::MeshArgs;
use crate::input::files;
use crate::model::mesh_config::{IstiodEnv, MeshConfig, Options};
use crate::yaml;
use anyhow::{Context, Result, anyhow, bail};
use std::path::Path;

/// The options of a run, namespaces that the input does not have assumed to be injected.
///
/// # Errors
/// A variable that is not known, a mesh configuration that cannot be read.
pub fn options(args: &MeshArgs, default_namespace: &str) -> Result<Options> {
    options_from(args, default_namespace, "--mesh-config")
}

/// The same, where something else than a flag may have named the mesh configuration.
///
/// # Errors
/// As [`options`].
pub fn options_from(args: &MeshArgs, default_namespace: &str, place: &str) -> Result<Options> {
    let mut env = IstiodEnv::default();
    for pair in &args.istiod_env {
        env.set(pair).map_err(|why| anyhow!("--istiod-env: {why}"))?;
    }
    let version = args.istio_version.as_deref().map(str::parse).transpose();
    let version = version.map_err(|why| anyhow!("--istio-version: {why}"))?;
    for (key, value, fits) in [
        ("root-namespace", &args.root_namespace, is_namespace as fn(&str) -> bool),
        ("trust-domain", &args.trust_domain, is_trust_domain),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !fits(value)) {
            let what = key.replace('-', " ");
            bail!("{key}: {value:?} is no name of a {what}");
        }
    }
    Ok(Options {
        root_namespace: args.root_namespace.clone(),
        trust_domain: args.trust_domain.clone(),
        mesh_config: args.mesh_config.as_deref().map(|path| mesh_config(path, place)).transpose()?,
        env,
        version,
        revision: args.revision.clone().map(|name| if name.is_empty() { "default".to_owned() } else { name }),
        assume_injected: true,
        default_namespace: default_namespace.to_owned(),
        ..Options::default()
    })
}

/// A DNS label, as Kubernetes names namespaces (RFC 1123).
fn is_namespace(name: &str) -> bool {
    let edges = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.chars().all(|c| edges(c) || c == '-')
        && name.starts_with(edges)
        && name.ends_with(edges)
}

/// The characters of a SPIFFE trust domain (SPIFFE-ID 2.1); istiod also takes capitals.
fn is_trust_domain(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Reads the mesh configuration that `place` names: meshConfig itself, the ConfigMap around it, or an IstioOperator's.
fn mesh_config(path: &str, place: &str) -> Result<MeshConfig> {
    let bytes = files::read(Path::new(path)).with_context(|| place.to_owned())?;
    let text = String::from_utf8(bytes).with_context(|| format!("{place}: {path} is not UTF-8"))?;
    let tree = yaml::parse_text(&text).ok_or_else(|| anyhow!("{place}: {path} is not one YAML document"))?;
    let root = tree.root();
    let inner = match root.find("data.mesh").and_then(|node| node.as_str()) {
        Some(text) => Some(yaml::parse_text(text).ok_or_else(|| anyhow!("{place}: data.mesh of {path} is not YAML"))?),
        None => None,
    };
    let root = inner.as_ref().map_or_else(|| root.find("spec.meshConfig").unwrap_or(root), yaml::Tree::root);
    let mut problems = Vec::new();
    let config = MeshConfig::read(root, &mut problems);
    match problems.first() {
        Some(problem) => bail!("{place}: {path}: {problem}"),
        None => Ok(config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_at() {
        for (root, domain, fine) in [
            (Some("istio-system"), Some("cluster.local"), true),
            (Some("mesh1"), Some("td_1-a"), true),
            (None, None, true),
            (Some(""), None, false),
            (Some("a b"), None, false),
            (Some("-a"), None, false),
            (Some("A"), None, false),
            (None, Some(""), false),
            (None, Some("a b"), false),
            (None, Some("spiffe://a"), false),
        ] {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let args = MeshArgs { root_namespace: owned(root), trust_domain: owned(domain), ..MeshArgs::default() };
            assert_eq!(options(&args, "default").is_ok(), fine, "{root:?} {domain:?}");
        }
    }
}
