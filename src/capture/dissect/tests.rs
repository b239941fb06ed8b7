//! Packets built layer by layer.

use super::*;
use crate::capture::packet::flag;

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    v4_piece(protocol, payload, 0, 7)
}

fn v4_piece(protocol: u8, payload: &[u8], place: u16, id: u16) -> Vec<u8> {
    let total = u16::try_from(payload.len() + 20).unwrap();
    let mut out = vec![0x45, 0];
    out.extend(total.to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(place.to_be_bytes());
    out.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    out.extend(payload);
    out
}

fn v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend([protocol, 64]);
    out.extend([0xfd; 16]);
    out.extend([0xfe; 16]);
    out.extend(payload);
    out
}

fn tcp_of(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 80, 1, 0];
    out.extend(5u32.to_be_bytes());
    out.extend(6u32.to_be_bytes());
    out.extend([0x50, flag::ACK | flag::SYN, 0, 0, 0xba, 0xad, 0, 0]);
    out.extend(payload);
    out
}

fn udp_to(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x12, 0x34];
    out.extend(port.to_be_bytes());
    out.extend(u16::try_from(payload.len() + 8).unwrap().to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    out
}

fn ether(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2; 12];
    out.extend(kind.to_be_bytes());
    out.extend(payload);
    out
}

fn frame(data: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        time: Time(0),
        interface: 0,
        loopback: false,
        link_type: 1,
        wire_len: u32::try_from(data.len()).unwrap(),
        data,
    }
}

/// The path, transport, payload and wire length.
fn peel(data: &[u8]) -> Result<(String, Transport, Vec<u8>, u32), Skip> {
    let mut dissector = Dissector::default();
    let packet = dissector.dissect(&frame(data))?;
    let (tunnel, transport, payload, wire) =
        (packet.tunnel, packet.transport, packet.payload.to_vec(), packet.wire_len);
    Ok((dissector.tunnels.path(tunnel).join(","), transport, payload, wire))
}

fn path(data: &[u8]) -> String {
    let (path, transport, payload, wire) = peel(data).unwrap();
    assert_eq!((transport, &payload[..], wire), (Transport::Tcp, &b"hi"[..], 2), "{path}");
    path
}

fn hi() -> Vec<u8> {
    v4(6, &tcp_of(b"hi"))
}

/// The outer packet of a tunnel over an IP protocol.
fn over(protocol: u8, header: &[u8], inner: &[u8]) -> Vec<u8> {
    ether(0x0800, &v4(protocol, &[header, inner].concat()))
}

/// The outer packet of a tunnel over UDP.
fn over_udp(port: u16, header: &[u8], inner: &[u8]) -> Vec<u8> {
    ether(0x0800, &v4(17, &udp_to(port, &[header, inner].concat())))
}

#[test]
fn a_tcp_packet_gives_its_addresses_numbers_and_payload() {
    let mut data = ether(0x0800, &hi());
    data.extend([0xff; 4]);
    let mut dissector = Dissector::default();
    let packet = dissector.dissect(&frame(&data)).unwrap();
    assert_eq!(packet.source.to_string(), "10.0.0.1:80");
    assert_eq!(packet.destination.to_string(), "10.0.0.2:256");
    assert_eq!((packet.ip_id, packet.tcp.seq, packet.tcp.ack, packet.tcp.flags), (7, 5, 6, 0x12));
    assert_eq!((packet.payload, packet.wire_len, packet.medium), (&b"hi"[..], 2, Medium::Wire), "the trailer is cut");
}

