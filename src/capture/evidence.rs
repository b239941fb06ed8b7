//! The verdict of a flow, and the grade of its evidence, from what was seen (pcap.md 4.3).

use super::conversation::Heard;
use super::datagram::Votes;
use super::flow::{Failure, Flow, Grade, Leg, Tls, Verdict};
use super::note::{Evidence, Mark, Note};
use super::packet::Transport;
use super::signature::{self, Fit, Heads, Named};
use super::tls::{ClientCertificate, Ending, Facts, Outcome, Side, SideFacts, cipher_encrypts};
use super::watch::Watch;
use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::sync::Arc;

/// The longest TLS record (RFC 8446 5.2, RFC 5246 6.2.3), in bytes, with its header.
const RECORD: u64 = 5 + (16 << 10) + 2048;

/// Fills a flow's verdict from what its conversation came to. The flow's client and server are set already.
pub fn judge(flow: &mut Flow, heard: Heard, ending: Ending, seen: [bool; 2], words: &mut Words) {
    let mut notes = std::mem::take(&mut words.notes);
    notes.0.clear();
    notes.add_if(flow.leg == Some(Leg::AppToSidecar), 0, Note::Joined);
    if heard.sample.is_some() {
        flow.rare_mut().sample.clone_from(&heard.sample);
    }
    match heard.tls {
        // What the capture cut off was data all the same.
        _ if heard.bytes == [0, 0] && heard.missing => {
            (flow.verdict, flow.grade) = (Verdict::Unknown, Grade::U);
            notes.add(0, Note::Gaps);
        }
        _ if heard.bytes == [0, 0] => {
            (flow.verdict, flow.grade) = (Verdict::NoData, Grade::U);
            notes.add(0, Note::NoData);
        }
        Some(_) => secure(flow, heard, ending, seen, words, &mut notes),
        None => clear(flow, &heard, ending, seen, &mut notes),
    }
    flow.evidence = notes.0.as_slice().into();
    words.notes = notes;
}

/// A flow without a byte of payload.
pub fn silent(flow: &mut Flow) {
    (flow.verdict, flow.grade) = (Verdict::NoData, Grade::U);
    flow.evidence = Box::new([Evidence { frame: 0, note: Note::NoData }]);
}

/// A flow that was judged already, and what was seen since: TLS amid clear bytes, or readable text amid encrypted ones.
pub fn turned(flow: &mut Flow, watch: Watch) {
    if watch.text > 0 && flow.verdict == Verdict::EncryptedOther {
        (flow.verdict, flow.grade) = (Verdict::Mixed, Grade::P);
        add(flow, Evidence { frame: watch.text, note: Note::Text });
    }
    let frame = watch.mixed;
    if frame > 0 && matches!(flow.verdict, Verdict::Plaintext | Verdict::Unknown | Verdict::EncryptedOther) {
        (flow.verdict, flow.grade) = (Verdict::Mixed, Grade::P);
        add(flow, Evidence { frame, note: Note::LateTls });
    }
}

fn add(flow: &mut Flow, evidence: Evidence) {
    let mut all = std::mem::take(&mut flow.evidence).into_vec();
    all.push(evidence);
    flow.evidence = all.into();
}

/// Observations in the order in which they are said.
#[derive(Debug, Default)]
struct Notes(Vec<Evidence>);

impl Notes {
    fn add(&mut self, frame: u64, note: Note) {
        self.0.push(Evidence { frame, note });
    }

    fn add_if(&mut self, yes: bool, frame: u64, note: Note) {
        if yes {
            self.add(frame, note);
        }
    }
}

