//! Pages over a router, for somebody who is signed in.

mod pages;
mod templates;
mod tester;
