//! `posthaste openapi`.

use crate::failure::Result;
use crate::output;

/// Prints the document that a server has at `/openapi.json`.
pub fn run() -> Result<()> {
    output::line(posthaste_rest::openapi_document().trim_end())
}
