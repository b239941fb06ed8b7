//! Sessions as a whole.

mod truth;
mod wire;

use super::*;
use crate::capture::packet::Time;
use wire::{Step, conversations, feed};

const NOW: Time = Time(1_795_000_000_000_000_000);

fn fixture(name: &str) -> Vec<wire::Conversation> {
    let path = format!("{}/testdata/pcap/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
    conversations(&std::fs::read(path).unwrap())
}

const FIXTURES: [&str; 5] =
    ["mtls-tls12", "mtls-tls12-resumed", "fail-expired-client-tls13", "mtls-no-client-cert-tls12", "midstream-mtls"];

/// Conversations that are TLS to the end.
fn tls_of(name: &str) -> Vec<wire::Conversation> {
    let whole = |one: &wire::Conversation| {
        let facts = one.session().0.finish(Ending::default(), NOW, &[]);
        facts.sides.iter().all(|side| side.broken.is_none())
    };
    fixture(name).into_iter().filter(whole).collect()
}

fn finish(steps: &[Step], ending: Ending) -> Facts {
    let mut session = Session::default();
    feed(&mut session, steps);
    session.finish(ending, NOW, &[])
}

/// Records of a chain.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

fn vector16(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, &[&[kind, 0][..], &vector16(body)].concat())
}

/// A ClientHello of TLS 1.3 with some more extensions.
fn client_hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut list = [&[0, 43][..], &vector16(&[2, 3, 4])].concat();
    for (number, body) in extensions {
        list.extend(number.to_be_bytes());
        list.extend(vector16(body));
    }
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &vector16(&list)].concat();
    message(1, &body)
}

/// A ServerHello of TLS 1.3.
fn server_hello(psk: bool) -> Vec<u8> {
    let mut list = [&[0, 43][..], &vector16(&[3, 4])].concat();
    if psk {
        list.extend([0, 41, 0, 2, 0, 0]);
    }
    message(2, &[&[3, 3][..], &[9; 32], &[0, 0x13, 1, 0], &vector16(&list)].concat())
}

fn data(side: usize, bytes: Vec<u8>, frame: u64) -> Step {
    Step::Data(side, bytes, frame)
}

fn sealed(size: usize) -> Vec<u8> {
    record(23, &vec![0x5A; size])
}

/// The beginning of a conversation of TLS 1.3, up to the server's flight.
fn modern() -> Vec<Step> {
    vec![data(0, client_hello(&[]), 1), data(1, server_hello(false), 2), data(1, sealed(1200), 3)]
}

const FINS: Ending = Ending { fin: [true, true], rst: [false, false], first: None };
const SERVER_CLOSES: Ending = Ending { fin: [false, true], rst: [false, false], first: Some(1) };
const CLIENT_CLOSES: Ending = Ending { fin: [true, true], rst: [false, false], first: Some(0) };

#[test]
fn chunks_of_any_size_give_the_same_facts() {
    for name in FIXTURES {
        for conversation in fixture(name) {
            let (steps, ending) = conversation.steps();
            let whole = format!("{:?}", finish(&steps, ending));
            for size in [1, 2, 3, 7, 100] {
                let cut: Vec<Step> = steps
                    .iter()
                    .flat_map(|step| match step {
                        Step::Data(side, bytes, frame) => {
                            bytes.chunks(size).map(|part| data(*side, part.to_vec(), *frame)).collect()
                        }
                        other => vec![other.clone()],
                    })
                    .collect();
                assert_eq!(format!("{:?}", finish(&cut, ending)), whole, "{name} in pieces of {size}");
            }
        }
    }
}

#[test]
fn a_conversation_cut_anywhere_never_shows_more_than_the_whole() {
    for name in FIXTURES {
        for conversation in tls_of(name) {
            let (steps, ending) = conversation.steps();
            let whole = finish(&steps, ending);
            for end in 0..steps.len() {
                let part = finish(&steps[..end], Ending::default());
                assert!(part.sides.iter().all(|side| side.broken.is_none()), "{name} {end}");
                if part.possession.is_some() {
                    assert_eq!(part.possession, whole.possession);
                }
                let known = part.client_certificate != ClientCertificate::Unknown;
                assert!(!known || part.client_certificate == whole.client_certificate, "{name} {end}");
            }
        }
    }
}

