//! Pages over a router, for somebody who is signed in.

mod channels;
mod history;
mod live;
mod models;
mod pages;
mod prices;
mod templates;
mod tester;
mod weight;
