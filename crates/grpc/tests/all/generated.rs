//! What is checked in under `src/generated` is what the `.proto` files say.
//!
//! After a change of theirs: `POSTHASTE_REGENERATE=1 cargo test -p posthaste-grpc generated`, then look at the diff.

use std::path::{Path, PathBuf};

use protox::prost::Message as _;

const CODE: &str = "posthaste.v1.rs";
const DESCRIPTOR: &str = "posthaste.v1.bin";

fn protos(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join("posthaste/v1")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The Rust code and the descriptors (without comments) that the `.proto` files make.
fn generate() -> (String, Vec<u8>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = protox::Compiler::new([&root]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(protos(&root)).unwrap_or_else(|error| panic!("{error:?}"));
    let mut described = compiler.file_descriptor_set();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .bytes(".")
        .btree_map(".")
        .out_dir(out.path())
        .compile_fds(described.clone())
        .unwrap();
    let code = std::fs::read_to_string(out.path().join(CODE)).unwrap();
    for file in &mut described.file {
        file.source_code_info = None;
    }
    (code, described.encode_to_vec())
}

#[test]
fn the_checked_in_code_is_what_the_proto_files_make() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    let (code, descriptor) = generate();
    if std::env::var_os("POSTHASTE_REGENERATE").is_some() {
        std::fs::write(folder.join(CODE), &code).unwrap();
        std::fs::write(folder.join(DESCRIPTOR), &descriptor).unwrap();
    }
    let advice = "differs: run POSTHASTE_REGENERATE=1 cargo test -p posthaste-grpc generated";
    assert!(std::fs::read_to_string(folder.join(CODE)).unwrap() == code, "{CODE} {advice}");
    assert!(std::fs::read(folder.join(DESCRIPTOR)).unwrap() == descriptor, "{DESCRIPTOR} {advice}");
}
