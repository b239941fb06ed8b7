//! ServiceMeshControlPlane: what its fields, and the Helm values beside them, make of the mesh (istio-mtls.md 8.1, 8.2).

use super::settings::{Settings, Written};
use super::{Maistra, NEWEST, Plane, Product, RELEASES, Release};
use crate::model::Meta;
use crate::model::issue::Issues;
use crate::model::sidecar::Outbound;
use crate::yaml::{Kind, Node};

/// Profiles that the operator comes with; none of them sets what decides here (`op:resources/smcp-templates`).
const PROFILES: [&str; 5] = ["default", "base", "small", "maistra", "medium"];

const OUTBOUND: &[(&str, Outbound)] = &[("ALLOW_ANY", Outbound::AllowAny), ("REGISTRY_ONLY", Outbound::RegistryOnly)];

/// Reads one. A v1 object is Helm values under `spec.istio`.
pub(in crate::model) fn read(root: Node<'_>, meta: Meta, issues: &mut Issues) -> Plane {
    let spec = issues.mapping(root.get("spec"), "spec");
    let v1 = match root.get("apiVersion").and_then(Node::as_str) {
        Some(version) => version == "maistra.io/v1",
        None => spec.is_some_and(|spec| spec.get("istio").is_some()),
    };
    let mut doubts = Vec::new();
    let (release, version_path) = release(root, spec, v1, &mut doubts, issues);
    let settings = settings(root, spec, v1, issues);
    foreign_profile(spec, &meta, &mut doubts, issues);
    let mut config = settings.mesh_config(issues);
    let (auto_mtls, auto_path) = automatic(&settings, release, v1, issues);
    if let Some(auto_mtls) = auto_mtls {
        (config.auto_mtls, config.auto_mtls_written) = (auto_mtls, true);
    }
    let policy = settings.get("proxy.networking.trafficControl.outbound.policy", "global.outboundTrafficPolicy.mode");
    if let Some(mode) = policy.and_then(|w| issues.word(Some(w.node), &w.path, OUTBOUND)) {
        config.outbound = mode;
    }
    if let Some(domain) = settings.text("security.trust.domain", "global.trustDomain", issues) {
        config.trust_domain = Some(domain);
    }
    for list in ["trustDomainAliases", "global.trustDomainAliases"] {
        let written = settings.get("security.trust.additionalDomains", list);
        let names = written.map(|w| issues.strings(Some(w.node), &w.path)).unwrap_or_default();
        config.other_trust_domains.extend(names);
    }
    config.other_trust_domains.sort();
    config.other_trust_domains.dedup();
    for (name, value) in settings.variables("proxy.runtime.container.env", "", issues) {
        config.metadata.set(&name, Some(&value));
    }
    if let Some(Written { node, path }) = settings.value("global.defaultConfigVisibilitySettings") {
        let words = issues.strings(Some(node), &path);
        config.rules_private = words.iter().any(|word| &**word == ".");
        config.service_export_to = words;
    }
    let cluster_wide = cluster_wide(&settings, release, issues);
    discovery(&settings, cluster_wide, &mut config, issues);
    let root_namespace = match (release.major, release.minor) {
        (1, _) => settings.text("", "global.configRootNamespace", issues),
        (2, 0) => config.root_namespace.take(),
        _ => None,
    };
    config.root_namespace = None;
    let plane = Plane {
        product: Product::Maistra(release),
        namespace: meta.namespace.clone(),
        revision: (*meta.name).into(),
        version: RELEASES.iter().find(|(known, _)| *known == release).map(|(_, istio)| *istio),
        version_path,
        config,
        auto_path,
        root: root_namespace.map_or_else(|| meta.namespace.clone(), Into::into),
        env: settings.variables("runtime.components.pilot.container.env", "pilot.env", issues),
        domain: settings.text("proxy.networking.clusterDomain", "global.proxy.clusterDomain", issues),
        injector: settings.injector(false, release >= Release::new(2, 1), issues),
        capture: settings.capture(),
        doubts,
        maistra: Some(maistra(&settings, release, v1, cluster_wide, issues)),
        meta,
    };
    settings.report(issues);
    plane
}

