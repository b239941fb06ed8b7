//! Is the traffic in an Istio mesh mutual TLS, and how do you know?
//!
//! Reading order, from the bottom up: [`location`] and [`finding`] say where and what is wrong; [`report`] is the shape
//! of every result; [`yaml`] turns text into a located tree and [`model`] into the mesh as plain data; [`mtls`] judges
//! it; [`envoy`] reads configuration dumps, [`capture`] packets, with [`pki`] for what certificates say; [`render`] writes each format once; [`input`]
//! reads files. [`cmd::run`] is the whole program.

pub mod capture;
pub mod cli;
pub mod cmd;
pub mod config;
pub mod envoy;
pub mod explain;
pub mod finding;
pub mod input;
pub mod lint;
pub mod location;
pub mod model;
pub mod mtls;
pub mod pki;
pub mod render;
pub mod report;
pub mod words;
pub mod yaml;