#[test]
fn bytes_that_are_missing_anywhere_never_make_a_chain_break_or_a_certificate_appear() {
    for name in FIXTURES {
        for conversation in tls_of(name) {
            let (steps, ending) = conversation.steps();
            let whole = finish(&steps, ending);
            for at in 0..steps.len() {
                for known in [true, false] {
                    let mut with_hole = steps.clone();
                    let Step::Data(side, bytes, _) = &steps[at] else { continue };
                    with_hole[at] = Step::Gap(*side, known.then_some(bytes.len() as u64));
                    let facts = finish(&with_hole, ending);
                    assert!(facts.sides.iter().all(|side| side.broken.is_none()), "{name} {at} {facts:?}");
                    assert!(facts.sides[*side].gaps);
                    let shown = facts.client_certificate;
                    let fits = shown == whole.client_certificate || shown == ClientCertificate::Unknown;
                    assert!(fits, "{name} {at} {shown:?}");
                    assert_ne!(facts.possession, Some(false), "{name} {at}");
                }
            }
        }
    }
}

#[test]
fn hostile_bytes_neither_stop_a_session_nor_fill_memory() {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    for name in FIXTURES {
        for conversation in fixture(name) {
            let (steps, ending) = conversation.steps();
            for _ in 0..60 {
                let mut session = Session::default();
                for step in &steps {
                    match step {
                        Step::Data(side, bytes, frame) => {
                            let mut bytes = bytes.clone();
                            for _ in 0..random(4) {
                                let at = random(bytes.len());
                                bytes[at] = u8::try_from(random(256)).unwrap();
                            }
                            session.push(*side, &bytes, *frame);
                        }
                        Step::Gap(side, bytes) => session.gap(*side, *bytes),
                    }
                    if random(20) == 0 {
                        session.gap(random(2), [None, Some(random(3000) as u64)][random(2)]);
                    }
                    assert!(session.held() < 600_000);
                }
                let _ = session.finish(ending, NOW, &[]);
            }
        }
    }
}

#[test]
fn a_session_is_small_once_its_handshake_is_over() {
    let mut session = Session::default();
    feed(&mut session, &modern());
    feed(&mut session, &[data(0, sealed(1000), 4), data(1, sealed(200), 5)]);
    assert!(session.held() < 700, "{}", session.held());
    let bulk = sealed(16_000).repeat(100);
    assert!(session.push(0, &bulk, 6) && session.push(1, &bulk, 7));
    assert!(session.held() < 700, "{}", session.held());
    for conversation in fixture("mtls-tls12") {
        assert!(conversation.session().0.held() < 1700, "{}", conversation.session().0.held());
    }
}

#[test]
fn plaintext_after_a_handshake_breaks_the_chain_where_it_begins() {
    let mut session = Session::default();
    feed(&mut session, &modern());
    assert!(session.push(0, &sealed(500), 4));
    let before = client_hello(&[]).len() as u64 + 505;
    assert!(!session.push(0, b"GET / HTTP/1.1\r\n", 5));
    assert!(!session.push(0, &[b'x'; 500], 6));
    let facts = session.finish(FINS, NOW, &[]);
    assert_eq!(facts.sides[0].broken, Some((before, 5)));
    assert!(facts.sides[0].broken_with.starts_with(b"GET / HTTP/1.1\r\nxxx"));
    assert_eq!(facts.sides[0].broken_with.len(), 256);
    assert_eq!((facts.sides[0].closed, facts.sides[1].broken), (1, None));
}

#[test]
fn an_alert_of_no_level_is_no_record() {
    let mut session = Session::default();
    session.push(0, &client_hello(&[]), 1);
    assert!(!session.push(1, &[21, 3, 1, 0, 2, 9, 40], 2));
    let facts = session.finish(FINS, NOW, &[]);
    assert_eq!(facts.sides[1].broken, Some((0, 2)));
    assert_eq!(facts.sides[1].broken_with, [21, 3, 1, 0, 2, 9, 40]);
}

