//! The transcript that a client's CertificateVerify signs up to TLS 1.2 (RFC 5246 7.4.8).

use super::bytes::Bytes;

/// Both sides together.
const LARGEST: usize = 128 * 1024;

/// Every handshake message so far, in the order in which a handshake has them. The sides are kept apart: a capture may
/// show the answer before the question, the transcript never has it so.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    hello: Vec<u8>,
    server: Vec<u8>,
    client: Vec<u8>,
    /// Scheme and signature of CertificateVerify.
    verify: Option<(u16, Vec<u8>)>,
}

impl Transcript {
    /// Begins with a ClientHello, header included.
    pub(super) fn begin(hello: &[u8]) -> Option<Box<Self>> {
        (hello.len() <= LARGEST).then(|| Box::new(Self { hello: hello.to_vec(), ..Self::default() }))
    }

    /// Adds a message, header included. False: there is too much.
    pub(super) fn add(&mut self, by_client: bool, whole: &[u8]) -> bool {
        if self.verify.is_none() || !by_client {
            let part = if by_client { &mut self.client } else { &mut self.server };
            part.extend_from_slice(whole);
        }
        self.hello.len() + self.server.len() + self.client.len() <= LARGEST
    }

    /// The body of CertificateVerify: what the client sends after it is not signed.
    pub(super) fn sign(&mut self, body: &[u8]) {
        let mut bytes = Bytes(body);
        if let (Some(scheme), Some(signature)) = (bytes.u16(), bytes.vector16()) {
            self.verify = Some((scheme, signature.to_vec()));
        } else if body.len() < 4 {
            // No version has a signature in so little.
            self.verify = Some((0, Vec::new()));
        }
    }

    /// Scheme, signed message and signature, once there is one.
    pub(super) fn signed(&self) -> Option<(u16, Vec<u8>, &[u8])> {
        let (scheme, signature) = self.verify.as_ref()?;
        Some((*scheme, [&*self.hello, &*self.server, &*self.client].concat(), signature))
    }

    /// Bytes of memory in buffers.
    pub(super) fn held(&self) -> usize {
        let verify = self.verify.as_ref().map_or(0, |(_, signature)| signature.capacity());
        size_of::<Self>() + self.hello.capacity() + self.server.capacity() + self.client.capacity() + verify
    }
}