/// The settings, from where the operator merged the profiles into them, if the object shows that.
fn settings<'a>(root: Node<'a>, spec: Option<Node<'a>>, v1: bool, issues: &mut Issues) -> Settings<'a> {
    if v1 {
        let values = issues.mapping(spec.and_then(|spec| spec.get("istio")), "spec.istio");
        return Settings::new(None, values.map(|node| (node, "spec.istio".to_owned())));
    }
    let applied = root.find("status.appliedSpec").filter(|node| node.kind() == Kind::Map && !node.is_empty());
    let (fields, base) = applied.map_or((spec, "spec"), |applied| (Some(applied), "status.appliedSpec"));
    let path = format!("{base}.techPreview");
    let values = issues.mapping(fields.and_then(|spec| spec.get("techPreview")), &path);
    Settings::new(fields.map(|node| (node, base)), values.map(|node| (node, path)))
}

/// The release, and where it stands.
fn release(
    root: Node<'_>,
    spec: Option<Node<'_>>,
    v1: bool,
    doubts: &mut Vec<String>,
    issues: &mut Issues,
) -> (Release, &'static str) {
    let applied = root.find("status.appliedSpec.version").and_then(Node::text);
    let node = spec.and_then(|spec| spec.get("version"));
    let text = issues.string(node, "spec.version").filter(|text| !text.is_empty()).or(applied);
    let Some(text) = text else {
        if v1 {
            return (Release::new(1, 1), "spec.version");
        }
        doubts.push(format!(
            "spec.version of the ServiceMeshControlPlane is not set: taken as {NEWEST}, it is the newest of the operator that admitted it"
        ));
        return (NEWEST, "spec.version");
    };
    let known = RELEASES.iter().map(|(release, _)| *release).find(|release| format!("v{release}") == *text);
    match (known, node) {
        (Some(release), Some(node)) if v1 && release.major > 1 => {
            let message = format!("spec.version of a maistra.io/v1 control plane cannot be {text}");
            issues.add(node, "spec.version", message, "v1.0 or v1.1; later versions are maistra.io/v2");
            (release, "spec.version")
        }
        (Some(release), _) => (release, "spec.version"),
        (None, node) => {
            if let Some(node) = node {
                let message = format!("spec.version {text:?} is no version of OpenShift Service Mesh");
                issues.add(node, "spec.version", message, "one of v1.0, v1.1, v2.0 to v2.6");
            }
            (NEWEST, "spec.version")
        }
    }
}

/// A profile of the user's own is a ConfigMap of the operator: what the object leaves out may be set there.
fn foreign_profile(spec: Option<Node<'_>>, meta: &Meta, doubts: &mut Vec<String>, issues: &mut Issues) {
    let get = |key: &str| spec.and_then(|spec| spec.get(key));
    let mut names = issues.strings(get("profiles"), "spec.profiles");
    for key in ["template", "profile"] {
        names.extend(issues.string(get(key), format!("spec.{key}")).map(|name| Box::from(&*name)));
    }
    for name in names.iter().filter(|name| !name.is_empty() && !PROFILES.contains(&&***name)) {
        doubts.push(format!(
            "profile {name:?} of ServiceMeshControlPlane {} is not in the input: what the object leaves out may be set there",
            meta.slash()
        ));
    }
}

