//! What a conversation shows: how far it came, who proved what, and what is weak about it (pcap.md 4.1, 4.4).

use super::flight::Shows;
use super::handshake::{Alarms, Talk};
use super::hello::{Answer, Offer};
use super::session::{Chain, Session};
use super::suites;
use super::{Alert, ClientCertificate, Ending, Facts, Outcome, Side, SideFacts, Weakness};
use crate::capture::packet::Time;
use crate::pki::{self, Certificate};

const NANOSECONDS: i64 = 1_000_000_000;
/// Records of application data that a client may have sent before it learns that it was refused: a close after more of
/// them is no answer to the handshake.
const SOON: u64 = 4;

impl Session {
    /// What was seen. `at`: the time that certificates are judged at; `roots`: the CA certificates to verify chains
    /// with, empty when none were given.
    #[must_use]
    pub fn finish(mut self, ending: Ending, at: Time, roots: &[Certificate]) -> Facts {
        self.search_at_end();
        let [zero, one] = &self.chains;
        let mut facts = Facts { sides: [side_facts(zero), side_facts(one)], ..Facts::default() };
        let heartbeat = zero.heartbeat || one.heartbeat;
        if let Some(talk) = self.talk.take() {
            let view = View { chains: &self.chains, ending, talk: &talk };
            view.fill(&mut facts);
            let seconds = at.0.div_euclid(NANOSECONDS);
            hand_over(*talk, &mut facts);
            judge_certificates(&mut facts, seconds, roots);
        }
        for (chain, of_side) in self.chains.iter_mut().zip(&mut facts.sides) {
            of_side.broken_with = chain.take_sample();
        }
        if heartbeat {
            facts.weaknesses.push(Weakness::Heartbeat);
        }
        facts.weaknesses.sort_unstable();
        facts.weaknesses.dedup();
        facts
    }
}

fn side_facts(chain: &Chain) -> SideFacts {
    let broken = chain.broken();
    SideFacts {
        bytes: chain.bytes,
        closed: chain.closures(),
        application: chain.application,
        broken: broken.map(|broken| (broken.offset, broken.frame)),
        broken_with: Vec::new(),
        gaps: chain.gaps,
        lost: chain.lost(),
        unseen: chain.unseen(),
    }
}

/// Moves what was read into the facts.
fn hand_over(talk: Talk, facts: &mut Facts) {
    let Talk { offer, answer, shown, issued, client, .. } = talk;
    if let Some(offer) = offer {
        facts.sessions_offered = offer.sessions;
        facts.client_hello = Some(offer.hello);
    }
    facts.server_hello = answer.map(|answer| answer.hello);
    facts.sessions_issued = issued;
    for (side, shown) in shown.into_iter().enumerate() {
        let Some(shown) = shown else { continue };
        if client == Some(side) {
            // Names that nobody proved are not handed on.
            if facts.client_certificate != ClientCertificate::Seen {
                continue;
            }
            facts.client_certificate_frame = shown.frame;
            facts.client_chain = shown.chain;
        } else {
            facts.server_chain = shown.chain;
        }
    }
}

/// What certificates are worth at a time, in seconds since 1970.
fn judge_certificates(facts: &mut Facts, at: i64, roots: &[Certificate]) {
    let mut weaknesses = Vec::new();
    let chains = [&facts.server_chain, &facts.client_chain];
    for chain in chains {
        let Some(leaf) = chain.first() else { continue };
        if chain.iter().any(|one| !one.is_valid_at(at)) {
            weaknesses.push(Weakness::CertificateNotValid);
        }
        if chain.iter().any(|one| one.is_weak()) {
            weaknesses.push(Weakness::WeakCertificate);
        }
        if leaf.is_self_signed() {
            weaknesses.push(Weakness::SelfSigned);
        }
        if !roots.is_empty() {
            let built = pki::verify(chain, roots, at).is_ok();
            facts.chain = Some(built && facts.chain != Some(false));
        }
    }
    if facts.chain == Some(false) {
        weaknesses.push(Weakness::ChainFailed);
    }
    if facts.possession == Some(false) {
        weaknesses.push(Weakness::PossessionFailed);
    }
    facts.weaknesses.extend(weaknesses);
}

/// Everything that a judgement needs.
struct View<'a> {
    chains: &'a [Chain; 2],
    ending: Ending,
    talk: &'a Talk,
}

