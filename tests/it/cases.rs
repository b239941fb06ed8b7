//! The tricky cases, each a test of its name: what istiod does, cell by cell (`testdata/cases/README.md`).

use crate::support::{cells, folders, name, read_json, root};
use serde_json::Value;

macro_rules! cases {
    ($list:ident, $check:ident: $($test:ident $id:ident;)*) => {
        const $list: &[(&str, &str)] = &[$((stringify!($test), stringify!($id))),*];
        $(#[test]
        fn $test() {
            $check(stringify!($id));
        })*
    };
}

cases! { JUDGED, agrees:
    case_f0 F0;
    case_a1 A1;
    case_a1b A1b;
    case_a2 A2;
    case_a3 A3;
    case_a4 A4;
    case_a5 A5;
    case_a6 A6;
    case_a6b A6b;
    case_a7 A7;
    case_a8 A8;
    case_a9 A9;
    case_a10 A10;
    case_a10b A10b;
    case_a10c A10c;
    case_a10d A10d;
    case_a10e A10e;
    case_a11 A11;
    case_a12 A12;
    case_a13 A13;
    case_a14 A14;
    case_a14b A14b;
    case_a15 A15;
    case_a16 A16;
    case_a17 A17;
    case_a17b A17b;
    case_a17c A17c;
    case_a17d A17d;
    case_a18 A18;
    case_a20 A20;
    case_a20b A20b;
    case_a20c A20c;
    case_a21 A21;
    case_a21b A21b;
    case_a22 A22;
    case_a23 A23;
    case_b1 B1;
    case_b1b B1b;
    case_b1c B1c;
    case_b1d B1d;
    case_b2 B2;
    case_b3 B3;
    case_b3b B3b;
    case_b3c B3c;
    case_b4 B4;
    case_b4b B4b;
    case_b5 B5;
    case_b5b B5b;
    case_b6 B6;
    case_b6b B6b;
    case_b7 B7;
    case_b8 B8;
    case_b8b B8b;
    case_b9 B9;
    case_b10 B10;
    case_b10b B10b;
    case_b11 B11;
    case_b12 B12;
    case_c1 C1;
    case_c2 C2;
    case_c3 C3;
    case_c3b C3b;
    case_c4 C4;
    case_c5 C5;
    case_c6 C6;
    case_c7 C7;
    case_c7b C7b;
    case_c7c C7c;
    case_c8 C8;
    case_c9 C9;
    case_c9b C9b;
    case_c9c C9c;
    case_c10 C10;
    case_c10b C10b;
    case_c12 C12;
    case_c12b C12b;
    case_c13 C13;
    case_c14 C14;
    case_c14b C14b;
    case_c15 C15;
    case_d1 D1;
    case_d2 D2;
    case_d2b D2b;
    case_d3 D3;
    case_d4 D4;
    case_d5 D5;
    case_d5b D5b;
    case_d6 D6;
    case_d6b D6b;
    case_d7 D7;
    case_d8 D8;
    case_d8b D8b;
    case_d9 D9;
    case_d10 D10;
    case_d11 D11;
    case_d12 D12;
    case_d12b D12b;
    case_d13 D13;
    case_d13b D13b;
    case_d14 D14;
    case_d14b D14b;
    case_d14c D14c;
    case_d15 D15;
    case_d16 D16;
    case_d17 D17;
    case_e1 E1;
    case_e2 E2;
    case_e3 E3;
    case_e3b E3b;
    case_e4 E4;
    case_e5 E5;
    case_e5b E5b;
    case_e6 E6;
    case_e7 E7;
    case_e7b E7b;
    case_e8 E8;
    case_e8b E8b;
    case_e9 E9;
    case_e10 E10;
    case_e10b E10b;
    case_e11 E11;
    case_e11b E11b;
    case_e12 E12;
    case_e13 E13;
    case_e13b E13b;
    case_e14 E14;
    case_e15 E15;
    case_e15b E15b;
    case_e16 E16;
    case_e16b E16b;
    case_e17 E17;
    case_e17b E17b;
    case_e19 E19;
    case_e19b E19b;
    case_e20 E20;
    case_e20b E20b;
    case_e21 E21;
    case_e22 E22;
    case_e22b E22b;
    case_e23 E23;
    case_h1 H1;
    case_h2 H2;
    case_h2b H2b;
    case_h2c H2c;
    case_h3 H3;
    case_h4 H4;
    case_h4b H4b;
    case_h5 H5;
    case_h5b H5b;
    case_h5c H5c;
    case_h6 H6;
    case_h6b H6b;
    case_h7 H7;
    case_h7b H7b;
    case_h8 H8;
    case_h8b H8b;
    case_h8c H8c;
    case_h9 H9;
    case_h10 H10;
    case_h10b H10b;
    case_h11 H11;
    case_h12 H12;
    case_h12b H12b;
    case_h13 H13;
    case_h14 H14;
    case_h15 H15;
    case_h15b H15b;
    case_h15c H15c;
    case_a19 A19;
    case_a19b A19b;
    case_c11 C11;
    case_e18 E18;
    case_e18b E18b;
    case_e18c E18c;
}