#[test]
fn every_encapsulation_is_peeled_and_named() {
    let inner = ether(0x0800, &hi());
    let mpls = [0x00, 0x01, 0x00, 0x40, 0x00, 0x02, 0x01, 0x40];
    let geneve = [2, 0x40, 0x65, 0x58, 0, 1, 0x18, 0, 1, 4, 0x80, 1, 0, 0, 0, 42];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("", ether(0x0800, &hi())),
        ("", ether(0x86dd, &v6(6, &tcp_of(b"hi")))),
        ("vlan:120", ether(0x8100, &[&[0x20, 120, 8, 0][..], &hi()].concat())),
        ("", ether(0x8100, &[&[0x20, 0, 8, 0][..], &hi()].concat())),
        ("vlan:2001,vlan:120", ether(0x88a8, &[&[7, 0xd1, 0x81, 0, 0, 120, 8, 0][..], &hi()].concat())),
        ("mpls", ether(0x8847, &[&mpls[..], &hi()].concat())),
        ("mpls", ether(0x8847, &[&mpls[..], &inner].concat())),
        ("mpls", ether(0x8847, &[&mpls[..], &[0; 4], &inner].concat())),
        ("pppoe:9", ether(0x8864, &[&[0x11, 0, 0, 9, 0, 44, 0, 0x21][..], &hi(), &[0; 9]].concat())),
        ("gre", over(47, &[0, 0, 8, 0], &hi())),
        ("gre:1234", over(47, &[0x20, 0, 0x65, 0x58, 0, 0, 4, 0xd2], &inner)),
        ("gre:7", over(47, &[0xb0, 0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], &hi())),
        ("gre", over(47, &[0x40, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 4, 1, 1, 1, 1, 0, 0, 0, 0], &hi())),
        ("pptp", over(47, &[0x30, 1, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, 0, 0x21], &hi())),
        ("erspan1", over(47, &[0, 0, 0x88, 0xbe], &inner)),
        ("erspan2:77", over(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 20, 0x18, 77, 0, 0, 0, 1], &inner)),
        ("erspan3:77", over(47, &[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0], &inner)),
        (
            "erspan3:77",
            over(
                47,
                &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 77, 0, 0, 0, 0, 0, 0, 8, 1][..], &[0; 8]].concat(),
                &hi(),
            ),
        ),
        ("ipip", over(4, &[], &hi())),
        ("6in4", over(41, &[], &v6(6, &tcp_of(b"hi")))),
        ("4in6", ether(0x86dd, &v6(4, &hi()))),
        ("6in6", ether(0x86dd, &v6(41, &v6(6, &tcp_of(b"hi"))))),
        ("etherip", over(97, &[0x30, 0], &inner)),
        ("geneve:280", over_udp(6081, &geneve, &inner)),
        ("vxlan:9001", over_udp(8472, &[8, 0, 0, 0, 0, 0x23, 0x29, 0], &inner)),
        ("vxlan:9001", over_udp(31_999, &[8, 0, 0, 0, 0, 0x23, 0x29, 0], &inner)),
        ("vxlan:1", over_udp(4789, &[0x88, 0, 1, 2, 0, 0, 1, 0], &inner)),
        ("vxlan:1", over_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 1, 0], &hi())),
        (
            "vxlan:1,vlan:5",
            over_udp(4789, &[8, 0, 0, 0, 0, 0, 1, 0], &ether(0x8100, &[&[0, 5, 8, 0][..], &hi()].concat())),
        ),
        ("gtp", over_udp(2152, &[0x30, 0xff, 0, 42, 0, 0, 0, 5], &hi())),
        ("gtp", over_udp(2152, &[0x34, 0xff, 0, 50, 0, 0, 0, 5, 0, 0, 0, 0x85, 1, 0, 9, 0], &hi())),
    ];
    for (expected, data) in &cases {
        assert_eq!(path(data), *expected);
        // Cut anywhere it is a reason or less payload, never a panic, and never more than there was.
        for end in 0..data.len() {
            let cut = Frame { data: &data[..end], ..frame(data) };
            if let Ok(packet) = Dissector::default().dissect(&cut) {
                assert!(packet.payload.len() <= packet.wire_len as usize);
            }
        }
    }
    let mut state = 3u32;
    let mut dissector = Dissector::default();
    for round in 0..100_000 {
        let mut data = cases[round % cases.len()].1.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 8) as usize % data.len();
            data[at] = (state >> 3) as u8;
        }
        let _ = dissector.dissect(&frame(&data));
    }
}

