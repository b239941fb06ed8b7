//! A live capture through a pipe: real packets of this machine's loopback interface, made by the test.

use crate::support::skipped;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn runs(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
}

/// `tcpdump -i lo` of two ports into a pipe; `None` where it may not capture.
fn tcpdump(ports: [u16; 2]) -> Option<Child> {
    let filter = format!("port {} or port {}", ports[0], ports[1]);
    let mut child = Command::new("tcpdump")
        .args(["-i", "lo", "-U", "--immediate-mode", "-w", "-", &filter])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while stderr.read_line(&mut line).unwrap() > 0 {
        if line.contains("listening on") {
            // Kept open, so that its last words do not end it.
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
            return Some(child);
        }
        line.clear();
    }
    child.wait().unwrap();
    None
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// A free port of the loopback interface.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One request and answer in clear.
fn http(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).unwrap();
        assert!(read > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok"));
    server.join().unwrap();
}

/// One TLS exchange by openssl.
fn tls(port: u16, folder: &std::path::Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success());
    let mut server = Command::new("openssl")
        .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-key", "key.pem", "-cert", "cert.pem", "-www"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let answer = loop {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = client.stdin.take().unwrap();
        let sent = stdin.write_all(b"GET / HTTP/1.0\r\n\r\n");
        let output = client.wait_with_output().unwrap();
        if sent.is_ok() && !output.stdout.is_empty() || began.elapsed() > Duration::from_secs(20) {
            break output.stdout;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(!answer.is_empty(), "openssl got no answer");
}

/// The verdict of the flows to a port, as words.
fn verdicts(report: &Value, port: u16) -> Vec<String> {
    let flows = report["flows"].as_array().unwrap().iter();
    let to = flows.filter(|flow| flow["server"].as_str().unwrap().ends_with(&format!(":{port}")));
    to.map(|flow| flow["verdict"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_live_capture_is_read_from_a_pipe_until_its_end_or_an_interrupt() {
    if !runs("openssl", "version") {
        return skipped("live captures: no openssl", 2);
    }
    let folder = tempfile::tempdir().unwrap();
    for interrupted in [false, true] {
        let (clear, secure) = (port(), port());
        let Some(mut tcpdump) = tcpdump([clear, secure]) else {
            return skipped("live captures: no tcpdump, or no right to capture", 2);
        };
        let meshctl = Command::new(env!("CARGO_BIN_EXE_meshctl"))
            .args(["pcap-verify", "-", "--judge-loopback", "-o", "json"])
            .stdin(tcpdump.stdout.take().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        http(clear);
        tls(secure, folder.path());
        std::thread::sleep(Duration::from_millis(600));
        interrupt(if interrupted { &meshctl } else { &tcpdump });
        let output = meshctl.wait_with_output().unwrap();
        if interrupted {
            interrupt(&tcpdump);
        }
        tcpdump.wait().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{report}");
        assert!(verdicts(&report, clear).contains(&"plaintext:http".to_owned()), "{report}");
        assert!(verdicts(&report, secure).contains(&"tls".to_owned()), "{report}");
        assert_eq!(report["coverage"]["interrupted"].as_bool(), Some(interrupted), "{report}");
    }
}
