//! The command line: clap types only.

use crate::location::is_namespace_name;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Proves from policies, proxies and packets whether service mesh traffic is mutual TLS.
#[derive(Debug, Parser)]
#[command(
    name = "meshctl",
    version,
    about = "Is the traffic in your Istio mesh mutual TLS, and how do you know?",
    max_term_width = 100
)]
#[command(propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// When to colour the output.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// A namespace without a name is the default one, as kubectl has it: as if it was not typed.
    pub fn tidy(&mut self) {
        let named = |name: &String| !name.is_empty();
        match &mut self.command {
            Command::TlsCheck(args) => args.namespace.retain(named),
            Command::AuthzCheck(args) => args.namespace.retain(named),
            Command::Snapshot(args) => args.namespace.retain(named),
            Command::Doctor(args) => args.namespace.retain(named),
            Command::Lint(args) => args.namespace = args.namespace.take().filter(named),
            _ => {}
        }
    }
}

/// A namespace's name is a label of RFC 1123 (`k8s.io/apimachinery`, `pkg/util/validation : IsDNS1123Label`), or empty.
fn namespace(text: &str) -> Result<String, String> {
    if text.is_empty() || is_namespace_name(text) {
        return Ok(text.to_owned());
    }
    Err("a namespace has up to 63 lower-case letters, digits and hyphens, none of the hyphens first or last".to_owned())
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Who may call whom, with what, and does it work: the matrix of PeerAuthentication and DestinationRule.
    TlsCheck(Box<TlsCheck>),
    /// What crossed the wire: each flow of a packet capture as mutual TLS, TLS, plaintext or unknown, with the evidence.
    PcapVerify(Box<PcapVerify>),
    /// What the proxies were told: listeners, certificates, mTLS and authorization, out of Envoy config dumps.
    AuthzCheck(Box<AuthzCheck>),
    /// Mistakes in manifests that break mutual TLS, or that leave traffic unencrypted.
    Lint(Box<Lint>),
    /// What the other commands would read of a live cluster, as one file: for later, and for places without it.
    Snapshot(Box<Snapshot>),
    /// What meshctl may read of a live cluster, what it may not, and what that costs.
    Doctor(Box<Doctor>),
    /// Explain a failure code (F2), a finding code (MC0001), or an error text from a log.
    Explain(Explain),
    /// Print a completion script for a shell.
    Completion(Completion),
    /// The names that a completion script offers.
    #[command(name = "__complete", hide = true)]
    Complete(Complete),
}

/// `meshctl tls-check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing that --fail-on names, 1 something that it names, 2 usage or input error, 3 nothing to check.

Examples:
  meshctl tls-check -f bookinfo.yaml -f policies/
  meshctl tls-check -f . --from sleep.legacy --to details.bookinfo:9080 --why
  helm template . | meshctl tls-check -f - -o json"
)]
pub struct TlsCheck {
    /// The client, as --from.
    #[arg(value_name = "POD[.NAMESPACE] | KIND/NAME", conflicts_with = "from")]
    pub pod: Option<String>,
    /// The service, as --to.
    #[arg(value_name = "HOST[:PORT]", conflicts_with = "to")]
    pub host: Option<String>,
    /// With --compat: more arguments, which the old commands ignored; else an error.
    #[arg(value_name = "ARGUMENT", hide = true)]
    pub more: Vec<String>,

    /// File, folder or glob to read, in place of the live cluster; - for standard input. Repeatable.
    #[arg(short, long, value_name = "PATH", action = ArgAction::Append, help_heading = "Input")]
    pub filename: Vec<String>,
    /// Only services of this namespace; also the namespace of objects that name none. Repeatable.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace, action = ArgAction::Append, help_heading = "Input", conflicts_with = "all_namespaces")]
    pub namespace: Vec<String>,
    /// All namespaces: what files are read with anyway; of a cluster by default the context's.
    #[arg(short = 'A', long, help_heading = "Input")]
    pub all_namespaces: bool,
    /// The live cluster to read where there is no -f.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// What is true of the mesh.
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// Count namespaces that the input does not have as injected.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = ArgAction::Set, help_heading = "Mesh")]
    pub assume_injected: bool,

