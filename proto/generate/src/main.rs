//! Makes the server's side of `proto/` in Rust: what `scripts/generate` runs where a `.proto` has changed.
//!
//! The sources have it checked in, so that nobody needs a compiler of protocol buffers to build the program.

use std::error::Error;
use std::fs;
use std::path::Path;

use prost::Message as _;
use sha2::{Digest as _, Sha256};

const PROTO: &str = "mdsctl/v1/backpressure.proto";
const INTO: &str = "../../src/telemetry/http/grpc";

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = here.join("..").join(PROTO);
    let mut files = protox::compile([&proto], [here.join("..")])?;
    let made = std::env::temp_dir().join(format!("mdsctl-proto-{}", std::process::id()));
    fs::create_dir_all(&made)?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .out_dir(&made)
        .compile_fds(files.clone())?;
    let code = fs::read_to_string(made.join("mdsctl.v1.rs"))?;
    fs::remove_dir_all(&made)?;
    // What reflection tells has no comments.
    files.file.iter_mut().for_each(|file| file.source_code_info = None);
    let descriptor = files.encode_to_vec();
    let head = format!(
        "// Made by scripts/generate; a test compares these sums (SHA-256).\n// proto/{PROTO} {}\n// descriptor.bin {}\n// code {}\n",
        sum(&fs::read(&proto)?),
        sum(&descriptor),
        sum(code.as_bytes()),
    );
    let into = here.join(INTO);
    fs::write(into.join("generated.rs"), head + &code)?;
    fs::write(into.join("descriptor.bin"), descriptor)?;
    Ok(())
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
