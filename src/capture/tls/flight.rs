//! Sizes of encrypted records of TLS 1.3: what they show of the client's flight (pcap.md 4.1).

use super::suites::Sizes;

/// Records at the beginning of the client's flight whose size is kept.
const KEPT: usize = 4;
/// No certificate fits in less.
const CERTIFICATE: u16 = 200;
/// An EncryptedExtensions message alone has less, anything with a certificate in it more.
const EXTENSIONS: u16 = 150;
/// What application settings may add before the client's Certificate or Finished.
const SETTINGS: u16 = 150;

/// Encrypted records after the ServerHello, the 0-RTT ones apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    sizes: [u16; KEPT],
    /// The client's records from its flight on.
    pub count: u64,
    /// How many of those in `sizes` are certainly the first ones.
    sure: u8,
    /// Frame of the first.
    pub frame: u64,
    /// 0-RTT records.
    pub early: u64,
    /// EndOfEarlyData was seen.
    pub early_ended: bool,
    /// The server's records up to the client's first.
    own: Own,
    /// The capture shows part of the server's own flight after the client's, which cannot be: the order of the two sides
    /// is not to be relied on, as when one file per direction is read.
    disordered: bool,
    /// The server's records after the client's first. In a capture out of order: none.
    pub server: u64,
    /// Frame of the first of those.
    pub server_frame: u64,
    /// One of those is no lone alert.
    pub server_went_on: bool,
    /// The client had closed (its last record was of the size of an alert) before the server went on.
    pub client_closed: bool,
    last: u16,
}

/// The server's encrypted records that are captured before the client's flight: its own flight, which the client has to
/// have read whole before it can send Finished (RFC 8446 2).
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    count: u32,
    bytes: u32,
    first: u16,
    largest: u16,
    /// A record of the size of Finished.
    finished: bool,
}

/// How much is known of the server's side when one of its records is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// Records, or the ServerHello, may be missing.
    Partial,
    /// All was read, and it took a PSK: EncryptedExtensions and Finished.
    Psk,
    /// All was read: there is a certificate too.
    Full,
}

impl Own {
    fn add(&mut self, size: u16, sizes: Sizes) {
        if self.count == 0 {
            self.first = size;
        }
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u32::from(size));
        self.largest = self.largest.max(size);
        self.finished |= size == sizes.finished;
    }

    /// Whether this can be a whole flight. Some stacks put each message into a record of its own: their first is small,
    /// and the last is Finished alone.
    fn complete(&self, sizes: Sizes, server: Server) -> bool {
        match server {
            Server::Partial => self.count > 0,
            Server::Psk => self.largest >= sizes.finished,
            Server::Full if self.first < EXTENSIONS => self.finished,
            Server::Full => self.bytes >= u32::from(CERTIFICATE),
        }
    }
}

/// What the flight shows of the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// A certificate.
    Certificate,
    /// The server asked, the client had none.
    Empty,
    /// No certificate; whether the server asked cannot be told.
    Nothing,
    /// An alert instead of a flight.
    Alert,
    /// Nothing for certain.
    Unclear,
}

impl Flight {
    /// A record of the client. `sure`: no byte before it is missing.
    pub(super) fn client_record(&mut self, size: u16, frame: u64, sure: bool) {
        let at = usize::try_from(self.count).unwrap_or(KEPT);
        if at == 0 {
            self.frame = frame;
        }
        if let Some(place) = self.sizes.get_mut(at) {
            *place = size;
            if sure && usize::from(self.sure) == at {
                self.sure += 1;
            }
        }
        self.count += 1;
        self.last = size;
    }

    /// A record of the client that may be 0-RTT data. `accepted`: the server took the PSK, so that EndOfEarlyData will
    /// come.
    pub(super) fn early_record(&mut self, size: u16, sizes: Sizes, accepted: bool) {
        if accepted && size == sizes.end_of_early_data {
            self.early_ended = true;
        } else {
            self.early += 1;
        }
    }

    /// A record of the server. What was captured before the client's flight and came late, for a hole had to be filled
    /// first, is no answer to it; and nothing is, where not all of the server's own flight was captured before.
    pub(super) fn server_record(&mut self, size: u16, sizes: Sizes, frame: u64, known: Server) {
        if self.count == 0 || frame < self.frame {
            self.own.add(size, sizes);
            return;
        }
        self.disordered |= self.server == 0 && !self.own.complete(sizes, known);
        if self.disordered {
            return;
        }
        if self.server == 0 {
            self.server_frame = frame;
            self.client_closed = self.client_closing(sizes);
        }
        self.server += 1;
        self.server_went_on |= size != sizes.alert;
    }

    /// Whether the capture has the two sides in an order that cannot have been.
    pub(super) fn disordered(&self) -> bool {
        self.disordered
    }

    /// The first record, where it certainly is that.
    pub(super) fn first(&self) -> Option<u16> {
        self.size(0)
    }

    fn size(&self, at: u8) -> Option<u16> {
        if at < self.sure { self.sizes.get(usize::from(at)).copied() } else { None }
    }

    /// Whether the client's first record is an alert.
    pub(super) fn is_alert(&self, sizes: Sizes) -> bool {
        self.first() == Some(sizes.alert)
    }

