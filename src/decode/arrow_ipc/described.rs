//! By what Arrow IPC is known.

use crate::decode::format::{Beginning, Description, Reading};

/// A file begins with its mark, a stream with the mark of a message.
pub const fn read_by(reading: Reading) -> Description {
    Description {
        name: "arrow",
        title: "Arrow",
        a_file: "an Arrow IPC file",
        extensions: &["arrow", "feather", "ipc", "arrows"],
        begins: Beginning::Magic(&[b"ARROW1", b"\xFF\xFF\xFF\xFF"]),
        reading,
        widens: false,
        look_through: None,
    }
}
