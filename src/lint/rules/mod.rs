//! Every rule: one file, one line of [`RULES`], one page `docs/rules/CODE.md`, one folder `testdata/lint/CODE`.

mod allow_nothing;
mod ambient_l7_without_waypoint;
mod ambient_port_exception_without_effect;
mod annotation_cannot_inject;
mod control_plane_mtls_off;
mod credential_name_ignored;
mod empty_tls_means_disable;
mod excluded_port_bypasses_strict;
mod gateway_mode_incomplete;
mod gateway_plaintext;
mod gateway_sni_mismatch;
mod hand_written_tls_mode;
mod headless_mtls_all_or_nothing;
mod http_fields_on_tcp_port;
mod identity_rule_without_mtls;
mod invalid_value;
mod istio_mutual_with_extra_fields;
mod mesh_external_never_mtls;
mod mesh_not_strict;
mod mesh_policy_not_default;
mod mtls_disabled;
mod mtls_to_plaintext_server;
mod namespace_disable_workload_strict;
mod no_wildcard_identity;
mod peer_authentication_on_gateway;
mod permissive_with_no_plaintext_client;
mod plaintext_to_strict;
mod policy_not_enforced;
mod port_mtls_names_service_port;
mod port_mtls_without_selector;
mod port_settings_erase_tls;
mod probes_broken_by_strict;
mod removed_policy_api;
mod root_namespace_selector_ignored;
mod rule_shadowed;
mod scrape_behind_strict;
mod selector_matches_nothing;
mod selector_rule_never_leaves_namespace;
mod server_not_verified;
mod service_not_imported;
mod shadowed_by_older_policy;
mod short_host_resolves_to_rule_namespace;
mod strict_without_sidecar_client;
mod subset_drops_tls;
mod tls_disabled;
mod tls_to_mesh_port;
mod trust_domain_unknown;
mod uid_1337_bypasses_capture;
mod unknown_field;
mod unknown_host_or_port;
mod unset_mode_inherits;
mod weak_or_old_tls;
mod webhook_behind_strict;
mod wildcard_covers_api_server;
mod wrong_indentation_of_tls;

pub(super) use removed_policy_api::report as report_removed;
pub(super) use unknown_host_or_port::is_unknown_port;
pub(super) use wildcard_covers_api_server::covers_api_server;

