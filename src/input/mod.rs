//! The edge where files and standard input are read; nothing else in the program does.

pub mod captures;
pub mod charts;
pub mod dumps;
pub mod files;
pub mod settings;
mod unpack;
