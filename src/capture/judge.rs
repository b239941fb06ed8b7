//! What the flows come to: classes for the exit code, counts, and whether anything is proven.

use super::exempt::{Exempt, Exemptions};
use super::flow::{Coverage, Flow, Grade, Verdict};
use super::packet::Skip;
use std::collections::BTreeMap;

/// What every judged flow must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Require {
    /// Mutual TLS of the grade asked for.
    Mtls,
    /// TLS of any kind.
    Tls,
    /// Anything encrypted.
    #[default]
    None,
}

/// Why a flow fails a run: the classes of `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Plaintext, or mixed with it.
    Plaintext,
    /// A handshake that failed.
    Failed,
    /// Data that nothing is known of.
    Unknown,
    /// Encrypted, and less than what `--require` asks for.
    Required,
}

impl Class {
    /// Every class, in the order of the output.
    pub const ALL: [Self; 4] = [Self::Plaintext, Self::Failed, Self::Unknown, Self::Required];

    /// The word in every output and of `--fail-on`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Required => "required",
        }
    }
}

/// What the user demands.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What every judged flow must be.
    pub require: Require,
    /// The weakest grade that shows mutual TLS: A to D.
    pub min_grade: Grade,
    /// What does not count.
    pub exemptions: Exemptions,
}

impl Default for Policy {
    fn default() -> Self {
        let exemptions = Exemptions { built_in: true, ..Exemptions::default() };
        Self { require: Require::None, min_grade: Grade::C, exemptions }
    }
}

impl Policy {
    /// Whether a flow is shown to be mutual TLS as strongly as was asked for. Certificates that are known not to build
    /// to the CA given are those of strangers.
    #[must_use]
    pub fn shows_mtls(&self, flow: &Flow) -> bool {
        let strangers = flow.tls.as_ref().is_some_and(|tls| tls.chain == Some(false));
        flow.verdict == Verdict::Mtls && flow.grade <= self.min_grade && !strangers
    }

    /// Why a flow fails the run, and why it is exempt.
    #[must_use]
    pub fn judge(&self, flow: &Flow) -> Judged {
        let exempt = self.exemptions.of(flow);
        let short = |fails: bool| fails.then_some(Class::Required);
        let class = match flow.verdict {
            _ if exempt.is_some() => None,
            Verdict::NoData => None,
            Verdict::Plaintext | Verdict::Mixed => Some(Class::Plaintext),
            Verdict::FailedHandshake => Some(Class::Failed),
            Verdict::Unknown => Some(Class::Unknown),
            Verdict::Mtls => short(self.require == Require::Mtls && !self.shows_mtls(flow)),
            Verdict::Tls => short(self.require == Require::Mtls),
            Verdict::EncryptedOther => short(self.require != Require::None),
        };
        Judged { exempt, class }
    }
}

/// How a flow counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Why it does not count.
    pub exempt: Option<Exempt>,
    /// Why it fails a run.
    pub class: Option<Class>,
}

/// What the flows come to.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// All flows.
    pub flows: u64,
    /// Those that count: neither exempt nor without data.
    pub judged: u64,
    /// All flows by verdict, in its order: [`Self::verdict`].
    verdicts: [u64; Verdict::ALL.len()],
    /// Exempt flows by reason.
    pub exempt: BTreeMap<Exempt, u64>,
    /// Judged flows by class, in its order: [`Self::class`].
    classes: [u64; Class::ALL.len()],
    /// Mutual TLS, by grade.
    pub grades: BTreeMap<Grade, u64>,
    /// Judged flows that are shown to be mutual TLS as strongly as was asked for.
    pub mutual: u64,
    /// The first judged flow that is not, by its number.
    pub first_less: Option<usize>,
    /// Judged flows whose certificates do not build to the CA given.
    pub strangers: u64,
    /// Judged flows in clear, by protocol.
    pub clear: BTreeMap<&'static str, u64>,
    /// Judged flows that are mixed of clear and encrypted parts.
    pub mixed: u64,
    /// The first judged flow of each class, by its number in the list of flows: [`Self::first`].
    first: [Option<usize>; Class::ALL.len()],
}

impl Counts {
    /// Counts flows.
    #[cfg(test)]
    fn of(flows: &[Flow], policy: &Policy) -> Self {
        let mut counts = Self::default();
        for (at, flow) in flows.iter().enumerate() {
            counts.add(at, flow, policy.judge(flow), policy);
        }
        counts
    }

