//! A made-up conversation of every protocol, put to every signature: whole, cut everywhere, mutated, and beside noise.

use super::{Answer, Fit, Heads, Named, SIGNATURES, encrypted, may_upgrade, name, opening};

/// Token, client, server, how it fits.
type Sample = (&'static str, Vec<u8>, Vec<u8>, Fit);

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An HTTP/2 client with one HEADERS frame, and a server's SETTINGS.
fn http2(headers: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = hex("000006 04 00 00000000 0003 00000064");
    let frame = join(&[&[0, 0, headers.len() as u8], &hex("01 04 00000001"), headers]);
    (join(&[preface, &settings, &frame]), join(&[&settings, &hex("000000 04 01 00000000")]))
}

fn kexinit(banner: &[u8]) -> Vec<u8> {
    let names = b"curve25519-sha256,ecdh-sha2-nistp256";
    let list = join(&[&(names.len() as u32).to_be_bytes(), names]);
    join(&[banner, &hex("000000c4 06 14 00112233445566778899aabbccddeeff"), &list, &[0; 150]])
}

fn mysql_greeting() -> Vec<u8> {
    let body = join(&[
        b"\n8.0.36\0",
        &hex("0c000000 3174756778 5f2356 00 ffff ff0200ffdf15"),
        &[0; 10],
        b"p\"4m\x0f6|1\"j|xy\0",
    ]);
    join(&[&[body.len() as u8, 0, 0, 0], &body, b""])
}

fn mysql_login() -> Vec<u8> {
    let body = join(&[&hex("8da6ff19 00000001 21"), &[0; 23], b"root\0\0"]);
    join(&[&[body.len() as u8, 0, 0, 1], &body])
}

fn mongo(operation: u32, body: &[u8]) -> Vec<u8> {
    let length = (16 + body.len()) as u32;
    join(&[&length.to_le_bytes(), &hex("07000000 00000000"), &operation.to_le_bytes(), body])
}

fn kafka() -> (Vec<u8>, Vec<u8>) {
    (hex("00000015 0012 0000 00000007 0007 72646b61666b61 00000000"), hex("0000000a 00000007 0000 00000000"))
}

fn dns(flags: &str) -> Vec<u8> {
    hex(&format!("1234 {flags} 0001 0000 0000 0000 03777777 076578616d706c65 03636f6d 00 0001 0001"))
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    join(&[&(bytes.len() as u16).to_be_bytes(), bytes])
}

fn cql(head: &str, body: &[u8]) -> Vec<u8> {
    join(&[&hex(head), &(body.len() as u32).to_be_bytes(), body])
}

fn kerberos(tag: u8, version: &str) -> Vec<u8> {
    let body = join(&[&hex(version), &hex("a1030201 0a a40430020500")]);
    let inner = join(&[&[0x30, body.len() as u8], &body]);
    let message = join(&[&[tag, inner.len() as u8], &inner]);
    join(&[&(message.len() as u32).to_be_bytes(), &message])
}

/// Conversations that both sides fit, most of them.
pub fn samples() -> Vec<Sample> {
    let (web, settings) = http2(&hex("82 86 84 41 01 61"));
    let (grpc, _) = http2(&hex("83 86 44 02 2f61 5f 8b 1d75d0620d263d4c4d6564"));
    let (grpc_plain, _) = http2(&join(&[&hex("83 86 5f 10"), b"application/grpc"]));
    let (kafka_asks, kafka_answers) = kafka();
    let upgrade = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".to_vec();
    let cookie = b"Cookie: mstshash=user\r\n";
    let rdp = join(&[&hex("0300 002a 25 e0 0000 0000 00"), cookie, &hex("01 00 0800 01000000")]);
    let bind = hex("05000b03 10000000 4800 0000 01000000 b810b810 00000000 01000000");
    let bind_ack = hex("05000c03 10000000 4400 0000 01000000 b810b810 00000000 01000000");
    let prelogin = hex(
        "1201002f 00000100 00 001a 0006 01 0020 0001 02 0021 0001 03 0022 0004 04 0026 0001 ff 110006000000 00 00 00000000 00",
    );
    let login = hex(
        "0401002b 00000100 00 001a 0006 01 0020 0001 02 0021 0001 03 0022 0000 04 0022 0001 ff 110006000000 02 00 00",
    );
    let smb = join(&[&hex("00000054 fe534d42 4000"), &[0; 78]]);
    let document = hex("10000000 10 70696e6700 01000000 00 00");
    let session = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    let vpn = join(&[&hex("000e 38"), &session, &[0; 5]]);
    let vpn_answer = join(&[&hex("001a 40 0102030405060708 01 00000000"), &session, &hex("00000000")]);
    let zookeeper = join(&[&hex("0000002d 00000000 0000000000000000 00007530 0000000000000000 00000010"), &[0; 17]]);
    let zookeeper_answer = join(&[&hex("00000025 00000000 00007530 0123456789abcdef 00000010"), &[7; 16], &[0]]);
    let both = |token, client: &[u8], server: &[u8]| (token, client.to_vec(), server.to_vec(), Fit::Both);
    let one = |token, client: &[u8], server: &[u8]| (token, client.to_vec(), server.to_vec(), Fit::OneSided);
    vec![
        both("ssh", &kexinit(b"SSH-2.0-OpenSSH_9.2\r\n"), &kexinit(b"SSH-2.0-OpenSSH_8.4\r\n")),
        one("ssh", b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-OpenSSH_8.4\r\n"),
        one("ssh", b"", b"SSH-2.0-OpenSSH_8.4\r\n"),
        both("http", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        both("http", b"\r\nMKCOL /x HTTP/1.0\r\n\r\n", b"HTTP/1.1 405 No\r\n\r\n"),
        both("http", b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        one("http", b"POST /api HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        one("http", b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        one("http", &hex("160301000501000001"), b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        one("http", b"GET / HTTP/1.1\r\n\r\n", &hex("15030100020246")),
        both("http", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        both(
            "http",
            &join(&[
                &hex("0d0a0d0a000d0a515549540a 21 11 000c 01020304 05060708 0001 0002"),
                b"GET / HTTP/1.1\r\n\r\n",
            ]),
            b"HTTP/1.1 200 OK\r\n",
        ),
        both("websocket", &upgrade, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"),
        both("http", &upgrade, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        both("http2", &web, &settings),
        one("http2", &web, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        both("grpc", &grpc, &settings),
        both("grpc", &grpc_plain, &settings),
        both("pgsql", &join(&[&hex("00000016 00030000"), b"user\0bob\0\0\0\0\0\0"]), &hex("52 00000008 00000000")),
        both("pgsql", &hex("00000008 04d2162f"), b"S"),
        both(
            "pgsql",
            &join(&[&hex("00000008 04d2162f 00000012 00030000"), b"user\0me\0\0\0"]),
            &join(&[b"N", &hex("52 00000008 00000003")]),
        ),
        one("pgsql", &hex("00000008 04d2162f"), b""),
        both("mysql", &mysql_login(), &mysql_greeting()),
        one("mysql", b"", &mysql_greeting()),
        one("mysql", b"", &join(&[&hex("1d000000 ff 6a04"), b"Host 1.2.3.4 is not allowd"])),
        both("tds", &prelogin, &login),
        one("mongodb", &mongo(2004, &join(&[&[0; 4], b"admin.$cmd\0", &hex("00000000 ffffffff"), &document])), b""),
        both("mongodb", &mongo(2013, &join(&[&[0; 5], &document])), &mongo(2013, &join(&[&[0; 5], &document]))),
        both("redis", b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
        both("redis", b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", b"$-1\r\n"),
        one("redis", b"*1\r\n$4\r\nPING\r\n", b""),
        both("redis", b"SET a b\r\n", b"+OK\r\n"),
        both("memcached", b"stats\r\n", b"STAT pid 1\r\nEND\r\n"),
        both("memcached", b"get key\r\n", b"END\r\n"),
        one("memcached", b"set key 0 60 5\r\nhello\r\n", b""),
        both(
            "memcached",
            &hex("80000003 00000000 00000003 00000000 0000000000000000 666f6f"),
            &hex("81000000 00000001 00000009 00000000 0000000000000000 4e6f7420666f756e64"),
        ),
        both(
            "cassandra",
            &cql("04 00 0000 05", b""),
            &cql("84 00 0000 06", b"\0\x01\0\x0bCQL_VERSION\0\x01\0\x053.4.5"),
        ),
        one("cassandra", &cql("04 00 0000 01", b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0"), b""),
        both("zookeeper", &zookeeper, &zookeeper_answer),
        both("zookeeper", b"ruok", b"imok"),
        both("amqp", b"AMQP\0\0\x09\x01", &join(&[&hex("01 0000 00000008 000a 000a 0009 0000 ce")])),
        both("amqp", b"AMQP\x03\x01\0\0", b"AMQP\x03\x01\0\0"),
        both("mqtt", &hex("10 10 0004 4d515454 04 02 003c 0004 61626364"), &hex("20 02 00 00")),
        one("mqtt", &hex("10 12 0006 4d5149736470 03 02 003c 0004 61626364"), b""),
        both("kafka", &kafka_asks, &kafka_answers),
        one("kafka", &kafka_asks, b""),
        both(
            "nats",
            b"CONNECT {\"verbose\":false}\r\nPING\r\n",
            b"INFO {\"server_id\":\"A\",\"max_payload\":1}\r\nPONG\r\n",
        ),
        one("nats", b"", b"INFO {\"server_id\":\"A\",\"version\":\"2\"}\r\n"),
        both("nats", b"PING\r\n", b"PONG\r\n"),
        both("stomp", b"STOMP\naccept-version:1.1\n\n\0", b"CONNECTED\nversion:1.1\n\n\0"),
        both("thrift", &hex("80010001 00000004 70696e67 00000000 00"), &hex("80010002 00000004 70696e67 00000000 00")),
        one("thrift", &hex("00000011 80010001 00000004 70696e67 00000001 00"), b""),
        one("thrift", &join(&[&hex("82 21 01 09"), b"emitBatch", &hex("1c 00")]), b""),
        both(
            "dubbo",
            &hex("dabb c2 00 0000000000000001 00000002 0102"),
            &hex("dabb 02 14 0000000000000001 00000002 0102"),
        ),
        both("smtp", b"EHLO a\r\n", b"220 mx ready\r\n250 ok\r\n"),
        one("smtp", b"", b"220 mx ESMTP ready\r\n"),
        both("ftp", b"USER a\r\n", b"220 ready\r\n331 password\r\n"),
        both("ftp", b"AUTH TLS\r\n", b"220 ready\r\n"),
        both("imap", b"a1 CAPABILITY\r\n", b"* OK ready\r\n"),
        both("pop3", b"USER a\r\n", b"+OK ready\r\n"),
        both("pop3", b"QUIT\r\n", b"+OK ready\r\n+OK bye\r\n"),
        both(
            "xmpp",
            b"<?xml version='1.0'?><stream:stream to='a' xmlns='jabber:client'>",
            b"<?xml version='1.0'?><stream:stream from='a'>",
        ),
        both("irc", b"NICK a\r\nUSER a 0 * :A\r\n", b":irc.a NOTICE * :*** Looking up\r\n"),
        one("syslog", b"<34>Oct 11 22:14:15 host su: failed\n", b""),
        one("syslog", b"41 <34>1 2003-10-11T22:14:15Z host su - - x\n", b""),
        both("fix", b"8=FIX.4.4\x019=65\x0135=A\x0149=A\x01", b"8=FIX.4.4\x019=65\x0135=A\x0149=B\x01"),
        both("sip", b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"),
        both("rtsp", b"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 200 OK\r\n\r\n"),
        both(
            "ldap",
            &hex("30 0c 02 01 01 60 07 02 01 03 04 00 80 00"),
            &hex("30 0c 02 01 01 61 07 0a 01 00 04 00 04 00"),
        ),
        both("kerberos", &kerberos(0x6a, "a103020105"), &kerberos(0x6b, "a003020105")),
        both("smb", &smb, &smb),
        both("dcerpc", &bind, &bind_ack),
        both("rdp", &rdp, &hex("0300 0013 0e d0 0000 1234 00 02 00 0800 01000000")),
        both("rfb", b"RFB 003.008\n", b"RFB 003.008\n\x01\x01"),
        both(
            "bgp",
            &join(&[&[0xff; 16], &hex("001d 01 04 fde8 00b4 01020304 00")]),
            &join(&[&[0xff; 16], &hex("0013 04")]),
        ),
        both("modbus", &hex("0001 0000 0006 01 03 0000 000a"), &hex("0001 0000 0005 01 03 02 0001")),
        both("dns", &framed(&dns("0100")), &framed(&dns("8180"))),
        one("dns", &framed(&dns("0100")), b""),
        both(
            "snmp",
            &hex("30 1a 02 01 01 04 06 7075626c6963 a0 0d 02 01 01 02 01 00 02 01 00 30 02 06 00"),
            &hex("30 1a 02 01 01 04 06 7075626c6963 a2 0d 02 01 01 02 01 00 02 01 00 30 02 06 00"),
        ),
        both(
            "stun",
            &hex("0001 0000 2112a442 000102030405060708090a0b"),
            &hex("0101 0000 2112a442 000102030405060708090a0b"),
        ),
        both("socks", &hex("05 01 00"), &hex("05 00")),
        both("socks", &hex("05 01 00 05 01 00 01 01020304 0050"), &hex("05 00 05 00 00 01 01020304 0050")),
        both("socks", &hex("04 01 0050 01020304 00"), &hex("00 5a 0050 01020304")),
        both("openvpn", &vpn, &vpn_answer),
    ]
}

fn heads<'a>(client: &'a [u8], server: &'a [u8], from_start: bool, complete: bool) -> Heads<'a> {
    Heads { client, server, from_start, complete }
}

#[test]
fn every_protocol_is_named_by_its_sample_and_by_no_other() {
    for (at, (token, client, server, fit)) in samples().into_iter().enumerate() {
        for complete in [false, true] {
            let named = name(&heads(&client, &server, true, complete));
            let right = Some(Named { token, fit, swapped: false });
            assert_eq!(named, right, "sample {at}: {token}, complete {complete}");
        }
    }
}

#[test]
fn every_token_has_a_sample_or_is_one_of_datagrams() {
    let samples = samples();
    let datagrams = ["ntp", "radius", "quic", "dtls", "wireguard", "ipsec"];
    for row in SIGNATURES {
        let sampled = samples.iter().any(|sample| sample.0 == row.token);
        assert!(sampled != datagrams.contains(&row.token), "{}", row.token);
    }
    let tokens = "http http2 grpc websocket dns mysql pgsql redis mongodb kafka amqp nats memcached cassandra zookeeper mqtt \
                  thrift dubbo stomp smtp imap pop3 ftp ldap tds sip rtsp xmpp irc socks rdp smb dcerpc kerberos bgp modbus \
                  rfb syslog fix stun ntp snmp radius quic dtls ssh wireguard ipsec openvpn";
    for token in tokens.split_whitespace() {
        assert_eq!(SIGNATURES.iter().filter(|row| row.token == token).count(), 1, "{token}");
        assert_eq!(encrypted(token), matches!(token, "quic" | "dtls" | "ssh" | "wireguard" | "ipsec" | "openvpn"));
    }
    assert_eq!(SIGNATURES.len(), tokens.split_whitespace().count());
    let turning = "smtp imap pop3 ftp ldap xmpp nats amqp tds mysql pgsql irc rdp socks";
    for token in tokens.split_whitespace() {
        assert_eq!(may_upgrade(token), turning.split_whitespace().any(|one| one == token), "{token}");
    }
}

#[test]
fn no_signature_takes_the_conversation_of_another() {
    // What is carried by, or begins as, something else.
    let akin = [("grpc", "http2"), ("websocket", "http"), ("http2", "http")];
    for (token, client, server, fit) in samples() {
        for row in SIGNATURES {
            for from_start in [true, false] {
                let heads = heads(&client, &server, from_start, true);
                let taken = (row.fits)(&heads);
                let mine = row.token == token || akin.contains(&(token, row.token));
                // In mid-stream one side's proof may stand beside an answer that does not fit: weaker than both.
                let fine = mine || !matches!(taken, Answer::Both) && (fit == Fit::Both || taken != Answer::OneSided);
                assert!(fine, "{token} {from_start}: {} says {taken:?}", row.token);
            }
        }
    }
}

#[test]
fn sides_that_were_mistaken_are_turned() {
    for (token, client, server, fit) in samples() {
        if fit == Fit::Both && client != server && !client.starts_with(b"PROXY") && !client.starts_with(b"\r\n\r\n") {
            let named = name(&heads(&server, &client, false, true)).unwrap_or_else(|| panic!("{token}"));
            // Symmetric protocols fit either way.
            assert_eq!((named.token, named.fit), (token, Fit::Both));
        }
    }
}

#[test]
fn a_sample_cut_anywhere_gets_its_own_name_or_none() {
    let allowed = |token: &str, named: &str| {
        named == token || matches!((token, named), ("grpc", "http2") | ("websocket" | "http2", "http"))
    };
    for (token, client, server, _) in samples() {
        let step = (client.len() / 24).max(1);
        for at in (0..=client.len()).step_by(step) {
            for until in 0..=server.len().min(40) {
                for (from_start, complete) in [(true, false), (true, true), (false, true)] {
                    let heads = heads(&client[..at], &server[..until], from_start, complete);
                    if let Some(named) = name(&heads) {
                        assert!(allowed(token, named.token), "{token} cut at {at}, {until}: {named:?}");
                    }
                }
            }
        }
    }
}

/// Numbers that look random (xorshift).
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

#[test]
fn random_bytes_have_no_name() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..60_000u32 {
        let sizes = [noise.next() as usize % 200, noise.next() as usize % 200];
        let (client, server) = (noise.bytes(sizes[0]), noise.bytes(if round % 3 == 0 { 0 } else { sizes[1] }));
        let named = name(&heads(&client, &server, round % 2 == 0, round % 5 != 0));
        assert_eq!(named, None, "{client:02x?} {server:02x?}");
    }
    for byte in 0..=255u8 {
        for count in [1, 2, 4, 9, 40, 200] {
            let same = vec![byte; count];
            // Ones are BGP's marker, and a character of a text line is not a line.
            for server in [&[][..], &same[..]] {
                let named = name(&heads(&same, server, byte % 2 == 0, true));
                assert_eq!(named, None, "{byte:02x} {count}");
            }
        }
    }
}

#[test]
fn tls_records_have_no_name_from_any_side() {
    let mut noise = Noise(7);
    for round in 0..2_000u32 {
        let mut side = || {
            let mut bytes = Vec::new();
            for _ in 0..noise.next() % 4 {
                let size = noise.next() as usize % 120 + 1;
                let kind = [0x14, 0x15, 0x16, 0x17][noise.next() as usize % 4];
                bytes.extend([kind, 3, (noise.next() % 4 + 1) as u8, 0, size as u8]);
                bytes.extend(noise.bytes(size));
            }
            bytes
        };
        let (client, server) = (side(), side());
        assert_eq!(name(&heads(&client, &server, round % 2 == 0, true)), None);
        // Beginning within a record.
        let (client, server) = (client.get(3..).unwrap_or_default(), server.get(9..).unwrap_or_default());
        assert_eq!(name(&heads(client, server, false, true)), None);
    }
}

#[test]
fn mutated_samples_neither_panic_nor_hang() {
    let mut noise = Noise(99);
    for (_, client, server, _) in samples() {
        for round in 0..300 {
            let (mut one, mut two) = (client.clone(), server.clone());
            for side in [&mut one, &mut two] {
                for _ in 0..1 + noise.next() % 4 {
                    if !side.is_empty() {
                        let at = noise.next() as usize % side.len();
                        side[at] = noise.next() as u8;
                    }
                }
            }
            for from_start in [true, false] {
                let heads = heads(&one, &two, from_start, round % 2 == 0);
                if let Some(named) = name(&heads) {
                    let _ = crate::capture::upgrade::handover(named.token, &heads);
                }
                for row in SIGNATURES {
                    (row.fits)(&heads);
                    let _ = crate::capture::upgrade::handover(row.token, &heads);
                }
            }
        }
    }
}

#[test]
fn conversations_in_mid_stream_are_named_by_strong_structure_alone() {
    let frame = |kind: u8, stream: u8, body: &[u8]| join(&[&[0, 0, body.len() as u8, kind, 4, 0, 0, 0, stream], body]);
    let client = join(&[
        &frame(1, 3, &[0x82, 0x86]),
        &frame(0, 3, b"hello"),
        &frame(8, 0, &[0, 0, 1, 0]),
        &frame(6, 0, &[0; 8]),
    ]);
    let named =
        |client: &[u8], server: &[u8], start| name(&heads(client, server, start, true)).map(|named| named.token);
    assert_eq!(named(&client, b"", false), Some("http2"));
    assert_eq!(named(&client, b"", true), None);
    let query = join(&[&[0x09, 0, 0, 0, 3], b"select 1"]);
    let rows = hex("01 00 00 01 01 02 00 00 02 03 64 05 00 00 03 fe 00 00 02 00");
    assert_eq!(named(&query, &rows, false), Some("mysql"));
    assert_eq!(named(&query, &rows, true), None);
    let query = join(&[&hex("51 0000000d"), b"select 1\0"]);
    let rows = hex("43 0000000b 53454c454354 00 5a 00000005 49");
    assert_eq!(named(&query, &rows, false), Some("pgsql"));
    let body = [b"</p>\r\nGET ".as_slice(), &[0xff; 20]].concat();
    assert_eq!(named(b"GET / HTTP/1.1\r\n\r\n", &body, false), Some("http"));
    assert_eq!(
        named(&hex("3017000b 53616d706c65546f706963 48656c6c6f204d515454 c000"), &hex("d000 d000"), false),
        Some("mqtt")
    );
}

#[test]
fn heads_without_a_name_cost_little() {
    let mut noise = Noise(3);
    let (client, server) = (noise.bytes(16_384), noise.bytes(16_384));
    let words = b"word and word\r\n".repeat(1_100);
    for (one, two) in [(&client, &server), (&words, &words), (&client, &words)] {
        let start = std::time::Instant::now();
        for _ in 0..200 {
            assert_eq!(name(&heads(one, two, true, false)), None);
        }
        // A bound that only something worse than linear breaks, also on a slow and busy machine.
        assert!(start.elapsed().as_millis() < 2_000, "{:?}", start.elapsed());
        if std::env::var_os("TELL").is_some() {
            eprintln!("{:?} a call", start.elapsed() / 200);
        }
    }
}

#[test]
fn rows_that_first_bytes_pass_over_would_say_no() {
    let mut noise = Noise(5);
    let samples = samples();
    let mut passed = 0u64;
    for (_, client, _, _) in &samples {
        for (_, _, server, _) in &samples {
            for byte in 0..=255u8 {
                let (mut one, mut two) = (client.clone(), server.clone());
                for side in [&mut one, &mut two] {
                    match noise.next() % 4 {
                        0 => side.truncate(noise.next() as usize % 40),
                        1 => side.retain(|&byte| byte != b'\n'),
                        2 if !side.is_empty() => {
                            let at = noise.next() as usize % side.len();
                            side[at] = noise.next() as u8;
                        }
                        _ => {}
                    }
                    if let Some(first) = side.first_mut().filter(|_| !noise.next().is_multiple_of(4)) {
                        *first = byte;
                    }
                }
                let [start, complete] = [0, 1].map(|_| noise.next().is_multiple_of(2));
                let heads = heads(&one, &two, start, complete);
                let mut asked = opening::rows(&heads);
                let asked: Vec<_> = std::iter::from_fn(|| opening::next(&mut asked)).map(|row| row.token).collect();
                for row in SIGNATURES.iter().filter(|row| !asked.contains(&row.token)) {
                    assert_eq!((row.fits)(&heads), Answer::No, "{} {heads:02x?}", row.token);
                    passed += 1;
                }
            }
        }
    }
    assert!(passed > 1_000_000, "{passed}");
}
