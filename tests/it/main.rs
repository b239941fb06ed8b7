//! The one integration binary. Each file tests one promise; `support` runs the program without a process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic; clippy.toml says so for test functions, this line for what they call"
)]

mod articles;
mod captures;
mod cases;
#[cfg(feature = "cluster")]
mod cluster;
mod docs;
#[cfg(feature = "cluster")]
mod doctor;
mod dumps;
mod flows;
mod formats;
mod generated;
mod hostile;
mod layers;
mod lint;
mod live;
mod meshes;
mod properties;
mod rig;
mod robust;
mod roles;
mod scenarios;
mod support;
mod tables;
mod versions;