    /// Counts one more flow, the `at`th, that was judged.
    pub fn add(&mut self, at: usize, flow: &Flow, Judged { exempt, class }: Judged, policy: &Policy) {
        self.flows += 1;
        one_more(&mut self.verdicts, flow.verdict as usize);
        if let Some(exempt) = exempt {
            *self.exempt.entry(exempt).or_default() += 1;
            return;
        }
        if let Some(class) = class {
            one_more(&mut self.classes, class as usize);
            if let Some(first) = self.first.get_mut(class as usize) {
                *first = first.or(Some(at));
            }
        }
        match flow.verdict {
            Verdict::NoData => return,
            Verdict::Mtls => *self.grades.entry(flow.grade).or_default() += 1,
            Verdict::Plaintext => *self.clear.entry(clear_name(flow)).or_default() += 1,
            Verdict::Mixed => self.mixed += 1,
            _ => {}
        }
        self.judged += 1;
        if policy.shows_mtls(flow) {
            self.mutual += 1;
        } else {
            self.first_less = self.first_less.or(Some(at));
        }
        self.strangers += u64::from(flow.tls.as_ref().is_some_and(|tls| tls.chain == Some(false)));
    }

    /// Judged flows of a class.
    #[must_use]
    pub fn class(&self, class: Class) -> u64 {
        self.classes.get(class as usize).copied().unwrap_or(0)
    }

    /// The first judged flow of a class, by its number in the list of flows.
    #[must_use]
    pub fn first(&self, class: Class) -> Option<usize> {
        self.first.get(class as usize).copied().flatten()
    }

    /// All flows of a verdict.
    #[must_use]
    pub fn verdict(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(verdict as usize).copied().unwrap_or(0)
    }
}

/// What a flow in clear is: its protocol, or TLS with a cipher suite that hides nothing.
fn clear_name(flow: &Flow) -> &'static str {
    flow.protocol.unwrap_or(if flow.tls.is_some() { "null-cipher TLS" } else { "unnamed" })
}

fn one_more(counts: &mut [u64], at: usize) {
    if let Some(count) = counts.get_mut(at) {
        *count += 1;
    }
}

/// IP protocols (IANA's registry) by which hosts and routers speak of the network, and which carry no calls: IGMP, GGP, EGP,
/// IGP, RSVP, no next header, EIGRP, OSPF, PIM, VRRP, IS-IS, mobility, HIP.
const NO_CALLS: &[u8] = &[2, 3, 8, 9, 46, 59, 88, 89, 103, 112, 124, 135, 139];

/// Whether a frame that gave no packet may have carried what nobody judged. ARP, ICMP and the protocols by which routers
/// speak to each other carry no calls; of anything that is not known (SCTP, L2TPv3, MACsec) it has to be assumed.
#[must_use]
pub fn may_hide_a_flow(skip: Skip) -> bool {
    match skip {
        Skip::NotIp | Skip::Icmp => false,
        Skip::Protocol(number) => !NO_CALLS.contains(&number),
        Skip::LinkType(_)
        | Skip::EtherType(_)
        | Skip::CutHeader
        | Skip::BadHeader
        | Skip::TooDeep
        | Skip::Fragment
        | Skip::FragmentIncomplete => true,
    }
}

/// What could not be looked at: each in words, empty where everything was. A pipe that the user ended is whole: it was to
/// end so; a file is not, and has a problem of its own.
#[must_use]
pub fn unseen(coverage: &Coverage) -> Vec<String> {
    use super::words::plural;
    let mut reasons = Vec::new();
    for file in coverage.files.iter().filter(|file| file.problem.is_some() || !file.valid) {
        let what = if file.valid { "could not be read to its end" } else { "could not be read" };
        reasons.push(format!("{} {what}", file.path));
    }
    let hidden = undecoded(coverage);
    if hidden > 0 {
        reasons.push(format!("{} could not be decoded", plural(hidden, "frame")));
    }
    if coverage.evicted > 0 {
        reasons.push(format!("{} cut off by the limit of memory", plural(coverage.evicted, "flow")));
    }
    if coverage.with_gaps > 0 {
        reasons.push(format!("bytes of {} are missing", plural(coverage.with_gaps, "flow")));
    }
    if let Some(dropped) = coverage.dropped.filter(|dropped| *dropped > 0) {
        reasons.push(format!("{} dropped while capturing", plural(dropped, "packet")));
    }
    if coverage.unknown_blocks > 0 {
        reasons.push(format!("{} of an unknown type", plural(coverage.unknown_blocks, "block")));
    }
    reasons
}

