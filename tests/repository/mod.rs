//! What must hold of the repository itself.

mod fixtures;
mod layers;