    /// Only this client: a workload, with its namespace after a dot, or KIND/NAME.
    #[arg(long, value_name = "WORKLOAD", help_heading = "Which rows")]
    pub from: Option<String>,
    /// Only this service: NAME, NAME.NAMESPACE or a host, with |SUBSET and :PORT if wanted.
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Which rows")]
    pub to: Option<String>,
    /// Only Services with these labels.
    #[arg(short = 'l', long, value_name = "KEY=VALUE,..", help_heading = "Which rows")]
    pub selector: Option<String>,
    /// Only these statuses: conflict, plaintext, tls, conditional, mixed, unknown, ok, outside.
    #[arg(long, value_name = "STATUS,..", value_delimiter = ',', help_heading = "Which rows")]
    pub status: Vec<String>,

    /// Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit.
    #[arg(short, long, value_name = "FORMAT[=PATH]", action = ArgAction::Append, help_heading = "Output")]
    pub output: Vec<String>,
    /// One row for each client and endpoint, in place of groups.
    #[arg(long, help_heading = "Output")]
    pub expand: bool,
    /// For each row the chain of decisions: object, file, line and field; and what mends a CONFLICT.
    #[arg(long, help_heading = "Output", conflicts_with = "matrix")]
    pub why: bool,
    /// The grid of clients and services.
    #[arg(long, help_heading = "Output")]
    pub matrix: bool,
    /// The table of an older `istioctl authn tls-check`, byte for byte, with its arguments: POD[.NAMESPACE] and a SERVICE,
    /// for 1.0 the SERVICE alone. Implies that --istio-version; the true verdict goes to standard error.
    #[arg(
        long,
        value_enum,
        value_name = "COMMAND",
        help_heading = "Output",
        conflicts_with_all = ["from", "to", "selector", "status", "output", "expand", "why", "matrix"]
    )]
    pub compat: Option<TlsCompat>,
    /// What makes the exit code 1: conflict, plaintext, tls, conditional, unknown, outside; or never. Unless given:
    /// conflict,conditional,unknown; with --compat: never.
    #[arg(long, value_name = "CLASS,..", value_delimiter = ',', help_heading = "Output")]
    pub fail_on: Vec<String>,
}

/// What `tls-check --compat` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsCompat {
    /// `istioctl authn tls-check` of 1.0.
    #[value(name = "istioctl-1.0")]
    Istioctl10,
    /// Of 1.1.
    #[value(name = "istioctl-1.1")]
    Istioctl11,
    /// Of 1.2.
    #[value(name = "istioctl-1.2")]
    Istioctl12,
    /// Of 1.3.
    #[value(name = "istioctl-1.3")]
    Istioctl13,
    /// Of 1.4.
    #[value(name = "istioctl-1.4")]
    Istioctl14,
    /// Of 1.5.
    #[value(name = "istioctl-1.5")]
    Istioctl15,
}

/// Which cluster, and as whom: kubectl's flags, with kubectl's defaults.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ConnectArgs {
    /// The kubeconfig file; by default those of KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// The context of the kubeconfig to use.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The address of the API server.
    #[arg(short = 's', long, value_name = "URL")]
    pub server: Option<String>,
    /// The bearer token.
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The CA that the API server's certificate must build to.
    #[arg(long, value_name = "FILE")]
    pub certificate_authority: Option<String>,
    /// Do not check the API server's certificate: whoever answers is believed.
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
    /// The user to impersonate.
    #[arg(long = "as", value_name = "USER")]
    pub as_user: Option<String>,
    /// A group to impersonate. Repeatable.
    #[arg(long, value_name = "GROUP", action = ArgAction::Append, requires = "as_user")]
    pub as_group: Vec<String>,
    /// How long one request may take, retries included: 1s, 2m; 0 waits for ever.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub request_timeout: String,
}

