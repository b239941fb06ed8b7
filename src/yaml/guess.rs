//! What a document that does not parse is about, as far as its lines tell.

use super::problem::braces;

/// The fields that say what an object is; `None` where they are missing, templates, or cannot be told from the lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) api_version: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
}

/// Reads what can be read.
pub(super) fn guess(document: &str) -> Guess {
    let start = document.trim_start_matches('\u{feff}').trim_start();
    let start = start.strip_prefix("---").unwrap_or(start).trim_start();
    if start.starts_with('{') && !braces(start) { json(start) } else { yaml(document) }
}

/// Whether some line begins with `apiVersion`, at whatever depth, or with `kind` at the left edge; in JSON, which may
/// stand on one line, whether there are such keys anywhere.
pub(super) fn may_be_manifest(text: &str) -> bool {
    let is_key = |line: &str, key: &str| {
        let rest = line.strip_prefix(key).map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
        rest.is_some_and(|rest| rest.starts_with(':'))
    };
    let has = |key: &str| text.contains(key);
    if has("\"apiVersion\"") || (has("\"kind\"") && has("\"metadata\"")) {
        return true;
    }
    text.lines().any(|line| {
        let line = line.trim_start_matches('\u{feff}');
        let edge = line.strip_prefix("--- ").unwrap_or(line).trim_start_matches(['"', '\'', '{']);
        let deep = line.trim_start_matches([' ', '\t', '-', '?', '"', '\'', '{', '[', ',']);
        is_key(edge, "kind") || is_key(deep, "apiVersion")
    })
}

impl Guess {
    fn top(&mut self, key: &str, value: &str) {
        match key {
            "apiVersion" => keep(&mut self.api_version, value),
            "kind" => keep(&mut self.kind, value),
            _ => {}
        }
    }

    fn metadata(&mut self, key: &str, value: &str) {
        match key {
            "namespace" => keep(&mut self.namespace, value),
            "name" => keep(&mut self.name, value),
            _ => {}
        }
    }
}

fn keep(slot: &mut Option<String>, value: &str) {
    if slot.is_none() && !value.is_empty() {
        *slot = Some(value.to_owned());
    }
}

/// Keys at the left edge, and keys of the first indentation below `metadata:`.
fn yaml(document: &str) -> Guess {
    let mut guess = Guess::default();
    // Inside `metadata:`, and the indentation of its keys once one was seen.
    let mut metadata: Option<Option<usize>> = None;
    for line in document.lines() {
        let line = line.trim_start_matches('\u{feff}');
        let line = line.strip_prefix("--- ").unwrap_or(line);
        let text = line.trim_start_matches(' ');
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let indent = line.len() - text.len();
        let Some((key, value)) = text.split_once(':') else { continue };
        let key = key.trim().trim_matches(['"', '\'']);
        if indent == 0 {
            metadata = (key == "metadata").then_some(None);
            guess.top(key, plain(value));
        } else if let Some(keys) = &mut metadata
            && *keys.get_or_insert(indent) == indent
        {
            guess.metadata(key, plain(value));
        }
    }
    guess
}

/// A value on the line of its key, without quotes and comment; empty where it is not a simple one.
fn plain(value: &str) -> &str {
    if !value.is_empty() && !value.starts_with([' ', '\t']) {
        return "";
    }
    let value = value.split(" #").next().unwrap_or("").trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.trim_matches(quote),
        Some('{' | '[' | '&' | '*' | '!' | '|' | '>' | '#' | '@') => "",
        _ => value,
    };
    if value.contains("{{") || value.contains("{%") || value.contains(['"', '\'', '\\']) { "" } else { value }
}

/// Keys of the outermost object and of its `metadata`, by counting brackets outside strings.
fn json(document: &str) -> Guess {
    let mut guess = Guess::default();
    let (mut depth, mut metadata) = (0_usize, false);
    // The key whose value comes next, and the last string seen.
    let (mut key, mut last) = ("", "");
    let mut rest = document;
    while let Some(at) = rest.find(['"', '{', '}', '[', ']', ':', ',']) {
        let sign = rest.get(at..).unwrap_or("");
        rest = sign.get(1..).unwrap_or("");
        match sign.as_bytes().first() {
            Some(b'"') => {
                let Some(end) = string_end(rest) else { break };
                last = rest.get(..end).unwrap_or("");
                rest = rest.get(end + 1..).unwrap_or("");
                let value = if last.contains(['\\', '{']) { "" } else { last };
                match depth {
                    1 => guess.top(key, value),
                    2 if metadata => guess.metadata(key, value),
                    _ => {}
                }
            }
            Some(b':') => key = last,
            Some(b',') => key = "",
            Some(b'{' | b'[') => {
                metadata = if depth == 1 { key == "metadata" && sign.starts_with('{') } else { metadata };
                (depth, key) = (depth + 1, "");
            }
            _ => (depth, key) = (depth.saturating_sub(1), ""),
        }
    }
    guess
}

/// The byte of the quote that ends a string.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_what_an_object_is() {
        let all = ["v1", "Pod", "shop", "web"];
        let table: &[(&str, [&str; 4])] = &[
            ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\nspec: [\n", all),
            (
                "--- # x\nkind: 'Pod'  # c\nmetadata:\n    labels:\n      name: no\n    name: \"web\"\n",
                ["", "Pod", "", "web"],
            ),
            ("--- \nkind: Pod\r\nmetadata:\r\n  name: web\r\nspec:\r\n  name: no\r\n", ["", "Pod", "", "web"]),
            ("kind: {{ .Values.kind }}\nmetadata:\n  name: x-{{ .y }}\n  namespace: shop\n", ["", "", "shop", ""]),
            ("spec:\n  kind: Pod\n  metadata:\n    name: no\n", ["", "", "", ""]),
            ("metadata:\n  # c\n\n  name: web\n", ["", "", "", "web"]),
            ("metadata: {name: web}\nkind: &a Pod\n", ["", "", "", ""]),
            (
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"name":"no"},"name":"web","namespace":"shop"},"#,
                all,
            ),
            (
                "{\n \"kind\": \"Pod\",\n \"spec\": {\"kind\": \"No\"},\n \"metadata\": {\"name\": \"w",
                ["", "Pod", "", ""],
            ),
            (r#"{"items":[{"kind":"No"}],"kind":"Pod"}"#, ["", "Pod", "", ""]),
            ("", ["", "", "", ""]),
        ];
        for (text, want) in table {
            let got = guess(text);
            let got = [got.api_version, got.kind, got.namespace, got.name].map(Option::unwrap_or_default);
            assert_eq!(got, *want, "{text:?}");
        }
    }

    #[test]
    fn words_tell_whether_a_text_may_be_a_manifest() {
        for (text, want) in [
            ("apiVersion: v1\n", true),
            ("  apiVersion: v1\n", true),
            ("- \"apiVersion\" : v1\n", true),
            ("--- {apiVersion: v1\n", true),
            ("kind: Pod\n", true),
            ("'kind': Pod\n", true),
            ("{\"kind\":\"Pod\",\"metadata\":{", true),
            ("  kind: build\n", false),
            ("kindness: 1\n", false),
            ("{\n  \"kind\": \"build\"\n}\n", false),
            ("# apiVersion: v1\na: [\n", false),
            ("{ // a tsconfig\n \"compilerOptions\": {}\n}\n", false),
            ("", false),
        ] {
            assert_eq!(may_be_manifest(text), want, "{text:?}");
        }
    }
}
