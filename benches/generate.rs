//! Writes meshes of any size: the same size gives the same bytes.
//!
//! The mesh looks like a large company's: most namespaces injected, some with a Sidecar resource, rules mostly for hosts
//! of their own namespace, policies at all three levels, live Pods with two containers. An object takes about 600 bytes.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// How many objects of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub services: usize,
    pub pods: usize,
    pub rules: usize,
    pub policies: usize,
    /// 0: one for every twenty services.
    pub namespaces: usize,
}

impl Size {
    /// The mesh that the targets are set for.
    pub const TARGET: Self = Self { services: 10_000, pods: 30_000, rules: 5_000, policies: 2_000, namespaces: 0 };

    /// The same mesh, larger or smaller.
    pub fn times(self, factor: f64) -> Self {
        let times = |count: usize| (count as f64 * factor).round() as usize;
        Self {
            services: times(self.services),
            pods: times(self.pods),
            rules: times(self.rules),
            policies: times(self.policies),
            namespaces: times(self.namespaces),
        }
    }

    fn namespaces(self) -> usize {
        if self.namespaces > 0 { self.namespaces } else { (self.services / 20).max(1) }
    }
}

/// A mesh as text, one per namespace; the first is that of `istio-system`.
pub struct Generated {
    namespaces: Vec<String>,
    /// Objects in it.
    pub objects: usize,
}

impl Generated {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.namespaces.iter().map(String::len).sum()
    }

    /// Writes one file (a path that ends in `.yaml`), or a folder of about forty files, each a group of namespaces.
    pub fn write(&self, to: &Path) -> io::Result<()> {
        if to.extension().is_some_and(|ending| ending == "yaml") {
            return std::fs::write(to, self.namespaces.concat());
        }
        std::fs::create_dir_all(to)?;
        let group = self.namespaces.len().div_ceil(40);
        for (number, texts) in self.namespaces.chunks(group).enumerate() {
            std::fs::write(to.join(format!("group-{number:03}.yaml")), texts.concat())?;
        }
        Ok(())
    }
}

/// Makes a mesh.
pub fn generate(size: Size) -> Generated {
    let count = size.namespaces();
    let mut writer = Writer { size, namespaces: vec![String::new(); count + 1], objects: 0 };
    writer.root();
    for number in 0..count {
        writer.namespace(number);
    }
    for number in 0..size.services {
        writer.service(number);
    }
    for number in 0..size.pods {
        writer.pod(number);
    }
    for number in 0..size.rules {
        writer.rule(number);
    }
    for number in 0..size.policies {
        writer.policy(number);
    }
    Generated { namespaces: writer.namespaces, objects: writer.objects }
}

const WORDS: [&str; 20] = [
    "orders", "payments", "catalog", "reviews", "ratings", "accounts", "billing", "search", "stock", "carts", "users",
    "mail", "audit", "prices", "images", "tickets", "routes", "sessions", "reports", "gateway",
];