/// A cluster that is read, and which mesh of it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// The namespace of Istio's control plane.
    #[arg(short = 'i', long, value_name = "NAMESPACE", value_parser = namespace, default_value = "istio-system")]
    pub istio_namespace: String,
    /// What could not be read ends the run, in place of UNKNOWN rows and a finding.
    #[arg(long)]
    pub strict_read: bool,
}

/// What is true of the mesh, where the manifests do not say it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Mesh")]
pub struct MeshArgs {
    /// The mesh's configuration (meshConfig, or the ConfigMap that holds it), in place of what the input has.
    #[arg(long, value_name = "FILE")]
    pub mesh_config: Option<String>,
    /// The root namespace, where mesh-wide policies live.
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    pub root_namespace: Option<String>,
    /// The mesh's trust domain.
    #[arg(long, value_name = "DOMAIN")]
    pub trust_domain: Option<String>,
    /// A variable of istiod's environment that differs from Istio's default. Repeatable.
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append)]
    pub istiod_env: Vec<String>,
    /// The control plane to judge: it sees the objects and injects the pods of its revision.
    #[arg(long, value_name = "NAME")]
    pub revision: Option<String>,
    /// The Istio version whose rules apply, 1.0 to the newest, such as 1.4 or 1.26.
    #[arg(long, value_name = "VERSION")]
    pub istio_version: Option<String>,
}

/// `meshctl pcap-verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing that --fail-on names, 1 something that it names, 2 usage or input error, 3 no flow.

Examples:
  meshctl pcap-verify mtls.pcap
  meshctl pcap-verify *.pcap --require mtls --exempt port=9100
  meshctl pcap-verify nsx-mirror.pcap --flows -o json
  tcpdump -i any -U -w - | meshctl pcap-verify -"
)]
pub struct PcapVerify {
    /// Captures to read: pcap or pcapng, also compressed with gzip or zstd; - for standard input.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    /// Certificates (PEM) of a CA that the certificates on the wire must build to. Repeatable.
    #[arg(long, value_name = "FILE", action = ArgAction::Append, help_heading = "Judging")]
    pub ca: Vec<String>,
    /// What each judged flow must be; one that is less is of the class required.
    #[arg(long, value_enum, default_value_t = Require::None, value_name = "WHAT", help_heading = "Judging")]
    pub require: Require,
    /// The weakest grade that shows mutual TLS.
    #[arg(long, value_enum, ignore_case = true, default_value_t = MinGrade::C, value_name = "GRADE", help_heading = "Judging")]
    pub min_grade: MinGrade,
    /// Plaintext that does not count: port=, net=, client=, server=, protocol=, joined by commas that mean AND. Repeatable.
    #[arg(long, value_name = "RULE", action = ArgAction::Append, help_heading = "Judging")]
    pub exempt: Vec<String>,
    /// No exemption but those of --exempt: probes, metrics, DNS and loopback count too.
    #[arg(long, help_heading = "Judging")]
    pub no_exemptions: bool,
    /// Loopback counts, and what goes between an application and its own sidecar.
    #[arg(long, help_heading = "Judging")]
    pub judge_loopback: bool,

    /// Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit.
    #[arg(short, long, value_name = "FORMAT[=PATH]", action = ArgAction::Append, help_heading = "Output")]
    pub output: Vec<String>,
    /// One row for each flow, in place of one for each edge.
    #[arg(long, help_heading = "Output")]
    pub flows: bool,
    /// The first bytes of flows in clear, at most 120, escaped. They may hold secrets.
    #[arg(long, help_heading = "Output")]
    pub show_payload: bool,
    /// The SHA-256 of each file.
    #[arg(long, help_heading = "Output")]
    pub sha256: bool,
    /// What makes the exit code 1: plaintext, failed, unknown, required; or never.
    #[arg(
        long,
        value_name = "CLASS,..",
        value_delimiter = ',',
        default_value = "plaintext,failed,unknown,required",
        help_heading = "Output"
    )]
    pub fail_on: Vec<String>,
}

