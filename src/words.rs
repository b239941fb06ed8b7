//! Words for people: which one was meant, and how many there are.

/// Longer words are not compared: nobody mistypes them by a letter or two, and comparing costs their square.
const LONGEST: usize = 64;

/// How many letters have to be put in, taken out or replaced to make one word the other (Levenshtein).
#[must_use]
pub fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut last = i + 1;
        let mut next = vec![last];
        for (y, pair) in b.chars().zip(row.windows(2)) {
            let &[above_left, above] = pair else { continue };
            last = (above_left + usize::from(x != y)).min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// The name that was meant by a word: the nearest one, if few letters differ; letter case does not count.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    // A third of the letters at most: of a short word little is left otherwise.
    let most = (lower.chars().count() / 3).clamp(1, 3);
    let far = |name: &&str| edits(&lower, &name.to_lowercase());
    names.into_iter().map(|name| (far(&name), name)).min().filter(|(far, _)| *far <= most).map(|(_, name)| name)
}

/// `; did you mean NAME?`, or nothing.
#[must_use]
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, names).map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// `1 error`, `2 errors`.
#[must_use]
pub fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_no_far_one() {
        let names = ["severity", "enabled", "reason"];
        for (word, want) in [
            ("severty", Some("severity")),
            ("Severity", Some("severity")),
            ("enable", Some("enabled")),
            ("raeson", Some("reason")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), want, "{word}");
        }
        assert_eq!(nearest(&"severity".repeat(100), names), None);
        assert_eq!(
            (did_you_mean("severty", names).as_str(), count(1, "port"), count(2, "port")),
            ("; did you mean severity?", "1 port".to_owned(), "2 ports".to_owned())
        );
    }
}
