//! Flows made by hand, for the tests of what is shown.

use super::flow::{Flow, Grade, Tls, Verdict};
use super::packet::{Endpoint, Medium, Time, Transport, TunnelId};
use super::tls::ClientCertificate;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A flow of a verdict and nothing else, from `10.0.0.1:4000` or `[fd00::1]:4000`.
pub(super) fn flow(client: &str, server: &str, verdict: Verdict) -> Flow {
    let at = |text: &str| {
        let socket: SocketAddr = text.parse().unwrap();
        Endpoint::new(socket.ip(), socket.port())
    };
    let grade = match verdict {
        Verdict::Mtls => Grade::C,
        Verdict::Tls | Verdict::EncryptedOther => Grade::E,
        Verdict::FailedHandshake => Grade::X,
        Verdict::Mixed | Verdict::Plaintext => Grade::P,
        Verdict::NoData | Verdict::Unknown => Grade::U,
    };
    Flow {
        client: at(client),
        server: at(server),
        transport: Transport::Tcp,
        medium: Medium::Wire,
        tunnel: TunnelId(0),
        verdict,
        grade,
        protocol: None,
        failure: None,
        tls: None,
        leg: None,
        packets: 10,
        bytes: 2000,
        first_frame: 1,
        first: Time(1_795_350_566_388_000_000),
        last: Time(1_795_350_566_500_000_000),
        evidence: Box::default(),
        rare: None,
    }
}

/// A protocol in clear.
pub(super) fn plain(client: &str, server: &str, protocol: &'static str) -> Flow {
    Flow { protocol: Some(protocol), ..flow(client, server, Verdict::Plaintext) }
}

/// TLS 1.3 of the mesh.
pub(super) fn mtls(client: &str, server: &str) -> Flow {
    let tls = Tls {
        version: Some(0x0304),
        cipher: Some(0x1301),
        sni: Some("outbound_.9080_._.details".into()),
        alpn_offered: Some(["istio".to_owned(), "h2".to_owned()].into()),
        client_certificate: ClientCertificate::Inferred,
        resumed: Some(false),
        ..Tls::default()
    };
    Flow { grade: Grade::CPlus, tls: Some(Box::new(tls)), ..flow(client, server, Verdict::Mtls) }
}

/// A folder of captures beside the package; a clean clone has none, which is said on the terminal.
pub(super) fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("shared").join(folder);
    if !path.is_dir() {
        // Past libtest, which swallows what a test that passes prints.
        std::io::stderr().write_all(format!("skipped: there is no ../shared/{folder}\n").as_bytes()).unwrap();
        return None;
    }
    Some(path)
}
