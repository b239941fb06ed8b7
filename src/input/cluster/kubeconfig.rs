//! From kubectl's flags, kubeconfig files and the environment to what a client needs.
//!
//! The rules are client-go's (`tools/clientcmd`): `--kubeconfig`, else the files of KUBECONFIG of which missing ones are
//! skipped and the first value of each name counts, else `~/.kube/config`; flags over all of them; inside a Pod without
//! any of them its service account.

use super::connect::Flags;
use super::{plugin, proxy};
use anyhow::{Context as _, Result, anyhow, bail};
use kube::Config;
use kube::config::{AuthInfo, Cluster, Context, ExecAuthCluster, Kubeconfig, KubeconfigError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a Pod has the credentials of its service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The most names that an error lists.
const NAMES: usize = 20;

/// What is known of the machine besides the flags.
pub(super) struct Environment<'a> {
    /// A variable.
    pub get: &'a dyn Fn(&str) -> Option<String>,
    /// The folder of the service account.
    pub service_account: &'a Path,
    /// How long a credential plugin may take, which then has no terminal; `None`: as long as it wants.
    pub patience: Option<Duration>,
}

impl Environment<'_> {
    /// Runs with the environment of this process.
    pub(super) fn of_process<T>(patience: Option<Duration>, run: impl FnOnce(&Environment<'_>) -> T) -> T {
        let get = |name: &str| std::env::var(name).ok();
        run(&Environment { get: &get, service_account: Path::new(SERVICE_ACCOUNT), patience })
    }
}

/// A cluster, a user of it, and a namespace.
struct Target {
    context: String,
    namespace: String,
    cluster: Cluster,
    user: AuthInfo,
}

/// The client's settings, and the name of the context that they are from (empty: none).
///
/// # Errors
/// A file that is missing or does not parse, a context, cluster or user that is not there, a credential that cannot be
/// had; each with what to try.
pub(super) fn config(flags: &Flags, environment: &Environment<'_>) -> Result<(Config, String)> {
    let (files, kubeconfig) = read(flags, environment)?;
    let mut target = target(flags, environment, &files, kubeconfig)?;
    apply(flags, &mut target)?;
    let Target { context, namespace, cluster, mut user } = target;
    if !crate::location::is_namespace_name(&namespace) {
        bail!("the namespace {namespace:?} of context {context:?} is no name of one");
    }
    credentials(&cluster, &mut user, environment.patience)?;
    let server = cluster.server.as_deref().filter(|server| !server.is_empty());
    let server =
        server.ok_or_else(|| anyhow!("the cluster of context {context:?} has no server: pass --server URL"))?;
    let mut config = Config::new(address(server, &cluster, &user)?);
    config.root_cert = certificates(&cluster)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.proxy_url = proxy_of(&cluster, &config.cluster_url, environment)?;
    config.default_namespace = namespace;
    config.auth_info = user;
    config.connect_timeout = flags.timeout;
    config.headers.push((http::header::USER_AGENT, user_agent()?));
    // Session retries, within one deadline and with words for it.
    config.default_retry = false;
    Ok((config, context))
}

/// The names of the contexts.
///
/// # Errors
/// A file that is missing or does not parse.
pub(super) fn contexts(flags: &Flags, environment: &Environment<'_>) -> Result<Vec<String>> {
    let (_, kubeconfig) = read(flags, environment)?;
    Ok(kubeconfig.contexts.into_iter().map(|one| one.name).collect())
}

