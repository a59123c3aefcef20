//! Text for people: shell commands and visible white space.

mod shell;
mod visible;

pub use shell::command_line;
pub use visible::{visible_bytes, visible_white_space};
