//! The `mdsctl` program: runs the command line and maps its outcome to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    mdsctl::cli::run().into()
}
