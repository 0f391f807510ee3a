//! Generates the wire types. protox parses the files in Rust, so no protoc is needed.

use std::path::{Path, PathBuf};

fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "proto") {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=slipway");
    println!("cargo:rerun-if-changed=cri");
    let mut files = Vec::new();
    proto_files(Path::new("slipway"), &mut files)?;
    proto_files(Path::new("cri"), &mut files)?;
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost_bytes(&descriptors))?;
    // Their secrets must not get into a log with the rest of them.
    let told_by_hand =
        ["slipway.agent.v1.StartOperationRequest", "slipway.coordinator.v1.CreateBootstrapTokenResponse"];
    tonic_prost_build::configure().bytes(".").skip_debug(told_by_hand).compile_fds(descriptors)?;
    Ok(())
}

fn prost_bytes(descriptors: &impl protox::prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}
