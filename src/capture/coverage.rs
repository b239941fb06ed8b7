//! What a run proves and covers, in sentences for a person.

use super::edges::name;
use super::flow::{Capture, Coverage, Flow};
use super::judge::{Class, Counts, Policy, Proof, Require, may_hide_a_flow, unseen};
use super::vantage::Vantage;
use super::words::{plural, rfc3339};
use crate::report::{Cell, Line, Tone};

/// How many comments of a capture are shown to a person; JSON has all.
const COMMENTS: usize = 3;

/// How many kinds of frames without a packet are shown to a person; JSON has all.
const SKIPS: usize = 12;

/// The closing sentence, without the word that it begins with: [`Proof::word`].
#[must_use]
pub fn sentence(proof: Proof, counts: &Counts, capture: &Capture, policy: &Policy) -> String {
    match proof {
        Proof::NoFlow => "the capture has no TCP, UDP or ESP flow".to_owned(),
        Proof::NothingJudged => {
            format!("the capture has {}, and none counts: {}", plural(counts.flows, "flow"), left_out(counts, policy))
        }
        Proof::Proven => good(counts, capture, policy),
        Proof::Inferred => format!("{}; {}", good(counts, capture, policy), INFERENCE),
        Proof::Encrypted => good(counts, capture, policy),
        Proof::Incomplete => {
            format!(
                "{}, but not everything could be looked at: {}",
                good(counts, capture, policy),
                unseen(&capture.coverage).join(", ")
            )
        }
        Proof::NotProven => not_proven(counts, capture, policy),
    }
}

/// Why a good result may be inferred and not proven.
const INFERENCE: &str = "below grade B the client certificate is inferred, not seen";

/// What is true of all judged flows, where none fails: `all 2 judged flows are mutual TLS (2 of grade C+)`.
fn good(counts: &Counts, capture: &Capture, policy: &Policy) -> String {
    let judged = plural(counts.judged, "judged flow");
    match counts.judged {
        1 if counts.mutual == 1 => format!("the only judged flow is mutual TLS ({})", grades(counts)),
        all if counts.mutual == all => format!("all {judged} are mutual TLS ({})", grades(counts)),
        _ => {
            let less = counts.judged - counts.mutual;
            let first = counts.first_less.and_then(|at| capture.flows.get(at));
            let example = first.map(|flow| format!(" ({})", example(flow, less))).unwrap_or_default();
            let grade = policy.min_grade.word();
            match counts.judged {
                1 => format!(
                    "the only judged flow is encrypted, not shown to be mutual TLS of grade {grade} or better{example}"
                ),
                _ => format!(
                    "all {judged} are encrypted; {less} {} not shown to be mutual TLS of grade {grade} or better{example}",
                    if less == 1 { "is" } else { "are" }
                ),
            }
        }
    }
}

/// `2 of 41 judged flows were plaintext http (10.0.0.1 -> 10.0.0.2:9080), 3 unknown`.
fn not_proven(counts: &Counts, capture: &Capture, policy: &Policy) -> String {
    let mut parts = Vec::new();
    for class in Class::ALL.into_iter().filter(|class| counts.class(*class) > 0) {
        let first = counts.first(class).and_then(|at| capture.flows.get(at));
        let example = first.map(|flow| format!(" ({})", example(flow, counts.class(class)))).unwrap_or_default();
        let count = counts.class(class);
        let of = if parts.is_empty() {
            format!("{count} of {}", plural(counts.judged, "judged flow"))
        } else {
            count.to_string()
        };
        let verb = match (parts.is_empty(), count) {
            (false, _) => "",
            (true, 1) => " was",
            (true, _) => " were",
        };
        parts.push(format!("{of}{verb} {}{example}", said(class, count, verb, counts, policy)));
    }
    if counts.strangers > 0 {
        parts.push(format!("{} with certificates that do not build to the CA given", plural(counts.strangers, "flow")));
    }
    parts.extend(unseen(&capture.coverage));
    parts.join(", ")
}

fn example(flow: &Flow, count: u64) -> String {
    let edge = name(flow.client, flow.server);
    if count > 1 { format!("{edge}, ...") } else { edge }
}

fn said(class: Class, count: u64, verb: &str, counts: &Counts, policy: &Policy) -> String {
    match class {
        Class::Plaintext => {
            let mut names: Vec<&str> = counts.clear.keys().copied().take(3).collect();
            if counts.clear.len() > names.len() {
                names.push("...");
            }
            match (counts.mixed, names.is_empty()) {
                (0, _) => format!("plaintext {}", names.join("/")),
                (_, true) => "a mixture of clear and encrypted".to_owned(),
                _ => format!("plaintext {} or mixed", names.join("/")),
            }
        }
        Class::Failed => match (count, verb) {
            (1, "") => "failed TLS handshake".to_owned(),
            (1, _) => "a failed TLS handshake".to_owned(),
            _ => "failed TLS handshakes".to_owned(),
        },
        Class::Unknown => "unknown".to_owned(),
        Class::Required if policy.require == Require::Mtls => {
            format!("encrypted, not shown to be mutual TLS of grade {} or better", policy.min_grade.word())
        }
        Class::Required => "encrypted, not by TLS".to_owned(),
    }
}

