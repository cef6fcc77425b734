//! The commands, a file each. Those whose shape is the API's are in `resources`.

pub mod bench;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod graphql_schema;
pub mod healthcheck;
pub mod listen;
pub mod migrate;
pub mod openapi;
pub mod pipe;
pub mod proto;
pub mod rekey;
pub mod retry;
pub mod send;
pub mod serve;
