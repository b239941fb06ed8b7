//! Plain scalars as Kubernetes reads them.
//!
//! kubectl and the API server read manifests with go.yaml.in/yaml/v2: YAML 1.1 words (`yes`, `off`), and numbers as Go's
//! `ParseInt` with base 0 reads them. The rules are those of its `resolve.go`.

/// What a plain scalar means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number that only fits without a sign.
    Big(u64),
    Float(f64),
    Str,
}

impl Scalar {
    /// The text in JSON's spelling; `None` for null and for strings, whose text is their own.
    pub(super) fn json(self) -> Option<String> {
        match self {
            Self::Null | Self::Str => None,
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Big(value) => Some(value.to_string()),
            Self::Float(value) => Some(float(value)),
        }
    }
}

/// Reads a plain scalar.
pub(super) fn read(text: &str) -> Scalar {
    // Nearly every scalar of a manifest is a word: one look at the first byte settles those.
    match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'+' | b'-' | b'.' | b'0'..=b'9') => number(text),
        Some(b'~' | b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b'f' | b'F' | b'o' | b'O') => word(text),
        Some(_) => Scalar::Str,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ => Scalar::Str,
    }
}

fn number(text: &str) -> Scalar {
    if text.contains('_') {
        let plain = text.replace('_', "");
        return whole(&plain).unwrap_or_else(|| real(&plain));
    }
    whole(text).unwrap_or_else(|| real(text))
}

/// Go's `ParseInt(text, 0, 64)`, then `ParseUint(text, 0, 64)`.
fn whole(text: &str) -> Option<Scalar> {
    let (minus, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, text.get(1..)?),
        b'+' => (false, true, text.get(1..)?),
        _ => (false, false, text),
    };
    let prefix = if digits.len() > 2 { digits.get(..2).unwrap_or("") } else { "" };
    let (base, rest) = match prefix {
        "0b" | "0B" => (2, digits.get(2..)?),
        "0o" | "0O" => (8, digits.get(2..)?),
        "0x" | "0X" => (16, digits.get(2..)?),
        // A leading zero is octal: `010` is 8, `08` is no whole number. `0` itself stays.
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    // `from_str_radix` takes a sign of its own; a second one is no number.
    if !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let size = u64::from_str_radix(rest, base).ok()?;
    if minus {
        return 0_i64.checked_sub_unsigned(size).map(Scalar::Int);
    }
    match i64::try_from(size) {
        Ok(value) => Some(Scalar::Int(value)),
        Err(_) if signed => None,
        Err(_) => Some(Scalar::Big(size)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`; what overflows stays a string, as Go's `ParseFloat` refuses it.
/// `.inf` and `.nan` are strings too: JSON has neither, so Kubernetes takes neither.
fn real(text: &str) -> Scalar {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    if !mantissa_fits || !exponent_fits {
        return Scalar::Str;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Scalar::Float(value),
        _ => Scalar::Str,
    }
}

/// A float as Go's `encoding/json` writes it: an exponent only for the very large and the very small.
fn float(value: f64) -> String {
    let size = value.abs();
    if size >= 1e21 {
        format!("{value:e}").replace('e', "e+")
    } else if size != 0.0 && size < 1e-6 {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_read_as_go_yaml_reads_them() {
        use Scalar::{Big, Bool, Float, Int, Null, Str};
        let table: &[(&str, Scalar, &str)] = &[
            ("", Null, ""),
            ("~", Null, ""),
            ("null", Null, ""),
            ("Null", Null, ""),
            ("NULL", Null, ""),
            ("nULL", Str, ""),
            ("y", Bool(true), "true"),
            ("Y", Bool(true), "true"),
            ("yes", Bool(true), "true"),
            ("On", Bool(true), "true"),
            ("TRUE", Bool(true), "true"),
            ("tRue", Str, ""),
            ("n", Bool(false), "false"),
            ("No", Bool(false), "false"),
            ("OFF", Bool(false), "false"),
            ("false", Bool(false), "false"),
            ("oFF", Str, ""),
            ("0", Int(0), "0"),
            ("-0", Int(0), "0"),
            ("8080", Int(8080), "8080"),
            ("+1", Int(1), "1"),
            ("-1", Int(-1), "-1"),
            ("+-1", Str, ""),
            ("-", Str, ""),
            ("--", Str, ""),
            ("010", Int(8), "8"),
            ("-010", Int(-8), "-8"),
            ("0o10", Int(8), "8"),
            ("0x1F", Int(31), "31"),
            ("-0x1F", Int(-31), "-31"),
            ("0b11", Int(3), "3"),
            ("0x", Str, ""),
            ("0b2", Str, ""),
            ("0x+1", Str, ""),
            ("00", Int(0), "0"),
            ("08", Float(8.0), "8"),
            ("1_000", Int(1000), "1000"),
            ("1_000.5", Float(1000.5), "1000.5"),
            ("1.", Float(1.0), "1"),
            (".5", Float(0.5), "0.5"),
            (".1_5", Float(0.15), "0.15"),
            ("-.5", Float(-0.5), "-0.5"),
            ("1.10", Float(1.1), "1.1"),
            ("1e3", Float(1000.0), "1000"),
            ("1.e3", Float(1000.0), "1000"),
            ("1E-7", Float(1e-7), "1e-7"),
            ("1e21", Float(1e21), "1e+21"),
            ("1e999", Str, ""),
            ("1e", Str, ""),
            (".", Str, ""),
            ("...x", Str, ""),
            (".inf", Str, ""),
            ("-.inf", Str, ""),
            (".nan", Str, ""),
            ("9223372036854775807", Int(i64::MAX), "9223372036854775807"),
            ("-9223372036854775808", Int(i64::MIN), "-9223372036854775808"),
            ("9223372036854775808", Big(1 << 63), "9223372036854775808"),
            ("+9223372036854775808", Float(9_223_372_036_854_775_808.0), "9223372036854776000"),
            ("99999999999999999999", Float(1e20), "100000000000000000000"),
            ("12:30:45", Str, ""),
            ("2001-01-01", Str, ""),
            ("1.2.3", Str, ""),
            ("10m", Str, ""),
            ("1é", Str, ""),
            ("0é1", Str, ""),
            ("é", Str, ""),
            ("STRICT", Str, ""),
        ];
        for (text, want, json) in table {
            assert_eq!(read(text), *want, "{text:?}");
            assert_eq!(read(text).json().unwrap_or_default(), *json, "{text:?}");
        }
    }
}
