//! Captures that are cut, changed and made up: no panic, no hang, bounded memory, and no mutual TLS with a server that had
//! none in the capture as it was.

use crate::support::{files, root};
use meshctl::capture::file::magics;
use meshctl::capture::flow::{Capture, Grade, Verdict};
use meshctl::capture::link::LINK_LAYERS;
use meshctl::capture::{Options, Verifier};
use meshctl::input::captures::from_reader;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// Twenty captures and more, plain and compressed.
fn captures() -> Vec<PathBuf> {
    let folder = root().join("testdata/pcap");
    let found: Vec<_> = ["pcap", "pcapng", "gz"].iter().flat_map(|ending| files(&folder, ending)).collect();
    assert!(found.len() >= 20, "{found:?}");
    found
}

/// What is in a file of these bytes, unpacked where it is compressed.
fn read(bytes: &[u8]) -> Capture {
    let mut verifier = Verifier::new(Options { samples: true, ..Options::default() });
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let source = from_reader(std::io::Cursor::new(bytes.to_vec()), false, &Default::default()).unwrap();
        verifier.file("made", source, &mut || {});
    } else {
        verifier.file("made", bytes, &mut || {});
    }
    let capture = verifier.finish(false);
    for flow in &capture.flows {
        for evidence in &flow.evidence {
            assert!(!evidence.note.text(flow).is_empty());
        }
    }
    capture
}

/// Flows that are shown to be mutual TLS as strongly as `--require mtls` asks, by the server's address.
fn mutual(capture: &Capture) -> BTreeMap<IpAddr, usize> {
    let mut servers = BTreeMap::new();
    for flow in capture.flows.iter().filter(|flow| flow.verdict == Verdict::Mtls && flow.grade <= Grade::C) {
        *servers.entry(flow.server.ip()).or_default() += 1;
    }
    servers
}

/// No server has more such flows than before.
fn is_no_greener(capture: &Capture, before: &BTreeMap<IpAddr, usize>) -> bool {
    mutual(capture).iter().all(|(server, count)| before.get(server).is_some_and(|before| count <= before))
}

fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap()
}

#[test]
fn every_prefix_is_read_and_a_cut_is_said() {
    for file in captures() {
        let bytes = std::fs::read(&file).unwrap();
        let whole = read(&bytes);
        let before = mutual(&whole);
        let said = |capture: &Capture| capture.coverage.files[0].problem.is_some();
        assert!(!said(&whole), "{}", file.display());
        for end in (0..bytes.len()).step_by(37) {
            let capture = read(&bytes[..end]);
            let at = format!("{} cut at {end}", file.display());
            assert!(capture.coverage.frames <= whole.coverage.frames, "{at}");
            assert!(is_no_greener(&capture, &before), "{at}: {:?}, before {before:?}", mutual(&capture));
            // Where one record ends and the next begins, nothing shows that more was to come. No record is of one byte.
            assert!(said(&capture) || said(&read(&bytes[..end - 1])), "{at}");
        }
    }
}

#[test]
fn two_thousand_mutations_are_read_and_none_makes_mutual_tls() {
    let captures: Vec<Vec<u8>> = captures().iter().map(|file| std::fs::read(file).unwrap()).collect();
    let before: Vec<_> = captures.iter().map(|bytes| mutual(&read(bytes))).collect();
    let mut seed = 7;
    for turn in 0..2000 {
        let mut bytes = captures[turn % captures.len()].clone();
        for _ in 0..1 + random(&mut seed) % 12 {
            let at = random(&mut seed) % bytes.len();
            match random(&mut seed) % 4 {
                0 => bytes[at] ^= 1 << (random(&mut seed) % 8),
                1 => bytes[at] = [0, 0xff, 0x7f, 0x80, 0x16, 0x17][random(&mut seed) % 6],
                2 => drop(bytes.drain(at..(at + random(&mut seed) % 50).min(bytes.len()))),
                _ => {
                    let piece: Vec<u8> = bytes[at..(at + 60).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        let (capture, before) = (read(&bytes), &before[turn % captures.len()]);
        assert!(is_no_greener(&capture, before), "turn {turn}: {:?}, before {before:?}", mutual(&capture));
    }
}

#[test]
fn random_bytes_behind_each_file_header_are_read_and_nothing_is_green() {
    // Section header and interface, gzip; classic headers with every magic number that is read, in both orders of bytes,
    // and every link type.
    let ng = |bytes: &[u8]| bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
    let own = captures().into_iter().map(|file| std::fs::read(file).unwrap());
    let mut headers: Vec<Vec<u8>> = own.map(|bytes| bytes[..if ng(&bytes) { 256 } else { 24 }].to_vec()).collect();
    for (magic, length) in magics() {
        for (link, ..) in LINK_LAYERS {
            let rest = vec![0; length - 24];
            let little =
                [&magic.to_le_bytes()[..], &[2, 0, 4, 0], &[0; 8], &[0, 0, 4, 0], &link.to_le_bytes()].concat();
            let big = [&magic.to_be_bytes()[..], &[0, 2, 0, 4], &[0; 8], &[0, 4, 0, 0], &link.to_be_bytes()].concat();
            headers.extend([[little, rest.clone()].concat(), [big, rest].concat()]);
        }
    }
    assert!(headers.len() > 100);
    let mut seed = 11;
    for header in headers {
        let mut bytes = header.clone();
        bytes.extend((0..100_000).map(|_| random(&mut seed) as u8));
        let capture = read(&bytes);
        let file = &capture.coverage.files[0];
        assert!(file.valid || header.starts_with(&[0x1f, 0x8b]), "{header:x?}: {:?}", file.problem);
        let green = capture.flows.iter().find(|flow| matches!(flow.verdict, Verdict::Mtls | Verdict::Tls));
        assert!(green.is_none(), "{header:x?}: {green:#?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn lengths_that_claim_what_is_not_there_take_no_memory() {
    let huge = 0x7fff_ffff_u32.to_le_bytes();
    let classic = [&0xa1b2_c3d4_u32.to_le_bytes()[..], &[2, 0, 4, 0], &[0; 8], &huge, &1_u32.to_le_bytes()].concat();
    let record = [&[0; 8][..], &huge, &huge, &[9; 500]].concat();
    let section =
        [&[0x0a, 0x0d, 0x0d, 0x0a][..], &huge, &0x1a2b_3c4d_u32.to_le_bytes(), &[1, 0, 0, 0], &[9; 500]].concat();
    let folder = tempfile::tempdir().unwrap();
    for bytes in [[classic, record].concat(), section] {
        let file = folder.path().join("huge.pcap");
        std::fs::write(&file, bytes).unwrap();
        // Half a gigabyte of addresses, threads and all: an allocation of what is claimed would end the program.
        let run = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 500000 && exec \"$0\" pcap-verify \"$1\""])
            .arg(env!("CARGO_BIN_EXE_meshctl"))
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(matches!(run.status.code(), Some(1..=3)), "{:?}: {said}", run.status);
    }
}
