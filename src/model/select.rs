//! Finding the workloads that a selector selects without looking at all of them.

use super::meta::Labels;
use foldhash::{HashMap, HashMapExt};
use std::sync::Arc;

/// One label pair of a namespace.
type Pair = (Arc<str>, Box<str>, Box<str>);

/// Selectors of a namespace by their first pair: which of them may select given labels.
#[derive(Debug, Default)]
pub struct SelectorIndex {
    pairs: HashMap<Pair, Vec<u32>>,
    /// Those whose first key is one that istiod adds to labels, by namespace: always to be looked at.
    added: HashMap<Arc<str>, Vec<u32>>,
}

/// Keys of labels that istiod adds (`util/label/label.go : AugmentLabels`).
fn is_added(key: &str) -> bool {
    key.starts_with("topology.") || key == "kubernetes.io/hostname"
}

impl SelectorIndex {
    /// Indexes selectors by namespace; empty ones select everything and are not indexed.
    pub fn new<'a>(selectors: impl Iterator<Item = (&'a Arc<str>, &'a Labels)>) -> Self {
        let mut index = Self::default();
        for (number, (namespace, selector)) in (0..).zip(selectors) {
            let Some((key, value)) = selector.iter().find(|(key, _)| !is_added(key)).or_else(|| selector.iter().next())
            else {
                continue;
            };
            match is_added(key) {
                true => index.added.entry(namespace.clone()).or_default().push(number),
                false => index.pairs.entry((namespace.clone(), key.into(), value.into())).or_default().push(number),
            }
        }
        index
    }

    /// The numbers of a namespace that may select labels, ascending.
    pub fn candidates(&self, namespace: &Arc<str>, labels: &Labels) -> Vec<u32> {
        let mut found = self.added.get(namespace).cloned().unwrap_or_default();
        for (key, value) in labels.iter().filter(|_| !self.pairs.is_empty()) {
            found.extend(self.pairs.get(&(namespace.clone(), key.into(), value.into())).into_iter().flatten());
        }
        found.sort_unstable();
        found
    }
}

/// Label pairs of a namespace to the numbers that carry them, ascending.
#[derive(Debug, Default)]
pub struct LabelIndex {
    pairs: HashMap<Pair, Vec<u32>>,
    all: HashMap<Arc<str>, Vec<u32>>,
}

impl LabelIndex {
    /// Indexes things by namespace and labels.
    pub fn new<'a>(things: impl Iterator<Item = (&'a Arc<str>, &'a Labels)>) -> Self {
        let (mut pairs, mut all) = (HashMap::<Pair, Vec<u32>>::new(), HashMap::<Arc<str>, Vec<u32>>::new());
        for (number, (namespace, labels)) in (0..).zip(things) {
            all.entry(namespace.clone()).or_default().push(number);
            for (key, value) in labels.iter() {
                pairs.entry((namespace.clone(), key.into(), value.into())).or_default().push(number);
            }
        }
        Self { pairs, all }
    }

    /// The numbers of a namespace that may match a selector: those with its rarest pair. The caller tests the labels.
    pub fn candidates(&self, namespace: &Arc<str>, selector: &Labels) -> &[u32] {
        let of_pair = |(key, value): (&str, &str)| {
            self.pairs.get(&(namespace.clone(), key.into(), value.into())).map_or(&[][..], Vec::as_slice)
        };
        match selector.iter().map(of_pair).min_by_key(|numbers| numbers.len()) {
            Some(numbers) => numbers,
            None => self.all.get(namespace).map_or(&[], Vec::as_slice),
        }
    }
}
