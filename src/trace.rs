//! What happens inside, for those who ask: on standard error as text or JSON lines, and to a collector.
//!
//! A run is a span; in it are the changes of objects with each call of the backend, and the segments of lanes with each
//! step.

use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// What stays until the program ends.
pub(crate) struct Traces {
    #[cfg(feature = "otlp")]
    _export: Option<crate::otlp::Export>,
}

/// Begins to listen, where `-v` or the environment ask for it: `REBAR_LOG` holds what is told (as `rebar_runtime=debug`),
/// and `REBAR_LOG_FORMAT=json` writes it as JSON lines.
pub(crate) fn begin(verbose: u8, color: bool) -> Traces {
    let named = std::env::var("REBAR_LOG").ok().filter(|text| !text.is_empty());
    let level = match (&named, verbose) {
        (Some(text), _) => Some(text.as_str()),
        (None, 0) => None,
        (None, 1) => Some("rebar=debug,rebar_runtime=debug,rebar_compiler=debug"),
        (None, _) => Some("trace"),
    };
    let text = level.map(|level| {
        // How long each stage took.
        let spans = FmtSpan::CLOSE;
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(color)
            .with_span_events(spans)
            .log_internal_errors(false);
        let layer = if std::env::var("REBAR_LOG_FORMAT").is_ok_and(|format| format == "json") {
            layer.json().boxed()
        } else {
            layer.boxed()
        };
        layer.with_filter(EnvFilter::new(level))
    });
    let registry = tracing_subscriber::registry().with(text);
    #[cfg(feature = "otlp")]
    {
        let export = crate::otlp::Export::begin();
        let layer = export.as_ref().map(crate::otlp::Export::layer);
        registry.with(layer).init();
        Traces { _export: export }
    }
    #[cfg(not(feature = "otlp"))]
    {
        if level.is_some() {
            registry.init();
        }
        Traces {}
    }
}
