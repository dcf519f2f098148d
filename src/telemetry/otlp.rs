//! How traces are sent, in the words of OpenTelemetry's variables.

use crate::text::fit::shorten;

/// The variables with the protocol, the narrower one first.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// The protocol between us and a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http/protobuf`.
    Http,
    /// `grpc`.
    Grpc,
}

impl Protocol {
    /// The one that the environment asks for, and what there is to say where that is none of ours.
    pub fn asked() -> (Self, Option<String>) {
        let value = |name| std::env::var(name).ok().filter(|said| !said.trim().is_empty());
        let asked = VARIABLES.iter().find_map(|name| Some((name, value(name)?)));
        let Some((name, said)) = asked else { return (Self::Http, None) };
        match Self::named(&said) {
            Some(protocol) => (protocol, None),
            None => {
                let said = shorten(said.trim(), 40);
                let text = "is not spoken; traces go as http/protobuf, and could go as grpc";
                (Self::Http, Some(format!("{name}: {said} {text}")))
            }
        }
    }

    /// By its name; `None` where it is not spoken.
    fn named(name: &str) -> Option<Self> {
        match name.trim() {
            "http/protobuf" => Some(Self::Http),
            "grpc" => Some(Self::Grpc),
            _ => None,
        }
    }

    /// Port of a collector, where none is written.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 4318,
            Self::Grpc => 4317,
        }
    }
}
