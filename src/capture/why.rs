//! Why a flow has its verdict, in one phrase that the flows of an edge share.

use super::exempt::{Exempt, Exemptions};
use super::flow::{Failure, Flow, Grade, Verdict};
use super::note::{Mark, Note};
use super::tls::{ClientCertificate, alert_name};
use std::hash::{Hash, Hasher};

/// The mark of the mesh that the evidence names.
fn mark(flow: &Flow) -> &'static str {
    let marks = flow.evidence.iter().find_map(|one| match one.note {
        Note::Marks(mark) => Some(mark),
        _ => None,
    });
    match marks {
        Some(Mark::Alpn) => ", ALPN istio",
        Some(Mark::Sni) => ", SNI of a sidecar",
        Some(Mark::Hbone) => ", HBONE",
        None => "",
    }
}

/// What the capture lacks of a flow, the most telling first.
const LACKS: &[(Note, &str)] = &[
    (Note::OneSided, "one direction captured only"),
    (Note::CutOff, "reading ended by the memory limit"),
    (Note::Gaps, "the capture lacks bytes"),
    (Note::Conflict, "copies of the same bytes differ"),
];

/// The facts that the phrase is made of, and no others: few bytes, so that flows can be grouped by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Why {
    verdict: Verdict,
    grade: Grade,
    exempt: Option<Exempt>,
    failure: Option<Failure>,
    certificate: Option<ClientCertificate>,
    /// A session was resumed; `false` also where that cannot be told.
    resumed: bool,
    chain: Option<bool>,
    /// In words; empty: none.
    mark: &'static str,
    /// Its code, where it could be read, and whether the client sent it.
    alert: Option<(Option<u8>, bool)>,
    protocol: Option<&'static str>,
    upgraded_from: Option<&'static str>,
    /// What of the evidence says most.
    detail: Option<&'static str>,
}

/// One number of what tells most flows apart: this is done for every flow, and comparing does the rest.
impl Hash for Why {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let text = |text: Option<&str>| match text.map(str::as_bytes) {
            Some([first, .., last]) => u64::from(*first) ^ u64::from(*last) << 3,
            _ => 0,
        };
        let alert = self.alert.and_then(|(code, _)| code).map_or(0, u64::from);
        let bits = [
            self.verdict as u64,
            self.grade as u64,
            self.failure.map_or(0, |failure| 1 + failure as u64),
            self.certificate.map_or(0, |certificate| 1 + certificate as u64),
            u64::from(self.resumed) << 1 | u64::from(self.exempt.is_some()),
            self.mark.len() as u64,
        ];
        let bits = bits.into_iter().fold(0, |all, few| all << 4 | few);
        state.write_u64(
            bits << 40 | text(self.detail) << 28 | text(self.protocol) << 16 | text(self.upgraded_from) << 8 | alert,
        );
    }
}

impl Why {
    /// Of a flow.
    #[must_use]
    pub fn of(flow: &Flow, exempt: Option<Exempt>) -> Self {
        let tls = flow.tls.as_deref();
        let mut why = Self {
            verdict: flow.verdict,
            grade: flow.grade,
            exempt,
            failure: flow.failure,
            certificate: None,
            resumed: false,
            chain: None,
            mark: "",
            alert: None,
            protocol: flow.protocol,
            upgraded_from: flow.upgraded_from(),
            detail: detail(flow),
        };
        match (flow.verdict, tls) {
            (Verdict::Mtls, Some(tls)) => {
                why.certificate = Some(tls.client_certificate);
                why.resumed = tls.resumed == Some(true);
                why.chain = tls.chain;
                why.mark = mark(flow);
            }
            (Verdict::Tls, Some(tls)) if flow.grade != Grade::F => {
                why.certificate = Some(match tls.client_certificate {
                    ClientCertificate::Seen => ClientCertificate::Inferred,
                    other => other,
                });
                why.resumed = tls.resumed == Some(true) && tls.client_certificate == ClientCertificate::Unknown;
            }
            (Verdict::FailedHandshake, Some(tls)) if flow.failure != Some(Failure::TlsToPlaintextServer) => {
                why.alert = tls.alert.map(|alert| (alert.code, tls.alert_by_client));
            }
            _ => {}
        }
        why
    }