/// A conversation without TLS.
fn clear(flow: &mut Flow, heard: &Heard, ending: Ending, seen: [bool; 2], notes: &mut Notes) {
    let (client, server) = (heard.client, 1 - heard.client);
    let frame = heard.first.iter().copied().filter(|frame| *frame > 0).min().unwrap_or(0);
    let sent = |side: Side| heard.bytes.get(side).is_some_and(|bytes| *bytes > 0);
    match heard.named {
        Some(_) if heard.gss => {
            (flow.verdict, flow.grade) = (Verdict::EncryptedOther, Grade::E);
            notes.add(frame, Note::Gss);
        }
        Some(Named { token, fit, .. }) if signature::encrypted(token) => {
            flow.protocol = Some(token);
            // The banner of one side is in clear, and all that is known.
            let both = fit == Fit::Both;
            (flow.verdict, flow.grade) =
                if both { (Verdict::EncryptedOther, Grade::E) } else { (Verdict::Unknown, Grade::U) };
            notes.add(frame, Note::Encrypted(fit));
        }
        Some(Named { token, fit, .. }) => {
            flow.protocol = Some(token);
            (flow.verdict, flow.grade) = (Verdict::Plaintext, Grade::P);
            notes.add(frame, Note::Named(fit));
            notes.add_if(heard.refused, 0, Note::UpgradeRefused);
            let reset = is(ending.rst, server) || ending.first == Some(server);
            if sent(client) && (!sent(server) || heard.alert_only) && is(seen, server) && reset {
                flow.failure = Some(Failure::RefusedPlaintext);
                notes.add(0, Note::ClosedByServer);
            }
        }
        None => {
            (flow.verdict, flow.grade) = (Verdict::Unknown, Grade::U);
            notes.add(frame, Note::Unrecognised);
        }
    }
    if heard.mixed > 0 {
        // What the capture lacks may be the words that asked for it.
        let known = (Verdict::Mixed, Grade::P);
        (flow.verdict, flow.grade) = if heard.missing { (Verdict::Unknown, Grade::U) } else { known };
        notes.add(heard.mixed, Note::LateTls);
    }
    common(heard, seen, notes);
}

fn is(sides: [bool; 2], side: Side) -> bool {
    sides.get(side).copied().unwrap_or(false)
}

/// What is said of every flow.
fn common(heard: &Heard, seen: [bool; 2], notes: &mut Notes) {
    notes.add_if(seen != [true, true], 0, Note::OneSided);
    notes.add_if(heard.conflict, 0, Note::Conflict);
    notes.add_if(heard.cut, 0, Note::CutOff);
}

/// A conversation with TLS in it.
fn secure(flow: &mut Flow, mut heard: Heard, ending: Ending, seen: [bool; 2], words: &mut Words, notes: &mut Notes) {
    let Some(facts) = heard.tls.take() else { return };
    let client = facts.client.unwrap_or(heard.client);
    if let Some(upgrade) = heard.upgrade {
        let rare = flow.rare_mut();
        (rare.upgraded_from, rare.clear_bytes) = (upgrade.token, upgrade.clear);
        notes.add_if(upgrade.clear > 0, upgrade.frame, Note::Upgraded);
    }
    flow.tls = Some(Box::new(summary(&facts, client, words)));
    if let Some(hello) = &facts.client_hello {
        notes.add(hello.frame, Note::ClientHello);
    }
    if let Some(hello) = &facts.server_hello {
        notes.add(hello.frame, Note::ServerHello);
    }
    let gave_up = gave_up(&heard, ending, client);
    let (verdict, grade) = match facts.outcome {
        _ if heard.answer.is_some() && facts.client.is_some() => clear_answer(flow, &heard, notes),
        Outcome::MidStream => records(&facts, &heard, client, notes),
        Outcome::Unanswered => unanswered(flow, &heard, ending, client, notes),
        Outcome::Incomplete | Outcome::Refused if gave_up && facts.alert.is_none() => {
            flow.failure = Some(Failure::ClientGaveUp);
            notes.add(heard.ended, Note::ClosedByClient);
            (Verdict::FailedHandshake, Grade::X)
        }
        Outcome::Incomplete => incomplete(flow, &facts, &heard, ending, client, notes),
        Outcome::Refused if facts.alert.is_none() && facts.sides.iter().any(|side| side.gaps) => {
            incomplete(flow, &facts, &heard, ending, client, notes)
        }
        Outcome::Refused => {
            flow.failure = Some(Failure::HandshakeRefused);
            match facts.alert {
                Some(alert) => notes.add(alert.frame, Note::Alert),
                None => closed(&heard, ending, client, notes),
            }
            (Verdict::FailedHandshake, Grade::X)
        }
        Outcome::Finished | Outcome::Established => established(flow, &facts, notes),
    };
    (flow.verdict, flow.grade) = (verdict, grade);
    broken(flow, &facts, notes);
    let null = facts.server_hello.as_ref().is_some_and(|hello| !cipher_encrypts(hello.cipher));
    if null && matches!(flow.verdict, Verdict::Tls | Verdict::Mtls) {
        (flow.verdict, flow.grade) = (Verdict::Plaintext, Grade::P);
        notes.add(0, Note::NullCipher);
    }
    notes.add_if(facts.sides.iter().any(|side| side.gaps), 0, Note::Gaps);
    common(&heard, seen, notes);
    if heard.conflict {
        step_down(flow);
    }
    unseen(flow, &facts, notes);
}

