//! `posthaste graphql-schema`.

use crate::failure::Result;
use crate::output;

/// Prints what a server has at `/graphql`, in GraphQL's own language.
pub fn run() -> Result<()> {
    output::line(posthaste_graphql::sdl().trim_end())
}