#[test]
fn a_datagram_without_the_shape_of_a_tunnel_is_a_datagram() {
    let inner = ether(0x0800, &hi());
    let mut too_long = inner.clone();
    too_long[17] = 200;
    for (port, header, inner) in [
        (31_999, &[8, 0, 0, 1, 0, 0, 1, 0][..], &inner),
        (31_999, &[8, 0, 0, 0, 0, 0, 1, 1], &inner),
        (31_999, &[8, 0, 0, 0, 0, 0, 1, 0], &too_long),
        (6081, &[0x42, 0, 0x65, 0x58, 0, 0, 1, 0], &inner),
        (6081, &[1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 4, 0x80, 9], &inner),
        (2152, &[0x30, 0xff, 0, 1, 0, 0, 0, 5], &inner),
        (53, b"\x00\x01\x01\x00", &inner),
    ] {
        let (path, transport, payload, _) = peel(&over_udp(port, header, inner)).unwrap();
        assert_eq!((path.as_str(), transport), ("", Transport::Udp));
        assert_eq!(payload, [header, inner].concat());
    }
}

#[test]
fn nine_encapsulations_are_too_deep_and_eight_are_not() {
    let tags = |count: usize| {
        let mut inner = [&[0, 1, 8, 0][..], &hi()].concat();
        for _ in 1..count {
            inner = [&[0, 1, 0x81, 0][..], &inner].concat();
        }
        peel(&ether(0x8100, &inner))
    };
    assert_eq!(tags(8).unwrap().0.matches("vlan:1").count(), 8);
    assert_eq!(tags(9).unwrap_err(), Skip::TooDeep);
}

#[test]
fn extension_headers_and_authentication_are_walked_over() {
    let hop = |next: u8, rest: &[u8]| [&[next, 0, 0, 0, 0, 0, 0, 0][..], rest].concat();
    let authentication = |next: u8, rest: &[u8]| [&[next, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], rest].concat();
    let atomic = |next: u8, rest: &[u8]| [&[next, 0, 0, 0, 0, 0, 0, 9][..], rest].concat();
    let tcp = tcp_of(b"hi");
    let chain = hop(43, &hop(60, &hop(44, &atomic(51, &authentication(135, &hop(6, &tcp))))));
    assert_eq!(path(&ether(0x86dd, &v6(0, &chain))), "");
    // RFC 4302 encrypts nothing: what is behind it must never pass for ESP.
    assert_eq!(path(&ether(0x0800, &v4(51, &authentication(6, &tcp)))), "");
    let esp = peel(&ether(0x0800, &v4(51, &authentication(50, b"secret")))).unwrap();
    assert_eq!((esp.1, &esp.2[..]), (Transport::Esp, &b"secret"[..]));
}

#[test]
fn tags_of_switches_and_service_chains_are_peeled() {
    let inner = ether(0x0800, &hi());
    let with = |header: &[u8], rest: &[u8]| [header, rest].concat();
    for (data, want) in [
        (ether(0x8926, &with(&[0x80, 1, 0, 2, 8, 0], &hi())), ""),
        (ether(0x8926, &with(&[0x80, 1, 0, 2, 0x81, 0, 0, 7, 8, 0], &hi())), "vlan:7"),
        (ether(0x8909, &with(&[1, 1, 0, 1, 0, 7, 8, 0], &hi())), ""),
        (ether(0x88e7, &with(&[0x20, 1, 0, 2], &inner)), "pbb:65538"),
        (ether(0x894f, &with(&[0x0f, 0xc6, 1, 1, 0, 0, 9, 255], &with(&[0; 16], &hi()))), "nsh"),
        (ether(0x894f, &with(&[0x0f, 0xc2, 2, 3, 0, 0, 9, 255], &inner)), "nsh"),
        (ether(0x0800, &v4(143, &inner)), "ethernet"),
    ] {
        assert_eq!(path(&data), want, "{data:x?}");
    }
}