/// The fields that an expectation may have.
const FIELDS: [&str; 5] = ["server_mode", "wire", "status", "failure", "destination_rule"];

/// The cells of a case, and what is expected of them.
fn load(id: &str) -> (Vec<Value>, Vec<Value>) {
    let folder = root().join("testdata/cases").join(id);
    let case = read_json(&folder.join("case.json"));
    let flags: Vec<&str> = case["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
    let expect = case["expect"].as_array().unwrap().clone();
    assert!(case["id"] == id && !expect.is_empty(), "{id} expects nothing");
    (cells(&folder.join("mesh.yaml"), &flags), expect)
}

/// The cells that an expectation speaks of: of one endpoint, or of all.
fn matching<'c>(cells: &'c [Value], expect: &Value) -> Vec<&'c Value> {
    let same = |cell: &Value, part: &str, fields: &[&str]| fields.iter().all(|f| cell[part][f] == expect[part][f]);
    let wanted = |cell: &&Value| {
        same(cell, "client", &["workload", "namespace"])
            && same(cell, "server", &["host", "port", "subset"])
            && (expect["endpoint"].is_null() || same(cell, "endpoint", &["address", "port"]))
    };
    cells.iter().filter(wanted).collect()
}

/// Where the cells differ from one expectation.
fn differences(cells: &[Value], expect: &Value) -> Vec<String> {
    let found = matching(cells, expect);
    let values = |field: &str| found.iter().map(|cell| cell[field].clone()).collect::<Vec<_>>();
    let mut bad = Vec::new();
    if found.is_empty() && expect["optional"] != true {
        bad.push("no such cell".to_owned());
    }
    let mixed = expect["status"] == "MIXED";
    // MIXED: the endpoints differ, and one expectation for each of them follows.
    if mixed && !found.is_empty() && values("status").iter().all(|status| *status == values("status")[0]) {
        bad.push(format!("status: want MIXED, got {:?}", values("status")));
    }
    for field in FIELDS.iter().filter(|field| expect.get(**field).is_some() && !(mixed && **field == "status")) {
        if values(field).iter().any(|value| *value != expect[field]) {
            bad.push(format!("{field}: want {}, got {:?}", expect[field], values(field)));
        }
    }
    for never in expect["status_not"].as_array().into_iter().flatten() {
        if values("status").contains(never) {
            bad.push(format!("status: must not be {never}"));
        }
    }
    bad
}

fn agrees(id: &str) {
    let (cells, expect) = load(id);
    let bad: Vec<String> = expect
        .iter()
        .flat_map(|e| {
            differences(&cells, e).into_iter().map(move |d| format!("{} -> {}: {d}", e["client"], e["server"]))
        })
        .collect();
    assert!(bad.is_empty(), "{id}\n{}", bad.join("\n"));
}

#[test]
fn every_folder_has_a_test_named_after_it() {
    for (test, id) in JUDGED {
        assert_eq!(*test, format!("case_{}", id.to_lowercase()));
    }
    let mut tested: Vec<_> = JUDGED.iter().map(|(_, id)| *id).collect();
    tested.sort_unstable();
    let found = folders(&root().join("testdata/cases"));
    assert_eq!(found.iter().map(|folder| name(folder)).collect::<Vec<_>>(), tested);
}

#[test]
fn the_comparison_can_fail() {
    let cell = serde_json::json!({"client": {"workload": "a", "namespace": "n"}, "server": {"host": "h", "port": 1, "subset": null},
        "endpoint": {"address": "10.0.0.1", "port": 2}, "status": "OK", "wire": "mtls"});
    let with = |field: &str, value: Value| {
        let mut expect = cell.clone();
        expect[field] = value;
        differences(std::slice::from_ref(&cell), &expect).len()
    };
    assert_eq!(with("wire", "mtls".into()), 0);
    assert_eq!(with("wire", "plaintext".into()), 1);
    assert_eq!(with("status", "MIXED".into()), 1);
    assert_eq!(with("status_not", serde_json::json!(["OK"])), 1);
    assert_eq!(with("endpoint", serde_json::json!({"address": "10.0.0.2", "port": 2})), 1);
}
