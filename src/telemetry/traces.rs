//! Spans for a collector of OpenTelemetry traces, over OTLP: protobuf in HTTP, or as a call of gRPC.
//!
//! Spans are made with `tracing` where the work is done, one a batch at most and never one a row.
//! Nobody makes any unless a collector is named: what is off costs a look at a flag. They wait in a
//! bounded queue for a thread of their own that sends them; when it is full they are dropped, so a
//! collector that is slow or away costs the run nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::telemetry::client::{Answer, Endpoint, why};
use crate::telemetry::otlp::Protocol;
use crate::text::flags::OTLP;

#[cfg_attr(not(feature = "grpc"), path = "traces/no_grpc.rs")]
mod grpc;

/// Where a collector takes traces.
const PATH: &str = "/v1/traces";

/// Spans that wait to be sent at most.
const QUEUE: usize = 8192;

/// Spans that are sent together.
const TOGETHER: usize = 512;

/// Time between two sendings.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest time that one sending may take.
const SENDING: Duration = Duration::from_secs(2);

/// Longest time that the end of a run may take for what has not been sent.
const LAST: Duration = Duration::from_secs(3);

/// Largest answer that is read.
const MOST_BYTES: usize = 1 << 16;

/// Only these spans go out; those of libraries stay.
const OURS: &str = "mdsctl";

/// The traces of a run, on their way.
pub struct Traces {
    provider: SdkTracerProvider,
    post: Arc<Post>,
}

impl Traces {
    /// To the collector at `endpoint`, which is not touched yet.
    ///
    /// # Errors
    /// Usage, where that is not an address.
    pub fn start(endpoint: &str, protocol: Protocol, run_id: Uuid) -> Result<Self> {
        let endpoint = Endpoint::parse(endpoint, protocol.port()).map_err(Error::usage)?;
        let endpoint = match protocol {
            Protocol::Grpc => grpc::endpoint(endpoint)?,
            Protocol::Http if endpoint.path().ends_with(PATH) => endpoint,
            Protocol::Http => endpoint.below(PATH),
        };
        let post = Arc::new(Post { endpoint: endpoint.clone(), protocol, told: AtomicBool::new(false) });
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Posting(post.clone()))
            // The bytes are the same; a call of gRPC has a frame around them.
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(endpoint.shown())
            .with_timeout(SENDING)
            // What cannot be sent now is older still later, and newer spans wait behind it.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .map_err(|error| Error::usage(error.to_string()))?;
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(TOGETHER)
            .with_scheduled_delay(PAUSE)
            .build();
        let resource = Resource::builder()
            .with_service_name("mdsctl")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("run_id", run_id.to_string()),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(queue).build())
            .build();
        Ok(Self { provider, post })
    }

    /// What passes spans on. It takes no log lines, since those may quote rows.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("mdsctl"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with(OURS)))
    }

    /// Sends what is left, for a moment; what cannot be sent by then is dropped.
    pub fn finish(self) {
        if self.provider.shutdown_with_timeout(LAST).is_err() {
            self.post.trouble("it does not take the last of them in time");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Traces to {}", self.post.endpoint.shown())
    }
}

/// The way to the collector.
#[derive(Debug)]
struct Post {
    endpoint: Endpoint,
    protocol: Protocol,
    /// Whether it was said that it is not open.
    told: AtomicBool,
}

impl Post {
    /// Says once what keeps traces from the collector.
    fn trouble(&self, why: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "traces do not reach {}: {why}; the run goes on without them, see that {OTLP} names a collector",
                self.endpoint.shown()
            );
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Answer, String> {
        let sending = async {
            match self.protocol {
                Protocol::Http => self.endpoint.exchange(request.try_into().map_err(why)?, MOST_BYTES).await,
                Protocol::Grpc => grpc::call(&self.endpoint, request, MOST_BYTES).await,
            }
        };
        match tokio::time::timeout(SENDING, sending).await {
            Ok(Ok(answer)) if (200..300).contains(&answer.status) => Ok(answer),
            Ok(Ok(answer)) => Err(format!("the collector answers with status {}", answer.status)),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no answer within {} s", SENDING.as_secs())),
        }
    }
}

#[derive(Debug)]
struct Posting(Arc<Post>);

#[async_trait::async_trait]
impl HttpClient for Posting {
    /// Called on the thread of the queue alone, which has nothing else to do.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sent = runtime.block_on(self.0.send(request));
        // A name that is looked up is not waited for.
        runtime.shutdown_background();
        match sent {
            Ok(answer) => Ok(Response::builder().status(answer.status).body(answer.body.into())?),
            Err(why) => {
                self.0.trouble(&why);
                Err(why.into())
            }
        }
    }
}
