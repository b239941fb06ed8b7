//! Finding the workloads that a selector selects without looking at all of them.

use super::meta::Labels;
use foldhash::{HashMap, HashMapExt};
use std::sync::Arc;

/// One label pair of a namespace.
type Pair = (Arc<str>, Box<str>, Box<str>);

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
