//! The schema that people read.

#[test]
fn the_schema_in_the_documentation_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema.graphql");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let hint = "docs/schema.graphql is not what is served: write it anew with `posthaste graphql-schema`";
    assert!(written == posthaste_graphql::sdl(), "{hint}");
}