/// `38 of grade C+, 3 of B`.
fn grades(counts: &Counts) -> String {
    let parts = counts.grades.iter().enumerate();
    let parts = parts.map(|(at, (grade, count))| {
        let of = if at == 0 { " of grade" } else { " of" };
        format!("{count}{of} {}", grade.word())
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// `12 exempt (loopback 8, dns 4), 2 without data`.
fn left_out(counts: &Counts, policy: &Policy) -> String {
    let exempt: u64 = counts.exempt.values().sum();
    let silent = counts.flows - counts.judged - exempt;
    let mut parts = Vec::new();
    if exempt > 0 {
        let each = counts.exempt.iter().map(|(why, count)| format!("{} {count}", policy.exemptions.word(*why)));
        parts.push(format!("{exempt} exempt ({})", each.collect::<Vec<_>>().join("; ")));
    }
    if silent > 0 {
        parts.push(format!("{silent} without data"));
    }
    parts.join(", ")
}

/// The closing lines: the sentence, what was left out, the coverage, the vantage point and its limits.
#[must_use]
pub fn lines(
    proof: Proof,
    sentence: &str,
    counts: &Counts,
    capture: &Capture,
    policy: &Policy,
    vantage: &Vantage,
) -> Vec<Line> {
    let tone = match proof {
        Proof::Proven | Proof::Inferred => Tone::Good,
        Proof::Encrypted | Proof::Incomplete | Proof::NothingJudged | Proof::NoFlow => Tone::Warn,
        Proof::NotProven => Tone::Bad,
    };
    let mut lines = vec![Line::new(0, vec![Cell::new(proof.word(), tone), Cell::plain(format!(": {sentence}"))])];
    let left_out = left_out(counts, policy);
    if !left_out.is_empty() && counts.judged > 0 {
        lines.push(Line::plain(0, format!("not judged: {left_out}")));
    }
    lines.extend(covered(&capture.coverage));
    if counts.flows > 0 {
        lines.push(Line::plain(0, format!("vantage point, as it looks: {}", vantage.text())));
        lines.push(Line::plain(2, format!("shows: {}", vantage.shows())));
        lines.extend(vantage.hides().into_iter().map(|what| Line::plain(2, format!("cannot show: {what}"))));
    }
    lines
}

/// What was read, and what was not.
fn covered(coverage: &Coverage) -> Vec<Line> {
    let mut text = format!("coverage: {}", plural(coverage.frames, "frame"));
    if coverage.files.len() > 1 {
        text.push_str(&format!(" of {}", plural(coverage.files.len() as u64, "file")));
    }
    if let (Some(first), Some(last)) = (coverage.first, coverage.last) {
        text.push_str(&format!(", {} to {}", rfc3339(first), rfc3339(last)));
    }
    let mut lines = vec![Line::plain(0, text)];
    let mut warn = |text: String| lines.push(Line::new(2, vec![Cell::new(text, Tone::Warn)]));
    let skips = |hiding: bool| {
        let some = coverage.skipped.iter().filter(|(skip, _)| may_hide_a_flow(**skip) == hiding);
        let mut words: Vec<String> = some.map(|(skip, count)| format!("{skip} ({count})")).collect();
        if words.len() > SKIPS {
            words.splice(SKIPS.., [format!("... (-o json has all {})", words.len())]);
        }
        words.join(", ")
    };
    if !skips(true).is_empty() {
        warn(format!("frames that could not be decoded: {}", skips(true)));
    }
    if let Some(dropped) = coverage.dropped.filter(|dropped| *dropped > 0) {
        warn(format!("the capture says that {} dropped: flows may be missing", was(dropped, "packet")));
    }
    if coverage.evicted > 0 {
        warn(format!("{} cut off by the limit of memory", was(coverage.evicted, "flow")));
    }
    if coverage.with_gaps > 0 {
        warn(format!("{} bytes that the capture lacks", has(coverage.with_gaps)));
    }
    if coverage.unknown_blocks > 0 {
        warn(format!("{} of an unknown type: packets may be in them", was(coverage.unknown_blocks, "block")));
    }
    for file in coverage.files.iter().filter(|file| !file.valid || file.problem.is_some()) {
        let problem = file.problem.as_deref().unwrap_or("not a capture file");
        warn(format!("{}: {problem}", file.path));
    }
    if coverage.interrupted {
        warn("the reading was ended by the user".to_owned());
    }
    let mut more = |text: String| lines.push(Line::plain(2, text));
    if !skips(false).is_empty() {
        more(format!("frames without a flow: {}", skips(false)));
    }
    if coverage.duplicates > 0 {
        more(format!("{} seen on several interfaces, counted once", was(coverage.duplicates, "packet")));
    }
    if coverage.secrets > 0 {
        more("the capture carries decryption secrets; they are not used".to_owned());
    }
    for (frame, comment) in coverage.comments.iter().take(COMMENTS) {
        let place = if *frame > 0 { format!(" at frame {frame}") } else { String::new() };
        more(format!("comment{place}: {comment}"));
    }
    if let Some(left) = coverage.comments.len().checked_sub(COMMENTS).filter(|left| *left > 0) {
        more(format!("{} (-o json has all)", plural(left as u64, "more comment")));
    }
    for file in coverage.files.iter() {
        if let Some(digest) = &file.sha256 {
            more(format!("sha256 of {}: {digest}", file.path));
        }
    }
    lines
}

fn was(count: u64, what: &str) -> String {
    format!("{} {}", plural(count, what), if count == 1 { "was" } else { "were" })
}

fn has(count: u64) -> String {
    format!("{} {}", plural(count, "flow"), if count == 1 { "has" } else { "have" })
}
