//! Spans to a collector, by OTLP over HTTP: where `OTEL_EXPORTER_OTLP_ENDPOINT` (or the one for traces) is set.
//!
//! The other variables of OpenTelemetry hold too, such as `OTEL_SERVICE_NAME` and `OTEL_EXPORTER_OTLP_HEADERS`. A collector
//! that cannot be reached costs spans and nothing else. There is no TLS here: a collector beside this program takes it up.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::filter::{Filtered, Targets};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter::LevelFilter};

/// How long a collector may take for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// So much of an answer is read (bytes).
const LARGEST_ANSWER: u64 = 1 << 20;

/// The way to the collector. Dropping it sends what is left.
pub(crate) struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// Begins to export, if the environment names a collector.
    pub(crate) fn begin() -> Option<Export> {
        let named = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ];
        named
            .iter()
            .find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client)
            .build();
        let exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                crate::commands::tell(&format!("spans are not exported: {error}\n"));
                return None;
            }
        };
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("rebar");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        Some(Export { provider })
    }

    /// What listens to the spans of this program.
    pub(crate) fn layer<S>(
        &self,
    ) -> Filtered<tracing_opentelemetry::OpenTelemetryLayer<S, SdkTracer>, Targets, S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let own = ["rebar", "rebar_runtime", "rebar_compiler"];
        let targets = Targets::new().with_targets(own.map(|target| (target, LevelFilter::DEBUG)));
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("rebar"))
            .with_filter(targets)
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            crate::commands::tell(&format!("the last spans were not exported: {error}\n"));
        }
    }
}

/// HTTP/1.1 without TLS, on the exporter's own thread.
#[derive(Debug)]
struct Client;

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let uri = request.uri();
        let host = uri.host().ok_or("the address of the collector names no host")?;
        if uri.scheme_str() != Some("http") {
            return Err("this build speaks `http://` to collectors, and nothing else".into());
        }
        let port = uri.port_u16().unwrap_or(80);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut head = format!(
            "{} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nContent-Length: {}\r\n",
            request.method(),
            request.body().len()
        );
        for (name, value) in request.headers() {
            head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
        head.push_str("\r\n");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = (bare, port)
            .to_socket_addrs()?
            .next()
            .ok_or("the collector's host has no address")?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(request.body())?;
        let mut answer = Vec::new();
        stream.take(LARGEST_ANSWER).read_to_end(&mut answer)?;
        let line: String = String::from_utf8_lossy(&answer)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let status: u16 = line.split_whitespace().nth(1).unwrap_or_default().parse()?;
        let body = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(answer.len(), |at| at + 4);
        Ok(Response::builder()
            .status(status)
            .body(Bytes::copy_from_slice(&answer[body..]))?)
    }
}