/// Bytes in which no record was found, after others that the capture lacks. Up to the length of a record they may be
/// the rest of one; more may be anything.
fn unseen(flow: &mut Flow, facts: &Facts, notes: &mut Notes) {
    let bytes = facts.sides.iter().map(|side| side.unseen).max().unwrap_or(0);
    let lost = facts.sides.iter().any(|side| side.lost);
    if bytes == 0 && !lost {
        return;
    }
    notes.add(0, Note::NotLookedAt);
    match (flow.verdict, lost, bytes > RECORD) {
        (Verdict::Mtls | Verdict::Tls, true, true) => (flow.verdict, flow.grade) = (Verdict::Unknown, Grade::U),
        (Verdict::Mtls, ..) => flow.grade = Grade::D,
        _ => {}
    }
}

/// A chain of records that breaks into something else.
fn broken(flow: &mut Flow, facts: &Facts, notes: &mut Notes) {
    let Some((_, frame)) = facts.sides.iter().find_map(|side| side.broken) else { return };
    let [zero, one] = &facts.sides;
    let later = |side: &SideFacts| side.broken.is_some_and(|(offset, _)| offset > 0);
    let said = Heads { client: &zero.broken_with, server: &one.broken_with, from_start: false, complete: true };
    match flow.verdict {
        Verdict::Tls | Verdict::Mtls => (flow.verdict, flow.grade) = (Verdict::Mixed, Grade::P),
        // Refused, and then gone on with in clear.
        Verdict::FailedHandshake if (later(zero) || later(one)) && signature::name(&said).is_some() => {
            (flow.verdict, flow.grade) = (Verdict::Mixed, Grade::P);
        }
        Verdict::FailedHandshake => return,
        _ => (flow.verdict, flow.grade) = (Verdict::Unknown, Grade::U),
    }
    notes.add(frame, Note::Broken);
}

/// What was read may not be what was received, or not all of it: one grade less.
fn step_down(flow: &mut Flow) {
    (flow.verdict, flow.grade) = match (flow.verdict, flow.grade) {
        (Verdict::Mtls, Grade::A) => (Verdict::Mtls, Grade::B),
        (Verdict::Mtls, Grade::B | Grade::CPlus) => (Verdict::Mtls, Grade::C),
        (Verdict::Mtls, Grade::C) => (Verdict::Mtls, Grade::D),
        (Verdict::Mtls, _) => (Verdict::Tls, Grade::E),
        other => other,
    };
}