/// A number that depends on nothing but a kind and a number (splitmix64): adding an object changes no other.
fn chance(kind: u64, number: usize) -> u64 {
    let mut x = (number as u64).wrapping_add(kind << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// How a namespace gets its sidecars.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Injection {
    Label,
    Revision,
    Naked,
}

fn injection(namespace: usize) -> Injection {
    match chance(1, namespace) % 20 {
        0..17 => Injection::Label,
        17 => Injection::Revision,
        _ => Injection::Naked,
    }
}

fn namespace_name(number: usize) -> String {
    let word = WORDS.get(number % WORDS.len()).copied().unwrap_or("team");
    format!("team-{word}-{number:04}")
}

/// A time that differs from object to object, as the age of rules decides between them.
fn created(kind: u64, number: usize) -> String {
    let at = number as u64 + kind * 7;
    let (day, hour, minute, second) = (at / 86_400 % 28 + 1, at / 3600 % 24, at / 60 % 60, at % 60);
    format!("2025-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", kind % 12 + 1)
}

struct Writer {
    size: Size,
    namespaces: Vec<String>,
    objects: usize,
}

impl Writer {
    /// Adds an object to a namespace; `None`: to `istio-system`.
    fn add(&mut self, namespace: Option<usize>, text: &str) {
        if let Some(all) = self.namespaces.get_mut(namespace.map_or(0, |number| number + 1)) {
            all.push_str("---\n");
            all.push_str(text);
            self.objects += 1;
        }
    }

    fn namespace_of(&self, service: usize) -> usize {
        service % self.size.namespaces()
    }

    fn service_name(&self, service: usize) -> String {
        let at = service / self.size.namespaces();
        format!("{}-{at:02}", WORDS.get(at % WORDS.len()).copied().unwrap_or("api"))
    }

    fn host(&self, service: usize) -> String {
        format!("{}.{}.svc.cluster.local", self.service_name(service), namespace_name(self.namespace_of(service)))
    }

    /// The root namespace: configuration, a few rules for everyone.
    fn root(&mut self) {
        let time = created(0, 0);
        self.add(
            None,
            &format!(
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: istio-system\n  creationTimestamp: \"{time}\"\n"
            ),
        );
        self.add(
            None,
            &format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: istio\n  namespace: istio-system\n  creationTimestamp: \"{time}\"\ndata:\n  mesh: |-\n    accessLogFile: /dev/stdout\n    enableAutoMtls: true\n    trustDomain: cluster.local\n    rootNamespace: istio-system\n"
            ),
        );
        for (name, host, mode) in [
            ("all-local", "*.local", "ISTIO_MUTUAL"),
            ("api-server", "kubernetes.default.svc.cluster.local", "DISABLE"),
            ("partners", "*.partners.example.com", "SIMPLE"),
        ] {
            self.add(
                None,
                &format!(
                    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: {name}\n  namespace: istio-system\n  creationTimestamp: \"{time}\"\nspec:\n  host: \"{host}\"\n  trafficPolicy:\n    tls:\n      mode: {mode}\n"
                ),
            );
        }
    }

    fn namespace(&mut self, number: usize) {
        let name = namespace_name(number);
        let label = match injection(number) {
            Injection::Label => "    istio-injection: enabled\n",
            Injection::Revision => "    istio.io/rev: default\n",
            Injection::Naked => "",
        };
        let time = created(1, number);
        self.add(
            Some(number),
            &format!(
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  creationTimestamp: \"{time}\"\n  labels:\n    kubernetes.io/metadata.name: {name}\n    pod-security.kubernetes.io/enforce: restricted\n    team: {name}\n{label}  annotations:\n    contact: {name}@example.com\nstatus:\n  phase: Active\n"
            ),
        );
        self.sidecar_resource(number, &name, &time);
    }

    /// Two of five namespaces trim what their proxies know, half of these name other namespaces.
    fn sidecar_resource(&mut self, number: usize, name: &str, time: &str) {
        let dice = chance(2, number);
        if injection(number) == Injection::Naked || dice % 5 > 1 {
            return;
        }
        let mut hosts = String::from("    - \"./*\"\n    - \"istio-system/*\"\n");
        if dice % 5 == 1 {
            for step in 0..1 + dice / 5 % 3 {
                let other = (chance(3, number) as usize).wrapping_add(step as usize * 7) % self.size.namespaces();
                let _ = writeln!(hosts, "    - \"{}/*\"", namespace_name(other));
            }
        }
        let outbound = if dice.is_multiple_of(7) { "  outboundTrafficPolicy:\n    mode: REGISTRY_ONLY\n" } else { "" };
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata:\n  name: default\n  namespace: {name}\n  creationTimestamp: \"{time}\"\n  labels:\n    app.kubernetes.io/managed-by: Helm\nspec:\n{outbound}  egress:\n  - hosts:\n{hosts}"
        );
        self.add(Some(number), &text);
    }

    fn service(&mut self, number: usize) {
        let at = self.namespace_of(number);
        let (name, namespace) = (self.service_name(number), namespace_name(at));
        let dice = chance(4, number);
        let address = match dice % 20 {
            0 => "None".to_owned(),
            _ => format!("10.{}.{}.{}", 96 + number / 65_536 % 32, number / 256 % 256, number % 256),
        };
        // Named target ports, numbered ones, and a second port of another protocol.
        let (first, target) = if (dice / 20).is_multiple_of(2) { ("http", "http") } else { ("http-web", "8080") };
        let second = if (dice / 40).is_multiple_of(3) { "tcp-admin" } else { "grpc-api" };
        let time = created(2, number);
        self.add(
            Some(at),
            &format!(
                "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  creationTimestamp: \"{time}\"\n  labels:\n    app: {name}\n    app.kubernetes.io/managed-by: Helm\n    app.kubernetes.io/part-of: {namespace}\n  annotations:\n    meta.helm.sh/release-name: {name}\n    meta.helm.sh/release-namespace: {namespace}\nspec:\n  type: ClusterIP\n  clusterIP: {address}\n  ports:\n  - name: {first}\n    port: 80\n    protocol: TCP\n    targetPort: {target}\n  - name: {second}\n    port: 9090\n    protocol: TCP\n    targetPort: 9090\n  selector:\n    app: {name}\nstatus:\n  loadBalancer: {{}}\n"
            ),
        );
    }

    fn pod(&mut self, number: usize) {
        let service = number % self.size.services.max(1);
        let at = self.namespace_of(service);
        let (app, namespace) = (self.service_name(service), namespace_name(at));
        let copy = number / self.size.services.max(1);
        let dice = chance(5, number);
        let version = if copy % 3 == 2 { "v2" } else { "v1" };
        let hash = format!("{:08x}", chance(6, service) as u32);
        let ip = format!("10.{}.{}.{}", 128 + number / 65_536 % 64, number / 256 % 256, number % 256);
        // One Pod in fifty of an injected namespace was left out of the mesh by hand.
        let proxied = injection(at) != Injection::Naked && !dice.is_multiple_of(50);
        let refused =
            if injection(at) != Injection::Naked && !proxied { "    sidecar.istio.io/inject: \"false\"\n" } else { "" };
        let tls_mode = if proxied { "    security.istio.io/tlsMode: istio\n" } else { "" };
        let status = if proxied { "    sidecar.istio.io/status: '{\"containers\":[\"istio-proxy\"]}'\n" } else { "" };
        let second = if proxied {
            "  - name: istio-proxy\n    image: istio/proxyv2:1.26.2\n"
        } else {
            "  - name: log\n    image: shop/log:2.1\n"
        };
        let time = created(3, number);
        self.add(
            Some(at),
            &format!(
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {app}-{hash}-{copy:05}\n  namespace: {namespace}\n  creationTimestamp: \"{time}\"\n  labels:\n    app: {app}\n    version: {version}\n    pod-template-hash: \"{hash}\"\n{tls_mode}{refused}  annotations:\n    prometheus.io/scrape: \"true\"\n{status}  ownerReferences:\n  - kind: ReplicaSet\n    name: {app}-{hash}\nspec:\n  serviceAccountName: {app}\n  containers:\n  - name: {app}\n    image: shop/{app}:1.7\n    ports:\n    - name: http\n      containerPort: 8080\n{second}status:\n  phase: Running\n  podIP: {ip}\n"
            ),
        );
    }

    fn rule(&mut self, number: usize) {
        let service = number % self.size.services.max(1);
        let own = self.namespace_of(service);
        let dice = chance(7, number);
        // Most rules stand beside their host; one in ten in a client's namespace.
        let at = if dice % 10 == 9 { chance(8, number) as usize % self.size.namespaces() } else { own };
        // One in forty is for all of its namespace.
        let host =
            if dice % 40 == 8 { format!("*.{}.svc.cluster.local", namespace_name(own)) } else { self.host(service) };
        let namespace = namespace_name(at);
        let mode = match dice / 40 % 20 {
            0..14 => Some("ISTIO_MUTUAL"),
            14 => Some("DISABLE"),
            15 => Some("SIMPLE"),
            _ => None,
        };
        let mut spec = format!("spec:\n  host: \"{host}\"\n");
        match dice / 800 % 20 {
            0 => spec.push_str("  exportTo:\n  - \".\"\n"),
            1 => {
                let other = namespace_name(chance(9, number) as usize % self.size.namespaces());
                let _ = write!(spec, "  exportTo:\n  - \".\"\n  - {other}\n");
            }
            2 => spec.push_str("  exportTo:\n  - \"*\"\n"),
            _ => {}
        }
        spec.push_str("  trafficPolicy:\n    connectionPool:\n      tcp:\n        maxConnections: 100\n      http:\n        http1MaxPendingRequests: 1024\n    outlierDetection:\n      consecutive5xxErrors: 5\n      interval: 30s\n      baseEjectionTime: 30s\n");
        if let Some(mode) = mode {
            let _ = write!(spec, "    tls:\n      mode: {mode}\n");
        }
        if (dice / 16_000).is_multiple_of(7) {
            spec.push_str(
                "    portLevelSettings:\n    - port:\n        number: 9090\n      tls:\n        mode: ISTIO_MUTUAL\n",
            );
        }
        if (dice / 112_000).is_multiple_of(4) {
            spec.push_str("  subsets:\n  - name: v1\n    labels:\n      version: v1\n  - name: v2\n    labels:\n      version: v2\n");
            if (dice / 448_000).is_multiple_of(8) {
                spec.push_str("    trafficPolicy:\n      tls:\n        mode: DISABLE\n");
            }
        }
        let time = created(4, number);
        self.add(
            Some(at),
            &format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: rule-{number}\n  namespace: {namespace}\n  creationTimestamp: \"{time}\"\n  labels:\n    app.kubernetes.io/managed-by: Helm\n{spec}"
            ),
        );
    }

    /// One for the mesh, one for most namespaces, the others for workloads.
    fn policy(&mut self, number: usize) {
        let time = created(5, number);
        let head = |name: &str, namespace: &str| {
            format!(
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  creationTimestamp: \"{time}\"\n  labels:\n    app.kubernetes.io/managed-by: Helm\n    app.kubernetes.io/part-of: {namespace}\n  annotations:\n    meta.helm.sh/release-name: security\n    meta.helm.sh/release-namespace: {namespace}\n    example.com/owner: platform-security\n"
            )
        };
        if number == 0 {
            return self
                .add(None, &format!("{}spec:\n  mtls:\n    mode: PERMISSIVE\n", head("default", "istio-system")));
        }
        let dice = chance(10, number);
        let wide = self.size.namespaces() * 7 / 10;
        if number <= wide {
            let at = number - 1;
            let mode = match dice % 10 {
                0..7 => "STRICT",
                7 | 8 => "PERMISSIVE",
                _ => "DISABLE",
            };
            let text = format!("{}spec:\n  mtls:\n    mode: {mode}\n", head("default", &namespace_name(at)));
            return self.add(Some(at), &text);
        }
        let service = number % self.size.services.max(1);
        let (at, app) = (self.namespace_of(service), self.service_name(service));
        let mode = if dice.is_multiple_of(3) { "PERMISSIVE" } else { "STRICT" };
        let mut text = head(&format!("{app}-{number}"), &namespace_name(at));
        let _ = write!(text, "spec:\n  selector:\n    matchLabels:\n      app: {app}\n  mtls:\n    mode: {mode}\n");
        if (dice / 3).is_multiple_of(3) {
            let port = if (dice / 9).is_multiple_of(2) { 8080 } else { 9090 };
            let _ = write!(text, "  portLevelMtls:\n    {port}:\n      mode: DISABLE\n");
        }
        self.add(Some(at), &text);
    }
}
