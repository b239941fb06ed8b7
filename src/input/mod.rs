//! The edge where files and standard input are read; nothing else in the program does.

pub mod files;