/// The other side answered the ClientHello in clear, or spoke first and never asked for TLS.
fn clear_answer(flow: &mut Flow, heard: &Heard, notes: &mut Notes) -> (Verdict, Grade) {
    let named = heard.answer.and_then(|(_, named)| named);
    flow.protocol = named.map(|named| named.token);
    flow.failure = Some(Failure::TlsToPlaintextServer);
    let frame = heard.answer.and_then(|(side, _)| heard.first.get(side).copied()).unwrap_or(0);
    notes.add(frame, Note::ClearAnswer);
    (Verdict::FailedHandshake, Grade::X)
}

/// Records without a hello: encrypted where every direction that has data shows it.
fn records(facts: &Facts, heard: &Heard, client: Side, notes: &mut Notes) -> (Verdict, Grade) {
    let closed = |side: Side| facts.sides.get(side).map_or(0, |side| side.closed);
    let shown = (0..2).all(|side| heard.bytes.get(side).is_none_or(|bytes| *bytes == 0) || closed(side) > 0);
    // A connection that was seen from its SYN has a hello, or is something else in the dress of records.
    if !shown || heard.whole {
        notes.add(0, Note::Unrecognised);
        return (Verdict::Unknown, Grade::U);
    }
    let few = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
    notes.add(0, Note::NoStart);
    notes.add(0, Note::Records(few(closed(client)), few(closed(1 - client))));
    (Verdict::Tls, Grade::F)
}

/// Whether the client closed before the server answered.
fn gave_up(heard: &Heard, ending: Ending, client: Side) -> bool {
    let answer = heard.first.get(1 - client).copied().unwrap_or(0);
    ending.first == Some(client) && (answer == 0 || heard.ended < answer)
}

/// Who closed first, if anybody did.
fn closed(heard: &Heard, ending: Ending, client: Side, notes: &mut Notes) {
    if let Some(first) = ending.first {
        notes.add(heard.ended, if first == client { Note::ClosedByClient } else { Note::ClosedByServer });
    }
}

/// A ClientHello without an answer.
fn unanswered(flow: &mut Flow, heard: &Heard, ending: Ending, client: Side, notes: &mut Notes) -> (Verdict, Grade) {
    closed(heard, ending, client, notes);
    flow.failure = Some(match ending.first {
        // The client's own close does not hide that the server refuses what came before.
        Some(first) if first != client || is(ending.rst, 1 - client) => Failure::HandshakeRefused,
        Some(_) => Failure::ClientGaveUp,
        None => Failure::HandshakeIncomplete,
    });
    (Verdict::FailedHandshake, Grade::X)
}

/// A handshake that stops.
fn incomplete(
    flow: &mut Flow,
    facts: &Facts,
    heard: &Heard,
    ending: Ending,
    client: Side,
    notes: &mut Notes,
) -> (Verdict, Grade) {
    // What the capture lacks may be the rest of the handshake: data on both sides says that there was one.
    let lacks = facts.sides.iter().any(|side| side.gaps || side.bytes == 0);
    if lacks && facts.sides.iter().any(|side| side.application > 0) {
        notes.add(0, Note::NotAccepted);
        return (Verdict::Tls, Grade::E);
    }
    // Nor can it be said to have failed.
    if facts.sides.iter().any(|side| side.gaps) {
        let records = facts.sides.iter().all(|side| side.closed > 0);
        return if records { (Verdict::Tls, Grade::E) } else { (Verdict::Unknown, Grade::U) };
    }
    closed(heard, ending, client, notes);
    flow.failure = Some(if ending.first.is_some() { Failure::HandshakeRefused } else { Failure::HandshakeIncomplete });
    (Verdict::FailedHandshake, Grade::X)
}

