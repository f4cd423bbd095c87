//! What realises machines, networks and images. Backends never see each other; the executor sees only the trait.

pub mod docker;
pub(crate) mod errors;
pub(crate) mod identity;
pub mod local;
pub(crate) mod routes;
pub mod sim;
