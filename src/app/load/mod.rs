//! A load: from the inputs through the engine into the store.

pub(crate) mod said;