/// Frames that may have carried what nobody judged.
#[must_use]
pub fn undecoded(coverage: &Coverage) -> u64 {
    coverage.skipped.iter().filter(|(skip, _)| may_hide_a_flow(**skip)).map(|(_, count)| count).sum()
}

/// What a run proves, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Every judged flow is mutual TLS by certificates that were seen (grade A or B), and everything was looked at.
    Proven,
    /// Every judged flow is mutual TLS as strongly as was asked for, some by inference, and everything was looked at.
    Inferred,
    /// Every judged flow is encrypted, and everything was looked at; not all are shown to be mutual.
    Encrypted,
    /// Every judged flow is mutual TLS or at least encrypted, and not everything could be looked at.
    Incomplete,
    /// Some are not, or have the certificates of strangers.
    NotProven,
    /// No flow counts.
    NothingJudged,
    /// There is no flow.
    NoFlow,
}

impl Proof {
    /// The word that the closing sentence begins with.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proven => "PROVEN",
            Self::Inferred => "MUTUAL TLS INFERRED",
            Self::Encrypted => "ENCRYPTED",
            Self::Incomplete => "NOT COMPLETE",
            Self::NotProven => "NOT PROVEN",
            Self::NothingJudged => "NOTHING JUDGED",
            Self::NoFlow => "NOTHING TO CHECK",
        }
    }

    /// What counts and coverage prove.
    #[must_use]
    pub fn of(counts: &Counts, coverage: &Coverage) -> Self {
        let failing = Class::ALL.iter().any(|class| counts.class(*class) > 0);
        if counts.flows == 0 {
            Self::NoFlow
        } else if counts.judged == 0 {
            Self::NothingJudged
        } else if failing || counts.strangers > 0 {
            Self::NotProven
        } else if !unseen(coverage).is_empty() {
            Self::Incomplete
        } else if counts.mutual < counts.judged {
            Self::Encrypted
        } else if counts.grades.keys().any(|grade| *grade > Grade::B) {
            Self::Inferred
        } else {
            Self::Proven
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::fake::{flow, mtls, plain};
    use crate::capture::flow::FileCoverage;

    fn class(flow: &Flow, require: Require, min_grade: Grade) -> Option<Class> {
        Policy { require, min_grade, ..Policy::default() }.judge(flow).class
    }

    fn graded(verdict: Verdict, grade: Grade) -> Flow {
        Flow { grade, ..flow("10.0.0.1:1", "10.0.0.2:2", verdict) }
    }

    #[test]
    fn verdicts_are_of_classes() {
        use Class::{Failed, Plaintext, Required, Unknown};
        for (verdict, none, tls, mtls) in [
            (Verdict::Mtls, None, None, None),
            (Verdict::Tls, None, None, Some(Required)),
            (Verdict::EncryptedOther, None, Some(Required), Some(Required)),
            (Verdict::FailedHandshake, Some(Failed), Some(Failed), Some(Failed)),
            (Verdict::Mixed, Some(Plaintext), Some(Plaintext), Some(Plaintext)),
            (Verdict::Plaintext, Some(Plaintext), Some(Plaintext), Some(Plaintext)),
            (Verdict::NoData, None, None, None),
            (Verdict::Unknown, Some(Unknown), Some(Unknown), Some(Unknown)),
        ] {
            let flow = flow("10.0.0.1:1", "10.0.0.2:2", verdict);
            let of = |require| class(&flow, require, Grade::C);
            assert_eq!((of(Require::None), of(Require::Tls), of(Require::Mtls)), (none, tls, mtls), "{verdict:?}");
        }
    }

    #[test]
    fn mutual_tls_below_the_grade_does_not_meet_the_requirement() {
        let d = graded(Verdict::Mtls, Grade::D);
        assert_eq!(class(&d, Require::Mtls, Grade::C), Some(Class::Required));
        assert_eq!(class(&d, Require::Mtls, Grade::D), None);
        assert_eq!(class(&d, Require::Tls, Grade::C), None);
        let plus = graded(Verdict::Mtls, Grade::CPlus);
        assert_eq!(class(&plus, Require::Mtls, Grade::CPlus), None);
        assert_eq!(class(&plus, Require::Mtls, Grade::B), Some(Class::Required));
        // One-way TLS never becomes mutual by a grade.
        assert!(class(&graded(Verdict::Tls, Grade::A), Require::Mtls, Grade::D).is_some());
    }

    fn proof(flows: &[Flow], coverage: &Coverage) -> Proof {
        Proof::of(&Counts::of(flows, &Policy::default()), coverage)
    }

    #[test]
    fn proven_needs_a_judged_flow_and_nothing_else_but_certificates_that_were_seen() {
        let all = Coverage::default();
        let good = mtls("10.0.0.1:1", "10.0.0.2:2");
        let exempt = plain("127.0.0.1:1", "127.0.0.1:2", "http");
        let silent = flow("10.0.0.1:1", "10.0.0.2:2", Verdict::NoData);
        assert_eq!(proof(&[], &all), Proof::NoFlow);
        assert_eq!(proof(&[exempt.clone(), silent.clone()], &all), Proof::NothingJudged);
        assert_eq!(proof(&[good.clone(), exempt, silent], &all), Proof::Inferred);
        let seen = [Grade::A, Grade::B].map(|grade| graded(Verdict::Mtls, grade));
        assert_eq!(proof(&seen, &all), Proof::Proven);
        assert_eq!(proof(&[seen.as_slice(), std::slice::from_ref(&good)].concat(), &all), Proof::Inferred);
        assert_eq!(proof(&[graded(Verdict::Mtls, Grade::C)], &all), Proof::Inferred);
        for other in [graded(Verdict::Mtls, Grade::D), graded(Verdict::Tls, Grade::E)] {
            assert_eq!(proof(&[good.clone(), other], &all), Proof::Encrypted);
        }
        for verdict in [Verdict::Plaintext, Verdict::Mixed, Verdict::Unknown, Verdict::FailedHandshake] {
            let bad = flow("10.0.0.1:1", "10.0.0.2:2", verdict);
            assert_eq!(proof(&[good.clone(), bad], &all), Proof::NotProven, "{verdict:?}");
        }
        let mut stranger = good.clone();
        if let Some(tls) = &mut stranger.tls {
            tls.chain = Some(false);
        }
        assert_eq!(proof(&[good.clone(), stranger], &all), Proof::NotProven);
    }

    #[test]
    fn what_was_not_looked_at_is_never_proven() {
        let flows = [graded(Verdict::Mtls, Grade::A)];
        let file = |valid, problem: Option<&str>| FileCoverage {
            path: "a.pcap".to_owned(),
            valid,
            problem: problem.map(str::to_owned),
            ..FileCoverage::default()
        };
        for (coverage, want) in [
            (Coverage { evicted: 1, ..Coverage::default() }, Proof::Incomplete),
            (Coverage { with_gaps: 1, ..Coverage::default() }, Proof::Incomplete),
            (Coverage { dropped: Some(1), ..Coverage::default() }, Proof::Incomplete),
            (Coverage { dropped: Some(0), ..Coverage::default() }, Proof::Proven),
            (Coverage { unknown_blocks: 1, ..Coverage::default() }, Proof::Incomplete),
            // A pipe ends so.
            (Coverage { interrupted: true, ..Coverage::default() }, Proof::Proven),
            (Coverage { files: vec![file(true, Some("cut"))], ..Coverage::default() }, Proof::Incomplete),
            (Coverage { files: vec![file(false, None)], ..Coverage::default() }, Proof::Incomplete),
            (Coverage { skipped: [(Skip::LinkType(99), 1)].into(), ..Coverage::default() }, Proof::Incomplete),
            (Coverage { skipped: [(Skip::EtherType(0x88e5), 1)].into(), ..Coverage::default() }, Proof::Incomplete),
            (Coverage { skipped: [(Skip::Protocol(132), 1)].into(), ..Coverage::default() }, Proof::Incomplete),
            (Coverage { skipped: [(Skip::Protocol(115), 1)].into(), ..Coverage::default() }, Proof::Incomplete),
            (Coverage { skipped: [(Skip::Protocol(89), 1)].into(), ..Coverage::default() }, Proof::Proven),
            (Coverage { skipped: [(Skip::NotIp, 1), (Skip::Icmp, 1)].into(), ..Coverage::default() }, Proof::Proven),
            (Coverage { files: vec![file(true, None)], ..Coverage::default() }, Proof::Proven),
        ] {
            assert_eq!(proof(&flows, &coverage), want, "{coverage:?}");
        }
    }
}
