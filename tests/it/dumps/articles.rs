//! The outputs of two articles, from dumps that have the listeners which they show.

use super::build::{details, disable, permissive};
use super::{AT, authz};
use serde_json::{Value, json};

/// `istioctl experimental authz check` of a pod in PERMISSIVE: the rows of virtual listeners, and what follows them.
const PERMISSIVE: &str = "\
virtualOutbound[0]        none                 no (none)            no (none)
virtualOutbound[1]        none                 no (none)            no (none)
virtualInbound[0]         none                 no (none)            no (none)
virtualInbound[1]         noneSDS: default     yes (none)           no (none)
virtualInbound[2]         none                 no (none)            no (none)
virtualInbound[3]         noneSDS: default     yes (none)           no (none)
virtualInbound[4]         none                 no (none)            no (none)
virtualInbound[5]         none                 no (none)            no (none)
virtualInbound[6]         noneSDS: default     yes (PERMISSIVE)     no (none)
virtualInbound[7]         none                 no (PERMISSIVE)      no (none)
virtualInbound[8]         noneSDS: default     yes (PERMISSIVE)     no (none)
virtualInbound[9]         none                 no (PERMISSIVE)      no (none)
0.0.0.0_15010             none                 no (none)            no (none)
0.0.0.0_15014             none                 no (none)            no (none)
";

/// The whole output in DISABLE.
const DISABLE: &str = "\
Checked 13/25 listeners with node IP 10.131.1.100.
LISTENER[FilterChain]     CERTIFICATE     mTLS (MODE)     AuthZ (RULES)
0.0.0.0_80                none            no (none)       no (none)
0.0.0.0_3000              none            no (none)       no (none)
0.0.0.0_5778              none            no (none)       no (none)
0.0.0.0_9080              none            no (none)       no (none)
0.0.0.0_9090              none            no (none)       no (none)
0.0.0.0_9411              none            no (none)       no (none)
0.0.0.0_14250             none            no (none)       no (none)
0.0.0.0_14267             none            no (none)       no (none)
0.0.0.0_14268             none            no (none)       no (none)
virtualOutbound[0]        none            no (none)       no (none)
virtualOutbound[1]        none            no (none)       no (none)
virtualInbound[0]         none            no (none)       no (none)
virtualInbound[1]         none            no (none)       no (none)
virtualInbound[2]         none            no (none)       no (none)
virtualInbound[3]         none            no (none)       no (none)
virtualInbound[4]         none            no (none)       no (none)
virtualInbound[5]         none            no (none)       no (none)
0.0.0.0_15010             none            no (none)       no (none)
0.0.0.0_15014             none            no (none)       no (none)
";

fn old_table(dump: &Value) -> String {
    let run =
        authz(&["-f", "-", "--at", AT, "--compat", "istioctl-1.6", "--fail-on", "never"], dump.to_string().as_bytes());
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout
}

#[test]
fn the_old_table_of_permissive_is_that_of_2021() {
    let table = old_table(&details(permissive()));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "Checked 13/25 listeners with node IP 10.131.1.100.");
    assert_eq!(lines[1], "LISTENER[FilterChain]     CERTIFICATE          mTLS (MODE)          AuthZ (RULES)");
    // Nine listeners before them that the article leaves out: those of DISABLE.
    let left_out = |line: &&str| line.split("  ").next().unwrap().to_owned();
    let others: Vec<String> = DISABLE.lines().skip(2).take(9).map(|line| left_out(&line)).collect();
    assert_eq!(lines[2..11].iter().map(left_out).collect::<Vec<_>>(), others);
    assert_eq!(lines[11..].join("\n") + "\n", PERMISSIVE);
    assert_eq!(lines.len(), 25);
}

#[test]
fn the_old_table_of_disable_is_that_of_2021() {
    assert_eq!(old_table(&details(disable())), DISABLE);
}

#[test]
fn the_old_table_says_on_standard_error_what_it_gets_wrong() {
    let run = authz(&["-f", "-", "--at", AT, "--compat", "istioctl-1.6"], details(permissive()).to_string().as_bytes());
    for words in ["noneSDS", "MODE is (none)", "accept plaintext too", "outbound", "12 listeners"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

/// The sentences of a dump, and port, mutual TLS, mode and how it is known of each inbound chain.
fn corrected(dump: &Value) -> (Vec<String>, Vec<Value>) {
    let run = authz(&["-f", "-", "--at", AT, "-o", "json", "--fail-on", "never"], dump.to_string().as_bytes());
    let proxy = run.json()["proxies"][0].take();
    assert_eq!(proxy["unread"], json!([]));
    let ports = proxy["ports"].as_array().unwrap().iter().map(|port| port["text"].as_str().unwrap().to_owned());
    let rows = proxy["rows"].as_array().unwrap().iter().filter(|row| row["listener"] == "virtualInbound");
    let row = |row: &Value| {
        json!([row["chain_index"], row["port"], row["mtls"], row["accepts_plaintext"], row["mode"], row["mode_source"]])
    };
    (ports.collect(), rows.map(row).collect())
}

#[test]
fn the_corrected_table_of_permissive_says_what_is_true() {
    let (ports, rows) = corrected(&details(permissive()));
    assert!(
        ports.iter().any(|text| text.starts_with("9080 http PERMISSIVE: plaintext accepted by virtualInbound[7]")),
        "{ports:?}"
    );
    assert!(
        ports
            .iter()
            .any(|text| text.starts_with("any other port ") && text.contains("PERMISSIVE: plaintext accepted by")),
        "{ports:?}"
    );
    let expected = [
        json!([0, 15006, false, true, null, null]),
        json!([1, null, true, false, "PERMISSIVE", "inferred"]),
        json!([2, null, false, true, "PERMISSIVE", "inferred"]),
        json!([3, null, true, false, "PERMISSIVE", "inferred"]),
        json!([4, null, false, true, "PERMISSIVE", "inferred"]),
        json!([5, null, false, false, "PERMISSIVE", "inferred"]),
        json!([6, 9080, true, false, "PERMISSIVE", "istio_authn"]),
        json!([7, 9080, false, true, "PERMISSIVE", "istio_authn"]),
        json!([8, 15020, true, false, "PERMISSIVE", "istio_authn"]),
        json!([9, 15020, false, true, "PERMISSIVE", "istio_authn"]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn the_corrected_table_of_disable_says_what_is_true() {
    let (ports, rows) = corrected(&details(disable()));
    assert!(
        ports.iter().any(|text| text.starts_with("9080 http DISABLE: plaintext accepted by virtualInbound[4]")),
        "{ports:?}"
    );
    assert!(rows.iter().all(|row| row[2] == false), "{rows:?}");
    assert!(rows[1..].iter().all(|row| row[4] == "DISABLE"), "{rows:?}");
}