#[test]
fn the_servers_next_step_tells_accepted_from_refused() {
    let flight = |more: Vec<Step>, ending: Ending| {
        let mut steps = modern();
        steps.push(data(0, sealed(1000), 4));
        steps.extend(more);
        let facts = finish(&steps, ending);
        assert_eq!(facts.client_certificate, ClientCertificate::Inferred);
        assert_eq!(facts.first_client_record, Some((1000, 4)));
        (facts.outcome, facts.alert)
    };
    let open = Ending::default();
    let refusal = Some(Alert { code: None, side: 1, frame: 6 });
    assert_eq!(flight(vec![], open), (Outcome::Finished, None));
    assert_eq!(flight(vec![data(1, sealed(250), 6)], open), (Outcome::Established, None));
    assert_eq!(flight(vec![data(1, sealed(19), 6)], SERVER_CLOSES), (Outcome::Refused, refusal));
    assert_eq!(flight(vec![data(1, sealed(19), 6)], open), (Outcome::Finished, None), "not closed");
    let request = data(0, sealed(300), 5);
    assert_eq!(flight(vec![request.clone(), data(1, sealed(19), 6)], FINS), (Outcome::Refused, refusal));
    assert_eq!(flight(vec![request, data(1, sealed(900), 6)], FINS), (Outcome::Established, None));
    assert_eq!(flight(vec![], SERVER_CLOSES), (Outcome::Refused, None), "closed without a word");
    let goodbye = data(0, sealed(19), 5);
    assert_eq!(flight(vec![goodbye.clone()], CLIENT_CLOSES), (Outcome::Finished, None));
    assert_eq!(flight(vec![goodbye, data(1, sealed(19), 6)], CLIENT_CLOSES), (Outcome::Finished, None));
    let many: Vec<Step> = (0..9).map(|frame| data(0, sealed(400), 5 + frame)).collect();
    assert_eq!(flight(many, SERVER_CLOSES), (Outcome::Finished, None), "a close long after is no refusal");
    // The server's own flight, captured before the client's and put in order after it, is no answer.
    assert_eq!(flight(vec![data(1, sealed(900), 3)], open), (Outcome::Finished, None));
}

/// The same, as if one file for each direction were read, that of side `first` before the other.
fn apart(steps: &[Step], ending: Ending, first: usize) -> (Vec<Step>, Ending) {
    let of = |side: usize| {
        steps.iter().filter(move |step| matches!(step, Step::Data(of, ..) | Step::Gap(of, _) if *of == side))
    };
    let mut apart: Vec<Step> = of(first).chain(of(1 - first)).cloned().collect();
    for (at, step) in apart.iter_mut().enumerate() {
        if let Step::Data(_, _, frame) = step {
            *frame = at as u64 + 1;
        }
    }
    let closed = |side: usize| ending.fin[side] || ending.rst[side];
    let first = [first, 1 - first].into_iter().find(|side| closed(*side));
    (apart, Ending { first, ..ending })
}

#[test]
fn directions_read_one_after_the_other_tell_neither_accepted_from_refused() {
    for name in FIXTURES {
        for conversation in tls_of(name) {
            let (steps, ending) = conversation.steps();
            let whole = finish(&steps, ending);
            let modern = whole.server_hello.as_ref().is_some_and(|hello| hello.version >= 0x0304);
            for first in [0, 1] {
                let (steps, ending) = apart(&steps, ending, first);
                let facts = finish(&steps, ending);
                let pair = (whole.outcome, facts.outcome);
                assert_ne!(pair, (Outcome::Refused, Outcome::Established), "{name} {first}");
                assert_ne!(pair, (Outcome::Established, Outcome::Refused), "{name} {first}");
                if modern && whole.sides[0].bytes > 1000 {
                    assert_eq!(facts.outcome, Outcome::Finished, "{name} {first}");
                }
                assert_eq!(
                    facts.client_hello.map(|hello| hello.sni),
                    whole.client_hello.as_ref().map(|hello| hello.sni.clone())
                );
            }
        }
    }
    let mut refused = modern();
    refused.extend([data(0, sealed(900), 4), data(1, sealed(19), 5)]);
    let mut accepted = modern();
    accepted.extend([data(0, sealed(900), 4), data(0, sealed(300), 5), data(1, sealed(800), 6)]);
    for (steps, expected) in [(refused, Outcome::Refused), (accepted, Outcome::Established)] {
        for ending in [FINS, SERVER_CLOSES, CLIENT_CLOSES] {
            assert_eq!(finish(&steps, ending).outcome, expected);
            for first in [0, 1] {
                let (steps, ending) = apart(&steps, ending, first);
                let facts = finish(&steps, ending);
                let told = (facts.outcome, facts.client_certificate);
                assert_eq!(told, (Outcome::Finished, ClientCertificate::Inferred), "{first}");
            }
        }
    }
}

