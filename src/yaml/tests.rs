//! Texts in, trees and findings out.

use super::*;
use crate::location::Path;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn read(text: &str) -> (Sources, Parsed) {
    let mut sources = Sources::default();
    let id = sources.add("a.yaml", text.to_owned());
    let parsed = parse(&sources, id);
    (sources, parsed)
}

/// One good document without findings.
fn good(text: &str) -> Tree {
    let (_, mut parsed) = read(text);
    assert_eq!(parsed.findings, [], "{text:?}");
    assert_eq!(parsed.documents.len(), 1, "{text:?}");
    parsed.documents.remove(0).tree
}

/// Code, line and column of every finding.
fn findings(text: &str) -> Vec<(&'static str, u32, u32)> {
    let (_, parsed) = read(text);
    parsed.findings.iter().map(|finding| (finding.code.code, finding.at.line, finding.at.column)).collect()
}

/// The tree as JSON-like text; strings in quotes.
fn print(node: Node<'_>) -> String {
    match node.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Str => format!("{:?}", node.as_str().unwrap()),
        Kind::Seq => format!("[{}]", node.items().map(print).collect::<Vec<_>>().join(",")),
        Kind::Map => {
            let entry = |(key, value): (Node<'_>, Node<'_>)| format!("{}:{}", key.text().unwrap(), print(value));
            format!("{{{}}}", node.entries().map(entry).collect::<Vec<_>>().join(","))
        }
        _ => node.text().unwrap().into_owned(),
    }
}

