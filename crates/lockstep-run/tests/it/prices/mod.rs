//! Price runs, against the simulated gateway and simulated price lists.

mod answered;
mod calls;
mod costs;
mod faults;
mod gated;
mod interrupted;
mod oracle;
mod output;
mod picked;
mod planned;
mod refused;
mod second_admin;
pub(crate) mod shop;
mod sources;
mod suspicious;
mod unattended;
mod undone;
mod written;