#[test]
fn zero_rtt_data_read_before_the_answer_is_no_refusal() {
    let steps = vec![
        data(0, client_hello(&[(42, &[]), (41, &[0, 0])]), 1),
        data(1, server_hello(true), 2),
        data(1, sealed(120), 3),
        data(0, sealed(21), 4),
        data(0, sealed(53), 5),
        data(1, sealed(300), 6),
    ];
    assert_eq!(finish(&steps, FINS).outcome, Outcome::Established);
    for first in [0, 1] {
        let (steps, ending) = apart(&steps, FINS, first);
        assert_eq!(finish(&steps, ending).outcome, Outcome::Finished);
    }
}

#[test]
fn the_servers_flight_captured_late_is_no_answer() {
    let outcome = |server: &[(usize, u64)]| {
        let mut steps = vec![data(0, client_hello(&[]), 1), data(1, server_hello(false), 2), data(0, sealed(900), 10)];
        steps.extend(server.iter().map(|(size, frame)| data(1, sealed(*size), *frame)));
        finish(&steps, FINS).outcome
    };
    assert_eq!(outcome(&[(1200, 3), (19, 11)]), Outcome::Refused);
    assert_eq!(outcome(&[(1200, 11), (19, 12)]), Outcome::Finished);
    assert_eq!(outcome(&[(40, 3), (1200, 11), (53, 12), (19, 13)]), Outcome::Finished);
    assert_eq!(outcome(&[(40, 3), (1200, 4), (53, 5), (300, 13)]), Outcome::Established);
}

#[test]
fn a_client_that_objects_sends_19_bytes_instead_of_its_flight() {
    let mut steps = modern();
    steps.push(data(0, sealed(19), 4));
    let facts = finish(&steps, CLIENT_CLOSES);
    assert_eq!(facts.outcome, Outcome::Refused);
    assert_eq!(facts.alert, Some(Alert { code: None, side: 0, frame: 4 }));
    assert_eq!(facts.client_certificate, ClientCertificate::Unknown);
}

#[test]
fn a_client_hello_is_answered_refused_or_not() {
    let hello = || vec![data(0, client_hello(&[]), 1)];
    let outcome = |steps: &[Step], ending| finish(steps, ending).outcome;
    let reset = Ending { fin: [false; 2], rst: [false, true], first: Some(1) };
    assert_eq!(outcome(&hello(), Ending::default()), Outcome::Unanswered);
    assert_eq!(outcome(&hello(), reset), Outcome::Refused);
    assert_eq!(outcome(&hello(), CLIENT_CLOSES), Outcome::Unanswered, "the client gave up");
    assert_eq!(outcome(&modern(), Ending::default()), Outcome::Incomplete);
    assert_eq!(outcome(&modern(), reset), Outcome::Refused);
    let mut warned = hello();
    warned.push(data(1, vec![21, 3, 3, 0, 2, 1, 112], 2));
    assert_eq!(outcome(&warned, Ending::default()), Outcome::Incomplete);
    warned.extend(modern().split_off(1));
    warned.extend([data(0, sealed(53), 4), data(1, sealed(99), 5)]);
    let facts = finish(&warned, FINS);
    assert_eq!((facts.outcome, facts.alert), (Outcome::Established, None), "a warning ends nothing");
    let mut fatal = hello();
    fatal.push(data(1, vec![21, 3, 1, 0, 2, 2, 40], 2));
    let facts = finish(&fatal, FINS);
    assert_eq!((facts.outcome, facts.alert), (Outcome::Refused, Some(Alert { code: Some(40), side: 1, frame: 2 })));
    // Eight bytes of a hello are an attempt.
    assert_eq!(outcome(&[data(0, vec![22, 3, 1, 2, 0, 1, 0, 1], 1)], CLIENT_CLOSES), Outcome::Unanswered);
    assert_eq!(outcome(&[data(0, vec![22], 1)], CLIENT_CLOSES), Outcome::MidStream);
}

