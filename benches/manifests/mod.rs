//! Writes a repository of manifests of any size, one folder per team: the same size gives the same bytes.
//!
//! A service has five files: its Deployment and Service, its rules, its routes, who may call it, and settings. A file has
//! about four thousand bytes. Nearly all of it is right, as in a repository that is linted: a few mistakes per hundred files.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// A file of every repository, for measuring one alone.
pub const ONE: &str = "team-000/service-0000/workload.yaml";

/// Services of a team.
const PER_TEAM: usize = 25;
/// Files of a service.
const PER_SERVICE: usize = 5;

/// Writes so many files (rounded up to whole services) below a folder; returns what was written, in words.
pub fn write(folder: &Path, files: usize) -> io::Result<String> {
    let services = files.div_ceil(PER_SERVICE);
    let (mut count, mut bytes, mut objects) = (0, 0, 0);
    let mut put = |path: String, text: String| -> io::Result<()> {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        count += 1;
        bytes += text.len();
        objects += text.matches("\nkind: ").count();
        std::fs::write(path, text)
    };
    put("mesh/mesh.yaml".to_owned(), mesh())?;
    for team in 0..services.div_ceil(PER_TEAM) {
        put(format!("team-{team:03}/namespace.yaml"), namespace(team))?;
    }
    for service in 0..services {
        let of = Service { number: service, services };
        let folder = format!("team-{:03}/service-{service:04}", service / PER_TEAM);
        put(format!("{folder}/workload.yaml"), of.workload())?;
        put(format!("{folder}/traffic.yaml"), of.traffic())?;
        put(format!("{folder}/routes.yaml"), of.routes())?;
        put(format!("{folder}/access.yaml"), of.access())?;
        put(format!("{folder}/settings.yaml"), of.settings())?;
    }
    Ok(format!("{count} files, {objects} objects, {:.1} MB", bytes as f64 / 1e6))
}

const WORDS: [&str; 16] = [
    "orders", "payments", "catalog", "reviews", "ratings", "accounts", "billing", "search", "stock", "carts", "users",
    "mail", "audit", "prices", "images", "tickets",
];

