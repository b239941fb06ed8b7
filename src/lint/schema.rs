//! The fields of the kinds that meshctl judges, and what a key that is none of them was meant to be.
//!
//! The names are those of the CRDs of Istio's API (`kubernetes/customresourcedefinitions.gen.yaml`) and of the removed
//! `authentication/v1alpha1/policy.proto`. What has no braces is not looked into.

use super::Lint;
use crate::location::Path;
use crate::model::ObjectId;
use crate::yaml::{Kind, Node};
use std::sync::LazyLock;

/// Group and kind, and the fields of its `spec`. `*` is any key; `tls:part` has the fields of a row of [`PARTS`].
const SPECS: &[(&str, &str, &str)] = &[
    ("security.istio.io", "PeerAuthentication", "mtls{mode} portLevelMtls{*{mode}} selector{matchLabels{*}}"),
    (
        "security.istio.io",
        "RequestAuthentication",
        "jwtRules{audiences forwardOriginalToken fromCookies fromHeaders{name prefix} fromParams issuer jwks jwksUri \
         jwks_uri outputClaimToHeaders{claim header} outputPayloadToHeader presence spaceDelimitedClaims timeout} \
         selector{matchLabels{*}} targetRef:target targetRefs:target",
    ),
    (
        "security.istio.io",
        "AuthorizationPolicy",
        "action provider{name} rules{from{source:source} to{operation{hosts methods notHosts notMethods notPaths \
         notPorts paths ports}} when{key notValues values}} selector{matchLabels{*}} targetRef:target targetRefs:target",
    ),
    (
        "networking.istio.io",
        "DestinationRule",
        "exportTo host subsets{labels{*} name trafficPolicy:traffic} trafficPolicy:traffic \
         workloadSelector{matchLabels{*}}",
    ),
    (
        "networking.istio.io",
        "Sidecar",
        "egress{bind captureMode hosts port:port} inboundConnectionPool:pool ingress{bind captureMode \
         connectionPool:pool defaultEndpoint port:port tls:servertls} outboundTrafficPolicy{egressProxy{host \
         port{number} subset} mode} workloadSelector{labels{*}}",
    ),
    ("networking.istio.io", "Gateway", "selector servers{bind defaultEndpoint hosts name port:port tls:servertls}"),
    (
        "networking.istio.io",
        "ServiceEntry",
        "addresses endpoints:machine exportTo hosts location ports:port resolution subjectAltNames \
         workloadSelector{labels{*}}",
    ),
    ("networking.istio.io", "VirtualService", "exportTo gateways hosts http tcp tls"),
    ("networking.istio.io", "WorkloadEntry", "address labels{*} locality network ports{*} serviceAccount weight"),
    ("networking.istio.io", "WorkloadGroup", "metadata{annotations{*} labels{*}} probe template:machine"),
    ("authentication.istio.io", "Policy", POLICY),
    ("authentication.istio.io", "MeshPolicy", POLICY),
    ("authentication.maistra.io", "ServiceMeshPolicy", POLICY),
];

const POLICY: &str = "originIsOptional origins{jwt} peerIsOptional peers{jwt mtls{allowTls mode}} principalBinding \
                      targets{labels{*} name ports{name number}}";

