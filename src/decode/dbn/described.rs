//! By what DBN is known.

use crate::decode::format::{Beginning, Description, Reading};

/// The mark has the version behind it.
pub const fn read_by(reading: Reading) -> Description {
    Description {
        name: "dbn",
        title: "DBN",
        a_file: "a DBN file",
        extensions: &["dbn"],
        begins: Beginning::Magic(&[b"DBN\x01", b"DBN\x02", b"DBN\x03"]),
        reading,
        widens: false,
        look_through: None,
    }
}