    /// Whether the protocol has a name.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.protocol.is_some()
    }

    /// In words.
    #[must_use]
    pub fn text(&self, exemptions: &Exemptions) -> String {
        let mut text = match self.verdict {
            Verdict::Mtls => self.mutual(),
            Verdict::Tls => self.one_way(),
            Verdict::EncryptedOther => match self.protocol {
                Some(protocol) => format!("{protocol} encrypts by itself"),
                None => "encrypted by a protocol other than TLS".to_owned(),
            },
            Verdict::FailedHandshake => self.failed(),
            Verdict::Mixed => self.detail.unwrap_or("clear bytes among encrypted ones").to_owned(),
            Verdict::Plaintext => self.clear(exemptions),
            Verdict::NoData => "no payload".to_owned(),
            Verdict::Unknown => match self.protocol {
                // The banner of one side, and nothing of the other that would fit.
                Some(protocol) => self.with_detail(&format!("{protocol} on one side only")),
                None => self.with_detail("no protocol recognised"),
            },
        };
        if let Some(protocol) = self.upgraded_from {
            text.push_str(&format!(", after {protocol} in clear"));
        }
        text
    }

    /// A phrase, and what says most of the evidence after it.
    fn with_detail(&self, phrase: &str) -> String {
        match self.detail {
            Some(detail) => format!("{phrase}: {detail}"),
            None => phrase.to_owned(),
        }
    }

    fn mutual(&self) -> String {
        let certificate = match (self.certificate, self.grade) {
            (Some(ClientCertificate::Seen), Grade::A) => "client certificate seen, proof of its key checked",
            (Some(ClientCertificate::Seen), _) => "certificates seen, not all checked",
            (Some(ClientCertificate::Inferred), _) if self.resumed => "resumes a session that had a client certificate",
            (Some(ClientCertificate::Inferred), _) => "client certificate inferred from its size",
            _ if self.resumed => "session resumed, client certificate not shown",
            _ => "client certificate not shown",
        };
        let chain = match self.chain {
            Some(true) => ", chain verified",
            Some(false) => ", chain does not build to the CA",
            None => "",
        };
        self.with_detail(&[certificate, chain, self.mark].concat())
    }

    fn one_way(&self) -> String {
        let phrase = match (self.certificate, self.grade) {
            (_, Grade::F) => "records only, no handshake captured",
            (Some(ClientCertificate::None), _) => "no client certificate",
            (Some(ClientCertificate::Seen | ClientCertificate::Inferred), _) => "client certificate not proven",
            _ if self.resumed => "session resumed, client certificate unknown",
            _ => "client certificate unknown",
        };
        self.with_detail(phrase)
    }

    fn clear(&self, exemptions: &Exemptions) -> String {
        let leaked = self.failure == Some(Failure::RefusedPlaintext);
        let text = match self.exempt {
            Some(exempt) => format!("exempt: {}", exemptions.word(exempt)),
            None if leaked => return "request in clear, then reset or closed without an answer".to_owned(),
            None => self.detail.unwrap_or("in clear").to_owned(),
        };
        if leaked { format!("{text}; request refused") } else { text }
    }

    fn failed(&self) -> String {
        let alert = self.alert.map(|(code, by_client)| {
            let who = if by_client { "client" } else { "server" };
            let what = match code.map(|code| (code, alert_name(code))) {
                Some((_, Some(name))) => format!("alert {name}"),
                Some((code, None)) => format!("alert {code}"),
                None => "an encrypted alert".to_owned(),
            };
            format!("refused by the {who}: {what}")
        });
        match (self.failure, alert) {
            (Some(Failure::TlsToPlaintextServer), _) => "TLS to a server that answers in clear".to_owned(),
            (_, Some(alert)) => alert,
            (Some(Failure::HandshakeRefused), None) => {
                format!("closed {}during the handshake", self.detail.map(|by| format!("{by} ")).unwrap_or_default())
            }
            (Some(Failure::HandshakeIncomplete), None) => self.with_detail("handshake stops without a word"),
            (Some(Failure::ClientGaveUp), None) => "client closed before the server answered".to_owned(),
            _ => "handshake failed".to_owned(),
        }
    }
}

