//! The messages and services as code, made from the files under `proto/`.

#![expect(
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    reason = "generated: what there is to say stands in the .proto files"
)]

include!("generated/posthaste.v1.rs");

/// The descriptors of every message and service, for reflection.
pub const DESCRIPTOR: &[u8] = include_bytes!("generated/posthaste.v1.bin");

macro_rules! files {
    ($($name:literal)*) => {
        /// The `.proto` files: their paths below the import root, and their texts.
        pub const FILES: &[(&str, &str)] = &[$((
            concat!("posthaste/v1/", $name, ".proto"),
            include_str!(concat!("../proto/posthaste/v1/", $name, ".proto")),
        )),*];
    };
}
files! {
    "attempt" "catalog" "challenges" "deliveries" "delivery" "endpoint" "keys" "message" "problem" "publisher" "replay" "schedules"
    "system" "topic"
}
