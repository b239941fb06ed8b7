//! Captures made packet by packet: what the flow table, the ordering and the verdicts make of them.

use meshctl::capture::flow::{Capture, Failure, Flow, Grade, Leg, Verdict};
use meshctl::capture::{Options, Verifier};

const SYN: u8 = 2;
const ACK: u8 = 16;
const FIN: u8 = 1;
const RST: u8 = 4;

/// A TCP connection's end as a test names it: address and port.
type End = ([u8; 4], u16);
const CLIENT: End = ([10, 0, 0, 1], 40000);
const SERVER: End = ([10, 0, 0, 2], 9080);

/// A capture in the making (pcap, or SLL2 with an interface index per frame).
struct Wire {
    bytes: Vec<u8>,
    sll2: bool,
    seconds: u32,
    micros: u32,
    ports: u16,
}

impl Wire {
    fn new(link: u32) -> Self {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
        bytes.extend(link.to_le_bytes());
        Self { bytes, sll2: link == 276, seconds: 1_700_000_000, micros: 0, ports: 0 }
    }

    /// A frame on an interface; 1 is the loopback of SLL2 captures.
    fn frame(&mut self, interface: u32, ip: &[u8]) {
        let mut frame = if self.sll2 {
            let mut head = vec![8, 0, 0, 0];
            head.extend(interface.to_be_bytes());
            head.extend(if interface == 1 { [0x03, 0x04] } else { [0, 1] });
            head.extend([0, 6, 2, 2, 2, 2, 2, 2, 0, 0]);
            head
        } else {
            vec![2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 0]
        };
        frame.extend(ip);
        self.micros += 100;
        self.bytes.extend(self.seconds.to_le_bytes());
        self.bytes.extend(self.micros.to_le_bytes());
        let len = u32::try_from(frame.len()).unwrap().to_le_bytes();
        self.bytes.extend([len, len].concat());
        self.bytes.extend(frame);
    }

    fn tcp(&mut self, from: End, to: End, (seq, ack): (u32, u32), flags: u8, data: &[u8]) {
        let ip = tcp(from, to, (seq, ack), flags, data, u16::try_from(self.micros % 60_000).unwrap());
        self.frame(2, &ip);
    }

    /// The three packets of an opening: initial sequence numbers 1000 and 5000.
    fn open(&mut self, client: End, server: End) {
        self.tcp(client, server, (1000, 0), SYN, b"");
        self.tcp(server, client, (5000, 1001), SYN | ACK, b"");
        self.tcp(client, server, (1001, 5001), ACK, b"");
    }

    /// A conversation: who speaks (0 the client) and what, after the opening.
    fn talk(&mut self, words: &[(usize, &[u8])]) -> [u32; 2] {
        let mut next = [1001, 5001];
        let client = self.client();
        for (side, data) in words {
            let (from, to) = if *side == 0 { (client, SERVER) } else { (SERVER, client) };
            self.tcp(from, to, (next[*side], next[1 - side]), ACK, data);
            next[*side] += u32::try_from(data.len()).unwrap();
        }
        next
    }

    /// The client, of a port of its own for each connection.
    fn client(&self) -> End {
        (CLIENT.0, CLIENT.1 + self.ports)
    }

    fn read(&self) -> Capture {
        let mut verifier = Verifier::new(Options::default());
        verifier.file("made", &self.bytes[..], &mut || {});
        verifier.finish(false)
    }

    #[track_caller]
    fn flow(&self) -> Flow {
        let flows = self.read().flows;
        assert_eq!(flows.len(), 1, "{flows:#?}");
        flows.into_iter().next().unwrap()
    }
}

fn tcp(from: End, to: End, (seq, ack): (u32, u32), flags: u8, data: &[u8], id: u16) -> Vec<u8> {
    let total = u16::try_from(40 + data.len()).unwrap();
    let mut ip = vec![0x45, 0];
    ip.extend(total.to_be_bytes());
    ip.extend(id.to_be_bytes());
    ip.extend([0x40, 0, 64, 6, 0, 0]);
    ip.extend(from.0);
    ip.extend(to.0);
    ip.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    ip.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    ip.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    ip.extend(data);
    ip
}

const GET: &[u8] = b"GET /details/0 HTTP/1.1\r\nHost: details:9080\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A record of TLS 1.2 or 1.3.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record
}

/// A handshake record with one message.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0];
    message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    message.extend(body);
    record(22, &message)
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut extension = kind.to_be_bytes().to_vec();
    extension.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    extension.extend(body);
    extension
}

