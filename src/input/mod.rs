//! The edge where files, standard input and a live cluster are read; nothing else in the program does.

pub mod captures;
pub mod charts;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod dumps;
pub mod files;
pub mod keep;
pub mod settings;
mod unpack;