/// A number that depends on nothing but a kind and a number (splitmix64): adding a file changes no other.
fn chance(kind: u64, number: usize) -> u64 {
    let mut x = (number as u64).wrapping_add(kind << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn mesh() -> String {
    "apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  mesh: |-
    accessLogFile: /dev/stdout
    enableAutoMtls: true
    rootNamespace: istio-system
    trustDomain: cluster.local
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: istio-system
spec:
  mtls:
    mode: STRICT
"
    .to_owned()
}

fn namespace(team: usize) -> String {
    format!(
        "apiVersion: v1
kind: Namespace
metadata:
  name: team-{team:03}
  labels:
    istio-injection: enabled
    team: team-{team:03}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
  namespace: team-{team:03}
spec:
  egress:
    - hosts:
        - \"./*\"
        - \"istio-system/*\"
"
    )
}

/// One service of the repository.
struct Service {
    number: usize,
    services: usize,
}

impl Service {
    fn name(&self) -> String {
        let word = WORDS.get(self.number % WORDS.len()).copied().unwrap_or("api");
        format!("{word}-{:04}", self.number)
    }

    fn team(&self) -> String {
        format!("team-{:03}", self.number / PER_TEAM)
    }

    /// Another service of the same team, which calls this one.
    fn caller(&self) -> Service {
        let first = self.number / PER_TEAM * PER_TEAM;
        let members = PER_TEAM.min(self.services - first);
        Service { number: first + (self.number + 1 - first) % members, services: self.services }
    }

    fn head(&self, api: &str, kind: &str, name: &str) -> String {
        let (service, team) = (self.name(), self.team());
        format!(
            "apiVersion: {api}
kind: {kind}
metadata:
  name: {name}
  namespace: {team}
  labels:
    app.kubernetes.io/name: {service}
    app.kubernetes.io/part-of: {team}
    app.kubernetes.io/managed-by: kustomize
  annotations:
    example.com/owner: {team}@example.com
    example.com/runbook: https://runbooks.example.com/{team}/{service}
"
        )
    }

    fn workload(&self) -> String {
        let name = self.name();
        let mut text = String::from("# The application, its account and its Service.\n");
        text += &self.head("v1", "ServiceAccount", &name);
        text += "---\n";
        text += &self.head("apps/v1", "Deployment", &name);
        let _ = write!(
            text,
            "spec:
  replicas: {}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
        version: v1
      annotations:
        prometheus.io/scrape: \"true\"
        prometheus.io/port: \"15020\"
    spec:
      serviceAccountName: {name}
      containers:
        - name: {name}
          image: registry.example.com/{name}:1.{}.0
          ports:
            - name: http
              containerPort: 8080
            - name: admin
              containerPort: 9090
          env:
",
            2 + chance(1, self.number) % 4,
            chance(2, self.number) % 60,
        );
        for at in 0..14 {
            let value = chance(3, self.number * 20 + at);
            let _ = write!(text, "            - name: SETTING_{at:02}\n              value: \"{value:016x}\"\n");
        }
        text += "          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {cpu: \"1\", memory: 512Mi}
          readinessProbe:
            httpGet: {path: /ready, port: http}
            periodSeconds: 10
          livenessProbe:
            httpGet: {path: /live, port: http}
            periodSeconds: 20
          securityContext:
            runAsNonRoot: true
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: settings, mountPath: /etc/settings}
";
        let _ = write!(text, "      volumes:\n        - name: settings\n          configMap: {{name: {name}}}\n---\n");
        text += &self.head("v1", "Service", &name);
        let _ = write!(
            text,
            "spec:
  selector:
    app: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
    - name: http-admin
      port: 9090
      targetPort: 9090
"
        );
        text
    }

    fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.name(), self.team())
    }

    fn traffic(&self) -> String {
        let (name, host) = (self.name(), self.host());
        let mut text = String::from("# How callers treat the service, and what it demands of them.\n");
        text += &self.head("networking.istio.io/v1", "DestinationRule", &name);
        // One rule in a hundred erases the mode for a port: a mistake.
        let erased = chance(4, self.number).is_multiple_of(100);
        let tls = if erased { "" } else { "        tls:\n          mode: ISTIO_MUTUAL\n" };
        let _ = write!(
            text,
            "spec:
  host: {host}
  trafficPolicy:
    tls:
      mode: ISTIO_MUTUAL
    connectionPool:
      tcp:
        maxConnections: 100
        connectTimeout: 3s
      http:
        http1MaxPendingRequests: 1024
        maxRequestsPerConnection: 100
    outlierDetection:
      consecutive5xxErrors: 5
      interval: 30s
      baseEjectionTime: 30s
    portLevelSettings:
      - port:
          number: 9090
{tls}        connectionPool:
          tcp:
            maxConnections: 10
  subsets:
    - name: v1
      labels:
        version: v1
---
"
        );
        if chance(5, self.number).is_multiple_of(4) {
            text += &self.head("security.istio.io/v1", "PeerAuthentication", &name);
            let mode = if chance(6, self.number).is_multiple_of(10) { "PERMISSIVE" } else { "STRICT" };
            let _ = write!(
                text,
                "spec:
  selector:
    matchLabels:
      app: {name}
  mtls:
    mode: STRICT
  portLevelMtls:
    9090:
      mode: {mode}
---
"
            );
        }
        text += &self.head("v1", "ConfigMap", &format!("{name}-dashboard"));
        text += "data:\n  dashboard.json: |\n";
        self.long_text(7, 28, &mut text);
        text
    }

    fn routes(&self) -> String {
        let (name, host) = (self.name(), self.host());
        let mut text = String::from("# Timeouts and retries by path.\n");
        text += &self.head("networking.istio.io/v1", "VirtualService", &name);
        let _ = write!(text, "spec:\n  hosts:\n    - {host}\n  http:\n");
        for at in 0..9 {
            let _ = write!(
                text,
                "    - name: path-{at}
      match:
        - uri:
            prefix: /api/v1/{}-{at}
          headers:
            x-tenant:
              exact: tenant-{:04x}
      route:
        - destination:
            host: {host}
            subset: v1
            port:
              number: 80
      timeout: {}s
      retries:
        attempts: 2
        perTryTimeout: 1s
        retryOn: connect-failure,refused-stream
",
                WORDS.get((self.number + at) % WORDS.len()).copied().unwrap_or("api"),
                chance(8, self.number * 10 + at) & 0xFFFF,
                2 + at,
            );
        }
        let _ =
            write!(text, "    - route:\n        - destination:\n            host: {host}\n            subset: v1\n");
        text
    }

    fn access(&self) -> String {
        let (name, team) = (self.name(), self.team());
        let caller = self.caller().name();
        let mut text = String::from("# Who may call the service.\n");
        text += &self.head("security.istio.io/v1", "AuthorizationPolicy", &name);
        let _ = write!(
            text,
            "spec:
  selector:
    matchLabels:
      app: {name}
  action: ALLOW
  rules:
    - from:
        - source:
            principals:
              - cluster.local/ns/{team}/sa/{caller}
      to:
        - operation:
            methods: [GET, POST, PUT]
            paths: [\"/api/*\", \"/ready\", \"/live\"]
"
        );
        for at in 0..10 {
            let _ = write!(
                text,
                "    - from:
        - source:
            principals:
              - cluster.local/ns/{team}/sa/{caller}-{at}
            ipBlocks: [10.{at}.0.0/16]
      to:
        - operation:
            methods: [GET]
            paths: [\"/api/v1/{:08x}/*\"]
      when:
        - key: request.headers[x-tenant]
          values: [tenant-{at}]
",
                chance(9, self.number * 10 + at) as u32,
            );
        }
        text += "---\n";
        text += &self.head("security.istio.io/v1", "AuthorizationPolicy", &format!("{name}-admin"));
        let _ = write!(
            text,
            "spec:
  selector:
    matchLabels:
      app: {name}
  action: DENY
  rules:
    - from:
        - source:
            notPrincipals: [\"cluster.local/ns/{team}/sa/{caller}\"]
      to:
        - operation:
            ports: [\"9090\"]
"
        );
        text
    }

    fn settings(&self) -> String {
        let mut text = String::from("# Settings that the application reads.\n");
        text += &self.head("v1", "ConfigMap", &self.name());
        text += "data:\n  application.properties: |\n";
        self.long_text(10, 26, &mut text);
        text += "  logging.xml: |\n";
        self.long_text(11, 24, &mut text);
        text
    }

    /// Lines of a text in a block scalar.
    fn long_text(&self, kind: u64, lines: usize, text: &mut String) {
        for at in 0..lines {
            let value = chance(kind, self.number * 64 + at);
            let word = WORDS.get(value as usize % WORDS.len()).copied().unwrap_or("api");
            let _ = writeln!(
                text,
                "    {word}.{at:02}.endpoint = https://{word}.example.com/{value:016x}/v1?timeout={}",
                value % 900
            );
        }
    }
}
