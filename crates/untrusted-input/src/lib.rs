//! Reads files and text that somebody else wrote: sizes are bounded before anything is allocated, names cannot leave their
//! directory, panics of parsers become errors, and excerpts are printable. Also atomic writes, text helpers for error
//! messages, and white space as Python defines it.

mod atomic;
mod files;
mod message;
mod panics;
mod white_space;

pub use atomic::{write_atomically, write_atomically_with};
pub use files::{is_plain_name, path_below, read_bounded};
pub use message::{clipped, did_you_mean, thousands};
pub use panics::catch_panic;
pub use white_space::{is_python_space, split_trailing_white_space, strip};