/// The kubeconfig files that are there, merged. No file: an empty one.
fn read(flags: &Flags, environment: &Environment<'_>) -> Result<(Vec<PathBuf>, Kubeconfig)> {
    let variable = (environment.get)("KUBECONFIG").filter(|list| !list.is_empty());
    let files: Vec<PathBuf> = match (&flags.kubeconfig, variable) {
        (Some(file), _) => {
            if !Path::new(file).is_file() {
                bail!("--kubeconfig {file}: there is no such file");
            }
            vec![PathBuf::from(file)]
        }
        (None, Some(list)) => std::env::split_paths(&list).filter(|file| !file.as_os_str().is_empty()).collect(),
        (None, None) => {
            let home = (environment.get)("HOME").or_else(|| (environment.get)("USERPROFILE"));
            home.map(|home| Path::new(&home).join(".kube").join("config")).into_iter().collect()
        }
    };
    let mut merged = Kubeconfig::default();
    for file in files.iter().filter(|file| file.exists()) {
        let read = Kubeconfig::read_from(file);
        let mut next =
            read.map_err(|error| anyhow!("could not read the kubeconfig {}: {}", file.display(), reason(&error)))?;
        // An empty name is none: the next file may set it.
        next.current_context = next.current_context.filter(|name| !name.is_empty());
        (next.kind, next.api_version) = (None, None);
        merged = merged.merge(next).with_context(|| format!("the kubeconfig {}", file.display()))?;
    }
    Ok((files, merged))
}

/// Why a kubeconfig was not read: a place and a reason. The parser would show the lines around it, which hold keys, and
/// the values in its words, which may be tokens.
fn reason(error: &KubeconfigError) -> String {
    let KubeconfigError::Parse(parse) = error else { return error.to_string() };
    let said = parse.without_snippet().to_string();
    let said = without_values(said.lines().next().unwrap_or_default());
    match parse.location() {
        Some(at) => {
            // The parser says the place too, at the end.
            let words = said.rsplit_once(" at line ").map_or(&*said, |(words, _)| words);
            format!("line {}, column {}: {words}", at.line(), at.column())
        }
        None => said,
    }
}