/// Fields that several kinds share.
const PARTS: &[(&str, &str)] = &[
    ("machine", "address labels{*} locality network ports{*} serviceAccount weight"),
    (
        "pool",
        "http{h2UpgradePolicy http1MaxPendingRequests http2KeepAlive{interval timeout} http2MaxRequests idleTimeout \
         maxConcurrentStreams maxRequestsPerConnection maxRetries useClientProtocol} tcp{connectTimeout idleTimeout \
         maxConnectionDuration maxConnections tcpKeepalive{interval probes time}}",
    ),
    ("port", "name number protocol targetPort"),
    (
        "servertls",
        "caCertCredentialName caCertificates caCrl cipherSuites credentialName credentialNames ecdhCurves \
         httpsRedirect insecureSkipVerify maxProtocolVersion minProtocolVersion mode privateKey serverCertificate \
         subjectAltNames tlsCertificates{caCertificates privateKey serverCertificate} verifyCertificateHash \
         verifyCertificateSpki",
    ),
    (
        "source",
        "ipBlocks namespaces notIpBlocks notNamespaces notPrincipals notRemoteIpBlocks notRequestPrincipals \
         notServiceAccounts notTrustDomains principals remoteIpBlocks requestPrincipals serviceAccounts trustDomains",
    ),
    ("target", "group kind name namespace"),
    (
        "tls",
        "caCertificates caCrl clientCertificate credentialName insecureSkipVerify mode privateKey sni subjectAltNames",
    ),
    (
        "traffic",
        "connectionPool:pool loadBalancer outlierDetection portLevelSettings{connectionPool:pool loadBalancer \
         outlierDetection port{number} tls:tls} proxyProtocol{version} retryBudget tls:tls tunnel{protocol targetHost \
         targetPort}",
    ),
];

/// Fields of an object beside its `spec`.
const ROOT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
/// Fields of `metadata` that people write.
const METADATA: [&str; 5] = ["name", "namespace", "labels", "annotations", "generateName"];
/// Keys that decide about mutual TLS: at a wrong level they are missed, not merely unknown.
const OF_TLS: [&str; 12] = [
    "tls",
    "mtls",
    "mode",
    "selector",
    "matchLabels",
    "portLevelSettings",
    "portLevelMtls",
    "trafficPolicy",
    "subsets",
    "peers",
    "targets",
    "workloadSelector",
];
/// Where such a key is a field, for kinds that do not have it at all.
const ELSEWHERE: &[(&str, &str)] = &[
    ("tls", "spec.trafficPolicy.tls of a DestinationRule"),
    ("mtls", "spec.mtls of a PeerAuthentication"),
    ("mode", "spec.mtls.mode of a PeerAuthentication or spec.trafficPolicy.tls.mode of a DestinationRule"),
    ("portLevelMtls", "spec.portLevelMtls of a PeerAuthentication"),
    ("portLevelSettings", "spec.trafficPolicy.portLevelSettings of a DestinationRule"),
    ("trafficPolicy", "spec.trafficPolicy of a DestinationRule"),
    ("subsets", "spec.subsets of a DestinationRule"),
    ("peers", "spec.peers of the Policy that Istio 1.6 removed; today that is spec.mtls of a PeerAuthentication"),
    (
        "targets",
        "spec.targets of the Policy that Istio 1.6 removed; today that is spec.selector of a PeerAuthentication",
    ),
];
/// How a field of a kind that no longer exists is told from the others.
pub const REMOVED: &str = "that Istio 1.6 removed";
/// The most keys that are looked at in one object, and the most that are reported.
const MOST_KEYS: usize = 20_000;
const MOST: usize = 50;

/// Fields and what is below each; `None`: anything.
type Fields = Vec<(&'static str, Option<Below>)>;

/// The same, borrowed from the tables.
type List = &'static [(&'static str, Option<Below>)];

/// What is below a field.
enum Below {
    Own(Fields),
    Part(&'static str),
}

/// What a stray key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// A field of this place, e.g. `spec.mtls.mode`.
    Place(String),
    /// A field of another kind.
    Elsewhere(&'static str),
    /// A field of its own level under another name.
    Name(String),
    /// Not known.
    Nothing,
}

/// A key that the kind does not have where it stands.
#[derive(Clone, Debug)]
pub struct Stray {
    /// The mapping that it stands in; empty: the object itself.
    pub parent: Path,
    /// The key.
    pub key: String,
    /// What it was meant to be.
    pub meant: Meant,
}

impl Stray {
    /// The path of the key.
    #[must_use]
    pub fn path(&self) -> Path {
        self.parent.key(&self.key)
    }

