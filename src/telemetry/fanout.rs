//! Several listeners in the place of one.

use std::fmt;
use std::sync::Arc;

use crate::port::{Event, Observer};

/// Passes each event on to several observers, in their order.
#[derive(Clone, Default)]
pub struct Fanout(Vec<Arc<dyn Observer>>);

impl Fanout {
    /// To these observers.
    pub fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self(observers)
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fanout({} observers)", self.0.len())
    }
}

impl Observer for Fanout {
    fn on(&self, event: &Event<'_>) {
        for observer in &self.0 {
            observer.on(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::EngineSettings;
    use crate::telemetry::run_counters::RunCounters;

    #[test]
    fn each_observer_sees_each_event() {
        let tallies = [0; 3].map(|_| Arc::new(RunCounters::new(&EngineSettings::default())));
        let fanout = Fanout::new(tallies.iter().map(|tally| tally.clone() as _).collect());
        fanout.on(&Event::Read { rows: 7 });
        fanout.on(&Event::Read { rows: 2 });
        for tally in &tallies {
            assert_eq!(tally.snapshot().books.read, 9);
        }
    }
}