use super::Rule;
use crate::finding;

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    Rule { code: &finding::UNKNOWN_FIELD, check: unknown_field::check },
    Rule { code: &finding::INVALID_VALUE, check: invalid_value::check },
    Rule { code: &finding::WRONG_INDENTATION_OF_TLS, check: wrong_indentation_of_tls::check },
    Rule { code: &finding::ROOT_NAMESPACE_SELECTOR_IGNORED, check: root_namespace_selector_ignored::check },
    Rule { code: &finding::SHADOWED_BY_OLDER_POLICY, check: shadowed_by_older_policy::check },
    Rule { code: &finding::PORT_MTLS_WITHOUT_SELECTOR, check: port_mtls_without_selector::check },
    Rule { code: &finding::PORT_MTLS_NAMES_SERVICE_PORT, check: port_mtls_names_service_port::check },
    Rule { code: &finding::SELECTOR_MATCHES_NOTHING, check: selector_matches_nothing::check },
    Rule { code: &finding::POLICY_NOT_ENFORCED, check: policy_not_enforced::check },
    Rule { code: &finding::MTLS_DISABLED, check: mtls_disabled::check },
    Rule { code: &finding::MESH_NOT_STRICT, check: mesh_not_strict::check },
    Rule { code: &finding::PERMISSIVE_WITH_NO_PLAINTEXT_CLIENT, check: permissive_with_no_plaintext_client::check },
    Rule { code: &finding::UNSET_MODE_INHERITS, check: unset_mode_inherits::check },
    Rule { code: &finding::AMBIENT_PORT_EXCEPTION_WITHOUT_EFFECT, check: ambient_port_exception_without_effect::check },
    Rule { code: &finding::REMOVED_POLICY_API, check: removed_policy_api::check },
    Rule { code: &finding::MESH_POLICY_NOT_DEFAULT, check: mesh_policy_not_default::check },
    Rule { code: &finding::CONTROL_PLANE_MTLS_OFF, check: control_plane_mtls_off::check },
    Rule { code: &finding::PLAINTEXT_TO_STRICT, check: plaintext_to_strict::check },
    Rule { code: &finding::MTLS_TO_PLAINTEXT_SERVER, check: mtls_to_plaintext_server::check },
    Rule { code: &finding::TLS_TO_MESH_PORT, check: tls_to_mesh_port::check },
    Rule { code: &finding::PORT_SETTINGS_ERASE_TLS, check: port_settings_erase_tls::check },
    Rule { code: &finding::SUBSET_DROPS_TLS, check: subset_drops_tls::check },
    Rule { code: &finding::EMPTY_TLS_MEANS_DISABLE, check: empty_tls_means_disable::check },
    Rule { code: &finding::RULE_SHADOWED, check: rule_shadowed::check },
    Rule { code: &finding::SHORT_HOST_RESOLVES_TO_RULE_NAMESPACE, check: short_host_resolves_to_rule_namespace::check },
    Rule { code: &finding::CREDENTIAL_NAME_IGNORED, check: credential_name_ignored::check },
    Rule { code: &finding::SERVER_NOT_VERIFIED, check: server_not_verified::check },
    Rule { code: &finding::ISTIO_MUTUAL_WITH_EXTRA_FIELDS, check: istio_mutual_with_extra_fields::check },
    Rule { code: &finding::UNKNOWN_HOST_OR_PORT, check: unknown_host_or_port::check },
    Rule { code: &finding::WILDCARD_COVERS_API_SERVER, check: wildcard_covers_api_server::check },
    Rule { code: &finding::TLS_DISABLED, check: tls_disabled::check },
    Rule { code: &finding::SELECTOR_RULE_NEVER_LEAVES_NAMESPACE, check: selector_rule_never_leaves_namespace::check },
    Rule { code: &finding::WEAK_OR_OLD_TLS, check: weak_or_old_tls::check },
    Rule { code: &finding::GATEWAY_SNI_MISMATCH, check: gateway_sni_mismatch::check },
    Rule { code: &finding::NAMESPACE_DISABLE_WORKLOAD_STRICT, check: namespace_disable_workload_strict::check },
    Rule { code: &finding::HEADLESS_MTLS_ALL_OR_NOTHING, check: headless_mtls_all_or_nothing::check },
    Rule { code: &finding::STRICT_WITHOUT_SIDECAR_CLIENT, check: strict_without_sidecar_client::check },
    Rule { code: &finding::EXCLUDED_PORT_BYPASSES_STRICT, check: excluded_port_bypasses_strict::check },
    Rule { code: &finding::ANNOTATION_CANNOT_INJECT, check: annotation_cannot_inject::check },
    Rule { code: &finding::HAND_WRITTEN_TLS_MODE, check: hand_written_tls_mode::check },
    Rule { code: &finding::PROBES_BROKEN_BY_STRICT, check: probes_broken_by_strict::check },
    Rule { code: &finding::MESH_EXTERNAL_NEVER_MTLS, check: mesh_external_never_mtls::check },
    Rule { code: &finding::NO_WILDCARD_IDENTITY, check: no_wildcard_identity::check },
    Rule { code: &finding::WEBHOOK_BEHIND_STRICT, check: webhook_behind_strict::check },
    Rule { code: &finding::SCRAPE_BEHIND_STRICT, check: scrape_behind_strict::check },
    Rule { code: &finding::UID_1337_BYPASSES_CAPTURE, check: uid_1337_bypasses_capture::check },
    Rule { code: &finding::SERVICE_NOT_IMPORTED, check: service_not_imported::check },
    Rule { code: &finding::IDENTITY_RULE_WITHOUT_MTLS, check: identity_rule_without_mtls::check },
    Rule { code: &finding::ALLOW_NOTHING, check: allow_nothing::check },
    Rule { code: &finding::TRUST_DOMAIN_UNKNOWN, check: trust_domain_unknown::check },
    Rule { code: &finding::HTTP_FIELDS_ON_TCP_PORT, check: http_fields_on_tcp_port::check },
    Rule { code: &finding::AMBIENT_L7_WITHOUT_WAYPOINT, check: ambient_l7_without_waypoint::check },
    Rule { code: &finding::GATEWAY_PLAINTEXT, check: gateway_plaintext::check },
    Rule { code: &finding::PEER_AUTHENTICATION_ON_GATEWAY, check: peer_authentication_on_gateway::check },
    Rule { code: &finding::GATEWAY_MODE_INCOMPLETE, check: gateway_mode_incomplete::check },
];