/// ClientHello of TLS 1.3 with ALPN `istio`.
fn client_hello() -> Vec<u8> {
    let extensions = [
        extension(43, &[2, 3, 4]),
        extension(16, b"\x00\x06\x05istio"),
        extension(51, &[0, 0]),
        extension(10, &[0, 2, 0, 29]),
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 2, 0x13, 1, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    message(1, &body)
}

/// ServerHello of TLS 1.3 with TLS_AES_128_GCM_SHA256.
fn server_hello() -> Vec<u8> {
    server_hello_with(&[])
}

/// The same with one more extension.
fn server_hello_with(more: &[u8]) -> Vec<u8> {
    let extensions = [&extension(43, &[3, 4])[..], &extension(51, &[0, 29, 0, 2, 9, 9]), more].concat();
    let mut body = vec![3, 3];
    body.extend([8; 32]);
    body.extend([0, 0x13, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    message(2, &body)
}

/// A finished handshake of TLS 1.3: the client's first encrypted record has `flight` bytes.
fn handshake(flight: usize) -> Vec<(usize, Vec<u8>)> {
    vec![
        (0, client_hello()),
        (1, [server_hello(), record(20, &[1]), record(23, &vec![5; 900])].concat()),
        (0, [record(20, &[1]), record(23, &vec![6; flight])].concat()),
        (1, record(23, &[7; 250])),
        (0, record(23, &[8; 90])),
        (1, record(23, &[9; 90])),
    ]
}

fn said(words: &[(usize, Vec<u8>)]) -> Vec<(usize, &[u8])> {
    words.iter().map(|(side, data)| (*side, &data[..])).collect()
}

#[test]
fn the_first_encrypted_record_tells_mutual_from_one_way() {
    for (flight, verdict, grade) in
        [(1021, Verdict::Mtls, Grade::CPlus), (53, Verdict::Tls, Grade::E), (61, Verdict::Tls, Grade::E)]
    {
        let mut wire = Wire::new(1);
        wire.open(CLIENT, SERVER);
        wire.talk(&said(&handshake(flight)));
        let flow = wire.flow();
        assert_eq!((flow.verdict, flow.grade), (verdict, grade), "{flight}: {flow:#?}");
        assert_eq!(flow.client.to_string(), "10.0.0.1:40000");
    }
}

#[test]
fn plaintext_after_a_handshake_is_caught() {
    let mut words = handshake(1021);
    words.extend([(0, GET.to_vec()), (1, OK.to_vec())]);
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    wire.talk(&said(&words));
    assert_eq!(wire.flow().verdict, Verdict::Mixed);
}

#[test]
fn tls_amid_plaintext_that_did_not_ask_for_it_is_mixed() {
    let mut words = vec![(0, GET.to_vec()), (1, OK.to_vec())];
    words.extend(handshake(1021));
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    wire.talk(&said(&words));
    assert_eq!(wire.flow().verdict, Verdict::Mixed);
}

#[test]
fn a_plaintext_request_that_is_reset_has_leaked() {
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let next = wire.talk(&[(0, GET)]);
    wire.tcp(SERVER, CLIENT, (next[1], next[0]), RST | ACK, b"");
    let flow = wire.flow();
    assert_eq!(
        (flow.verdict, flow.protocol, flow.failure),
        (Verdict::Plaintext, Some("http"), Some(Failure::RefusedPlaintext))
    );
}

#[test]
fn one_byte_at_a_time_in_any_order_is_the_same_conversation() {
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let mut order: Vec<usize> = (0..GET.len()).collect();
    for block in order.chunks_mut(7) {
        block.reverse();
    }
    for at in order {
        wire.tcp(CLIENT, SERVER, (1001 + u32::try_from(at).unwrap(), 5001), ACK, &GET[at..=at]);
    }
    for (at, byte) in OK.iter().enumerate() {
        wire.tcp(SERVER, CLIENT, (5001 + u32::try_from(at).unwrap(), 1001), ACK, &[*byte]);
    }
    let flow = wire.flow();
    assert_eq!((flow.verdict, flow.protocol), (Verdict::Plaintext, Some("http")));
}

#[test]
fn plaintext_on_the_ports_of_a_closed_tls_connection_is_a_flow_of_its_own() {
    for syn in [true, false] {
        let mut wire = Wire::new(1);
        wire.open(CLIENT, SERVER);
        let next = wire.talk(&said(&handshake(1021)));
        wire.tcp(CLIENT, SERVER, (next[0], next[1]), FIN | ACK, b"");
        wire.tcp(SERVER, CLIENT, (next[1], next[0] + 1), FIN | ACK, b"");
        wire.micros += 900_000;
        let far = 2_000_000_000;
        if syn {
            wire.tcp(CLIENT, SERVER, (far - 1, 0), SYN, b"");
        }
        wire.tcp(CLIENT, SERVER, (far, 9), ACK, GET);
        wire.tcp(SERVER, CLIENT, (9, far), ACK, OK);
        let verdicts: Vec<_> = wire.read().flows.iter().map(|flow| flow.verdict).collect();
        assert_eq!(verdicts, [Verdict::Mtls, Verdict::Plaintext], "SYN seen: {syn}");
    }
}

#[test]
fn a_packet_on_two_interfaces_counts_once_and_loopback_stays_apart() {
    let mut wire = Wire::new(276);
    let packets = [
        tcp(CLIENT, SERVER, (1000, 0), SYN, b"", 1),
        tcp(SERVER, CLIENT, (5000, 1001), SYN | ACK, b"", 2),
        tcp(CLIENT, SERVER, (1001, 5001), ACK, GET, 3),
        tcp(SERVER, CLIENT, (5001, 1001 + 60), ACK, OK, 4),
    ];
    for packet in &packets {
        for interface in [2, 3, 4] {
            wire.frame(interface, packet);
        }
    }
    wire.frame(1, &packets[2]);
    let capture = wire.read();
    let shown: Vec<_> = capture.flows.iter().map(|flow| (flow.packets, flow.bytes)).collect();
    let (get, ok) = (GET.len() as u64, OK.len() as u64);
    assert_eq!(shown, [(4, get + ok), (1, get)], "{capture:#?}");
}

#[test]
fn half_flows_on_loopback_are_joined() {
    let (app, sidecar) = (([10, 9, 0, 2], 53414), ([127, 0, 0, 1], 15001));
    let wanted = ([10, 9, 0, 7], 9080);
    let mut wire = Wire::new(276);
    let packets = [
        tcp(app, sidecar, (1000, 0), SYN, b"", 1),
        tcp(wanted, app, (5000, 1001), SYN | ACK, b"", 2),
        tcp(app, sidecar, (1001, 5001), ACK, GET, 3),
        tcp(wanted, app, (5001, 1001 + u32::try_from(GET.len()).unwrap()), ACK, OK, 4),
    ];
    for packet in &packets {
        wire.frame(1, packet);
    }
    let flow = wire.flow();
    assert_eq!((flow.client.to_string(), flow.server.to_string()), ("10.9.0.2:53414".into(), "127.0.0.1:15001".into()));
    assert_eq!(flow.original_destination().map(|end| end.to_string()), Some("10.9.0.7:9080".into()));
    assert_eq!((flow.leg, flow.packets), (Some(Leg::AppToSidecar), 4));
}

#[test]
fn connections_without_data_are_neither_green_nor_red() {
    let mut wire = Wire::new(1);
    wire.tcp(CLIENT, SERVER, (1000, 0), SYN, b"");
    wire.tcp(CLIENT, SERVER, (1000, 0), SYN, b"");
    wire.tcp(SERVER, CLIENT, (0, 1001), RST | ACK, b"");
    assert_eq!(wire.flow().verdict, Verdict::NoData);
}

#[test]
fn six_bytes_of_a_hello_are_a_try_and_five_are_nothing() {
    for (bytes, verdict) in [(5, Verdict::Unknown), (6, Verdict::FailedHandshake), (40, Verdict::FailedHandshake)] {
        let mut wire = Wire::new(1);
        wire.open(CLIENT, SERVER);
        let next = wire.talk(&[(0, &client_hello()[..bytes])]);
        wire.tcp(CLIENT, SERVER, (next[0], next[1]), FIN | ACK, b"");
        assert_eq!(wire.flow().verdict, verdict, "{bytes}");
    }
}

#[test]
fn a_hello_answered_in_clear_or_by_a_reset_has_failed() {
    let hello = client_hello();
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    wire.talk(&[(0, &hello), (1, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")]);
    let flow = wire.flow();
    assert_eq!((flow.verdict, flow.failure), (Verdict::FailedHandshake, Some(Failure::TlsToPlaintextServer)));
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let next = wire.talk(&[(0, &hello)]);
    wire.tcp(SERVER, CLIENT, (next[1], next[0]), RST | ACK, b"");
    let flow = wire.flow();
    assert_eq!((flow.verdict, flow.failure), (Verdict::FailedHandshake, Some(Failure::HandshakeRefused)));
}

#[test]
fn bytes_that_came_twice_and_differ_cost_a_grade() {
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let words = handshake(1021);
    let mut other = words[0].1.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    // The same bytes wait twice before what comes before them.
    wire.tcp(CLIENT, SERVER, (1011, 5001), ACK, &words[0].1[10..]);
    wire.tcp(CLIENT, SERVER, (1011, 5001), ACK, &other[10..]);
    wire.tcp(CLIENT, SERVER, (1001, 5001), ACK, &words[0].1[..10]);
    let mut next = [1001 + u32::try_from(words[0].1.len()).unwrap(), 5001];
    for (side, data) in &words[1..] {
        let (from, to) = if *side == 0 { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        wire.tcp(from, to, (next[*side], next[1 - side]), ACK, data);
        next[*side] += u32::try_from(data.len()).unwrap();
    }
    let flow = wire.flow();
    assert_eq!((flow.verdict, flow.grade), (Verdict::Mtls, Grade::C));
}

#[test]
fn random_bytes_are_never_encrypted() {
    let mut seed = 9_u64;
    let mut random = || {
        (0..400)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 56) as u8
            })
            .collect::<Vec<u8>>()
    };
    for _ in 0..300 {
        let mut wire = Wire::new(1);
        wire.open(CLIENT, SERVER);
        wire.talk(&[(0, &random()), (1, &random()), (0, &random())]);
        assert_eq!(wire.flow().verdict, Verdict::Unknown);
    }
}

#[test]
fn a_loss_amid_a_record_is_harmless_and_one_that_hides_the_flight_is_not_mutual() {
    let words = handshake(1021);
    for (lost, verdict) in [(5, Verdict::Mtls), (2, Verdict::Tls)] {
        let mut wire = Wire::new(1);
        wire.open(CLIENT, SERVER);
        let mut next = [1001, 5001];
        for (at, (side, data)) in words.iter().enumerate() {
            let (from, to) = if *side == 0 { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
            if at != lost {
                wire.tcp(from, to, (next[*side], next[1 - side]), ACK, data);
            }
            next[*side] += u32::try_from(data.len()).unwrap();
        }
        let flow = wire.flow();
        let green = flow.verdict == Verdict::Mtls && flow.grade <= Grade::C;
        assert_eq!(green, verdict == Verdict::Mtls, "packet {lost} lost: {flow:#?}");
    }
}

#[test]
fn data_that_the_snap_length_cut_off_is_unknown_and_not_absent() {
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    wire.tcp(CLIENT, SERVER, (1001, 5001), ACK, GET);
    // The last frame keeps its headers only.
    let cut = wire.bytes.len() - GET.len();
    let captured = u32::try_from(14 + 40).unwrap().to_le_bytes();
    let head = wire.bytes.len() - GET.len() - 54 - 8;
    wire.bytes[head..head + 4].copy_from_slice(&captured);
    wire.bytes.truncate(cut);
    assert_eq!(wire.flow().verdict, Verdict::Unknown);
}

#[test]
fn a_resumed_session_that_turns_to_plaintext_is_mixed_whatever_it_resumes() {
    // With a PSK the server's hello says so, and the client sends its Finished alone.
    let psk = [server_hello_with(&extension(41, &[0, 0])), record(20, &[1]), record(23, &[5; 200])].concat();
    let mut words = vec![(0, client_hello()), (1, psk), (0, [record(20, &[1]), record(23, &[6; 53])].concat())];
    words.extend([(1, record(23, &[7; 250])), (0, record(23, &[8; 90])), (1, record(23, &[9; 90]))]);
    for (tail, verdict) in [(vec![], Verdict::Mtls), (vec![(0, GET.to_vec()), (1, OK.to_vec())], Verdict::Mixed)] {
        let mut wire = Wire::new(1);
        wire.open(CLIENT, SERVER);
        wire.talk(&said(&handshake(1021)));
        wire.ports += 1;
        wire.open(wire.client(), SERVER);
        wire.talk(&said(&[words.clone(), tail].concat()));
        let flows = wire.read().flows;
        assert_eq!((flows[0].verdict, flows[1].verdict), (Verdict::Mtls, verdict), "{flows:#?}");
        assert!(flows[1].grade >= Grade::C);
    }
}

#[test]
fn new_data_that_looks_old_is_not_swallowed() {
    for (jump, minutes) in [(1_u32 << 29, 0), (3 << 30, 0), (3 << 30, 10), (0, 10)] {
        let mut wire = Wire::new(1);
        wire.open(CLIENT, SERVER);
        let next = wire.talk(&said(&handshake(1021)));
        wire.tcp(CLIENT, SERVER, (next[0], next[1]), FIN | ACK, b"");
        wire.tcp(SERVER, CLIENT, (next[1], next[0] + 1), FIN | ACK, b"");
        wire.seconds += minutes * 60;
        wire.tcp(CLIENT, SERVER, (next[0].wrapping_add(jump).wrapping_add(1), 7), ACK, GET);
        wire.tcp(SERVER, CLIENT, (7, 7), ACK, OK);
        let verdicts: Vec<_> = wire.read().flows.iter().map(|flow| flow.verdict).collect();
        assert!(
            verdicts.contains(&Verdict::Plaintext) && verdicts[0] == Verdict::Mtls,
            "{jump} {minutes}: {verdicts:?}"
        );
    }
}

#[test]
fn plaintext_after_a_loss_is_not_green() {
    let mut words = handshake(1021);
    words.extend((0..8).flat_map(|_| [(0, GET.to_vec()), (1, OK.to_vec())]));
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let mut next = [1001, 5001];
    for (at, (side, data)) in words.iter().enumerate() {
        let (from, to) = if *side == 0 { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        // The first clear request is lost, and so is the place of the next record.
        if at != 6 && at != 7 {
            wire.tcp(from, to, (next[*side], next[1 - side]), ACK, data);
        }
        next[*side] += u32::try_from(data.len()).unwrap();
    }
    let flow = wire.flow();
    assert!(flow.grade > Grade::C, "{flow:#?}");
}

#[test]
fn a_refused_handshake_that_goes_on_in_clear_is_mixed() {
    let alert = record(21, &[2, 40]);
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    wire.talk(&[(0, &client_hello()), (1, &alert), (0, GET), (1, OK)]);
    assert_eq!(wire.flow().verdict, Verdict::Mixed);
}

#[test]
fn a_plaintext_request_that_an_alert_answers_is_refused() {
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let next = wire.talk(&[(0, GET), (1, &record(21, &[2, 70]))]);
    wire.tcp(SERVER, CLIENT, (next[1], next[0]), FIN | ACK, b"");
    let flow = wire.flow();
    assert_eq!((flow.verdict, flow.failure), (Verdict::Plaintext, Some(Failure::RefusedPlaintext)));
}

#[test]
fn records_after_a_syn_without_a_hello_are_unknown() {
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    wire.talk(&[(0, &record(23, GET)), (1, &record(23, OK)), (0, &record(23, GET)), (1, &record(23, OK))]);
    assert_eq!(wire.flow().verdict, Verdict::Unknown);
}

#[test]
fn bytes_of_the_handshake_that_come_again_changed_cost_a_grade() {
    let words = handshake(1021);
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let next = wire.talk(&said(&words));
    let mut other = words[2].1.clone();
    other[300] ^= 1;
    let at = 1001 + u32::try_from(words[0].1.len()).unwrap();
    wire.tcp(CLIENT, SERVER, (at, next[1]), ACK, &other);
    assert_eq!(wire.flow().grade, Grade::C);
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    wire.talk(&said(&words));
    wire.tcp(CLIENT, SERVER, (at, next[1]), ACK, &words[2].1);
    assert_eq!(wire.flow().grade, Grade::CPlus);
}

#[test]
fn a_handshake_that_a_snap_length_cut_has_not_failed() {
    let mut wire = Wire::new(1);
    wire.open(CLIENT, SERVER);
    let next = wire.talk(&said(&handshake(1021)));
    wire.tcp(CLIENT, SERVER, (next[0], next[1]), FIN | ACK, b"");
    let whole = wire.bytes.clone();
    for snap in [60, 80, 96, 128, 200] {
        // Each record of the capture: 16 bytes of header, then the frame.
        let mut cut = whole[..24].to_vec();
        let mut at = 24;
        while at < whole.len() {
            let len = u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap());
            let kept = len.min(snap);
            cut.extend(&whole[at..at + 8]);
            cut.extend([kept.to_le_bytes(), len.to_le_bytes()].concat());
            cut.extend(&whole[at + 16..at + 16 + kept as usize]);
            at += 16 + len as usize;
        }
        wire.bytes = cut;
        let flow = wire.flow();
        assert_ne!(flow.verdict, Verdict::FailedHandshake, "{snap}: {flow:#?}");
    }
}
