//! Network and HTTP filters as plain data: what decides who may call.

use super::Mode;
use crate::envoy::routes::RouteRules;

/// A network or HTTP filter, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// `HttpConnectionManager`.
    Http(Box<HttpManager>),
    /// RBAC, of either layer.
    Rbac(Box<Rbac>),
    /// `ext_authz`, of either layer.
    ExtAuthz(ExtAuthz),
    /// JWT: `jwt_authn`, or the old `jwt-auth`.
    Jwt(Vec<JwtProvider>),
    /// Istio's `istio_authn` (1.0 to 1.23).
    IstioAuthn(IstioAuthn),
    /// Delivered by ECDS under this name.
    Discovered(String),
    /// `tcp_proxy`: the cluster, where it is one.
    TcpProxy(String),
    /// Known, and without a say in who may call.
    Other,
    /// May decide who may call, in ways that a dump does not show (Wasm, Lua, external processing ...): its kind.
    Opaque(String),
    /// Not known: its type, or its name where it has none.
    Unknown(String),
}

/// An `HttpConnectionManager`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpManager {
    /// Its HTTP filters, in order.
    pub filters: Vec<Filter>,
    /// The names of these filters: routes change a filter by its name.
    pub names: Vec<String>,
    /// What the route configuration in it changes of filters.
    pub routes: RouteRules,
    /// Name of the route configuration (inline, or by RDS).
    pub route: Option<String>,
    /// The route configuration comes by RDS.
    pub is_rds: bool,
}

/// An RBAC filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rbac {
    /// HTTP or network filter.
    pub layer: Layer,
    /// `rules`; `None`: nothing is enforced.
    pub rules: Option<Rules>,
    /// `shadow_rules`: only counted.
    pub shadow: Option<Rules>,
    /// `shadow_rules_stat_prefix`.
    pub shadow_prefix: String,
    /// It has something that is not understood: a `matcher`, an action that is not known. Rules that cannot be told for
    /// certain are not in `rules`.
    pub odd: bool,
}

/// HTTP or network layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Per request.
    #[default]
    Http,
    /// Per connection.
    Network,
}

/// What RBAC rules do with what they match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Lets it pass, and nothing else.
    #[default]
    Allow,
    /// Refuses it.
    Deny,
    /// Logs it (`LOG`; AUDIT in Istio).
    Audit,
    /// Asks an external service.
    Custom,
}

/// RBAC rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// What they do.
    pub action: Action,
    /// The policies, sorted by name.
    pub policies: Vec<Policy>,
}

/// One policy of RBAC rules; in Istio one rule of an AuthorizationPolicy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its key: `ns[bookinfo]-policy[details-viewer]-rule[0]`.
    pub name: String,
    /// What it says, for a person: `from spiffe://..., to GET /details*`.
    pub words: String,
    /// It rests on the identity of the peer (principal, namespace, service account).
    pub needs_identity: bool,
    /// Every way to match it takes an identity of the peer: no caller without one can.
    pub identity_only: bool,
    /// It requires *not* to be some identity.
    pub excludes_identity: bool,
    /// It has conditions on HTTP (method, path, header, host, JWT).
    pub needs_http: bool,
    /// It matches nothing (`not_rule: any`).
    pub matches_nothing: bool,
    /// It matches everything.
    pub matches_all: bool,
    /// A part of it was not understood.
    pub unread: bool,
}

/// `ext_authz`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtAuthz {
    /// HTTP or network filter.
    pub layer: Layer,
    /// The cluster that is asked.
    pub cluster: String,
    /// An unreachable service lets calls pass.
    pub failure_mode_allow: bool,
    /// The prefix of the shadow policies that call it (`filter_enabled_metadata`); `None`: every call is asked for.
    pub only_for: Option<String>,
}

/// A provider of a JWT filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtProvider {
    /// `issuer`; may be empty.
    pub issuer: String,
    /// A request without a token of it is refused (401). Istio never demands one here: RBAC does.
    pub is_required: bool,
}

/// `istio_authn`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IstioAuthn {
    /// Modes of `peers[].mtls`.
    pub modes: Vec<Mode>,
    /// Issuers of `origins[].jwt`.
    pub issuers: Vec<String>,
}

impl Action {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Audit => "AUDIT",
            Self::Custom => "CUSTOM",
        }
    }
}
