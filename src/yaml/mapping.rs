//! Closes a mapping: keys that Kubernetes cannot take, duplicate keys, merge keys.

use super::problem::Problem;
use super::store::{Building, Kind, Raw};
use std::borrow::Cow;
use std::collections::HashMap;

/// Up to this many entries, comparing each key with each other is quicker than hashing them.
const FEW: usize = 16;

/// Duplicate keys that are kept of one document: a mapping repeated a thousand times needs no thousand findings.
const MOST_DUPLICATES: usize = 100;

/// A key that is in its mapping twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    pub(super) key: String,
    /// Bytes at which the two keys start.
    pub(super) first: u32,
    pub(super) second: u32,
}

/// A mapping whose entries are not the written ones, one by one.
pub(super) struct Flat {
    pub(super) entries: Vec<[u32; 2]>,
    /// The count of added nodes, after the merges of this mapping.
    pub(super) added: usize,
}

/// Keys that a mapping has so far: the number of their entry, and where they were first written.
type Seen<'a> = HashMap<Cow<'a, str>, (usize, u32)>;

/// Checks the keys of a mapping. `None` where the entries stay as they are written, which is nearly always.
pub(super) fn flatten(
    parts: &Building,
    text: &str,
    own: &[u32],
    added: usize,
    limit: usize,
    duplicates: &mut Vec<Duplicate>,
) -> Result<Option<Flat>, Problem> {
    let pairs = own.as_chunks::<2>().0;
    let mut merges = false;
    for [key, _] in pairs {
        let raw = parts.raw(*key);
        match raw.kind {
            // `{{ name }}` is a mapping as the key of a mapping. go-yaml refuses it too, as it does null.
            Kind::Map | Kind::Seq => return Err(Problem::collection_key(text, raw.start)),
            Kind::Null => return Err(Problem::null_key(raw.start)),
            _ => merges = merges || is_merge(parts, text, raw),
        }
    }
    if !merges && !repeats(parts, text, pairs) {
        return Ok(None);
    }
    let mut flat = Flat { entries: Vec::with_capacity(pairs.len()), added };
    let mut seen: Seen<'_> = HashMap::with_capacity(pairs.len());
    for pair in pairs {
        let [key, _] = pair;
        let raw = parts.raw(*key);
        if is_merge(parts, text, raw) {
            continue;
        }
        let name = parts.json(text, raw).unwrap_or_default();
        let Some((at, first)) = seen.get(&name).copied() else {
            seen.insert(name, (flat.entries.len(), raw.start));
            flat.entries.push(*pair);
            continue;
        };
        // The last one counts, as with every reader that does not refuse the document.
        if duplicates.len() < MOST_DUPLICATES {
            duplicates.push(Duplicate { key: name.into_owned(), first, second: raw.start });
        }
        if let Some(entry) = flat.entries.get_mut(at) {
            *entry = *pair;
        }
    }
    for [key, value] in pairs {
        if is_merge(parts, text, parts.raw(*key)) {
            merge(parts, text, *value, limit, &mut flat, &mut seen)?;
        }
    }
    Ok(Some(flat))
}

/// Is it the key `<<`, plain and written here?
fn is_merge(parts: &Building, text: &str, key: Raw) -> bool {
    // Quotes would make its place longer than its text.
    key.end - key.start == 2 && key.start == key.first && !key.owned && parts.written(text, key) == "<<"
}

/// Is a key in there twice?
fn repeats<'a>(parts: &'a Building, text: &'a str, pairs: &[[u32; 2]]) -> bool {
    let name = |key: u32| parts.json(text, parts.raw(key)).unwrap_or_default();
    if pairs.len() <= FEW {
        let mut names: [Cow<'_, str>; FEW] = [const { Cow::Borrowed("") }; FEW];
        for ([key, _], slot) in pairs.iter().zip(&mut names) {
            *slot = name(*key);
        }
        let names = names.get(..pairs.len()).unwrap_or(&[]);
        return names.iter().enumerate().any(|(at, name)| names.iter().take(at).any(|earlier| earlier == name));
    }
    let mut seen = std::collections::HashSet::with_capacity(pairs.len());
    !pairs.iter().all(|[key, _]| seen.insert(name(*key)))
}

/// Adds the entries of the value of a merge key that are not there yet: written keys win, then earlier sources.
fn merge<'a>(
    parts: &'a Building,
    text: &'a str,
    value: u32,
    limit: usize,
    flat: &mut Flat,
    seen: &mut Seen<'a>,
) -> Result<(), Problem> {
    let raw = parts.raw(value);
    let one = [value];
    let sources = if raw.kind == Kind::Seq { parts.below(raw) } else { one.as_slice() };
    for source in sources {
        let source = parts.raw(*source);
        if source.kind != Kind::Map {
            return Err(Problem::merge(source.start));
        }
        let pairs = parts.below(source).as_chunks::<2>().0;
        flat.added = flat.added.saturating_add(pairs.len());
        if flat.added > limit {
            return Err(Problem::too_much(raw.start));
        }
        for pair in pairs {
            let [key, _] = pair;
            let name = parts.json(text, parts.raw(*key)).unwrap_or_default();
            seen.entry(name).or_insert_with(|| {
                flat.entries.push(*pair);
                (flat.entries.len(), raw.start)
            });
        }
    }
    Ok(())
}