    /// Whether it is a field, at a level where Istio does not look for it.
    #[must_use]
    pub fn misplaced(&self) -> bool {
        matches!(self.meant, Meant::Place(_) | Meant::Elsewhere(_))
    }
}

/// Reads fields up to the end, or to the brace that closes them.
fn fields(text: &mut &'static str) -> Fields {
    let mut found = Fields::new();
    loop {
        *text = text.trim_start();
        let end = text.find([' ', '{', '}', ':']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        *text = rest;
        if let Some(inside) = rest.strip_prefix('{') {
            *text = inside;
            found.push((name, Some(Below::Own(fields(text)))));
        } else if let Some(part) = rest.strip_prefix(':') {
            let end = part.find([' ', '}']).unwrap_or(part.len());
            let (part, rest) = part.split_at(end);
            *text = rest;
            found.push((name, Some(Below::Part(part))));
        } else if !name.is_empty() {
            found.push((name, None));
        } else {
            *text = rest.strip_prefix('}').unwrap_or(rest);
            return found;
        }
    }
}

/// The tables, parsed once.
struct Tables {
    specs: Vec<(&'static str, &'static str, Fields)>,
    parts: Vec<(&'static str, Fields)>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let parse = |text: &'static str| fields(&mut { text });
    Tables {
        specs: SPECS.iter().map(|(group, kind, text)| (*group, *kind, parse(text))).collect(),
        parts: PARTS.iter().map(|(name, text)| (*name, parse(text))).collect(),
    }
});

/// The fields of one kind.
#[derive(Clone, Copy)]
struct Schema {
    spec: List,
}

impl Schema {
    fn of(group: &str, kind: &str) -> Option<Self> {
        TABLES.specs.iter().find(|row| row.0 == group && row.1 == kind).map(|(_, _, spec)| Self { spec })
    }

    fn below(below: &'static Below) -> List {
        match below {
            Below::Own(fields) => fields,
            Below::Part(name) => TABLES.parts.iter().find(|(part, _)| part == name).map_or(&[], |(_, fields)| fields),
        }
    }

    /// The nearest place of the spec that has a field of this name. Places below `*` have no name to give.
    fn place(&self, key: &str) -> Option<String> {
        let mut level: Vec<(String, List)> = vec![("spec".to_owned(), self.spec)];
        while !level.is_empty() {
            if let Some((path, _)) = level.iter().find(|(_, fields)| fields.iter().any(|(name, _)| *name == key)) {
                return Some(format!("{path}.{key}"));
            }
            let deeper = level.iter().flat_map(|(path, fields)| {
                fields
                    .iter()
                    .filter(|(name, _)| *name != "*")
                    .filter_map(move |(name, below)| Some((format!("{path}.{name}"), Self::below(below.as_ref()?))))
            });
            level = deeper.collect();
        }
        None
    }
}

/// The walk over one object.
struct Walk<'s> {
    schema: Schema,
    kind: &'s str,
    found: Vec<Stray>,
    keys: usize,
}

/// Every key of an object that its kind does not have; none for kinds that the table does not hold.
#[must_use]
pub fn strays(lint: &Lint<'_>, id: ObjectId) -> Vec<Stray> {
    let Some(object) = lint.mesh.objects.get(id.0 as usize).filter(|object| object.made.is_none()) else {
        return Vec::new();
    };
    match (Schema::of(&object.group, &object.kind), lint.node(id)) {
        (Some(schema), Some(root)) => {
            let mut walk = Walk { schema, kind: &object.kind, found: Vec::new(), keys: 0 };
            walk.object(root);
            walk.found
        }
        _ => Vec::new(),
    }
}

/// The objects that the table speaks of, as (number, keys).
pub fn judged<'a>(lint: &'a Lint<'_>) -> impl Iterator<Item = (ObjectId, Vec<Stray>)> + 'a {
    let ids = (0..lint.mesh.objects.len()).filter_map(|at| u32::try_from(at).ok()).map(ObjectId);
    ids.map(|id| (id, strays(lint, id))).filter(|(_, strays)| !strays.is_empty())
}

impl Walk<'_> {
    fn add(&mut self, parent: &Path, key: &str, meant: Meant) {
        if self.found.len() < MOST {
            self.found.push(Stray { parent: parent.clone(), key: key.to_owned(), meant });
        }
    }

