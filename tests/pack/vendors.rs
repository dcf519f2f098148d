//! The gallery of layouts.

use std::fs::read_to_string;
use std::path::Path;

use crate::documents::vendors;

#[test]
fn the_page_of_vendors_is_made_of_the_layouts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/vendors.md");
    let (there, made) = (read_to_string(path).expect("the page"), vendors::page().expect("the layouts"));
    assert!(there == made, "docs/vendors.md is out of date: scripts/generate");
}
