//! By what a Parquet file is known.

use crate::decode::format::{Beginning, Description, Reading};

/// Files that begin with `PARE` have an encrypted footer, which is refused by its name.
pub const fn read_by(reading: Reading) -> Description {
    Description {
        name: "parquet",
        title: "Parquet",
        a_file: "a Parquet file",
        extensions: &["parquet", "pq"],
        begins: Beginning::Magic(&[b"PAR1", b"PARE"]),
        reading,
        widens: false,
        look_through: None,
    }
}