    fn object(&mut self, root: Node<'_>) {
        let top = Path::default();
        // Lines that lost their indentation: values of lists and labels stand among the fields, and mean nothing there.
        let mut flat = false;
        let mut unknown = Vec::new();
        for (key, _) in root.entries() {
            let Some(key) = key.text().filter(|key| !ROOT.contains(&&**key)) else { continue };
            let in_spec = self.schema.spec.iter().any(|(name, _)| *name == key);
            let place = match METADATA.contains(&&*key) && !in_spec {
                true => Some(format!("metadata.{key}")),
                false => self.schema.place(&key),
            };
            let near = || nearest(&key, ROOT.into_iter());
            match (place, elsewhere(&key)) {
                (Some(place), _) => self.add(&top, &key, Meant::Place(place)),
                (None, Some(place)) => self.add(&top, &key, Meant::Elsewhere(place)),
                (None, None) => {
                    unknown.push((key.to_string(), near().map_or(Meant::Nothing, Meant::Name)));
                    continue;
                }
            }
            flat = true;
        }
        for (key, meant) in unknown {
            if !flat || meant != Meant::Nothing {
                self.add(&top, &key, meant);
            }
        }
        self.metadata(root.get("metadata"));
        if let Some(spec) = root.get("spec") {
            self.mapping(spec, &Path::new("spec"), self.schema.spec);
        }
    }

    /// `spec` and fields of mutual TLS that stand under `metadata`. Its own fields are Kubernetes' to check.
    fn metadata(&mut self, metadata: Option<Node<'_>>) {
        for (key, _) in metadata.into_iter().flat_map(Node::entries) {
            let Some(key) = key.text() else { continue };
            let place = match &*key {
                "spec" => Some(Meant::Place("spec".to_owned())),
                word if OF_TLS.contains(&word) => self.place(word),
                _ => None,
            };
            if let Some(meant) = place {
                self.add(&Path::new("metadata"), &key, meant);
            }
        }
    }

    /// Where a key of mutual TLS is a field. A VirtualService's `tls` is a list of routes, not what people look for.
    fn place(&self, key: &str) -> Option<Meant> {
        let own = self.schema.place(key).filter(|_| self.kind != "VirtualService").map(Meant::Place);
        own.or_else(|| elsewhere(key).map(Meant::Elsewhere))
    }

    fn mapping(&mut self, node: Node<'_>, path: &Path, fields: List) {
        if node.kind() == Kind::Seq {
            for (at, item) in node.items().enumerate().filter(|(_, item)| item.kind() == Kind::Map) {
                self.mapping(item, &path.index(at), fields);
            }
            return;
        }
        for (key, value) in node.entries() {
            self.keys += 1;
            if self.keys > MOST_KEYS {
                return;
            }
            let Some(key) = key.text() else { continue };
            match fields.iter().find(|(name, _)| *name == key || *name == "*") {
                Some((_, Some(below))) => self.mapping(value, &path.key(&key), Schema::below(below)),
                Some((_, None)) => {}
                None => {
                    let meant = self.meant(&key, value, path, fields);
                    self.add(path, &key, meant);
                }
            }
        }
    }

    fn meant(&self, key: &str, value: Node<'_>, path: &Path, fields: List) -> Meant {
        let names = || fields.iter().map(|(name, _)| *name);
        if let Some(name) = names().find(|name| same_letters(name, key)) {
            return Meant::Name(name.to_owned());
        }
        // A label right under a selector: the selector selects everything.
        if let [(only @ ("matchLabels" | "labels"), Some(_))] = fields
            && !matches!(value.kind(), Kind::Map | Kind::Seq)
            && nearest(key, names()).is_none()
        {
            return Meant::Place(path.key(only).key(key).as_str().to_owned());
        }
        let ends = |name: &&str| name.len() > 3 && key.len() > 3 && (ends(name, key) || ends(key, name));
        if let Some(name) = names().find(ends) {
            return Meant::Name(name.to_owned());
        }
        let place = Some(key).filter(|key| OF_TLS.contains(key)).and_then(|key| self.place(key));
        place.or_else(|| nearest(key, names()).map(Meant::Name)).unwrap_or(Meant::Nothing)
    }
}

