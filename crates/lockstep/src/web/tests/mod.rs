//! Pages over a router.
