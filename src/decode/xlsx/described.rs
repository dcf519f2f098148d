//! By what a workbook is known.

use crate::decode::format::{Beginning, Description, Reading};

/// It is a zip archive; one that holds other files is taken for its members before a format is asked for.
pub const fn read_by(reading: Reading) -> Description {
    Description {
        name: "xlsx",
        title: "Excel",
        a_file: "an Excel workbook",
        extensions: &["xlsx"],
        begins: Beginning::Magic(&[b"PK\x03\x04"]),
        reading,
        widens: false,
        look_through: None,
    }
}

/// What of an archive says that it is a workbook, by the names in it.
pub fn is_workbook<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| name.eq_ignore_ascii_case("xl/workbook.xml"))
}