/// Automatic mTLS, where something says so, and where that stands or would.
fn automatic(settings: &Settings<'_>, release: Release, v1: bool, issues: &mut Issues) -> (Option<bool>, String) {
    let field = if v1 { "" } else { "security.dataPlane.automtls" };
    let written = settings.field(field).or_else(|| match release.major {
        // The mesh's block is laid over what the chart makes of `global.mtls.auto`.
        2 => settings.value("meshConfig.enableAutoMtls"),
        _ => None,
    });
    let rendered = || settings.value("global.mtls.auto").filter(|_| release < Release::new(2, 1));
    let absent = if v1 { "spec.istio.global.mtls.auto" } else { "spec.security.dataPlane.automtls" };
    // 1.0 is made from Istio 1.1, which knows of no such thing.
    if release == Release::new(1, 0) {
        return (Some(false), absent.to_owned());
    }
    match written.or_else(rendered) {
        Some(written) => (issues.boolean(Some(written.node), &written.path), written.path),
        None => ((release.major == 1).then_some(false), absent.to_owned()),
    }
}

fn cluster_wide(settings: &Settings<'_>, release: Release, issues: &mut Issues) -> bool {
    let mode = settings
        .field("mode")
        .and_then(|w| issues.word(Some(w.node), &w.path, &[("ClusterWide", true), ("MultiTenant", false)]));
    let preview =
        settings.value("controlPlaneMode").and_then(|w| settings.scalar(&w).map(|text| text == "ClusterScoped"));
    if release >= Release::new(2, 4) {
        mode == Some(true)
    } else {
        release == Release::new(2, 3) && preview == Some(true)
    }
}

/// `discoverySelectors`, which the operator refuses but in cluster-wide mode (`versions/util.go :
/// checkDiscoverySelectors`).
fn discovery(settings: &Settings<'_>, cluster_wide: bool, config: &mut crate::model::MeshConfig, issues: &mut Issues) {
    let Some(Written { node, path }) = settings.field("meshConfig.discoverySelectors") else {
        if !cluster_wide {
            config.discovery.clear();
        }
        return;
    };
    if !cluster_wide {
        let message = format!("{path} is refused but with spec.mode: ClusterWide");
        issues.add(node, &path, message, "remove it: the member roll says which namespaces the control plane sees");
        return;
    }
    let list = issues.mappings(Some(node), &path).into_iter();
    let read = |(at, node)| crate::model::mesh_config::read_namespace_selector(node, &format!("{path}[{at}]"), issues);
    config.discovery = list.map(read).collect();
}