impl View<'_> {
    fn fill(&self, facts: &mut Facts) {
        let talk = self.talk;
        facts.client = talk.client;
        let Some(client) = talk.client else { return };
        let (outcome, alert) = self.outcome(client);
        facts.outcome = outcome;
        facts.alert = alert.or(if outcome == Outcome::Refused { self.alarms().warning } else { None });
        facts.resumed = self.resumed(client);
        facts.possession = talk.possession;
        facts.certificate_verify = talk.verified;
        facts.client_certificate = if talk.modern() { self.modern_certificate() } else { self.certificate(client) };
        if talk.modern() {
            facts.first_client_record = talk.flight.first().map(|size| (size, talk.flight.frame));
            let length = talk.flight.length(talk.sizes());
            for (side, of_side) in facts.sides.iter_mut().enumerate() {
                let refusal = u64::from(outcome == Outcome::Refused && talk.flight.server == 1);
                let server = talk.flight.server.saturating_sub(refusal);
                let sent = talk.flight.count.saturating_sub(length);
                of_side.application = if side == client { sent } else { server };
            }
        }
        if let Some(answer) = &talk.answer {
            self.weaknesses(answer, talk.offer.as_ref(), &mut facts.weaknesses);
        }
    }

    fn alarms(&self) -> &Alarms {
        const NONE: &Alarms = &Alarms { fatal: None, warning: None, level: None, sealed: None };
        self.talk.alarms.as_deref().unwrap_or(NONE)
    }

    /// Whether the capture has an answer before its question, so that who was first cannot be told: as when one file per
    /// direction is read, one after the other.
    fn disordered(&self) -> bool {
        let early = match (&self.talk.offer, &self.talk.answer) {
            (Some(offer), Some(answer)) => answer.hello.frame < offer.hello.frame,
            _ => false,
        };
        early || self.talk.flight.disordered()
    }

    fn chain(&self, side: Side) -> &Chain {
        let [zero, one] = self.chains;
        if side == 0 { zero } else { one }
    }

    fn closed(&self, side: Side) -> bool {
        let at = |flags: &[bool; 2]| flags.get(side).copied().unwrap_or(false);
        at(&self.ending.fin) || at(&self.ending.rst)
    }

    fn any_closed(&self) -> bool {
        self.closed(0) || self.closed(1)
    }

    /// Whether this side ended the connection, and not in answer to the other.
    fn closed_first(&self, side: Side) -> bool {
        let other = 1 - side.min(1);
        self.closed(side) && self.ending.first.map_or(!self.closed(other), |first| first == side)
    }

    fn holes(&self) -> bool {
        self.chains.iter().any(|chain| chain.gaps)
    }

    /// Whether a side sent nothing that the capture has.
    fn silent(&self, side: Side) -> bool {
        let chain = self.chain(side);
        chain.bytes == 0 && chain.broken().is_none()
    }

    fn outcome(&self, client: Side) -> (Outcome, Option<Alert>) {
        if let Some(alert) = self.alarms().fatal {
            return (Outcome::Refused, Some(alert));
        }
        let server = 1 - client.min(1);
        match self.talk.version() {
            None => (self.unanswered(client, server), None),
            Some(version) if version < 0x0304 => self.classic(client, server),
            Some(_) => self.modern(client, server),
        }
    }

    /// No ServerHello was read.
    fn unanswered(&self, client: Side, server: Side) -> Outcome {
        let (asked, answered) = (self.chain(client), self.chain(server));
        if self.silent(server) {
            // A tap on one fibre: encrypted records come only after the server's answer.
            if self.talk.flight.count > 0 && !self.talk.flight.is_alert(self.talk.sizes()) {
                return Outcome::Finished;
            }
            return if self.closed_first(server) && !answered.gaps { Outcome::Refused } else { Outcome::Unanswered };
        }
        if answered.broken().is_some() && answered.bytes == 0 {
            return Outcome::Unanswered;
        }
        let encrypted = asked.application > 0 && answered.application > 0;
        if encrypted && self.talk.flight.server_went_on {
            Outcome::Established
        } else if encrypted || (asked.finished && answered.finished) || (answered.gaps && self.talk.flight.count > 0) {
            Outcome::Finished
        } else if self.any_closed() && !self.holes() {
            Outcome::Refused
        } else {
            Outcome::Incomplete
        }
    }

    /// Up to TLS 1.2: ChangeCipherSpec and Finished of both, or application data, which cannot come before them.
    fn classic(&self, client: Side, server: Side) -> (Outcome, Option<Alert>) {
        let done = |side| {
            let chain = self.chain(side);
            (chain.changed && chain.finished) || chain.application > 0
        };
        let went_on = self.chain(server).application > 0;
        let soon = self.chain(client).application <= SOON;
        if done(client) && done(server) {
            if let Some((alert, 0)) = self.alarms().sealed
                && alert.side == server
                && self.any_closed()
                && soon
            {
                return (Outcome::Refused, Some(alert));
            }
            let cut = soon && !went_on && self.alarms().sealed.is_none() && self.closed_first(server) && !self.holes();
            let outcome = match (cut, self.disordered()) {
                (false, _) => Outcome::Established,
                (true, true) => Outcome::Finished,
                (true, false) => Outcome::Refused,
            };
            return (outcome, None);
        }
        let one_sided = self.silent(client) || self.silent(server);
        let outcome = if (one_sided || self.holes()) && (done(client) || done(server)) {
            Outcome::Finished
        } else if self.any_closed() && !self.holes() && !one_sided {
            Outcome::Refused
        } else {
            Outcome::Incomplete
        };
        (outcome, None)
    }

    /// TLS 1.3: only the sizes and the order of records are seen.
    fn modern(&self, client: Side, server: Side) -> (Outcome, Option<Alert>) {
        let flight = &self.talk.flight;
        let sizes = self.talk.sizes();
        if flight.is_alert(sizes) {
            return (Outcome::Refused, Some(Alert { code: None, side: client, frame: flight.frame }));
        }
        if flight.count == 0 {
            return (self.no_flight(client, server), None);
        }
        if flight.server_went_on {
            return (Outcome::Established, None);
        }
        if flight.server == 1 && self.any_closed() && !flight.client_closed && !self.chain(server).gaps {
            return (Outcome::Refused, Some(Alert { code: None, side: server, frame: flight.server_frame }));
        }
        // After a client that has closed, the server's close says nothing.
        let soon = flight.count.saturating_sub(flight.length(sizes)) <= SOON;
        let orderly = flight.server > 0 || flight.client_closing(sizes) || !soon;
        let cut = !orderly && self.closed_first(server) && !self.holes() && !self.disordered();
        (if cut { Outcome::Refused } else { Outcome::Finished }, None)
    }

    /// TLS 1.3 without an encrypted record of the client.
    fn no_flight(&self, client: Side, server: Side) -> Outcome {
        let went_on = self.chain(server).application > 0;
        if self.silent(client) || self.chain(client).strayed {
            return if went_on { Outcome::Finished } else { Outcome::Incomplete };
        }
        // All that the client sent may be 0-RTT data, or have been taken for it: its flight may be in there.
        if self.talk.flight.early > 0 && went_on {
            return Outcome::Finished;
        }
        if self.any_closed() && !self.holes() { Outcome::Refused } else { Outcome::Incomplete }
    }

    fn resumed(&self, client: Side) -> Option<bool> {
        let answer = self.talk.answer.as_ref()?;
        if self.talk.modern() {
            return Some(answer.hello.psk);
        }
        let server = 1 - client.min(1);
        if self.talk.server_done || self.talk.shown.get(server).is_some_and(Option::is_some) {
            return Some(false);
        }
        // ChangeCipherSpec right after the hello (and a new ticket): nothing was asked, nothing shown.
        (self.chain(server).changed && self.talk.whole(server)).then_some(true)
    }

    /// Up to TLS 1.2 the messages themselves say it.
    fn certificate(&self, client: Side) -> ClientCertificate {
        let (talk, chain) = (self.talk, self.chain(client));
        let server = 1 - client.min(1);
        if let Some(shown) = talk.shown.get(client).and_then(Option::as_ref)
            && !shown.empty
        {
            let proven = talk.requested && talk.verified && !shown.chain.is_empty();
            return if proven { ClientCertificate::Seen } else { ClientCertificate::Unknown };
        }
        // A second handshake, encrypted, may have shown one.
        let renegotiated = chain.again || self.chain(server).again;
        let full = talk.server_done && talk.whole(server) && talk.whole(client);
        let answered = talk.key_exchanged && (chain.changed || self.alarms().fatal.is_some());
        let empty = talk.shown.get(client).is_some_and(Option::is_some);
        if full && !renegotiated && (answered || empty) { ClientCertificate::None } else { ClientCertificate::Unknown }
    }

    /// In TLS 1.3 the size of the client's first encrypted record does.
    fn modern_certificate(&self) -> ClientCertificate {
        let talk = self.talk;
        let (Some(answer), Some(offer)) = (&talk.answer, &talk.offer) else { return ClientCertificate::Unknown };
        let Some(sizes) = suites::Sizes::of(answer.hello.cipher) else { return ClientCertificate::Unknown };
        // With a PSK nobody shows a certificate now (RFC 8446 4.3.2); without it 0-RTT data was not taken, and cannot be
        // told from the flight.
        if answer.hello.psk || offer.hello.early_data {
            return ClientCertificate::Unknown;
        }
        match talk.flight.shows(sizes, offer.alps) {
            Shows::Certificate => ClientCertificate::Inferred,
            Shows::Empty | Shows::Nothing => ClientCertificate::None,
            Shows::Alert | Shows::Unclear => ClientCertificate::Unknown,
        }
    }

    fn weaknesses(&self, answer: &Answer, offer: Option<&Offer>, out: &mut Vec<Weakness>) {
        let hello = &answer.hello;
        let [zero, one] = self.chains;
        let renegotiated = zero.again && one.again;
        let all = [
            (hello.version < 0x0303, Weakness::OldVersion),
            (suites::is_weak(hello.cipher), Weakness::WeakCipher),
            (hello.version < 0x0304 && suites::lacks_forward_secrecy(hello.cipher), Weakness::NoForwardSecrecy),
            (answer.downgrade && offer.is_some_and(|offer| offer.hello.version > hello.version), Weakness::Downgrade),
            (answer.compression, Weakness::Compression),
            (renegotiated && !answer.safe_renegotiation, Weakness::InsecureRenegotiation),
            (hello.psk && offer.is_some_and(|offer| offer.hello.early_data), Weakness::EarlyData),
        ];
        out.extend(all.into_iter().filter_map(|(found, weakness)| found.then_some(weakness)));
    }
}
