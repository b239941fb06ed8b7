//! The one integration binary. Each file tests one promise; `support` runs the program without a process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic; clippy.toml says so for test functions, this line for what they call"
)]

mod cases;
mod docs;
mod formats;
mod generated;
mod layers;
mod meshes;
mod properties;
mod robust;
mod scenarios;
mod support;
mod tables;