/// A finished handshake: is it mutual?
fn established(flow: &mut Flow, facts: &Facts, notes: &mut Notes) -> (Verdict, Grade) {
    let accepted = facts.outcome == Outcome::Established;
    let thirteen = facts.server_hello.as_ref().is_some_and(|hello| hello.version >= 0x0304);
    if let Some((size, frame)) = facts.first_client_record.filter(|_| thirteen) {
        notes.add(frame, Note::FirstRecord(size, facts.client_certificate));
    }
    let graded = match facts.client_certificate {
        ClientCertificate::Seen => {
            notes.add(facts.client_certificate_frame, Note::Certificate);
            notes.add(0, Note::Possession(facts.possession));
            if let Some(chain) = facts.chain {
                notes.add(0, Note::Chain(chain));
            }
            match (facts.possession, facts.chain) {
                (Some(false), _) => (Verdict::Tls, Grade::E),
                (Some(true), None | Some(true)) => (Verdict::Mtls, Grade::A),
                (None, _) | (Some(true), Some(false)) => (Verdict::Mtls, Grade::B),
            }
        }
        ClientCertificate::Inferred => {
            let marks = marks(facts, flow, notes);
            (Verdict::Mtls, if marks { Grade::CPlus } else { Grade::C })
        }
        ClientCertificate::None => {
            notes.add_if(!thirteen, 0, Note::NoCertificate);
            (Verdict::Tls, Grade::E)
        }
        ClientCertificate::Unknown => {
            notes.add_if(facts.resumed == Some(true), 0, Note::Resumed);
            let marks = marks(facts, flow, notes);
            if marks { (Verdict::Mtls, Grade::D) } else { (Verdict::Tls, Grade::E) }
        }
    };
    notes.add(0, if accepted { Note::Accepted } else { Note::NotAccepted });
    // A certificate that nobody accepted proves nothing.
    if accepted { graded } else { (Verdict::Tls, Grade::E) }
}

/// The marks of the mesh, said once each.
fn marks(facts: &Facts, flow: &Flow, notes: &mut Notes) -> bool {
    let Some(hello) = &facts.client_hello else { return false };
    let alpn = hello.alpn.iter().any(|name| name.starts_with("istio"));
    let sni = hello.sni.as_deref().is_some_and(|sni| sni.starts_with("outbound_."));
    let thirteen = facts.server_hello.as_ref().is_some_and(|hello| hello.version >= 0x0304);
    let hbone = thirteen && hello.sni.is_none() && hello.alpn == ["h2"] && flow.server.port == 15008;
    notes.add_if(alpn, hello.frame, Note::Marks(Mark::Alpn));
    notes.add_if(sni && !alpn, hello.frame, Note::Marks(Mark::Sni));
    notes.add_if(hbone, hello.frame, Note::Marks(Mark::Hbone));
    alpn || sni || hbone
}

/// Texts that are kept once; more are kept by their flows.
const MOST_WORDS: usize = 1 << 16;

/// Texts of many flows, each kept once: a mesh says the same few names over and over.
#[derive(Debug, Default)]
pub struct Words {
    texts: HashSet<Arc<str>, RandomState>,
    lists: HashSet<Arc<[String]>, RandomState>,
    /// Room for the notes of the flow that is judged.
    notes: Notes,
}

impl Words {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new = Arc::from(text);
        if self.texts.len() < MOST_WORDS {
            self.texts.insert(Arc::clone(&new));
        }
        new
    }

    fn list(&mut self, list: &[String]) -> Arc<[String]> {
        if let Some(known) = self.lists.get(list) {
            return Arc::clone(known);
        }
        let new = Arc::from(list);
        if self.lists.len() < MOST_WORDS {
            self.lists.insert(Arc::clone(&new));
        }
        new
    }
}