fn elsewhere(key: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(name, _)| *name == key).map(|(_, place)| *place)
}

/// `workloadSelector` ends in `Selector`, whatever the case.
fn ends(long: &str, short: &str) -> bool {
    long.to_ascii_lowercase().ends_with(&short.to_ascii_lowercase())
}

/// Equal but for letter case, underscores and hyphens.
fn same_letters(a: &str, b: &str) -> bool {
    let letters = |text: &'_ str| -> Vec<char> {
        text.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
    };
    letters(a) == letters(b)
}

/// The name that a word was meant to be: the one with the fewest edits, two at most and fewer for short words.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let most = match word.len() {
        0..=2 => return None,
        3..=5 => 1,
        6..=64 => 2,
        _ => return None,
    };
    let edits = names.map(|name| (edits(word, name), name));
    let (edits, name) = edits.min()?;
    (edits <= most).then(|| name.to_owned())
}

/// Characters added, removed or changed, and neighbours swapped, to make one word of another; case is no edit.
fn edits(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> { text.chars().map(|c| c.to_ascii_lowercase()).collect() };
    let (a, b) = (letters(a), letters(b));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut least = (get(&last, j) + usize::from(x != y)).min(get(&last, j + 1) + 1).min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(get(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Options, load_text};
    use crate::mtls::check::check;

    /// Strays of a document as `path -> meaning`.
    fn found(text: &str) -> Vec<String> {
        let mesh = load_text(text, Options::default());
        let matrix = check(&mesh);
        let lint = Lint::new(&matrix);
        let all = strays(&lint, ObjectId(0)).into_iter();
        let word = |meant: Meant| match meant {
            Meant::Place(place) => place,
            Meant::Elsewhere(place) => format!("other: {}", place.split(';').next().unwrap_or("")),
            Meant::Name(name) => format!("?{name}"),
            Meant::Nothing => "-".to_owned(),
        };
        all.map(|stray| format!("{} -> {}", stray.path(), word(stray.meant))).collect()
    }

    fn of_spec(kind: &str, spec: &str) -> Vec<String> {
        let group = if matches!(kind, "DestinationRule" | "Sidecar" | "Gateway" | "VirtualService") {
            "networking.istio.io"
        } else {
            "security.istio.io"
        };
        found(&format!("apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: a, namespace: b}}\nspec: {spec}\n"))
    }

    #[test]
    fn every_table_parses_and_every_part_exists() {
        for (group, kind, _) in SPECS {
            let schema = Schema::of(group, kind).unwrap();
            let mut open = vec![schema.spec];
            while let Some(fields) = open.pop() {
                assert!(!fields.is_empty(), "{kind}");
                for (name, below) in fields {
                    assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "*_".contains(c)));
                    match below {
                        Some(Below::Own(fields)) => open.push(fields),
                        Some(Below::Part(part)) => {
                            open.push(&TABLES.parts.iter().find(|(name, _)| name == part).unwrap().1);
                        }
                        None => {}
                    }
                }
            }
        }
    }

    #[test]
    fn keys_that_a_kind_does_not_have_are_told_what_they_were_meant_to_be() {
        for (kind, spec, want) in [
            ("PeerAuthentication", "{mtls: {mode: STRICT}, selector: {matchLabels: {any: x}}}", ""),
            ("PeerAuthentication", "{portLevelMtls: {8080: {mode: DISABLE}}}", ""),
            ("PeerAuthentication", "{mtls: {mod: STRICT}}", "spec.mtls.mod -> ?mode"),
            ("PeerAuthentication", "{mtls: , mode: STRICT}", "spec.mode -> spec.mtls.mode"),
            ("PeerAuthentication", "{mTLS: {mode: STRICT}}", "spec.mTLS -> ?mtls"),
            ("PeerAuthentication", "{port_level_mtls: {}}", "spec.port_level_mtls -> ?portLevelMtls"),
            ("PeerAuthentication", "{selector: {app: web}}", "spec.selector.app -> spec.selector.matchLabels.app"),
            ("PeerAuthentication", "{selector: {matchLabel: {app: web}}}", "spec.selector.matchLabel -> ?matchLabels"),
            ("PeerAuthentication", "{workloadSelector: {}}", "spec.workloadSelector -> ?selector"),
            (
                "PeerAuthentication",
                "{peers: [{mtls: {}}]}",
                "spec.peers -> other: spec.peers of the Policy that Istio 1.6 removed",
            ),
            ("PeerAuthentication", "{colour: red}", "spec.colour -> -"),
            ("DestinationRule", "{host: a, tls: {mode: SIMPLE}}", "spec.tls -> spec.trafficPolicy.tls"),
            ("DestinationRule", "{host: a, trafficpolicy: {tls: {}}}", "spec.trafficpolicy -> ?trafficPolicy"),
            ("DestinationRule", "{subsets: [{name: a, tls: {}}]}", "spec.subsets[0].tls -> spec.trafficPolicy.tls"),
            (
                "DestinationRule",
                "{trafficPolicy: {tls: {mode: SIMPLE, snis: a}}}",
                "spec.trafficPolicy.tls.snis -> ?sni",
            ),
            ("DestinationRule", "{trafficPolicy: {loadBalancer: {any: 1}}}", ""),
            (
                "DestinationRule",
                "{trafficPolicy: {targets: [], peers: []}}",
                "spec.trafficPolicy.targets -> other: spec.targets of the Policy that Istio 1.6 removed; \
                 spec.trafficPolicy.peers -> other: spec.peers of the Policy that Istio 1.6 removed",
            ),
            ("Sidecar", "{selector: {labels: {a: b}}}", "spec.selector -> ?workloadSelector"),
            ("Gateway", "{selector: {any: thing}, servers: [{tls: {mode: SIMPLE}, hosts: []}]}", ""),
            ("VirtualService", "{http: [{tls: {}}], tls: []}", ""),
            ("VirtualService", "{host: a}", "spec.host -> ?hosts"),
            ("Telemetry", "{anything: 1}", ""),
        ] {
            assert_eq!(of_spec(kind, spec).join("; "), want, "{kind} {spec}");
        }
    }

    #[test]
    fn lines_without_indentation_are_told_where_they_belong() {
        let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\nname: default\n\
                    namespace: foo\nspec:\nselector:\nmatchLabels:\napp: reviews\nmtls:\nmode: STRICT\n";
        let want = [
            "name -> metadata.name",
            "namespace -> metadata.namespace",
            "selector -> spec.selector",
            "matchLabels -> spec.selector.matchLabels",
            "mtls -> spec.mtls",
            "mode -> spec.mtls.mode",
        ];
        assert_eq!(found(text), want);
        let text = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: a\n  mtls: {}\n\
                    spec:\nhost: a\ntrafficPolicy:\ntls:\nmode: ISTIO_MUTUAL\n";
        let want = [
            "host -> spec.host",
            "trafficPolicy -> spec.trafficPolicy",
            "tls -> spec.trafficPolicy.tls",
            "mode -> spec.trafficPolicy.tls.mode",
            "metadata.mtls -> other: spec.mtls of a PeerAuthentication",
        ];
        assert_eq!(found(text), want);
        assert_eq!(
            found("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspecs: {}\n"),
            ["specs -> ?spec"]
        );
    }

    #[test]
    fn near_is_near() {
        for (word, want) in [
            ("mod", Some("mode")),
            ("modee", Some("mode")),
            ("mdoe", Some("mode")),
            ("trafficPolcy", Some("trafficPolicy")),
            ("x", None),
            ("tls", None),
        ] {
            let names = ["mode", "trafficPolicy", "host"];
            assert_eq!(nearest(word, names.into_iter()).as_deref(), want, "{word}");
        }
        assert_eq!((edits("abc", "acb"), edits("", "abc"), edits("abc", "ABC")), (1, 3, 0));
    }
}