#[test]
fn early_data_psk_and_missing_answers_show_no_certificate() {
    let certificate = |hello: Vec<u8>, answer: Option<Vec<u8>>, records: &[usize]| {
        let mut steps = vec![data(0, hello, 1)];
        steps.extend(answer.map(|bytes| data(1, bytes, 2)));
        steps.push(data(1, sealed(800), 3));
        steps.extend(records.iter().map(|size| data(0, sealed(*size), 4)));
        steps.push(data(1, sealed(300), 5));
        let facts = finish(&steps, FINS);
        (facts.client_certificate, facts.resumed, facts.first_client_record.map(|(size, _)| size))
    };
    let unknown = ClientCertificate::Unknown;
    let early = (42, &[][..]);
    let psk = (41, &[0, 0][..]);
    let none = certificate(client_hello(&[]), None, &[1000]);
    assert_eq!(none, (unknown, None, None), "without a ServerHello");
    let resumed = certificate(client_hello(&[psk]), Some(server_hello(true)), &[53]);
    assert_eq!(resumed, (unknown, Some(true), Some(53)));
    let accepted = certificate(client_hello(&[early, psk]), Some(server_hello(true)), &[900, 300, 21, 53]);
    assert_eq!(accepted, (unknown, Some(true), Some(53)), "the record after EndOfEarlyData");
    let refused = certificate(client_hello(&[early, psk]), Some(server_hello(false)), &[900, 53]);
    assert_eq!(refused, (unknown, Some(false), None), "0-RTT data may look like a certificate");
    let full = certificate(client_hello(&[psk]), Some(server_hello(false)), &[1000]);
    assert_eq!(full, (ClientCertificate::Inferred, Some(false), Some(1000)));
    let settings = certificate(client_hello(&[(17513, &[])]), Some(server_hello(false)), &[63]);
    assert_eq!(settings.0, unknown);
}

#[test]
fn a_flight_behind_missing_bytes_shows_no_certificate() {
    let mut steps = modern();
    steps.push(Step::Gap(0, Some(60)));
    steps.extend([data(0, sealed(1000), 4), data(0, sealed(40), 4), data(0, sealed(50), 4), data(1, sealed(300), 5)]);
    let facts = finish(&steps, FINS);
    assert_eq!(facts.client_certificate, ClientCertificate::Unknown);
    assert_eq!(facts.outcome, Outcome::Finished);
    assert!(facts.sides[0].gaps && !facts.sides[0].lost && facts.sides[0].closed == 3, "{facts:?}");
    // Missing bytes within a record whose header was seen hide nothing.
    let mut steps = modern();
    let flight = sealed(1000);
    steps.extend([data(0, flight[..200].to_vec(), 4), Step::Gap(0, Some(805)), data(1, sealed(300), 5)]);
    assert_eq!(finish(&steps, FINS).client_certificate, ClientCertificate::Inferred);
}

#[test]
fn a_place_that_is_not_found_again_breaks_nothing() {
    let mut session = Session::default();
    feed(&mut session, &modern());
    session.gap(0, None);
    let noise = [0x55; 1000];
    for frame in 0..40 {
        assert!(session.push(0, &noise, 10 + frame));
        assert!(session.held() < 48_000);
    }
    let facts = session.finish(FINS, NOW, &[]);
    assert!(facts.sides[0].lost && facts.sides[0].broken.is_none());
    assert_eq!((facts.sides[0].unseen, facts.sides[1].unseen), (40_000, 0));
}

#[test]
fn bytes_that_were_not_looked_at_are_counted() {
    let unseen = |more: &[Step]| {
        let mut steps = modern();
        steps.push(data(0, sealed(1000)[..505].to_vec(), 4));
        steps.extend_from_slice(more);
        let facts = finish(&steps, FINS);
        (facts.sides[0].unseen, facts.sides[0].lost, facts.sides[0].broken.map(|(offset, _)| offset))
    };
    let gap = |bytes| Step::Gap(0, bytes);
    let noise = |count: usize| data(0, vec![0x55; count], 5);
    let chain = || data(0, sealed(90).repeat(3), 6);
    assert_eq!(unseen(&[gap(Some(500))]), (0, false, None), "the rest of a record");
    assert_eq!(unseen(&[gap(Some(700)), noise(80)]), (280, true, None));
    assert_eq!(unseen(&[gap(Some(700)), noise(80), gap(Some(30)), noise(20)]), (330, true, None));
    assert_eq!(unseen(&[gap(None), noise(80)]), (80, true, None));
    assert_eq!(unseen(&[gap(Some(700)), noise(30_000), noise(5), gap(Some(7))]), (30_212, true, None));
    assert_eq!(unseen(&[gap(Some(700)), noise(80), chain()]), (280, false, None));
    let before = client_hello(&[]).len() as u64 + 505 + 700 + 80 + 3 * 95;
    assert_eq!(unseen(&[gap(Some(700)), noise(80), chain(), noise(9)]), (280, false, Some(before)));
}

