//! Why the API server did not give what was asked for.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The most of an answer's own words that is shown.
const WORDS: usize = 400;

/// A request without an answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 401: the credentials are not (or no longer) valid.
    Unauthorized(String),
    /// 403, with the server's own sentence.
    Forbidden(String),
    /// 404: there is no such object, or the kind is not served.
    NotFound(String),
    /// 410: the list has moved on, and must be started again.
    Gone,
    /// Any other status.
    Status(u16, String),
    /// No whole answer within `--request-timeout`.
    Timeout,
    /// The server cannot be reached, or the connection broke.
    Connection(String),
    /// The answer has more bytes than are read.
    TooLarge(usize),
    /// The answer is not what was asked for.
    Malformed(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(why) => write!(f, "unauthorized: {why}"),
            Self::Forbidden(why) => write!(f, "forbidden: {why}"),
            Self::NotFound(why) => write!(f, "not found: {why}"),
            Self::Gone => write!(f, "the list changed too fast to be read"),
            Self::Status(code, why) => write!(f, "status {code}: {why}"),
            Self::Timeout => write!(f, "no answer within --request-timeout"),
            Self::Connection(why) => write!(f, "{why}"),
            Self::TooLarge(most) => write!(f, "the answer is larger than {} MiB", most >> 20),
            Self::Malformed(why) => write!(f, "the answer does not decode: {why}"),
        }
    }
}

/// A request that failed, and whether it is worth another.
pub(super) struct Failure {
    pub refused: Refused,
    /// May it succeed when it is repeated?
    pub again: bool,
    /// When the server wants to be asked again.
    pub after: Option<Duration>,
}

impl Failure {
    /// One that stays.
    pub(super) fn last(refused: Refused) -> Self {
        Self { refused, again: false, after: None }
    }
}

/// An answer that is no success: `metav1.Status`, or whatever a proxy on the way says.
pub(super) fn from_status(status: http::StatusCode, headers: &http::HeaderMap, body: &[u8]) -> Failure {
    let said = sentence(body);
    let said = if said.is_empty() { status.canonical_reason().unwrap_or("no reason given").to_owned() } else { said };
    let refused = match status.as_u16() {
        401 => Refused::Unauthorized(said),
        // `pods is forbidden: User "a" cannot list ...`: what was asked for stands before that already.
        403 => Refused::Forbidden(said.split_once(" is forbidden: ").map_or(&*said, |(_, why)| why).to_owned()),
        404 if is_status(body) => Refused::NotFound(said),
        410 => Refused::Gone,
        code => Refused::Status(code, said),
    };
    let after = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // What the server cannot do at all (501, 505 and above) it cannot do later either.
    let again = matches!(status.as_u16(), 429 | 500 | 502..=504);
    Failure { refused, again, after: after.map(Duration::from_secs) }
}

/// Whether the API server itself says so. A proxy on the way, or a path that nobody serves, knows nothing of an object.
fn is_status(body: &[u8]) -> bool {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    status.is_some_and(|status| status.get("kind").and_then(|kind| kind.as_str()) == Some("Status"))
}

/// The sentence of a `Status`, or the beginning of any other text, on one line.
fn sentence(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message")?.as_str());
    let text = message.map_or_else(|| String::from_utf8_lossy(body.get(..WORDS * 4).unwrap_or(body)), Into::into);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
        None => text,
    }
}

/// What the client says of a request without an answer, or with half of one.
pub(super) fn from_client(error: &(dyn Error + 'static)) -> Failure {
    let mut connect = false;
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::TimedOut
        {
            return Failure::last(Refused::Timeout);
        }
        if one.downcast_ref::<kube::client::AuthError>().is_some() {
            return Failure::last(Refused::Unauthorized(words(one)));
        }
        connect |= one.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect());
        cause = one.source();
    }
    // A server that is not there is not waited for; a connection that broke is made again.
    Failure { refused: Refused::Connection(words(error)), again: !connect, after: None }
}

/// A chain of causes in words, without the names of layers, each said once.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(one) = cause {
        cause = one.source();
        let text = one.to_string();
        // An outer error that repeats its cause says nothing of its own, nor does the client's `client error (Connect)`.
        let client = one.downcast_ref::<hyper_util::client::legacy::Error>().is_some();
        let layered = cause.is_some_and(|inner| client || text.contains(&inner.to_string()));
        if !layered && !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7) as seconds since 1970.
pub(super) fn http_date(text: &str) -> Option<i64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let mut next = || words.next();
    let (day, month, year, clock) = (next()?, next()?, next()?, next()?);
    let month: time::Month = {
        const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        u8::try_from(NAMES.iter().position(|name| *name == month)? + 1).ok()?.try_into().ok()?
    };
    let date = time::Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
    let mut part = || parts.next().flatten();
    let time = time::Time::from_hms(part()?, part()?, part()?).ok()?;
    Some(time::PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_it_is_and_whether_to_ask_again() {
        let status = |message: &str| format!("{{\"kind\":\"Status\",\"message\":\"{message}\"}}");
        let long = "x".repeat(1000);
        for (code, body, want, again) in [
            (401, status("Unauthorized"), "unauthorized: Unauthorized", false),
            (403, status("pods is forbidden"), "forbidden: pods is forbidden", false),
            (403, status("pods is forbidden: User a cannot"), "forbidden: User a cannot", false),
            (404, status("no such pod"), "not found: no such pod", false),
            (404, "404 page not found\n".to_owned(), "status 404: 404 page not found", false),
            (410, status("too old"), "the list changed too fast to be read", false),
            (429, String::new(), "status 429: Too Many Requests", true),
            (500, "a\n\n  b".to_owned(), "status 500: a b", true),
            (501, String::new(), "status 501: Not Implemented", false),
            (503, long, &*format!("status 503: {}...", "x".repeat(WORDS)), true),
        ] {
            let code = http::StatusCode::from_u16(code).unwrap();
            let failure = from_status(code, &http::HeaderMap::new(), body.as_bytes());
            assert_eq!((failure.refused.to_string().as_str(), failure.again), (want, again));
        }
    }

    #[test]
    fn the_time_to_wait_is_the_server_s() {
        for (value, want) in [("2", Some(2)), (" 7 ", Some(7)), ("soon", None), ("", None), ("-1", None)] {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, value.parse().unwrap());
            let failure = from_status(http::StatusCode::TOO_MANY_REQUESTS, &headers, b"");
            assert_eq!(failure.after, want.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn dates_of_headers_are_read() {
        for (text, want) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 31 Feb 1970 00:00:00 GMT", None),
            ("yesterday", None),
            ("Thu, 01 Foo 1970 00:00:00 GMT", None),
        ] {
            assert_eq!(http_date(text), want, "{text}");
        }
    }
}