/// `meshctl lint`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing that --fail-on names, 1 something that it names, 2 usage, input or settings error, 3 nothing to check.

Examples:
  meshctl lint k8s/
  helm template . | meshctl lint -
  meshctl lint k8s/ -o github -o json=findings.json
  meshctl lint k8s/ --select MC02 --ignore tls-disabled --fail-on warning
  meshctl explain MC0204"
)]
pub struct Lint {
    /// Files, folders or globs to read; - for standard input.
    #[arg(value_name = "PATH", required_unless_present_any = ["init", "show_settings", "live"], conflicts_with = "live")]
    pub paths: Vec<String>,

    /// Read the live cluster, in place of files.
    #[arg(id = "live", long = "cluster", help_heading = "Input", conflicts_with = "show_files")]
    pub live: bool,
    /// The namespace of objects that name none (by default `default`); with --cluster the one to read.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace, help_heading = "Input")]
    pub namespace: Option<String>,
    /// With --cluster: all namespaces.
    #[arg(short = 'A', long, help_heading = "Input", requires = "live", conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// The live cluster to read with --cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// The settings, in place of the nearest meshctl.yaml upward from the first PATH.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub config: Option<String>,
    /// What is true of the mesh.
    #[command(flatten)]
    pub mesh: MeshArgs,

    /// Only these rules: code (MC0201), name (plaintext-to-strict) or beginning (MC02).
    #[arg(long, value_name = "RULE,..", value_delimiter = ',', help_heading = "Which findings")]
    pub select: Vec<String>,
    /// Not these rules: code, name or beginning.
    #[arg(long, value_name = "RULE,..", value_delimiter = ',', help_heading = "Which findings")]
    pub ignore: Vec<String>,
    /// The least severe finding that is shown.
    #[arg(long, value_enum, value_name = "SEVERITY", help_heading = "Which findings")]
    pub min_severity: Option<MinSeverity>,
    /// The least sure finding that is shown.
    #[arg(long, value_enum, value_name = "CONFIDENCE", help_heading = "Which findings")]
    pub min_confidence: Option<MinConfidence>,
    /// Show also what comments and annotations in the manifests ignore.
    #[arg(long, help_heading = "Which findings")]
    pub no_ignores: bool,

    /// Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit.
    #[arg(short, long, value_name = "FORMAT[=PATH]", action = ArgAction::Append, help_heading = "Output")]
    pub output: Vec<String>,
    /// The least severe finding that makes the exit code 1; error, unless meshctl.yaml says otherwise.
    #[arg(long, value_enum, value_name = "SEVERITY", help_heading = "Output")]
    pub fail_on: Option<LintFailOn>,
    /// Exit code 0, not 3, where there is nothing to check: for hooks that pass the files that changed.
    #[arg(long, help_heading = "Output")]
    pub allow_empty: bool,

    /// Write a commented meshctl.yaml (or the file of --config), and do nothing else; never over one that is there.
    #[arg(long, help_heading = "Settings", conflicts_with_all = ["show_settings", "show_files"])]
    pub init: bool,
    /// Print the settings that hold and where each comes from, and do nothing else.
    #[arg(long, help_heading = "Settings", conflicts_with = "show_files")]
    pub show_settings: bool,
    /// Print the files that would be read, and do nothing else.
    #[arg(long, help_heading = "Settings")]
    pub show_files: bool,
}

/// What `--min-severity` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MinSeverity {
    /// Errors only.
    Error,
    /// Errors and warnings.
    Warning,
    /// All.
    Info,
}