/// A parser's sentence without what it quotes; the name of a field that is missing stays.
fn without_values(said: &str) -> String {
    let mut out = String::with_capacity(said.len());
    let mut rest = said;
    while let Some((at, quote)) = rest.char_indices().find(|(_, c)| matches!(c, '"' | '`' | '\'')) {
        let (before, from) = rest.split_at(at);
        let inside = from.get(1..).unwrap_or("");
        // An apostrophe within a word quotes nothing.
        if quote == '\'' && before.ends_with(char::is_alphanumeric) {
            out.push_str(before);
            out.push(quote);
            rest = inside;
            continue;
        }
        out.push_str(before);
        if before.ends_with("missing field ")
            && let Some((field, after)) = inside.split_once(quote)
        {
            out.push_str(field);
            rest = after;
            continue;
        }
        out.push_str("(hidden)");
        // A value may hold quotes itself: what is quoted ends with the last one.
        rest = inside.rsplit_once(quote).map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// `meshctl/0.1.0 (linux/amd64)`, in kubectl's form, for the server's audit log.
fn user_agent() -> Result<http::HeaderValue> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let text = format!("meshctl/{} ({os}/{arch})", env!("CARGO_PKG_VERSION"));
    http::HeaderValue::try_from(text).context("the name of this program is no header")
}

/// What the context says, or the service account, or nothing but flags.
fn target(flags: &Flags, environment: &Environment<'_>, files: &[PathBuf], config: Kubeconfig) -> Result<Target> {
    let listed = if files.is_empty() {
        "no kubeconfig".to_owned()
    } else {
        files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    let names = |names: Vec<&String>| {
        let shown = names.iter().take(NAMES).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if shown.is_empty() { "it has none".to_owned() } else { format!("there is {shown}{more}") }
    };
    let contexts = || names(config.contexts.iter().map(|one| &one.name).collect());
    let name = flags.context.clone().or_else(|| config.current_context.clone()).filter(|name| !name.is_empty());
    let Some(name) = name else {
        if config.clusters.is_empty() && config.contexts.is_empty() {
            if let Some(target) = in_cluster(environment)? {
                return Ok(target);
            }
            if flags.server.is_none() {
                bail!(
                    "no cluster to read: {listed} is not there or empty, and this is no Pod; pass --kubeconfig FILE or \
                     --server URL, or -f FILE to read manifests"
                );
            }
        }
        if flags.server.is_none() {
            bail!(
                "no context is chosen in {listed}: pass --context NAME, or kubectl config use-context; {}",
                contexts()
            );
        }
        let namespace = "default".to_owned();
        return Ok(Target {
            context: String::new(),
            namespace,
            cluster: Cluster::default(),
            user: AuthInfo::default(),
        });
    };
    let found = config.contexts.iter().find(|one| one.name == name).and_then(|one| one.context.clone());
    let context: Context = found.ok_or_else(|| anyhow!("no context {name:?} in {listed}; {}", contexts()))?;
    let cluster = config.clusters.iter().find(|one| one.name == context.cluster).and_then(|one| one.cluster.clone());
    let cluster = cluster.ok_or_else(|| {
        let there = names(config.clusters.iter().map(|one| &one.name).collect());
        anyhow!("context {name:?} is of cluster {:?}, which is not in {listed}; {there}", context.cluster)
    })?;
    let user = match context.user.as_ref().filter(|user| !user.is_empty()) {
        None => AuthInfo::default(),
        Some(user) => {
            let found = config.auth_infos.iter().find(|one| one.name == *user);
            let found = found.ok_or_else(|| {
                let there = names(config.auth_infos.iter().map(|one| &one.name).collect());
                anyhow!("context {name:?} is of user {user:?}, who is not in {listed}; {there}")
            })?;
            found.auth_info.clone().unwrap_or_default()
        }
    };
    let namespace = context.namespace.filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| "default".to_owned());
    Ok(Target { context: name, namespace, cluster, user })
}

/// The service account of the Pod that this is, if it is one (`rest.InClusterConfig`).
fn in_cluster(environment: &Environment<'_>) -> Result<Option<Target>> {
    let variable = |name: &str| (environment.get)(name).filter(|text| !text.is_empty());
    let (Some(host), Some(port)) = (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT")) else {
        return Ok(None);
    };
    let file = |name: &str| environment.service_account.join(name);
    if !file("token").exists() {
        return Ok(None);
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let shown = |name: &str| file(name).to_string_lossy().into_owned();
    let cluster = Cluster {
        server: Some(format!("https://{host}:{port}")),
        certificate_authority: file("ca.crt").exists().then(|| shown("ca.crt")),
        ..Cluster::default()
    };
    let user = AuthInfo { token_file: Some(shown("token")), ..AuthInfo::default() };
    let namespace = std::fs::read_to_string(file("namespace")).unwrap_or_default();
    let namespace = Some(namespace.trim()).filter(|name| !name.is_empty()).unwrap_or("default").to_owned();
    Ok(Some(Target { context: String::new(), namespace, cluster, user }))
}

/// Flags win over the files.
fn apply(flags: &Flags, target: &mut Target) -> Result<()> {
    let (cluster, user) = (&mut target.cluster, &mut target.user);
    if let Some(server) = &flags.server {
        cluster.server = Some(server.clone());
    }
    if flags.insecure {
        if flags.certificate_authority.is_some() {
            bail!("--certificate-authority and --insecure-skip-tls-verify contradict each other: pass one of them");
        }
        cluster.insecure_skip_tls_verify = Some(true);
        (cluster.certificate_authority, cluster.certificate_authority_data) = (None, None);
    }
    if let Some(file) = &flags.certificate_authority {
        cluster.certificate_authority = Some(file.clone());
        (cluster.certificate_authority_data, cluster.insecure_skip_tls_verify) = (None, None);
    }
    if let Some(token) = &flags.token {
        user.token = Some(token.clone().into());
        (user.token_file, user.exec, user.auth_provider) = (None, None, None);
        (user.username, user.password) = (None, None);
    }
    if let Some(name) = &flags.as_user {
        user.impersonate = Some(name.clone());
    }
    if !flags.as_groups.is_empty() {
        user.impersonate_groups = Some(flags.as_groups.clone());
    }
    Ok(())
}

/// Credentials that stand elsewhere: a token's file (which beats a token, as in client-go), a plugin.
fn credentials(cluster: &Cluster, user: &mut AuthInfo, patience: Option<Duration>) -> Result<()> {
    // An empty token is none (`rest.Config.HasTokenAuth`).
    let typed = token_of(user).map(|token| token.trim_end_matches(['\r', '\n']).to_owned());
    user.token = typed.filter(|token| !token.is_empty()).map(Into::into);
    if let Some(file) = user.token_file.take().filter(|file| !file.is_empty()) {
        // A file ends with a line's end, a token does not.
        match std::fs::read_to_string(&file) {
            Ok(token) if !token.trim().is_empty() => user.token = Some(token.trim().to_owned().into()),
            _ if user.token.is_some() => {}
            Ok(_) => bail!("the token file {file} is empty"),
            Err(error) => bail!("could not read the token file {file}: {error}"),
        }
    }
    // What is there already is not asked for: a token's header goes before a plugin's.
    if let Some(exec) = user.exec.take().filter(|_| user.token.is_none()) {
        let told = exec.provide_cluster_info.then(|| ExecAuthCluster::try_from(cluster)).transpose();
        let told = told.context("the cluster that the credential plugin asks for")?;
        let told = told.map(serde_json::to_value).transpose().context("the cluster's settings")?;
        plugin::run(&exec, told, user, patience)?;
    }
    headers(user)
}

/// A token in plain text.
fn token_of(user: &AuthInfo) -> Option<String> {
    let alone = AuthInfo { token: user.token.clone(), ..AuthInfo::default() };
    let value = serde_json::to_value(alone).ok()?;
    value.get("token")?.as_str().map(str::to_owned)
}

/// What goes into a header must fit into one: kube panics where a token does not.
fn headers(user: &AuthInfo) -> Result<()> {
    let fits = |text: &str| http::HeaderValue::try_from(format!("Bearer {text}")).is_ok();
    if token_of(user).is_some_and(|token| !fits(&token)) {
        bail!("the token has a line's end or another character that no HTTP header can carry: is it one?");
    }
    let provider = user.auth_provider.as_ref();
    for key in ["id-token", "access-token"] {
        if provider.and_then(|provider| provider.config.get(key)).is_some_and(|token| !fits(token)) {
            bail!("the {key} of the kubeconfig's auth-provider has a character that no HTTP header can carry");
        }
    }
    Ok(())
}

/// The server's URL; one without a scheme is `https` where anything speaks of TLS (`rest.DefaultServerURL`).
fn address(server: &str, cluster: &Cluster, user: &AuthInfo) -> Result<http::Uri> {
    let secure = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify.unwrap_or(false)
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some();
    let text = match (server.contains("://"), secure) {
        (true, _) => server.to_owned(),
        (false, true) => format!("https://{server}"),
        (false, false) => format!("http://{server}"),
    };
    let uri: http::Uri = text.parse().map_err(|error| anyhow!("the server {server:?} is no URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        bail!("the server {server:?} is no URL such as https://api.example.com:6443");
    }
    Ok(uri)
}

/// The certificates that the server's must build to; `None`: those of this machine.
fn certificates(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>> {
    let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (bytes, from) = if let Some(data) = present(&cluster.certificate_authority_data) {
        let compact: String = data.split_ascii_whitespace().collect();
        let bytes = data_encoding::BASE64.decode(compact.as_bytes());
        let from = "certificate-authority-data of the kubeconfig";
        (bytes.with_context(|| format!("{from} is no base64"))?, from.to_owned())
    } else if let Some(file) = present(&cluster.certificate_authority) {
        let bytes = std::fs::read(&file).map_err(|error| anyhow!("could not read the CA file {file}: {error}"))?;
        (bytes, file)
    } else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for pem in x509_parser::pem::Pem::iter_from_buffer(&bytes) {
        let pem = pem.map_err(|error| anyhow!("{from} is no PEM: {error}"))?;
        if pem.label == "CERTIFICATE" {
            found.push(pem.contents);
        }
    }
    if found.is_empty() {
        bail!("{from} holds no certificate in PEM");
    }
    Ok(Some(found))
}

/// The kubeconfig's proxy goes before the environment's, and NO_PROXY does not speak of it.
fn proxy_of(cluster: &Cluster, server: &http::Uri, environment: &Environment<'_>) -> Result<Option<http::Uri>> {
    let own = cluster.proxy_url.as_deref().filter(|url| !url.is_empty()).map(proxy::with_scheme);
    let (url, from) = match own {
        Some(url) => (url, "proxy-url of the kubeconfig"),
        None => match proxy::from_environment(server, environment.get) {
            Some(url) => (url, "the proxy of the environment"),
            None => return Ok(None),
        },
    };
    let uri: http::Uri = url.parse().map_err(|error| anyhow!("{from} is no URL: {error}"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(Some(uri)),
        other => bail!("{from} speaks {}: http, https and socks5 can be used", other.unwrap_or("nothing known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ONE: &str = "{apiVersion: v1, kind: Config, current-context: '', clusters: [{name: c, cluster: {server: 'https://one:6443'}}], \
         users: [{name: u, user: {tokenFile: token}}], contexts: [{name: a, context: {cluster: c, user: u, namespace: shop}}]}";
    const TWO: &str = "{current-context: a, clusters: [{name: c, cluster: {server: 'https://two:6443'}}, \
         {name: d, cluster: {server: 'two.example:8443', insecure-skip-tls-verify: true, proxy-url: 'socks5h://p:1080'}}], \
         users: [], contexts: [{name: b, context: {cluster: d}}, {name: lost, context: {cluster: x}}, \
         {name: nobody, context: {cluster: d, user: who}}]}";

    /// The server, namespace, context and proxy; or the error.
    fn resolve(flags: &Flags, env: &[(&str, &str)], account: &Path) -> String {
        let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        match config(flags, &Environment { get: &get, service_account: account, patience: None }) {
            Ok((config, context)) => {
                let proxy = config.proxy_url.map(|proxy| format!(" by {proxy}")).unwrap_or_default();
                format!("{} {} [{context}]{proxy}", config.cluster_url, config.default_namespace)
            }
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn files_contexts_and_flags_are_kubectl_s() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        fs::write(path("one"), ONE).unwrap();
        fs::write(path("two"), TWO).unwrap();
        fs::write(path("bad"), "a: [").unwrap();
        fs::write(path("token"), "secret\n").unwrap();
        fs::write(path("typed"), "users:\n- name: u\n  user: {token: hunter2, exec: hunter2}\n").unwrap();
        fs::write(path("cut"), "users:\n- name: u\n  user:\n    token: hunter2\n   client-key-data: 'hunter2\n")
            .unwrap();
        let token = |text: &str| Flags { token: Some(text.to_owned()), ..Flags::default() };
        let list = format!("{}:{}::{}", path("missing"), path("one"), path("two"));
        let list: &[(&str, &str)] = &[("KUBECONFIG", &list)];
        let context = |name: &str| Flags { context: Some(name.to_owned()), ..Flags::default() };
        let kubeconfig = |name: &str| Flags { kubeconfig: Some(path(name)), ..Flags::default() };
        let server = |url: &str| Flags { server: Some(url.to_owned()), ..Flags::default() };
        let none: &[(&str, &str)] = &[];
        for (flags, env, want) in [
            (Flags::default(), list, "https://one:6443/ shop [a]"),
            (context("b"), list, "https://two.example:8443/ default [b] by socks5://p:1080/"),
            (context("z"), list, "no context \"z\""),
            (context("z"), list, "there is a, b, lost, nobody"),
            (context("lost"), list, "context \"lost\" is of cluster \"x\", which is not in"),
            (context("nobody"), list, "context \"nobody\" is of user \"who\", who is not in"),
            (kubeconfig("missing"), list, "there is no such file"),
            (kubeconfig("bad"), none, "could not read the kubeconfig"),
            (kubeconfig("bad"), none, ": line "),
            (kubeconfig("typed"), none, "line 3, column "),
            (kubeconfig("cut"), none, "line 5, column "),
            (token("t\r\n"), list, "https://one:6443/ shop [a]"),
            (token("t\nu"), list, "no HTTP header can carry"),
            (token("t\u{7}"), list, "no HTTP header can carry"),
            (kubeconfig("one"), list, "no context is chosen"),
            (Flags::default(), none, "no cluster to read"),
            (server("https://x:1"), none, "https://x:1/ default []"),
            (server("x:1"), none, "http://x:1/ default []"),
            (server("ftp://x:1"), none, "is no URL such as"),
            (server("https://x:1"), list, "https://x:1/ shop [a]"),
        ] {
            let found = resolve(&flags, env, folder.path());
            assert!(found.contains(want), "{want}: {found}");
            assert!(!found.contains("hunter2") && !found.contains('\n'), "{found}");
        }
        let inside = [("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "443")];
        assert_eq!(resolve(&Flags::default(), &inside, folder.path()), "https://[fd00::1]:443/ default []");
        fs::write(path("namespace"), "istio-system").unwrap();
        assert_eq!(resolve(&Flags::default(), &inside, folder.path()), "https://[fd00::1]:443/ istio-system []");
        assert!(resolve(&Flags::default(), &inside, Path::new("/nowhere")).starts_with("no cluster to read"));
    }

    #[test]
    fn a_token_s_file_is_read_without_its_line_s_end_and_a_flag_beats_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, " t\n").unwrap();
        let file = || Some(file.to_string_lossy().into_owned());
        let user = || AuthInfo { token_file: file(), ..AuthInfo::default() };
        let mut target =
            Target { context: String::new(), namespace: String::new(), cluster: Cluster::default(), user: user() };
        let token = |user: &AuthInfo| serde_json::to_value(user).unwrap()["token"].clone();
        credentials(&target.cluster, &mut target.user, None).unwrap();
        assert_eq!(token(&target.user), "t");
        target.user = user();
        apply(&Flags { token: Some("flag".to_owned()), ..Flags::default() }, &mut target).unwrap();
        credentials(&target.cluster, &mut target.user, None).unwrap();
        assert_eq!(token(&target.user), "flag");
        target.user = AuthInfo { token_file: Some("/nowhere/token".to_owned()), ..AuthInfo::default() };
        assert!(
            credentials(&target.cluster, &mut target.user, None).unwrap_err().to_string().contains("/nowhere/token")
        );
    }

    #[test]
    fn what_a_parser_quotes_is_hidden() {
        for (said, want) in [
            ("missing field `name`", "missing field name"),
            ("invalid type: string \"a\\\"b\", expected a map", "invalid type: string (hidden), expected a map"),
            ("invalid type: integer `42`, expected a string", "invalid type: integer (hidden), expected a string"),
            ("it doesn't end", "it doesn't end"),
            ("unknown anchor 'x", "unknown anchor (hidden)"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_values(said), want);
        }
    }

    #[test]
    fn authorities_are_certificates_in_pem() {
        let cluster = |data: &str| Cluster { certificate_authority_data: Some(data.to_owned()), ..Cluster::default() };
        for (data, want) in [("%", "no base64"), ("aGVsbG8=", "holds no certificate")] {
            let error = format!("{:#}", certificates(&cluster(data)).unwrap_err());
            assert!(error.contains(want), "{data}: {error}");
        }
        let file = Cluster { certificate_authority: Some("/nowhere/ca.crt".to_owned()), ..Cluster::default() };
        assert!(certificates(&file).unwrap_err().to_string().contains("/nowhere/ca.crt"));
        assert!(certificates(&Cluster::default()).unwrap().is_none());
    }
}
