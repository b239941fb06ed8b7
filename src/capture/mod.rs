//! Packet captures: every flow classified as mutual TLS, TLS, plaintext (which protocol) or unknown, with the evidence.
//!
//! Reading order, the way a packet goes: [`mod@file`] finds the frames of a capture; [`dissect`] peels a frame ([`link`],
//! [`tunnel`], [`ip`], [`fragment`]; all take a [`layer::Chunk`]) down to a [`packet::Packet`]; [`table`] finds its flow
//! and its [`engine`];
//! [`stream`] puts TCP bytes in order; [`conversation`] hands the bytes of both sides to [`tls`], [`signature`] and
//! [`upgrade`] (UDP: [`datagram`]); [`watch`] goes on looking; [`evidence`] grades
//! what was seen ([`note`]); [`flow`] is the result, and [`verify`] drives it
//! all. [`exempt`] and [`judge`] say how a flow counts, [`edges`] groups, [`fold`] groups
//! further, [`why`] and [`words`] put it in words,
//! [`coverage`], [`vantage`] and [`findings`] say what else there is to know; [`report`] is what is shown, [`json`] what
//! machines read.

pub mod conversation;
pub mod coverage;
pub mod datagram;
pub mod dissect;
pub mod edges;
pub mod engine;
pub mod evidence;
pub mod exempt;
pub mod file;
pub mod findings;
pub mod flow;
pub mod fold;
pub mod fragment;
pub mod ip;
pub mod json;
pub mod judge;
pub mod layer;
pub mod link;
pub mod note;
pub mod packet;
pub mod report;
pub mod signature;
pub mod stream;
pub mod table;
pub mod tls;
pub mod tunnel;
pub mod upgrade;
pub mod vantage;
pub mod verify;
pub mod watch;
pub mod why;
pub mod words;

#[cfg(test)]
mod fake;

pub use table::Options;
pub use verify::Verifier;