/// What of the evidence says most of a flow's verdict, where the other facts do not say it.
fn detail(flow: &Flow) -> Option<&'static str> {
    let has = |wanted: Note| flow.evidence.iter().any(|one| one.note == wanted);
    let first = |notes: &[(Note, &'static str)]| notes.iter().find(|(note, _)| has(*note)).map(|(_, text)| *text);
    let certificate = flow.tls.as_ref().map(|tls| tls.client_certificate);
    match (flow.verdict, flow.failure) {
        (Verdict::Mtls, _) => first(&[(Note::Conflict, "copies of the same bytes differ")]),
        (Verdict::Tls, _) if flow.grade == Grade::F || certificate == Some(ClientCertificate::None) => None,
        (Verdict::Tls, _) => first(&[(Note::Possession(Some(false)), "the signature does not fit it")])
            .or_else(|| first(LACKS))
            .or_else(|| first(&[(Note::NotAccepted, "not seen to be accepted")])),
        (Verdict::Unknown, _) => first(LACKS),
        (Verdict::FailedHandshake, Some(Failure::HandshakeIncomplete)) => first(LACKS),
        (Verdict::FailedHandshake, Some(Failure::HandshakeRefused)) => {
            first(&[(Note::ClosedByServer, "by the server"), (Note::ClosedByClient, "by the client")])
        }
        (Verdict::Plaintext, _) => first(&[
            (Note::NullCipher, "TLS with a cipher suite that does not encrypt"),
            (Note::UpgradeRefused, "in clear: TLS was asked for and refused"),
        ]),
        (Verdict::Mixed, _) => first(&[
            (Note::LateTls, "TLS begins amid clear bytes that did not ask for it"),
            (Note::Broken, "TLS records break into something else"),
        ]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::fake::{flow, mtls, plain};
    use crate::capture::flow::Tls;
    use crate::capture::note::Evidence;
    use crate::capture::tls::Alert;

    fn text(flow: &Flow) -> String {
        let exemptions = Exemptions { built_in: true, ..Exemptions::default() };
        Why::of(flow, exemptions.of(flow)).text(&exemptions)
    }

    #[test]
    fn every_verdict_says_why() {
        let of = |verdict| flow("10.0.0.1:1", "10.0.0.2:2", verdict);
        let marked = |mut flow: Flow, mark| {
            flow.evidence = Box::new([Evidence { frame: 1, note: Note::Marks(mark) }]);
            flow
        };
        let good = marked(mtls("10.0.0.1:1", "10.0.0.2:2"), Mark::Alpn);
        let sni = marked(mtls("10.0.0.1:1", "10.0.0.2:2"), Mark::Sni);
        assert_eq!(text(&sni), "client certificate inferred from its size, SNI of a sidecar");
        assert_eq!(text(&good), "client certificate inferred from its size, ALPN istio");
        let mut hbone = marked(mtls("10.0.0.1:1", "10.0.0.2:15008"), Mark::Hbone);
        if let Some(tls) = &mut hbone.tls {
            tls.chain = Some(false);
        }
        assert_eq!(text(&hbone), "client certificate inferred from its size, chain does not build to the CA, HBONE");
        assert_eq!(text(&of(Verdict::Tls)), "client certificate unknown");
        assert_eq!(text(&of(Verdict::Unknown)), "no protocol recognised");
        assert_eq!(text(&plain("127.0.0.1:1", "127.0.0.1:2", "http")), "exempt: loopback");
        let mut refused = plain("10.0.0.1:1", "10.0.0.2:2", "http");
        refused.failure = Some(Failure::RefusedPlaintext);
        assert_eq!(text(&refused), "request in clear, then reset or closed without an answer");
        let mut upgraded = of(Verdict::Tls);
        upgraded.rare_mut().upgraded_from = Some("smtp");
        assert_eq!(text(&upgraded), "client certificate unknown, after smtp in clear");
    }

    #[test]
    fn failures_name_who_refused() {
        let mut failed = flow("10.0.0.1:1", "10.0.0.2:2", Verdict::FailedHandshake);
        failed.failure = Some(Failure::HandshakeRefused);
        assert_eq!(text(&failed), "closed during the handshake");
        let alert = Some(Alert { code: None, side: 1, frame: 9 });
        failed.tls = Some(Box::new(Tls { alert, ..Tls::default() }));
        assert_eq!(text(&failed), "refused by the server: an encrypted alert");
        failed.failure = Some(Failure::TlsToPlaintextServer);
        assert_eq!(text(&failed), "TLS to a server that answers in clear");
    }

    #[test]
    fn the_evidence_that_says_most_is_in_the_phrase() {
        for (verdict, notes, want) in [
            (
                Verdict::Tls,
                &[Note::Gaps, Note::OneSided][..],
                "client certificate unknown: one direction captured only",
            ),
            (Verdict::Tls, &[Note::NotAccepted], "client certificate unknown: not seen to be accepted"),
            (Verdict::Unknown, &[Note::Gaps], "no protocol recognised: the capture lacks bytes"),
            (Verdict::Plaintext, &[Note::NullCipher], "TLS with a cipher suite that does not encrypt"),
            (Verdict::Plaintext, &[Note::UpgradeRefused], "in clear: TLS was asked for and refused"),
            (Verdict::Mixed, &[Note::Broken], "TLS records break into something else"),
            (Verdict::Mixed, &[], "clear bytes among encrypted ones"),
        ] {
            let mut flow = flow("10.0.0.1:1", "10.0.0.2:2", verdict);
            flow.evidence = notes.iter().map(|note| Evidence { frame: 0, note: *note }).collect();
            assert_eq!(text(&flow), want);
        }
        let mut banner = flow("10.0.0.1:1", "10.0.0.2:2", Verdict::Unknown);
        banner.protocol = Some("ssh");
        assert_eq!(text(&banner), "ssh on one side only");
        let mut closed = flow("10.0.0.1:1", "10.0.0.2:2", Verdict::FailedHandshake);
        closed.failure = Some(Failure::HandshakeRefused);
        closed.evidence = Box::new([Evidence { frame: 0, note: Note::ClosedByServer }]);
        assert_eq!(text(&closed), "closed by the server during the handshake");
    }

    #[test]
    fn facts_that_are_not_said_keep_no_flows_apart() {
        let failed = |certificate| {
            let mut failed = flow("10.0.0.1:1", "10.0.0.2:2", Verdict::FailedHandshake);
            failed.tls = Some(Box::new(Tls { client_certificate: certificate, ..Tls::default() }));
            Why::of(&failed, None)
        };
        assert_eq!(failed(ClientCertificate::None), failed(ClientCertificate::Unknown));
        let mut c = mtls("10.0.0.1:1", "10.0.0.2:2");
        c.grade = Grade::C;
        assert_ne!(Why::of(&c, None), Why::of(&mtls("10.0.0.1:1", "10.0.0.2:2"), None));
    }
}