#[test]
fn values_and_keys_read_as_kubernetes_reads_them() {
    let table = [
        ("a: 1\nb: [x, y, '', \"q\\n\"]\nc:\nd: {}\n", r#"{a:1,b:["x",true,"","q\n"],c:null,d:{}}"#),
        ("a: |\n  l1\n  l2\nb: >-\n  f1\n  f2\n", r#"{a:"l1\nl2\n",b:"f1 f2"}"#),
        ("8080: a\ny: b\n010: c\n0x1F: d\n'no': e\n", r#"{8080:"a",true:"b",8:"c",31:"d",no:"e"}"#),
        ("a: !!str 8080\nb: !!int '80'\nc: !!bool yes\nd: !!float 1\ne: !!str\nf: !!null ''\n", {
            r#"{a:"8080",b:80,c:true,d:1,e:"",f:null}"#
        }),
        ("a: !x 80\nb: !x yes\nc: !x\nd: !x {e: 1}\nf: !x '8'\n", r#"{a:80,b:true,c:null,d:{e:1},f:"8"}"#),
        ("a: 'it''s'\nb: multi\n  line\nc: \"\\u00e9\\ud83d\\ude00\"\n", r#"{a:"it's",b:"multi line",c:"é😀"}"#),
        ("- a\n-\n- - b\n  - c\n", r#"["a",null,["b","c"]]"#),
        ("a:\n- 1\n- 2\n", "{a:[1,2]}"),
        ("just text", r#""just text""#),
        ("--- text\n", r#""text""#),
        ("--- {a: 1}\n", "{a:1}"),
        ("--- # c\na: 1\n", "{a:1}"),
        ("%YAML 1.2\n%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 1\n", r#"{a:"1"}"#),
        ("\u{feff}a: 1\n", "{a:1}"),
        ("---\n\u{feff}a: 1\n", "{a:1}"),
        ("\u{feff}--- # c\n\u{feff}a: 1\n", "{a:1}"),
        ("a: 1\r\nb:\r\n  - x\r\n", r#"{a:1,b:["x"]}"#),
        ("a: 1\rb: 2\r", "{a:1,b:2}"),
        ("key:\tv\n", r#"{key:"v"}"#),
        ("{\"a\":1,\n\t\"b\":[\"x\\/y\",true,null,1.50]}", r#"{a:1,b:["x/y",true,null,1.5]}"#),
        ("[1,2]\n...\n", "[1,2]"),
        ("a: {b, c: }\n", "{a:{b:null,c:null}}"),
        ("a: x-{{ y }}\nb: \"{{ y }}\"\nc: |\n  {{ y }}\n", "{a:\"x-{{ y }}\",b:\"{{ y }}\",c:\"{{ y }}\\n\"}"),
    ];
    for (text, want) in table {
        assert_eq!(print(good(text).root()), want, "{text:?}");
    }
}

#[test]
fn values_have_types() {
    let tree = good("b: on\ni: 010\nf: 8e1\ng: 1.5\ns: 'on'\nz: ~\nm: {}\nbig: 18446744073709551615\n");
    let get = |key: &str| tree.root().get(key).unwrap();
    assert_eq!((get("b").as_bool(), get("b").as_str(), get("b").kind()), (Some(true), None, Kind::Bool));
    assert_eq!((get("i").as_i64(), get("i").kind()), (Some(8), Kind::Int));
    assert_eq!((get("f").as_i64(), get("f").kind()), (Some(80), Kind::Float));
    assert_eq!((get("g").as_i64(), get("g").text().unwrap().as_ref()), (None, "1.5"));
    assert_eq!((get("s").as_bool(), get("s").as_str()), (None, Some("on")));
    assert!(get("z").is_null() && get("z").text().is_none());
    assert!(get("m").is_empty() && get("m").get("x").is_none() && tree.root().get("x").is_none());
    assert_eq!((get("big").as_i64(), get("big").text().unwrap().as_ref()), (None, "18446744073709551615"));
    assert_eq!(tree.root().len(), 8);
    assert_eq!(tree.node(get("i").id()).as_i64(), Some(8));
    assert!(tree.node(NodeId(u32::MAX)).is_null());
}

#[test]
fn empty_documents_are_left_out_but_counted() {
    let (_, parsed) = read("# c\n---\n---\n# c\n---\nnull\n---\na: 1\n---\n~\n---\n");
    assert_eq!(parsed.documents.iter().map(|document| document.number).collect::<Vec<_>>(), [4]);
    assert!(parsed.broken.is_empty() && parsed.findings.is_empty());
    for text in ["", "\n\n", "# c\n", "---\n", "--- # c\n...\n", "\u{feff}", "\u{feff}---\n", "...\n"] {
        let (_, parsed) = read(text);
        assert!(parsed.documents.is_empty() && parsed.broken.is_empty(), "{text:?}: {:?}", parsed.findings);
    }
}

#[test]
fn merge_keys_are_flattened() {
    let table = [
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", "{x:1,true:2}", "{true:3,x:1}"),
        ("a: &a {x: 1, z: 2}\nb: {z: 3, <<: *a}\n", "{x:1,z:2}", "{z:3,x:1}"),
        ("a: &a {x: 1}\nb: {<<: [*a, {x: 2, z: 3}], w: 4}\n", "{x:1}", "{w:4,x:1,z:3}"),
        ("a: &a {x: 1}\nb: {<<: *a, <<: {z: 2}}\n", "{x:1}", "{x:1,z:2}"),
        ("a: &a {<<: {x: 1}, z: 2}\nb: {<<: *a}\n", "{z:2,x:1}", "{z:2,x:1}"),
        ("a: {\"<<\": 1}\nb: {x: <<}\n", "{<<:1}", r#"{x:"<<"}"#),
    ];
    for (text, a, b) in table {
        let tree = good(text);
        assert_eq!(print(tree.root().get("a").unwrap()), a, "{text:?}");
        assert_eq!(print(tree.root().get("b").unwrap()), b, "{text:?}");
    }
    assert_eq!(findings("a: {<<: 1}\n"), [("MC0001", 1, 9)]);
    assert_eq!(findings("a: {<<: [{x: 1}, y]}\n"), [("MC0001", 1, 18)]);
}

#[test]
fn aliases_stand_where_they_are_written() {
    let tree = good("a: &x {k: 1}\nb: *x\nc: &s text\nd: [*s, *s]\n");
    let b = tree.root().get("b").unwrap();
    assert_eq!((b.span().start, b.span().end), (16, 18));
    assert_eq!(tree.root().locate(&Path::new("b.k")).start, 7);
    assert_eq!(print(tree.root()), r#"{a:{k:1},b:{k:1},c:"text",d:["text","text"]}"#);
    let redefined = good("a: &x 1\nb: *x\nc: &x 2\nd: *x\n");
    assert_eq!(print(redefined.root()), "{a:1,b:1,c:2,d:2}");
}

#[test]
fn cycles_and_unknown_anchors_are_findings() {
    assert_eq!(findings("a: &a [*a]\n"), [("MC0001", 1, 8)]);
    assert_eq!(findings("a: &a\n  b: {<<: *a}\n"), [("MC0001", 2, 11)]);
    assert_eq!(findings("a: *nope\n"), [("MC0001", 1, 4)]);
    assert_eq!(findings("a: &x 1\n---\nb: *x\n"), [("MC0001", 3, 4)]);
}

#[test]
fn a_key_twice_is_a_finding_and_the_last_counts() {
    let (_, parsed) = read("kind: Pod\nmetadata:\n  name: web\nspec:\n  a: 1\n  b: 2\n  a: 3\n  a: 4\n");
    assert!(parsed.documents[0].duplicate_keys);
    let root = parsed.documents[0].tree.root();
    assert_eq!(print(root.get("spec").unwrap()), "{a:4,b:2}");
    assert_eq!(parsed.findings.len(), 2);
    let finding = &parsed.findings[0];
    assert_eq!((finding.code.code, finding.at.line, finding.at.column), ("MC0005", 7, 3));
    assert_eq!(finding.message, "the key `a` is in this mapping twice, first on line 5");
    assert_eq!((finding.related[0].at.line, finding.related[0].at.column), (5, 3));
    assert_eq!(finding.object.as_ref().unwrap().to_string(), "Pod web");
    assert_eq!(parsed.findings[1].related[0].at.line, 5);

    assert_eq!(findings("y: 1\n\"true\": 2\n"), [("MC0005", 2, 1)]);
    assert_eq!(findings("8: 1\n010: 2\n"), [("MC0005", 2, 1)]);
    assert_eq!(findings("a: {b: 1}\nc: {b: 1}\n"), []);
    let many: String = (0..40).map(|at| format!("k{}: 1\n", at % 39)).collect();
    assert_eq!(findings(&many), [("MC0005", 40, 1)]);
    assert_eq!(findings(&"a: 1\n".repeat(1000)).len(), 100);
}

#[test]
fn a_broken_document_leaves_its_neighbours_alone() {
    let text = "a: 1\n---\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\nspec: \"open\n---\nb: 2\n---\nc: [3\n---\nd: 4\n";
    let (_, parsed) = read(text);
    assert_eq!(parsed.documents.iter().map(|document| document.number).collect::<Vec<_>>(), [1, 3, 5]);
    let starts = parsed.documents.iter().map(|document| document.tree.root().span().start as usize);
    assert_eq!(starts.map(|start| &text[start..start + 4]).collect::<Vec<_>>(), ["a: 1", "b: 2", "d: 4"]);
    assert_eq!(parsed.broken.iter().map(|broken| broken.number).collect::<Vec<_>>(), [2, 4]);
    let broken = &parsed.broken[0];
    assert!(
        text[broken.start as usize..].starts_with("---\nkind: Pod") && text[broken.at as usize..].starts_with("\"open")
    );
    assert_eq!((broken.kind.as_deref(), broken.name.as_deref()), (Some("Pod"), Some("web")));
    let places: Vec<_> = parsed.findings.iter().map(|finding| finding.at.to_string()).collect();
    assert_eq!(places, ["a.yaml:7:7", "a.yaml:11:4"]);
    let message = "document 2 (Pod shop/web) does not parse: a quote that opens here is never closed";
    assert_eq!(parsed.findings[0].message, message);
    assert_eq!(parsed.findings[0].object.as_ref().unwrap().to_string(), "Pod shop/web");
    assert!(parsed.findings.iter().all(|finding| finding.help.contains("kubectl")));
}

#[test]
fn what_yaml_or_kubernetes_refuses_is_a_finding() {
    let table = [
        ("a: 1\n b: 2\n", 2, 3),
        ("a: [1\n", 1, 4),
        ("a:\n\tb: c\n", 2, 2),
        ("a: 1\0\n", 1, 5),
        ("a: @x\n", 1, 4),
        ("? [a]\n: b\n", 1, 3),
        ("~: b\n", 1, 1),
        ("a: !!int x\n", 1, 10),
        ("{}{}", 1, 3),
        ("{\"a\": 1}\n{\"b\": 2}\n", 2, 1),
        ("a: 1\r\nb: 2\r\nc: \"x\r\n", 3, 4),
        ("a: 1\n%YAML 1.2\n---\n", 2, 1),
        ("%YAML 1.2\na: 1\n", 2, 1),
    ];
    for (text, line, column) in table {
        assert_eq!(findings(text)[0], ("MC0001", line, column), "{text:?}");
        assert_eq!(findings(text).len(), 1, "{text:?}");
    }
}

#[test]
fn templates_are_told_apart() {
    let table = [
        ("kind: Pod\nname: {{ .Values.name }}\n", 2, 7),
        ("{{- if .Values.on }}\nkind: Pod\n{{- end }}\n", 1, 1),
        ("{% if on %}\nkind: Pod\n{% endif %}\n", 1, 1),
        ("a: {% x %}\n", 1, 4),
        ("a: [{{ x }}, 1]\n", 1, 5),
        ("a:\n  {{- toYaml .Values.x | nindent 2 }}\n", 2, 3),
        ("a: {{ x }}-{{ y }}\n", 1, 4),
        ("a: b-{{ include \"x\" . }}: c\n", 1, 6),
    ];
    for (text, line, column) in table {
        assert_eq!(findings(text), [("MC0006", line, column)], "{text:?}");
    }
    let (_, parsed) = read("kind: Pod\nmetadata:\n  name: {{ .Values.name }}\n---\nkind: Pod\n");
    assert_eq!((parsed.documents.len(), parsed.broken.len()), (1, 1));
    assert_eq!((parsed.broken[0].kind.as_deref(), parsed.broken[0].name.as_deref()), (Some("Pod"), None));
    assert!(parsed.findings[0].help.contains("helm template . | meshctl tls-check -f -"));
    assert_eq!(findings("a: \"{{ x }}\"\nb: [1\n")[0].0, "MC0001");
}

#[test]
fn hostile_texts_end_quickly_in_a_finding() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{items}]").unwrap();
    }
    let mut merges = "m0: &m0 {k0: 1, j0: 1}\n".to_owned();
    for level in 1..24 {
        let below = level - 1;
        writeln!(merges, "m{level}: &m{level} {{<<: [*m{below}, *m{below}], k{level}: 1, c{level}: *m{below}}}")
            .unwrap();
    }
    let keys: String = (0..20_000).map(|at| format!("  k{at}: 1\n")).collect();
    let wide = format!("a: &a\n{keys}b:\n{}", "- {<<: *a}\n".repeat(20_000));
    let deep_block: String = (0..10_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let table = [
        ("billion laughs", laughs),
        ("merge bomb", merges),
        ("wide merges", wide),
        ("deep block", deep_block),
        ("deep flow", "[".repeat(10_000) + &"]".repeat(10_000)),
        ("deep flow maps", "{a: ".repeat(10_000)),
        ("open brackets", "[".repeat(100_000)),
        ("dashes", "- ".repeat(100_000)),
        ("question marks", "? ".repeat(20_000)),
        ("braces", "{".repeat(100_000)),
    ];
    for (name, text) in table {
        let before = Instant::now();
        let (_, parsed) = read(&text);
        assert_eq!(parsed.findings.len(), 1, "{name}");
        assert!(matches!(parsed.findings[0].code.code, "MC0001" | "MC0006"), "{name}");
        assert!(before.elapsed() < Duration::from_secs(5), "{name}: {:?}", before.elapsed());
    }
}

#[test]
fn large_but_honest_texts_are_read() {
    let aliases = format!("a: &a {}\nb:\n{}", "x".repeat(1_000_000), "- *a\n".repeat(1000));
    let tree = good(&aliases);
    assert!(tree.root().get("b").unwrap().items().all(|item| item.as_str().unwrap().len() == 1_000_000));
    let keys: String = (0..100_000).map(|at| format!("k{at}: 1\n")).collect();
    assert_eq!(good(&keys).root().len(), 100_000);
    let anchors: String = (0..200_000).map(|at| format!("- &a{at} 1\n")).collect();
    assert_eq!(good(&anchors).root().len(), 200_000);
    let documents: String = (0..20_000).map(|at| format!("---\na: {at}\n")).collect();
    let (_, parsed) = read(&documents);
    let values: Vec<_> =
        parsed.documents.iter().filter_map(|document| document.tree.root().get("a")?.as_i64()).collect();
    assert_eq!(values, (0..20_000).collect::<Vec<_>>());
    assert_eq!(findings(&"---\na: \"\n".repeat(20_000)).len(), 20_000);
}

#[test]
fn paths_become_places() {
    let text = "spec:\n  ports:\n  - name: a\n  - name: b\n    port: 1\n  none:\nmeta:\n  \"a.b/c\": x\n";
    let tree = good(text);
    let at = |path: &str| {
        let span = tree.root().locate(&Path::new(path));
        &text[span.start as usize..span.end as usize]
    };
    let table = [
        ("", ""),
        ("nope", ""),
        ("[0]", ""),
        ("spec", "spec"),
        ("spec.ports", "ports"),
        ("spec.ports[1]", "name: b\n    port: 1"),
        ("spec.ports[1].port", "port"),
        ("spec.ports[1].port.deeper", "port"),
        ("spec.ports[9].port", "ports"),
        ("spec.nope.ports", "spec"),
        ("meta[\"a.b/c\"]", "\"a.b/c\""),
    ];
    for (path, want) in table {
        assert_eq!(at(path), want, "{path:?}");
    }
    let spec = tree.root().get("spec").unwrap();
    assert_eq!((spec.span().start, spec.span().end), (8, 57));
    assert_eq!(spec.locate(&Path::new("")).start, 8);
    assert_eq!(tree.root().find("spec.ports").unwrap().len(), 2);
    assert!(tree.root().find("spec.nope.x").is_none());
}

#[test]
fn a_text_that_is_no_file_is_read() {
    let tree = parse_text("defaultConfig:\n  proxyMetadata: {}\ntrustDomain: td\n").unwrap();
    let domain = tree.root().get("trustDomain").unwrap();
    assert_eq!((domain.as_str(), domain.span().source), (Some("td"), SourceId(u32::MAX)));
    assert_eq!(domain.span().start, 48);
    assert!(parse_text("a: [1").is_none() && parse_text("a: 1\n---\nb: 2\n").is_none());
    assert!(parse_text("# nothing\n").unwrap().root().is_null());
    let owned = parse_text("a: \"x\\ty\"").unwrap();
    assert_eq!(owned.root().get("a").and_then(Node::as_str), Some("x\ty"));
}

#[test]
fn nodes_stay_small() {
    assert!(size_of::<super::store::Raw>() <= 24);
    fn shared<T: Send + Sync>() {}
    shared::<Tree>();
}
