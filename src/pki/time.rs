//! Times and durations as text, and back.

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

/// Units of a duration, the largest first: the letter and how many seconds.
const UNITS: &[(char, i64)] = &[('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Seconds since 1970 as RFC 3339: `2026-11-22T12:36:56Z`. A time that has no such form (a year above 9999) stands as
/// the number of seconds.
#[must_use]
pub fn format(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{seconds}s"))
}

/// RFC 3339 as seconds since 1970; fractions of a second are dropped.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// Seconds in words, in the largest unit that fits at least once (days: twice), rounded down: `29d`, `35h`, `45m`, `10s`.
/// Weeks are not used: days are what certificates are counted in.
#[must_use]
pub fn words(seconds: i64) -> String {
    let days = UNITS.iter().skip(1);
    let (unit, size) = days
        .clone()
        .find(|(unit, size)| seconds.unsigned_abs() >= size.unsigned_abs() << u32::from(*unit == 'd'))
        .unwrap_or(&('s', 1));
    format!("{}{unit}", seconds / size)
}

/// How much is left at `at` until `end`, in words: `23h`, `expired 2h ago`.
#[must_use]
pub fn left(end: i64, at: i64) -> String {
    let left = end.saturating_sub(at);
    if left < 0 { format!("expired {} ago", words(left.saturating_neg())) } else { words(left) }
}

/// A duration such as `30d`, `12h`, `45m`, `90s`, `2w` or `1d12h`, in seconds; `None` for anything else. A number needs
/// its unit, but `0`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "0" {
        return Some(0);
    }
    let mut total = 0_i64;
    let mut number: Option<i64> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(digit))?);
            continue;
        }
        let (_, size) = UNITS.iter().find(|(unit, _)| *unit == c)?;
        total = total.checked_add(number.take()?.checked_mul(*size)?)?;
    }
    (number.is_none() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        for text in ["2026-11-22T12:36:56Z", "1970-01-01T00:00:00Z", "2036-02-29T23:59:59Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(parse("2026-11-22T13:36:56.9+01:00"), parse(" 2026-11-22T12:36:56Z"));
        for text in ["", "tomorrow", "2026-11-22", "2026-13-22T12:36:56Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_707_703, "2026-11-26T15:41:43Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(format(seconds), text);
        }
        // A hostile date must not overflow.
        assert_eq!(format(i64::MAX), format!("{}s", i64::MAX));
        assert_eq!(format(i64::MIN), format!("{}s", i64::MIN));
    }

    #[test]
    fn what_is_left_is_said_in_one_unit() {
        for (left, words) in [
            (86_400 * 30 - 1, "29d"),
            (172_800, "2d"),
            (86_399, "23h"),
            (3_599, "59m"),
            (59, "59s"),
            (0, "0s"),
            (-7_200, "expired 2h ago"),
        ] {
            assert_eq!(super::left(1_000_000 + left, 1_000_000), words);
        }
        assert!(super::left(i64::MIN, i64::MAX).starts_with("expired"));
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, seconds) in [
            ("30d", Some(2_592_000)),
            ("12h", Some(43_200)),
            ("45m", Some(2_700)),
            ("90s", Some(90)),
            ("1d12h", Some(129_600)),
            ("2w", Some(1_209_600)),
            ("0", Some(0)),
            ("30", None),
            ("", None),
            ("d", None),
            ("-1d", None),
            ("1y", None),
            ("99999999999999999999d", None),
            ("9999999999999999w", None),
        ] {
            assert_eq!(parse_duration(text), seconds, "{text}");
        }
    }
}