/// What `--min-confidence` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MinConfidence {
    /// What is read from the objects themselves.
    High,
    /// Also what follows from what is usual.
    Medium,
    /// All.
    Low,
}

/// What `--fail-on` of `lint` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LintFailOn {
    /// Errors.
    Error,
    /// Errors and warnings.
    Warning,
    /// Any finding.
    Info,
    /// Nothing.
    Never,
}

/// What `--require` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Require {
    /// Mutual TLS, of the grade of --min-grade.
    Mtls,
    /// TLS of any kind.
    Tls,
    /// Nothing more.
    None,
}

/// What `--min-grade` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MinGrade {
    /// Proven.
    #[value(name = "A")]
    A,
    /// Both certificates seen.
    #[value(name = "B")]
    B,
    /// Inferred, with marks of the mesh.
    #[value(name = "C+")]
    CPlus,
    /// Inferred.
    #[value(name = "C")]
    C,
    /// Circumstantial.
    #[value(name = "D")]
    D,
}

/// `meshctl authz-check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing that --fail-on names, 1 something that it names, 2 usage or input error, 3 nothing to check.

Examples:
  meshctl authz-check details-v1-688965fbdf-b9w5w.bookinfo
  meshctl authz-check deploy/details -n bookinfo --clusters --save dumps
  meshctl authz-check -f details.json
  meshctl authz-check -f dumps/ deploy/details-v1 -o wide
  meshctl authz-check -f productpage.json --clusters
  meshctl authz-check -f details.json --certs --at 2026-12-01T00:00:00Z
  kubectl exec POD -c istio-proxy -- pilot-agent request GET config_dump | meshctl authz-check -f -"
)]
pub struct AuthzCheck {
    /// The pod, or the workload, whose proxy is asked in the live cluster; with -f only its proxies, out of the input.
    #[arg(value_name = "POD[.NAMESPACE] | KIND/NAME")]
    pub pod: Option<String>,

    /// Config dump to read, also compressed with gzip or zstd; file, folder or glob; - for standard input. Repeatable.
    #[arg(short, long, value_name = "PATH", action = ArgAction::Append, help_heading = "Input")]
    pub filename: Vec<String>,
    /// Only proxies of this namespace; of a cluster the namespace of the pod, by default the context's. Repeatable with -f.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace, action = ArgAction::Append, help_heading = "Input")]
    pub namespace: Vec<String>,
    /// Every pod of the workload, or without a name of the namespace, in place of the first ready one.
    #[arg(long, help_heading = "Input", conflicts_with = "filename")]
    pub all_pods: bool,
    /// Keep the dumps in this folder, as POD.NAMESPACE.json; never over other content.
    #[arg(long, value_name = "DIR", help_heading = "Input", conflicts_with = "filename")]
    pub save: Option<String>,
    /// The live cluster to read where there is no -f.
    #[command(flatten)]
    pub cluster: ConnectArgs,

    /// The time that certificates are judged at, RFC 3339; by default now.
    #[arg(long, value_name = "TIME", help_heading = "Judging")]
    pub at: Option<String>,
    /// A certificate with less time left expires soon: 12h, 7d; by default a quarter of its lifetime, at most 30 days.
    #[arg(long, value_name = "DURATION", help_heading = "Judging")]
    pub warn_within: Option<String>,

