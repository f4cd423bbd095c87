//! `rebar schema`

use crate::cli::SchemaOf;
use crate::exit::Exit;
use crate::report::Failure;

/// Prints a JSON Schema.
pub(crate) fn run(of: SchemaOf) -> Result<Exit, Failure> {
    let schema = match of {
        SchemaOf::Plan => rebar_compiler::plan::schema(),
        SchemaOf::State => rebar_runtime::state::schema(),
        SchemaOf::Compare => rebar_compiler::plan::comparison_schema(),
        SchemaOf::Facts => rebar_runtime::forecast::facts_schema(),
        SchemaOf::Rehearsal => rebar_runtime::rehearse::report_schema(),
    };
    super::print(&format!("{:#}\n", schema.as_value()))?;
    Ok(Exit::Done)
}
