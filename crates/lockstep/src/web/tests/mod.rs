//! Pages over a router, for somebody who is signed in.

mod access;
mod channels;
mod files;
mod guide;
mod held;
mod history;
mod live;
mod models;
mod notices;
mod pages;
mod prices;
mod templates;
mod tester;
mod weight;
