//! Cases of every upgrade: granted, refused, pipelined, and cut everywhere.

use super::tds::Unwrap;
use super::{Handover, handover};
use crate::capture::signature::{Heads, name};

const HELLO: &[u8] = &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
const ANSWER: &[u8] = &[0x16, 3, 3, 0, 5, 2, 0, 0, 1, 3];

fn heads<'a>(client: &'a [u8], server: &'a [u8], complete: bool) -> Heads<'a> {
    Heads { client, server, from_start: true, complete }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn greeting() -> Vec<u8> {
    let body = [b"\n8.0.36\0".as_slice(), &[1; 8], &[2; 4], &hex("00 ffff ff0200ffdf15"), &[0; 10], &[3; 13]].concat();
    [&[body.len() as u8, 0, 0, 0], &body[..]].concat()
}

/// Token, clear bytes of both sides, before TLS.
fn granted() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let ssl_request = [&hex("20 00 00 01 85ae ff19 00000001 21")[..], &[0; 23]].concat();
    let start_tls = [&hex("30 1d 02 01 01 77 18 80 16")[..], b"1.3.6.1.4.1.1466.20037"].concat();
    let extended = hex("30 0c 02 01 01 78 07 0a 01 00 04 00 04 00");
    let text = |token, client: &str, server: &str| (token, client.as_bytes().to_vec(), server.as_bytes().to_vec());
    vec![
        text(
            "smtp",
            "EHLO a\r\nSTARTTLS\r\n",
            "220-mx\r\n220 mx ESMTP\r\n250-a\r\n250-STARTTLS\r\n250 OK\r\n220 go\r\n",
        ),
        text("imap", ". CAPABILITY\r\n. STARTTLS\r\n", "* OK hi\r\n* CAPABILITY STARTTLS\r\n. OK done\r\n. OK go\r\n"),
        text("pop3", "CAPA\r\nSTLS\r\n", "+OK POP3 hi\r\n+OK list\r\nSTLS\r\n.\r\n+OK go\r\n"),
        text("ftp", "FEAT\r\nAUTH TLS\r\n", "220-hi\r\n220 hi\r\n211-Features\r\n AUTH TLS\r\n211 End\r\n234 go\r\n"),
        text("ftp", "AUTH TLS\r\nAUTH SSL\r\n", "220 hi\r\n504 no\r\n234 go\r\n"),
        text("irc", "NICK a\r\nUSER a 0 * :A\r\nSTARTTLS\r\n", ":s NOTICE * :x\r\n:s 670 a :go\r\n"),
        text(
            "xmpp",
            "<stream:stream><starttls xmlns='urn:a'/>",
            "<stream:stream><features><starttls/></features><proceed xmlns='urn:a'/>",
        ),
        text("nats", "", "INFO {\"server_id\":\"A\",\"tls_required\": true}\r\n"),
        text("", "CAPABILITIES\r\nSTARTTLS\r\n", "200 news\r\n101 list\r\n.\r\n382 go\r\n"),
        text("", "STARTTLS\r\n", "\"IMPLEMENTATION\" \"x\"\r\nOK\r\nOK \"go\"\r\n"),
        text("http", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 Connection established\r\n\r\n"),
        text(
            "http",
            "CONNECT a:443 HTTP/1.1\r\n\r\nCONNECT a:443 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n",
            "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\n\r\n",
        ),
        text(
            "http",
            "OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
        ),
        ("mysql", ssl_request, greeting()),
        ("pgsql", hex("00000008 04d2162f"), b"S".to_vec()),
        ("pgsql", hex("00000008 04d21630 00000008 04d2162f"), b"NS".to_vec()),
        ("ldap", start_tls, extended),
        ("amqp", b"AMQP\x02\x01\0\0".to_vec(), b"AMQP\x02\x01\0\0".to_vec()),
        (
            "rdp",
            hex("0300 0013 0e e0 0000 0000 00 01 00 0800 03000000"),
            hex("0300 0013 0e d0 0000 1234 00 02 00 0800 02000000"),
        ),
        ("socks", hex("05 01 00 05 01 00 03 01 61 01bb"), hex("05 00 05 00 00 01 00000000 0000")),
        (
            "socks",
            hex("05 01 02 01 01 61 01 62 05 01 00 01 01020304 01bb"),
            hex("05 02 01 00 05 00 00 01 00000000 0000"),
        ),
        ("socks", hex("04 01 01bb 00000001 00 612e6200"), hex("00 5a 0000 00000000")),
    ]
}

#[test]
fn granted_upgrades_hand_over_where_each_side_begins_tls() {
    for (token, client, server) in granted() {
        let right = Handover::Tls { client: client.len(), server: server.len() };
        let both = ([&client[..], HELLO].concat(), [&server[..], ANSWER].concat());
        let what = format!("{token} {:?}", String::from_utf8_lossy(&client));
        assert_eq!(handover(token, &heads(&both.0, &both.1, false)), right, "{what}");
        assert_eq!(handover(token, &heads(&both.0, &server, false)), right, "the server's TLS to come: {what}");
        if !token.is_empty() {
            assert_eq!(name(&heads(&both.0, &both.1, false)).map(|named| named.token), Some(token), "{what}");
        }
        let prefixed = [b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", &both.0[..]].concat();
        let moved = Handover::Tls { client: client.len() + 32, server: server.len() };
        if token != "nats" {
            assert_eq!(handover(token, &heads(&prefixed, &both.1, false)), moved, "{what}");
        }
    }
}

#[test]
fn an_upgrade_that_is_cut_never_hands_over_early() {
    for (token, client, server) in granted() {
        let both = ([&client[..], HELLO].concat(), [&server[..], ANSWER].concat());
        for at in 0..both.0.len() {
            for until in 0..both.1.len() {
                match handover(token, &heads(&both.0[..at], &both.1[..until], false)) {
                    Handover::Tls { client: one, server: two } => {
                        assert_eq!((one, two), (client.len(), server.len()), "{token} {at} {until}");
                    }
                    Handover::TlsInTds { .. } | Handover::Gss => panic!("{token}"),
                    Handover::Refused if token != "ftp" => panic!("{token} {at} {until}: refused"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn refused_upgrades_stay_clear() {
    let text = |token, client: &str, server: &str| (token, client.as_bytes().to_vec(), server.as_bytes().to_vec());
    let cases = [
        text("smtp", "EHLO a\r\nSTARTTLS\r\nMAIL FROM:<a>\r\n", "220 mx\r\n250 ok\r\n454 no\r\n250 ok\r\n"),
        text("imap", "a STARTTLS\r\nb NOOP\r\n", "* OK hi\r\na BAD no\r\nb OK\r\n"),
        text("pop3", "STLS\r\nUSER a\r\n", "+OK hi\r\n-ERR no\r\n+OK\r\n"),
        text("ftp", "AUTH TLS\r\nUSER a\r\n", "220 hi\r\n530 no\r\n331 x\r\n"),
        (
            "pgsql",
            [hex("00000008 04d2162f 00000012 00030000"), b"user\0me\0\0\0".to_vec()].concat(),
            b"NR\0\0\0\x08\0\0\0\0".to_vec(),
        ),
        (
            "rdp",
            hex("0300 0013 0e e0 0000 0000 00 01 00 0800 03000000"),
            hex("0300 0013 0e d0 0000 1234 00 03 00 0800 02000000"),
        ),
        (
            "ldap",
            [&hex("30 1d 02 01 01 77 18 80 16")[..], b"1.3.6.1.4.1.1466.20037"].concat(),
            hex("30 0c 02 01 01 78 07 0a 01 02 04 00 04 00"),
        ),
    ];
    for (token, client, server) in cases {
        assert_eq!(handover(token, &heads(&client, &server, false)), Handover::Refused, "{token}");
    }
    let login = [&hex("26 00 00 01 8da6 ff19 00000001 21")[..], &[0; 23], b"root\0\0"].concat();
    assert_eq!(handover("mysql", &heads(&login, &greeting(), false)), Handover::None);
    assert_eq!(handover("smtp", &heads(b"EHLO a\r\nSTARTTLS\r\n", b"220 a\r\n250 a\r\n", true)), Handover::Refused);
}

#[test]
fn a_mail_that_speaks_of_starttls_asks_for_nothing() {
    let client = b"EHLO a\r\nMAIL FROM:<a>\r\nDATA\r\nSTARTTLS\r\n.\r\n";
    let server = b"220 a\r\n250 a\r\n250 a\r\n354 a\r\n220 a\r\n";
    assert_eq!(handover("smtp", &heads(client, server, false)), Handover::None);
}

#[test]
fn commands_sent_ahead_of_tls_are_passed_over() {
    let client = [b"EHLO a\r\nSTARTTLS\r\nNOOP\r\n".as_slice(), HELLO].concat();
    let server = [b"220 a\r\n250 a\r\n220 go\r\n".as_slice(), ANSWER].concat();
    assert_eq!(handover("smtp", &heads(&client, &server, false)), Handover::Tls { client: 24, server: 22 });
}

#[test]
fn tunnels_that_carry_no_tls_hand_nothing_over() {
    let client = b"CONNECT a:22 HTTP/1.1\r\n\r\nSSH-2.0-x\r\n";
    let server = b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-y\r\n";
    assert_eq!(handover("http", &heads(client, server, false)), Handover::None);
}

#[test]
fn a_proxy_header_before_tls_is_all_that_is_clear() {
    let client = [b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".as_slice(), HELLO].concat();
    let both = heads(&client, ANSWER, false);
    assert_eq!(name(&both), None);
    assert_eq!(handover("", &both), Handover::Tls { client: 32, server: 0 });
}

#[test]
fn tls_is_taken_out_of_tds_packets_in_any_pieces() {
    let prelogin = hex("1201001a 00000100 00 000b 0006 01 0011 0001 ff 110006000000 01");
    let answer = hex("0401001a 00000100 00 000b 0006 01 0011 0001 ff 110006000000 01");
    let wrapped = [&hex("12010012 00000000")[..], HELLO].concat();
    let client = [&prelogin[..], &wrapped].concat();
    let both = heads(&client, &answer, false);
    assert_eq!(name(&both).map(|named| named.token), Some("tds"));
    assert_eq!(handover("tds", &both), Handover::TlsInTds { client: 26, server: 26 });
    assert_eq!(handover("tds", &heads(&prelogin, &answer, false)), Handover::Asked);
    let after = [&wrapped[..], &wrapped, &[0x17, 3, 3, 0, 2, 0x12, 1]].concat();
    let right = [HELLO, HELLO, &[0x17, 3, 3, 0, 2, 0x12, 1]].concat();
    for size in 1..=after.len() {
        let (mut unwrap, mut inside) = (Unwrap::default(), Vec::new());
        for piece in after.chunks(size) {
            unwrap.push(piece, |bytes| inside.extend_from_slice(bytes));
        }
        assert_eq!(inside, right, "pieces of {size}");
    }
}

#[test]
fn a_grant_without_a_client_hello_leaves_the_name_as_it_is() {
    for (token, client, server) in granted() {
        let what = format!("{token} {:?}", String::from_utf8_lossy(&client));
        for size in 0..6 {
            let begun = [&client[..], &HELLO[..size]].concat();
            let open = handover(token, &heads(&begun, &server, false));
            assert!(matches!(open, Handover::Asked) || token == "nats" && size == 0, "{what} {size}: {open:?}");
            let closed = handover(token, &heads(&begun, &server, true));
            let lacking = token == "nats" && size == 0 && closed == Handover::Refused;
            assert!(closed == Handover::None || lacking, "{what} {size}: {closed:?}");
        }
        for next in [b"EHLO b\r\nMAIL FROM:<a>\r\n".as_slice(), b"\x03select 1;;", &[0x16, 3, 1, 0, 5, 2, 0, 0, 1]] {
            let on = [&client[..], next].concat();
            for complete in [false, true] {
                let found = handover(token, &heads(&on, &[&server[..], b"250 ok\r\n"].concat(), complete));
                assert!(matches!(found, Handover::None | Handover::Refused), "{what} {next:?} {complete}: {found:?}");
                let found = handover(token, &heads(&on, &server, complete));
                assert!(!matches!(found, Handover::Tls { .. }), "{what} {next:?} {complete}: {found:?}");
            }
        }
    }
}

#[test]
fn gssapi_needs_the_tokens_of_both_sides() {
    let asked = hex("00000008 04d21630");
    let token = hex("00000020 60 1e 0609 2a864886f712010202 0100 6e82");
    let token = [&token[..], &[7; 14]].concat();
    let client = [&asked[..], &token].concat();
    let server = [b"G".as_slice(), &token].concat();
    assert_eq!(handover("pgsql", &heads(&client, &server, false)), Handover::Gss);
    for at in 0..client.len() {
        let found = handover("pgsql", &heads(&client[..at], b"G", false));
        assert!(matches!(found, Handover::Asked | Handover::None), "{at}: {found:?}");
    }
    for complete in [false, true] {
        let silent = if complete { Handover::None } else { Handover::Asked };
        assert_eq!(handover("pgsql", &heads(&asked, b"G", complete)), silent);
        assert_eq!(handover("pgsql", &heads(&client, b"G", complete)), silent);
        let startup = [&asked[..], &hex("00000012 00030000"), b"user\0me\0\0\0"].concat();
        assert_eq!(handover("pgsql", &heads(&startup, b"GR\0\0\0\x08\0\0\0\0", complete)), Handover::None);
        assert_eq!(handover("pgsql", &heads(&client, b"GR\0\0\0\x08\0\0\0\0", complete)), Handover::None);
        let wrong = [&asked[..], &hex("00000021 60 1e 0609 2a864886f712010202"), &[7; 20]].concat();
        assert_eq!(handover("pgsql", &heads(&wrong, &server, complete)), Handover::None);
    }
}

#[test]
fn questions_that_are_refused_by_the_thousand_take_linear_time() {
    let answers = [
        ("smtp", "STARTTLS\n", "500 x\n"),
        ("ftp", "AUTH TLS\n", "500 x\n"),
        ("imap", "a STARTTLS\n", "a BAD\n"),
        ("pop3", "STLS\n", "-ERR\n"),
        ("irc", "STARTTLS\n", ":s 691 a\n"),
        ("", "STARTTLS\n", "500 x\n"),
    ];
    let begun = std::time::Instant::now();
    for (token, ask, answer) in answers {
        for (asks, times) in [(2_200, 50), (200_000, 2)] {
            let (client, server) = (ask.repeat(asks), format!("200 x\n{}", answer.repeat(asks)));
            for _ in 0..times {
                let found = handover(token, &heads(client.as_bytes(), server.as_bytes(), true));
                assert!(matches!(found, Handover::Refused), "{token} {found:?}");
            }
        }
    }
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}