#[test]
fn records_in_mid_stream_are_counted_when_they_close() {
    let closed = |bytes: &[u8]| finish(&[data(0, bytes.to_vec(), 1)], FINS).sides[0].closed;
    assert_eq!(closed(&sealed(40)), 1);
    assert_eq!(closed(&[sealed(40), sealed(50)].concat()), 2);
    assert_eq!(closed(&sealed(40)[..44]), 0, "a lone record that does not close is no evidence");
    assert_eq!(closed(&[sealed(40), vec![23]].concat()), 0);
    let facts = finish(&[data(0, record(21, &[0x77; 26]), 1)], FINS);
    assert_eq!((facts.outcome, facts.client, facts.sides[0].closed), (Outcome::MidStream, None, 1));
    // Encrypted handshake records, the beginning of which the capture lacks, name nobody.
    for first in [1, 2, 20] {
        let facts = finish(&[data(0, record(22, &[first, 0x81, 7, 9, 4, 4, 1, 1]), 1)], FINS);
        assert_eq!((facts.outcome, facts.client), (Outcome::MidStream, None));
    }
}

#[test]
fn the_first_six_bytes_of_a_client_hello_are_enough() {
    let hello = client_hello(&[]);
    for end in 0..6 {
        assert_eq!(probe(&hello[..end]), Probe::More, "{end}");
    }
    assert_eq!(probe(&hello[..6]), Probe::ClientHello);
    assert_eq!(probe(&hello), Probe::ClientHello);
    assert_eq!(probe(&server_hello(false)), Probe::Record);
    assert_eq!(probe(&[23, 3, 3, 0, 40]), Probe::Record);
    assert_eq!(probe(&[0x80, 0x2E, 1, 3, 1]), Probe::ClientHello);
    assert_eq!(probe(&[0x80, 0x2E, 1]), Probe::More);
    assert_eq!(probe(b"GET /"), Probe::No);
    assert_eq!(probe(b"G"), Probe::No);
    assert_eq!(probe(&[22, 3, 1, 0xFF, 0xFF, 1]), Probe::No);
    assert_eq!(probe(&[22, 3, 1, 2, 0, 1, 9]), Probe::Record);
}

#[test]
fn a_hello_in_the_frame_of_ssl_2_is_read() {
    let body = [&[1, 3, 1, 0, 6, 0, 0, 0, 16][..], &[0, 0, 0x2F, 0, 0, 0xFF], &[8; 16]].concat();
    let bytes = [&[0x80, u8::try_from(body.len()).unwrap()][..], &body].concat();
    for size in [1, bytes.len()] {
        let steps: Vec<Step> = bytes.chunks(size).map(|part| data(0, part.to_vec(), 1)).collect();
        let facts = finish(&steps, Ending::default());
        assert_eq!((facts.outcome, facts.client), (Outcome::Unanswered, Some(0)));
        assert_eq!(facts.client_hello.unwrap().version, 0x0301);
        assert_eq!((facts.sides[0].closed, facts.sides[0].broken), (1, None));
    }
}

#[test]
fn sessions_are_linked_by_what_was_handed_out() {
    let facts: Vec<Facts> = fixture("mtls-tls12-resumed")
        .iter()
        .map(|one| {
            let (session, ending) = one.session();
            session.finish(ending, NOW, &[])
        })
        .collect();
    assert_eq!(facts.iter().map(|one| one.resumed).collect::<Vec<_>>(), [Some(false), Some(true), Some(true)]);
    for later in &facts[1..] {
        assert_eq!(later.client_certificate, ClientCertificate::Unknown);
        assert!(later.sessions_offered.iter().any(|one| facts[0].sessions_issued.contains(one)));
    }
}