/// The TLS facts that are reported.
fn summary(facts: &Facts, client: Side, words: &mut Words) -> Tls {
    let hello = facts.client_hello.as_ref();
    let answer = facts.server_hello.as_ref();
    let leaf = |chain: &[Arc<crate::pki::Certificate>]| chain.first().and_then(|leaf| leaf.spiffe_id.clone());
    Tls {
        version: answer.map(|hello| hello.version).or(hello.map(|hello| hello.version)),
        cipher: answer.map(|hello| hello.cipher),
        sni: hello.and_then(|hello| hello.sni.as_deref()).map(|sni| words.text(sni)),
        alpn_offered: hello.map(|hello| words.list(&hello.alpn)),
        alpn: answer.and_then(|hello| hello.alpn.as_deref()).map(|alpn| words.text(alpn)),
        client_certificate: facts.client_certificate,
        client_spiffe: leaf(&facts.client_chain).map(|id| words.text(&id)),
        server_spiffe: leaf(&facts.server_chain).map(|id| words.text(&id)),
        resumed: facts.resumed,
        chain: facts.chain,
        alert: facts.alert,
        alert_by_client: facts.alert.is_some_and(|alert| alert.side == client),
        weaknesses: facts.weaknesses.clone(),
    }
}

/// A flow of datagrams or ESP packets.
pub fn judge_datagrams(flow: &mut Flow, votes: &Votes, frame: u64) {
    let (token, both) = (votes.verdict(), votes.both_sides());
    flow.protocol = token;
    let fit = if both { Fit::Both } else { Fit::OneSided };
    let note;
    (flow.verdict, flow.grade, note) = match token {
        _ if flow.transport == Transport::Esp => {
            flow.protocol = Some("ipsec");
            (Verdict::EncryptedOther, Grade::E, Note::Esp)
        }
        _ if flow.bytes == 0 => (Verdict::NoData, Grade::U, Note::NoData),
        Some(token) if signature::encrypted(token) => {
            // One datagram without an answer is a shape and no conversation.
            let shown = both || flow.packets > 1;
            let (verdict, grade) =
                if shown { (Verdict::EncryptedOther, Grade::E) } else { (Verdict::Unknown, Grade::U) };
            (verdict, grade, Note::Encrypted(fit))
        }
        Some(_) => (Verdict::Plaintext, Grade::P, Note::Named(fit)),
        None => (Verdict::Unknown, Grade::U, Note::Unrecognised),
    };
    flow.evidence = Box::new([Evidence { frame, note }]);
    if flow.verdict == Verdict::Plaintext && !votes.unanimous() {
        add(flow, Evidence { frame: 0, note: Note::Others });
    }
}

/// A full mutual handshake that another flow may resume.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The first frame of its flow.
    pub frame: u64,
    grade: Grade,
    chain: Option<bool>,
}

impl Origin {
    /// What a flow proves for those that resume its session.
    #[must_use]
    pub fn of(flow: &Flow) -> Option<Self> {
        let tls = flow.tls.as_ref().filter(|tls| tls.client_certificate != ClientCertificate::Unknown)?;
        let proven = flow.verdict == Verdict::Mtls && flow.grade <= Grade::C;
        (proven && tls.resumed == Some(false)).then_some(Self {
            frame: flow.first_frame,
            grade: flow.grade,
            chain: tls.chain,
        })
    }
}

/// A resumed session whose full handshake was seen. `exact`: the session is named by its id or ticket (up to TLS 1.2),
/// else by its two ends only.
pub fn resumed(flow: &mut Flow, origin: Origin, exact: bool) {
    let fine = matches!((flow.verdict, flow.grade), (Verdict::Tls, Grade::E) | (Verdict::Mtls, Grade::D));
    let doubt = |one: &Evidence| {
        matches!(one.note, Note::Broken | Note::Conflict | Note::CutOff | Note::NullCipher | Note::NotLookedAt)
    };
    let Some(tls) = flow.tls.as_mut().filter(|_| fine && !flow.evidence.iter().any(doubt)) else { return };
    tls.client_certificate = ClientCertificate::Inferred;
    tls.chain = tls.chain.or(origin.chain);
    let ceiling = if exact { Grade::B } else { Grade::C };
    (flow.verdict, flow.grade) = (Verdict::Mtls, origin.grade.max(ceiling));
    add(flow, Evidence { frame: origin.frame, note: Note::ResumedFrom });
}