#[test]
fn frames_without_a_packet_say_why() {
    for (data, why) in [
        (ether(0x0806, &[0; 28]), Skip::NotIp),
        (ether(0x88e5, &[0; 28]), Skip::EtherType(0x88e5)),
        (ether(0x8100, &[0, 7, 0x22, 0xf3, 0, 0]), Skip::EtherType(0x22f3)),
        (ether(0x8909, &[1, 2, 0, 1, 0, 7, 0, 0, 0, 0, 8, 0]), Skip::EtherType(0x8909)),
        (ether(0x8847, &[0, 1, 0x01, 64, 0x10, 0, 0, 0x21]), Skip::NotIp),
        (ether(0x8847, &[0, 1, 0x01, 64, 0x70, 0, 0, 0x21]), Skip::EtherType(0x8847)),
        (
            ether(0x8847, &[&[0, 1, 0x01, 64, 1, 0x80, 0xc2, 0, 0, 0][..], &[9; 6], &[0, 3, 0x42, 0x42, 3]].concat()),
            Skip::NotIp,
        ),
        (ether(0x0800, &v4(115, &[0; 20])), Skip::Protocol(115)),
        (ether(0x0800, &v4(1, &[8, 0])), Skip::Icmp),
        (ether(0x86dd, &v6(58, &[128, 0])), Skip::Icmp),
        (ether(0x0800, &v4(132, &[0; 20])), Skip::Protocol(132)),
        (ether(0x86dd, &v6(59, &[])), Skip::Protocol(59)),
        (ether(0x0800, &[0x45, 0, 0, 10]), Skip::CutHeader),
        (ether(0x0800, &v4(6, &[0; 20])), Skip::BadHeader),
        (ether(0x0800, &[0x55; 40]), Skip::BadHeader),
        (vec![0; 3], Skip::CutHeader),
    ] {
        assert_eq!(peel(&data).unwrap_err(), why);
    }
    let odd = Frame { link_type: 105, ..frame(&[0; 60]) };
    assert_eq!(Dissector::default().dissect(&odd).unwrap_err(), Skip::LinkType(105));
}

#[test]
fn offloaded_segments_without_a_length_end_with_the_capture() {
    for mut packet in [hi(), v6(6, &tcp_of(b"hi"))] {
        let at = if packet[0] == 0x45 { 2 } else { 4 };
        packet[at] = 0;
        packet[at + 1] = 0;
        let kind = if at == 2 { 0x0800 } else { 0x86dd };
        assert_eq!(path(&ether(kind, &packet)), "");
        let data = ether(kind, &packet);
        let cut = Frame { wire_len: u32::try_from(data.len()).unwrap() + 1000, ..frame(&data) };
        let mut dissector = Dissector::default();
        let packet = dissector.dissect(&cut).unwrap();
        assert_eq!((packet.payload, packet.wire_len), (&b"hi"[..], 1002));
    }
}

#[test]
fn a_packet_cut_in_its_tcp_options_keeps_its_numbers() {
    let data = ether(0x0800, &v4(6, &tcp_of(&[b'x'; 500])));
    for end in [14 + 20 + 14, 14 + 20 + 20, 14 + 20 + 90] {
        let mut dissector = Dissector::default();
        let cut = Frame { data: &data[..end], ..frame(&data) };
        let packet = dissector.dissect(&cut).unwrap();
        assert_eq!((packet.wire_len, packet.tcp.seq), (500, 5));
        assert_eq!(packet.payload.len(), end.saturating_sub(54));
    }
}

#[test]
fn fragments_inside_and_outside_of_a_tunnel_are_put_together() {
    let tcp = tcp_of(&[b'a'; 60]);
    // Inner fragments, each in a VXLAN packet of its own, whose outer packets are fragments as well.
    let mut frames = Vec::new();
    for (index, piece) in [v4_piece(6, &tcp[..40], 0x2000, 3), v4_piece(6, &tcp[40..], 5, 3)].iter().enumerate() {
        let outer = udp_to(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0][..], &ether(0x0800, piece)].concat());
        let id = u16::try_from(index).unwrap() + 10;
        frames.push(ether(0x0800, &v4_piece(17, &outer[..48], 0x2000, id)));
        frames.push(ether(0x0800, &v4_piece(17, &outer[48..], 6, id)));
    }
    let mut dissector = Dissector::default();
    for waiting in [0, 3, 1] {
        assert_eq!(dissector.dissect(&frame(&frames[waiting])).unwrap_err(), Skip::Fragment);
    }
    let packet = dissector.dissect(&frame(&frames[2])).unwrap();
    assert_eq!((packet.payload, packet.wire_len, packet.tcp.seq), (&[b'a'; 60][..], 60, 5));
    let tunnel = packet.tunnel;
    assert_eq!(dissector.tunnels.path(tunnel), ["vxlan:1"]);
    assert_eq!(dissector.finish(), 0);
}