#[test]
fn a_signature_that_does_not_fit_is_seen() {
    let conversation = fixture("mtls-tls12").remove(0);
    let (mut steps, ending) = conversation.steps();
    let facts = finish(&steps, ending);
    assert_eq!((facts.possession, facts.outcome), (Some(true), Outcome::Established));
    assert_eq!(facts.client_certificate, ClientCertificate::Seen);
    assert!(facts.weaknesses.contains(&Weakness::CertificateNotValid), "long after");
    // One bit of the server's random: the client's signature covers it.
    let server = steps.iter_mut().find_map(|step| match step {
        Step::Data(1, bytes, _) => Some(bytes),
        _ => None,
    });
    server.unwrap()[20] ^= 1;
    let facts = finish(&steps, ending);
    assert_eq!(facts.possession, Some(false));
    assert!(facts.weaknesses.contains(&Weakness::PossessionFailed));
}

/// Steps with what a side sends in one go in one piece.
fn merged(steps: &[Step]) -> Vec<Step> {
    let mut merged: Vec<Step> = Vec::new();
    for step in steps {
        match (merged.last_mut(), step) {
            (Some(Step::Data(of, bytes, _)), Step::Data(side, more, _)) if of == side => bytes.extend(more),
            _ => merged.push(step.clone()),
        }
    }
    merged
}

/// Where a side's handshake message of a kind is: step, offset, length with its header.
fn find_message(steps: &[Step], side: usize, kind: u8) -> (usize, usize, usize) {
    for (index, step) in steps.iter().enumerate() {
        let Step::Data(of, bytes, _) = step else { continue };
        let mut at = 0;
        while *of == side && bytes.get(at) == Some(&22) {
            let end = at + 5 + usize::from(u16::from_be_bytes([bytes[at + 3], bytes[at + 4]]));
            at += 5;
            while at < end {
                let length = 4 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
                if bytes[at] == kind {
                    return (index, at, length);
                }
                at += length;
            }
        }
    }
    panic!("no message {kind}");
}

#[test]
fn a_certificate_is_seen_only_with_request_and_proof() {
    let conversation = fixture("mtls-tls12").remove(0);
    let (steps, ending) = conversation.steps();
    let steps = merged(&steps);
    let told = |steps: &[Step]| {
        let facts = finish(steps, ending);
        assert!(matches!(facts.outcome, Outcome::Established | Outcome::Finished));
        (facts.client_certificate, facts.certificate_verify, facts.possession, facts.client_chain.is_empty())
    };
    assert_eq!(told(&steps), (ClientCertificate::Seen, true, Some(true), false));
    // The kinds 13 and 15 are renamed to one that does not exist: no request, no proof.
    for (side, kind, verify) in [(1, 13, true), (0, 15, false)] {
        let mut steps = steps.clone();
        let (index, at, length) = find_message(&steps, side, kind);
        let Step::Data(_, bytes, _) = &mut steps[index] else { panic!() };
        bytes[at] = 99;
        assert_eq!(told(&steps), (ClientCertificate::Unknown, verify, None, true), "{kind} is not there");
        // The same bytes missing from the capture.
        let Step::Data(_, bytes, frame) = &steps[index] else { panic!() };
        let (head, tail) = (bytes[..at + 4].to_vec(), bytes[at + length..].to_vec());
        let frame = *frame;
        let hole = Step::Gap(side, Some(length as u64 - 4));
        steps.splice(index..=index, [data(side, head, frame), hole, data(side, tail, frame)]);
        let (certificate, _, possession, hidden) = told(&steps);
        assert_eq!((certificate, possession, hidden), (ClientCertificate::Unknown, None, true), "{kind} was cut");
    }
}

#[test]
fn both_chains_build_to_the_mesh_ca_or_the_chain_fails() {
    let conversation = fixture("mtls-tls12").remove(0);
    let judged = |at: Time, roots: &[Certificate]| {
        let (session, ending) = conversation.session();
        session.finish(ending, at, roots)
    };
    let then = Time(conversation.seconds * 1_000_000_000);
    let facts = judged(then, &[]);
    assert_eq!((facts.chain, &*facts.weaknesses), (None, &[][..]));
    let root = Certificate::read(&facts.server_chain.last().unwrap().der).unwrap();
    assert!(root.is_ca);
    let roots = [root];
    assert_eq!(judged(then, &roots).chain, Some(true));
    let later = judged(NOW, &roots);
    assert_eq!(later.chain, Some(false));
    assert_eq!(later.weaknesses, [Weakness::CertificateNotValid, Weakness::ChainFailed]);
    let stranger = std::fs::read(format!("{}/testdata/pki/stranger.pem", env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert_eq!(judged(then, &Certificate::read_pem(&stranger).unwrap()).chain, Some(false));
}
