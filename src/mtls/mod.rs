//! Judging every edge of the mesh: what the server demands, what the client sends, and what comes of it.
//!
//! [`server`], [`rules`] and [`client`] read like the specification; [`outcome`] is its table; [`check::check`] asks
//! them for every class of clients and every service port.

pub mod ambient;
pub mod because;
pub mod check;
pub mod client;
pub mod clients;
pub mod compat;
pub mod endpoints;
mod engine;
mod exceptions;
mod gateway;
mod grid;
pub mod grpc;
pub mod json;
mod judge;
pub mod legacy;
pub mod mend;
pub mod outcome;
pub mod reason;
pub mod report;
pub mod rules;
pub mod select;
pub mod server;
pub mod visible;
pub mod waypoint;
mod why;