#[test]
fn ipv6_fragments_are_put_together_and_lonely_ones_are_counted() {
    let tcp = tcp_of(&[b'a'; 20]);
    let piece = |place: u16, part: &[u8]| {
        let [high, low] = place.to_be_bytes();
        ether(0x86dd, &v6(44, &[&[6, 0, high, low, 0, 0, 0, 9][..], part].concat()))
    };
    let (first, last) = (piece(1, &tcp[..24]), piece(24, &tcp[24..]));
    let mut dissector = Dissector::default();
    assert_eq!(dissector.dissect(&frame(&first)).unwrap_err(), Skip::Fragment);
    assert_eq!(dissector.dissect(&frame(&last)).unwrap().payload, [b'a'; 20]);
    // On another interface the same fragments are another packet.
    assert_eq!(dissector.dissect(&frame(&first)).unwrap_err(), Skip::Fragment);
    let elsewhere = Frame { interface: 1, ..frame(&last) };
    assert_eq!(dissector.dissect(&elsewhere).unwrap_err(), Skip::Fragment);
    assert_eq!(dissector.finish(), 2);
}

#[test]
fn frames_and_interfaces_are_numbered_over_all_files() {
    let data = ether(0x0800, &hi());
    let mut dissector = Dissector::default();
    let mut seen = Vec::new();
    for _ in 0..2 {
        dissector.begin_file();
        for (number, interface) in [(1, 0), (2, 4), (3, 0)] {
            let packet = dissector.dissect(&Frame { number, interface, ..frame(&data) }).unwrap();
            seen.push((packet.frame, packet.interface));
        }
    }
    assert_eq!(seen, [(1, 0), (2, 1), (3, 0), (4, 2), (5, 3), (6, 2)]);
}

#[test]
fn the_interface_of_a_cooked_header_and_its_loopback_are_told() {
    let cooked = |index: u8, hardware: u16| {
        let [high, low] = hardware.to_be_bytes();
        [&[8, 0, 0, 0, 0, 0, 0, index, high, low, 0, 0][..], &[0; 8], &hi()].concat()
    };
    let mut dissector = Dissector::default();
    let mut seen = Vec::new();
    for data in [cooked(1, 772), cooked(2, 1), cooked(1, 772)] {
        let packet = dissector.dissect(&Frame { link_type: 276, ..frame(&data) }).unwrap();
        seen.push((packet.interface, packet.medium));
    }
    assert_eq!(seen, [(0, Medium::Lo), (1, Medium::Wire), (0, Medium::Lo)]);
}

#[test]
fn more_paths_than_are_kept_share_one() {
    let mut dissector = Dissector::default();
    let mut last = String::new();
    for id in 0..70_000u32 {
        let [_, a, b, c] = id.to_be_bytes();
        let data = over_udp(4789, &[8, 0, 0, 0, a, b, c, 0], &ether(0x0800, &hi()));
        let tunnel = dissector.dissect(&frame(&data)).unwrap().tunnel;
        last = dissector.tunnels.path(tunnel).join(",");
    }
    assert_eq!(last, "other");
}

#[test]
fn each_tunnel_has_a_name_that_paths_know() {
    for row in tunnel::TUNNELS.iter().filter(|row| !row.name.is_empty()) {
        let mut path = Path::default();
        path.push(row.name, Some(1)).unwrap();
        let mut tunnels = Tunnels::default();
        let id = Paths::default().number(&path, &mut tunnels);
        assert_eq!(tunnels.path(id), [format!("{}:1", row.name)]);
    }
}
