//! What realises machines, networks and images. Backends never see each other; the executor sees only the trait.

pub mod local;