    /// Every listener: those for calls of the workload itself, and of the proxy, one row for each chain.
    #[arg(long, help_heading = "What is shown", conflicts_with = "certs")]
    pub all: bool,
    /// What the proxy sends: for each cluster and endpoint what crosses, and who the server must be.
    #[arg(long, help_heading = "What is shown", conflicts_with = "certs")]
    pub clusters: bool,
    /// The certificates, with their chains.
    #[arg(long, help_heading = "What is shown")]
    pub certs: bool,
    /// The table of an older command, with its errors; they are named on standard error.
    #[arg(
        long,
        value_enum,
        value_name = "COMMAND",
        help_heading = "What is shown",
        conflicts_with_all = ["all", "clusters", "certs", "output"]
    )]
    pub compat: Option<Compat>,

    /// Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit.
    #[arg(short, long, value_name = "FORMAT[=PATH]", action = ArgAction::Append, help_heading = "Output")]
    pub output: Vec<String>,
    /// What makes the exit code 1: findings (error; warning: those too; info: all), unread; or never.
    #[arg(
        long,
        value_name = "CLASS,..",
        value_delimiter = ',',
        default_value = "error,unread",
        help_heading = "Output"
    )]
    pub fail_on: Vec<String>,
}

/// What `--compat` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// `istioctl experimental authz check` of 1.6.0 to 1.7.0.
    #[value(name = "istioctl-1.6")]
    Istioctl16,
}

/// `meshctl explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// F1 to F9, a finding code or its name, or a piece of an error text; nothing: the list of codes.
    pub what: Vec<String>,
}

/// `meshctl completion`.
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `meshctl __complete`.
#[derive(Debug, Args)]
pub struct Complete {
    /// What is to be completed.
    #[arg(value_enum)]
    pub what: Names,
    /// The command line so far.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// What `__complete` offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Names {
    /// Contexts of the kubeconfig.
    Contexts,
    /// Namespaces of the cluster.
    Namespaces,
    /// Pods of the namespace.
    Pods,
}

/// `meshctl snapshot`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 everything was read, 2 something was not (unless --allow-partial), or a usage or cluster error.

The file holds manifests as kubectl get -o yaml shows them, with the environment of containers; no Secret is read.

Examples:
  meshctl snapshot -A -o mesh.yaml && meshctl tls-check -f mesh.yaml
  meshctl snapshot -n bookinfo | meshctl lint -"
)]
pub struct Snapshot {
    /// File to write, for its owner only; - for standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    pub output: String,
    /// Write over a file that is there.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Exit code 0 also where something could not be read; the file says what.
    #[arg(long, help_heading = "Output", conflicts_with = "strict_read")]
    pub allow_partial: bool,
    /// Only this namespace, and those of the control plane; by default the context's. Repeatable.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace, action = ArgAction::Append, help_heading = "Input", conflicts_with = "all_namespaces")]
    pub namespace: Vec<String>,
    /// All namespaces.
    #[arg(short = 'A', long, help_heading = "Input")]
    pub all_namespaces: bool,
    /// The root namespace, where mesh-wide policies live, if the mesh's configuration cannot be read.
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace, help_heading = "Input")]
    pub root_namespace: Option<String>,
    /// The revision of the control plane; by default `default`, or the only one.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub revision: Option<String>,
    /// The live cluster to read.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `meshctl doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all that meshctl needs is allowed, 1 something is missing, 2 usage error, or the cluster cannot be reached.

Examples:
  meshctl doctor
  meshctl doctor -A --as system:serviceaccount:ci:meshctl
  meshctl doctor -n bookinfo -o json"
)]
pub struct Doctor {
    /// For this namespace, and those of the control plane; by default the context's. Repeatable.
    #[arg(short, long, value_name = "NAMESPACE", value_parser = namespace, action = ArgAction::Append, help_heading = "Input", conflicts_with = "all_namespaces")]
    pub namespace: Vec<String>,
    /// For all namespaces.
    #[arg(short = 'A', long, help_heading = "Input")]
    pub all_namespaces: bool,
    /// The revision of the control plane; by default `default`, or the only one.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub revision: Option<String>,
    /// The live cluster to ask.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Format, with =PATH to write it to a file; repeatable. One of table, wide, full, concise, json, yaml, csv, markdown, name, sarif, github, gitlab, junit.
    #[arg(short, long, value_name = "FORMAT[=PATH]", action = ArgAction::Append, help_heading = "Output")]
    pub output: Vec<String>,
}
