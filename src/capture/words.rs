//! The words of the output for what a flow is: one vocabulary for tables, JSON and documents (output.md 4).

use super::flow::{Failure, Flow, Grade, Leg, Verdict};
use super::packet::{Endpoint, Medium, Time};
use super::tls::ClientCertificate;
use std::borrow::Cow;
use std::net::IpAddr;

impl Verdict {
    /// Every verdict, the best first.
    pub const ALL: [Self; 8] = [
        Self::Mtls,
        Self::Tls,
        Self::EncryptedOther,
        Self::FailedHandshake,
        Self::Mixed,
        Self::Plaintext,
        Self::NoData,
        Self::Unknown,
    ];

    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mtls => "mtls",
            Self::Tls => "tls",
            Self::EncryptedOther => "encrypted-other",
            Self::FailedHandshake => "failed-handshake",
            Self::Mixed => "mixed",
            Self::Plaintext => "plaintext",
            Self::NoData => "no-data",
            Self::Unknown => "unknown",
        }
    }

    /// The verdict as JSON has it: `plaintext:http`, or the word alone. What is known to be in clear although its
    /// protocol has no name (TLS with a cipher suite that does not encrypt) is `plaintext:unknown`.
    #[must_use]
    pub fn with(self, protocol: Option<&str>) -> Cow<'static, str> {
        match (self, protocol) {
            (Self::Plaintext, protocol) => format!("plaintext:{}", protocol.unwrap_or("unknown")).into(),
            _ => self.word().into(),
        }
    }
}

impl Grade {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::CPlus => "C+",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
            Self::X => "X",
            Self::P => "P",
            Self::U => "U",
        }
    }
}

impl Failure {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::RefusedPlaintext => "refused-plaintext",
            Self::TlsToPlaintextServer => "tls-to-plaintext-server",
            Self::HandshakeRefused => "handshake-refused",
            Self::HandshakeIncomplete => "handshake-incomplete",
            Self::ClientGaveUp => "client-gave-up",
        }
    }
}

impl Leg {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AppToSidecar => "app-to-sidecar",
            Self::SidecarToApp => "sidecar-to-app",
        }
    }
}

impl Medium {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Lo => "lo",
        }
    }
}

impl ClientCertificate {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Inferred => "inferred",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// What a table shows as the protocol of a flow: its token, else its transport.
#[must_use]
pub fn protocol(flow: &Flow) -> &'static str {
    flow.protocol.unwrap_or(flow.transport.word())
}

/// A time as RFC 3339 has it, in UTC: with microseconds, or nanoseconds where the capture has them.
#[must_use]
pub fn rfc3339(time: Time) -> String {
    const DAY: i64 = 86_400;
    let (seconds, nanos) = (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Days to a date, years beginning in March so that the leap day comes last (Hinnant, "chrono-compatible low-level
    // date algorithms"). An era is 400 years, 146097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Digit by digit: a report may have a million times, and the formatting machinery takes ten times as long.
    let mut text = String::with_capacity(30);
    for (number, digits, after) in
        [(year, 4, '-'), (month, 2, '-'), (day, 2, 'T'), (hour, 2, ':'), (minute, 2, ':'), (second, 2, '.')]
    {
        push(&mut text, number, digits);
        text.push(after);
    }
    if nanos % 1000 == 0 {
        push(&mut text, nanos / 1000, 6)
    } else {
        push(&mut text, nanos, 9)
    }
    text.push('Z');
    text
}

/// A number of so many digits, zeros before it.
fn push(text: &mut String, number: i64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(u8::try_from(digit).map_or('?', |digit| char::from(b'0' + digit)));
    }
}

/// An address without its port: `10.0.0.1`, `fd00::1`.
#[must_use]
pub fn address(endpoint: Endpoint) -> String {
    match endpoint.ip() {
        IpAddr::V4(four) => dotted(four.octets()),
        IpAddr::V6(six) => six.to_string(),
    }
}

/// An address and a port: `10.0.0.1:80`, `[fd00::1]:80`. As [`Endpoint`] prints itself, and quicker for IPv4.
#[must_use]
pub fn socket(endpoint: Endpoint) -> String {
    let IpAddr::V4(four) = endpoint.ip() else { return endpoint.to_string() };
    let mut text = dotted(four.octets());
    text.push(':');
    short(&mut text, endpoint.port);
    text
}

fn dotted(octets: [u8; 4]) -> String {
    let mut text = String::with_capacity(21);
    for (at, octet) in octets.into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        short(&mut text, octet.into());
    }
    text
}

/// A number of as many digits as it has.
fn short(text: &mut String, number: u16) {
    let digits = match number {
        0..10 => 1,
        10..100 => 2,
        100..1000 => 3,
        1000..10_000 => 4,
        _ => 5,
    };
    push(text, number.into(), digits);
}

/// A number of bytes for a person: `17 B`, `3.4 KiB`, `12 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, in whole numbers, rounded down: nothing is ever said to be more than it is.
    let (mut tenths, mut units) = (u128::from(bytes) * 10 / 1024, UNITS.iter());
    let mut unit = units.next().copied().unwrap_or_default();
    while tenths >= 10_240 {
        let Some(next) = units.next() else { break };
        tenths /= 1024;
        unit = next;
    }
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", tenths / 10) }
}

/// A large number for a person: `230,000`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 flow`, `2 flows`.
#[must_use]
pub fn plural(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Bytes of a payload as one line of ASCII: what does not show is `\xNN`.
#[must_use]
pub fn payload(bytes: &[u8]) -> String {
    bytes.iter().take(SAMPLE).map(|byte| std::ascii::escape_default(*byte).to_string()).collect()
}

/// The most bytes of a payload that are ever shown.
const SAMPLE: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_always_says_of_what() {
        assert_eq!(Verdict::Plaintext.with(Some("http")), "plaintext:http");
        assert_eq!(Verdict::Plaintext.with(None), "plaintext:unknown");
        assert_eq!(Verdict::Unknown.with(Some("ssh")), "unknown");
    }

    #[test]
    fn times_are_dates_in_utc() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001_000, "2000-02-29T00:00:00.000001Z"),
            (1_795_350_566_388_000_123, "2026-11-22T12:29:26.388000123Z"),
            (-1_000, "1969-12-31T23:59:59.999999Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(Time(nanos)), text);
        }
        assert!(rfc3339(Time(i64::MAX)).starts_with("2262-04-11T") && rfc3339(Time(i64::MIN)).starts_with("1677-"));
    }

    #[test]
    fn sizes_have_two_or_more_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "1023 KiB"),
            (1_048_576, "1.0 MiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (230_000, "230,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn payloads_are_cut_and_escaped() {
        assert_eq!(payload(b"GET /\r\n\x1b[31m\xff"), "GET /\\r\\n\\x1b[31m\\xff");
        assert_eq!(payload(&[b'a'; 500]).len(), 120);
    }

    #[test]
    fn addresses_print_as_the_standard_library_prints_them() {
        for text in
            ["0.0.0.0:0", "10.244.255.9:65535", "100.64.10.1:9", "[fd00::1]:443", "[::1]:1", "9.99.100.255:1000"]
        {
            let at: std::net::SocketAddr = text.parse().unwrap();
            let end = Endpoint::new(at.ip(), at.port());
            assert_eq!((socket(end), address(end)), (text.to_owned(), at.ip().to_string()));
        }
    }
}
