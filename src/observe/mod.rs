//! What people and dashboards see: listeners to the events of the engine.