    /// What the sizes show. `settings`: the client offers application settings.
    pub(super) fn shows(&self, sizes: Sizes, settings: bool) -> Shows {
        let (Some(first), finished) = (self.first(), sizes.finished) else { return Shows::Unclear };
        // An empty Certificate has 8 bytes; alone in a record it has its own type byte and tag.
        let empty_alone = 8 + sizes.alert - 2;
        if first == sizes.alert {
            Shows::Alert
        } else if first == finished {
            Shows::Nothing
        } else if first == empty_alone && self.size(1) == Some(finished) {
            Shows::Empty
        } else if settings && first <= finished + SETTINGS {
            Shows::Unclear
        } else if first == finished + 8 {
            Shows::Empty
        } else if first >= CERTIFICATE {
            Shows::Certificate
        } else {
            Shows::Unclear
        }
    }

    /// Whether the client's last record, after its flight, is of the size of an alert: close_notify.
    pub(super) fn client_closing(&self, sizes: Sizes) -> bool {
        self.count > 1 && self.last == sizes.alert
    }

    /// How many of the client's records are its flight.
    pub(super) fn length(&self, sizes: Sizes) -> u64 {
        let Some(first) = self.first() else { return self.count.min(1) };
        if first == sizes.finished || first == sizes.finished + 8 {
            return 1;
        }
        // Some stacks put each message into a record of its own: Certificate, CertificateVerify, Finished.
        let end = (1..3).find(|at| self.size(*at) == Some(sizes.finished));
        end.map_or(1, |at| u64::from(at) + 1).min(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(records: &[u16]) -> Flight {
        let mut flight = Flight::default();
        records.iter().for_each(|size| flight.client_record(*size, 7, true));
        flight
    }

    #[test]
    fn sizes_tell_what_the_client_sent() {
        let small = Sizes::of(0x1301).unwrap();
        let large = Sizes::of(0x1302).unwrap();
        for (sizes, records, expected, length) in [
            (large, &[907, 96, 69, 500][..], Shows::Certificate, 3),
            (large, &[1111, 281, 69], Shows::Certificate, 3),
            (small, &[1021, 300], Shows::Certificate, 1),
            (small, &[53], Shows::Nothing, 1),
            (large, &[69, 400], Shows::Nothing, 1),
            (large, &[25, 69, 90], Shows::Empty, 2),
            (large, &[25], Shows::Unclear, 1),
            (large, &[25, 53], Shows::Unclear, 1),
            (small, &[61], Shows::Empty, 1),
            (large, &[77], Shows::Empty, 1),
            (small, &[69], Shows::Unclear, 1),
            (large, &[53], Shows::Unclear, 1),
            (small, &[19], Shows::Alert, 1),
            (small, &[199], Shows::Unclear, 1),
            (small, &[200], Shows::Certificate, 1),
        ] {
            let flight = flight(records);
            assert_eq!(flight.shows(sizes, false), expected, "{records:?}");
            assert_eq!(flight.length(sizes), length, "{records:?}");
        }
    }

    #[test]
    fn application_settings_are_not_taken_for_a_certificate() {
        let sizes = Sizes::of(0x1301).unwrap();
        assert_eq!(flight(&[53]).shows(sizes, true), Shows::Nothing);
        assert_eq!(flight(&[63]).shows(sizes, true), Shows::Unclear);
        assert_eq!(flight(&[61]).shows(sizes, true), Shows::Unclear);
        assert_eq!(flight(&[203]).shows(sizes, true), Shows::Unclear);
        assert_eq!(flight(&[204]).shows(sizes, true), Shows::Certificate);
    }

    #[test]
    fn the_servers_own_flight_is_no_answer() {
        let sizes = Sizes::of(0x1302).unwrap();
        let went_on = |known, before: &[u16], after: &[u16]| {
            let mut flight = Flight::default();
            before.iter().for_each(|size| flight.server_record(*size, sizes, 5, known));
            flight.client_record(1021, 7, true);
            after.iter().for_each(|size| flight.server_record(*size, sizes, 9, known));
            (flight.server_went_on, flight.server, flight.disordered)
        };
        let yes = (true, 1, false);
        let alert = (false, 1, false);
        let disorder = (false, 0, true);
        for (known, before, after, expected) in [
            (Server::Full, &[1200][..], &[300][..], yes),
            (Server::Full, &[1200], &[19], alert),
            (Server::Full, &[], &[1200, 19], disorder),
            (Server::Full, &[36, 100, 900, 281, 69], &[300], yes),
            (Server::Full, &[36, 900, 281], &[69, 19], disorder),
            (Server::Full, &[36], &[900, 281, 69, 19], disorder),
            (Server::Full, &[160], &[1200, 19], disorder),
            (Server::Psk, &[40, 69], &[300], yes),
            (Server::Psk, &[109], &[300], yes),
            (Server::Psk, &[40], &[69, 19], disorder),
            (Server::Partial, &[40], &[300], yes),
            (Server::Partial, &[], &[300], disorder),
        ] {
            assert_eq!(went_on(known, before, after), expected, "{known:?} {before:?} {after:?}");
        }
    }

    #[test]
    fn a_record_after_missing_bytes_shows_nothing() {
        let mut flight = Flight::default();
        flight.client_record(1021, 7, false);
        assert_eq!(flight.shows(Sizes::of(0x1301).unwrap(), false), Shows::Unclear);
        assert_eq!(flight.first(), None);
    }
}
