//! Downloads from a hub, against a server on this machine.

mod client;
mod commands;
mod server;

pub use server::HubServer;