fn maistra(settings: &Settings<'_>, release: Release, v1: bool, cluster_wide: bool, issues: &mut Issues) -> Maistra {
    let mtls = settings.get("security.dataPlane.mtls", "global.mtls.enabled");
    let absent = if v1 { "spec.istio.global.mtls.enabled" } else { "spec.security.dataPlane.mtls" };
    let mtls_path = mtls.as_ref().map_or_else(|| absent.to_owned(), |written| written.path.clone());
    let inbound = settings
        .boolean("proxy.networking.protocol.autoDetect.inbound", "pilot.enableProtocolSniffingForInbound", issues)
        .unwrap_or(false);
    // 2.0 and 2.1 refuse true; 2.6 has lost the switch and always sniffs.
    let sniffs = match (release.major, release.minor) {
        (2, 0 | 1) => false,
        (2, 6) => true,
        _ => inbound,
    };
    let enabled = |field: &str, value: &str, issues: &mut Issues| {
        let written = settings.get(field, value)?;
        issues.boolean(Some(written.node), &written.path).filter(|on| *on).map(|_| written.path)
    };
    let grafana = enabled("addons.grafana.enabled", "grafana.enabled", issues);
    let tracing = settings.field("tracing.type").filter(|w| settings.scalar(w).as_deref() == Some("Jaeger"));
    let tracing = tracing.map(|w| w.path);
    Maistra {
        mtls: mtls.and_then(|written| issues.boolean(Some(written.node), &written.path)).unwrap_or(false),
        mtls_path,
        cluster_wide,
        names_only: !sniffs,
        network_policies: settings.boolean("security.manageNetworkPolicy", "global.manageNetworkPolicy", issues)
            != Some(false),
        grafana: grafana.filter(|_| release.major == 2),
        jaeger: tracing.or_else(|| enabled("", "tracing.enabled", issues)).filter(|_| release.major == 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::read::tests::meta;
    use crate::yaml;

    fn plane(text: &str) -> (Plane, Vec<String>) {
        let tree = yaml::parse_text(text).expect("YAML");
        let mut issues = Issues::default();
        let plane = read(tree.root(), meta(), &mut issues);
        (plane, issues.0.into_iter().map(|issue| issue.message).collect())
    }

    fn v2(spec: &str) -> Plane {
        let (plane, issues) = plane(&format!("{{apiVersion: maistra.io/v2, spec: {spec}}}"));
        assert_eq!(issues, Vec::<String>::new(), "{spec}");
        plane
    }

    #[test]
    fn what_stands_above_a_setting_is_a_mapping() {
        for (spec, want) in [
            ("{security: x}", "spec.security must be a mapping, not \"x\""),
            ("{security: {dataPlane: [a]}}", "spec.security.dataPlane must be a mapping, not a list"),
            ("{security: {dataPlane: null}}", ""),
            (
                "{proxy: {networking: {trafficControl: {inbound: [80]}}}}",
                "spec.proxy.networking.trafficControl.inbound must be a mapping, not a list",
            ),
            (
                "{proxy: {networking: {trafficControl: {inbound: {excludedPorts: {a: 1}}}}}}",
                "spec.proxy.networking.trafficControl.inbound.excludedPorts must be a string, not a mapping",
            ),
            ("{profiles: strict}", "spec.profiles must be a list, not \"strict\""),
            ("{techPreview: {global: [a]}}", "spec.techPreview.global must be a mapping, not a list"),
        ] {
            let (_, issues) = plane(&format!("{{apiVersion: maistra.io/v2, spec: {spec}}}"));
            assert_eq!(issues.join("; "), want, "{spec}");
        }
    }

    #[test]
    fn automatic_mtls_and_the_operators_switch() {
        let techpreview = "{version: v2.2, techPreview: {meshConfig: {enableAutoMtls: false}}}";
        for (spec, auto, mtls) in [
            ("{version: v2.0}", true, false),
            ("{version: v2.5}", true, false),
            ("{version: v2.5, security: {dataPlane: {automtls: false, mtls: true}}}", false, true),
            (techpreview, false, false),
            (
                "{version: v2.2, security: {dataPlane: {automtls: true}}, techPreview: {meshConfig: {enableAutoMtls: false}}}",
                true,
                false,
            ),
            ("{version: v2.0, techPreview: {global: {mtls: {auto: false, enabled: true}}}}", false, true),
            ("{version: v2.3, techPreview: {global: {mtls: {auto: false}}}}", true, false),
            ("{version: v1.1}", false, false),
            ("{version: v2.2, security: {controlPlane: {mtls: true}}}", true, false),
        ] {
            let plane = v2(spec);
            assert_eq!(plane.config.auto_mtls, auto, "{spec}");
            assert_eq!(plane.maistra.expect("of Maistra").mtls, mtls, "{spec}");
        }
        for (spec, auto, mtls) in [
            ("{}", false, false),
            ("{istio: {global: {mtls: {enabled: true, auto: true}}}}", true, true),
            ("{version: v1.0, istio: {global: {mtls: {enabled: true, auto: true}}}}", false, true),
        ] {
            let (plane, _) = plane(&format!("{{apiVersion: maistra.io/v1, spec: {spec}}}"));
            assert_eq!(plane.config.auto_mtls, auto, "{spec}");
            assert_eq!(plane.maistra.expect("of Maistra").mtls, mtls, "{spec}");
        }
    }

    #[test]
    fn versions_and_what_is_wrong_with_them() {
        for (api, version, release, doubts, issues) in [
            ("v2", "v2.4", (2, 4), 0, 0),
            ("v2", "v1.1", (1, 1), 0, 0),
            ("v2", "", (2, 6), 1, 0),
            ("v1", "", (1, 1), 0, 0),
            ("v1", "v1.0", (1, 0), 0, 0),
            ("v1", "v2.0", (2, 0), 0, 1),
            ("v2", "v2.9", (2, 6), 0, 1),
        ] {
            let text = format!("{{apiVersion: maistra.io/{api}, spec: {{version: {version:?}}}}}");
            let (plane, found) = plane(&text);
            assert_eq!(plane.product, Product::Maistra(Release::new(release.0, release.1)), "{text}");
            assert_eq!((plane.doubts.len(), found.len()), (doubts, issues), "{text}");
        }
    }

    #[test]
    fn the_other_settings() {
        let plane = v2(
            "{version: v2.4, mode: ClusterWide, meshConfig: {discoverySelectors: [{matchLabels: {a: b}}]}, \
             proxy: {networking: {clusterDomain: corp.local, trafficControl: {outbound: {policy: REGISTRY_ONLY, excludedPorts: [80, 81]}}, \
             protocol: {autoDetect: {inbound: true}}}, injection: {autoInject: true}}, \
             runtime: {components: {pilot: {container: {env: {PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES: 'true'}}}}}, \
             security: {trust: {domain: corp, additionalDomains: [old]}}}",
        );
        assert_eq!(plane.config.outbound, Outbound::RegistryOnly);
        assert_eq!(plane.domain.as_deref(), Some("corp.local"));
        assert_eq!(plane.capture, [("traffic.sidecar.istio.io/excludeOutboundPorts", "80,81".into())]);
        assert_eq!(plane.config.discovery.len(), 1);
        assert_eq!(plane.config.trust_domain.as_deref(), Some("corp"));
        assert_eq!(plane.config.other_trust_domains, ["old".into()]);
        assert!(plane.injector.automatic && plane.injector.rewrites_probes);
        assert_eq!(plane.env.len(), 1);
        let own = plane.maistra.expect("of Maistra");
        assert!(own.cluster_wide && !own.names_only);
        // What the versions make of the same switch.
        for (version, names_only) in [("v2.0", true), ("v2.2", false), ("v2.5", false), ("v2.6", false)] {
            let plane = v2(&format!(
                "{{version: {version}, proxy: {{networking: {{protocol: {{autoDetect: {{inbound: true}}}}}}}}}}"
            ));
            assert_eq!(plane.maistra.expect("of Maistra").names_only, names_only, "{version}");
        }
        assert!(v2("{version: v2.5}").maistra.expect("of Maistra").names_only);
        assert!(!v2("{version: v2.6}").maistra.expect("of Maistra").names_only);
    }

    #[test]
    fn the_root_namespace_can_be_another_only_in_the_oldest() {
        for (version, root) in [("v2.0", "roots"), ("v2.1", "shop")] {
            let plane = v2(&format!("{{version: {version}, techPreview: {{meshConfig: {{rootNamespace: roots}}}}}}"));
            assert_eq!(&*plane.root, root, "{version}");
        }
        let (plane, _) = plane("{apiVersion: maistra.io/v1, spec: {istio: {global: {configRootNamespace: roots}}}}");
        assert_eq!(&*plane.root, "roots");
    }

    #[test]
    fn what_the_operator_applied_stands_over_what_is_asked_for() {
        let (plane, _) = plane(
            "{apiVersion: maistra.io/v2, spec: {version: v2.5}, status: {appliedSpec: {version: v2.5, security: {dataPlane: {mtls: true}}}}}",
        );
        let own = plane.maistra.expect("of Maistra");
        assert!(own.mtls);
        assert_eq!(own.mtls_path, "status.appliedSpec.security.dataPlane.mtls");
    }

    #[test]
    fn a_profile_of_the_users_own_is_a_doubt() {
        assert_eq!(v2("{version: v2.5, profiles: [default, small]}").doubts.len(), 0);
        assert_eq!(v2("{version: v2.5, profiles: [strict]}").doubts.len(), 1);
    }
}
