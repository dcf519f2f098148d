//! What must hold of the repository itself.

mod documents;
mod fixtures;
mod layers;
