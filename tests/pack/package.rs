//! The Debian package, as Cargo.toml describes it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use toml::{Table, Value};

use super::{files, folder, text};

#[test]
fn the_package_has_everything_in_its_place() {
    let manifest: Table = text("Cargo.toml").parse().expect("TOML");
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().expect("assets");
    let field = |asset: &Value, at: usize| asset[at].as_str().expect("a text").to_owned();
    let placed: BTreeSet<(String, String)> =
        assets.iter().map(|asset| (field(asset, 0), field(asset, 1))).collect();
    for (source, place) in [
        ("target/release/mdsctl", "usr/bin/"),
        ("completions/mdsctl.bash", "usr/share/bash-completion/completions/mdsctl"),
        ("completions/_mdsctl", "usr/share/zsh/vendor-completions/"),
        ("completions/mdsctl.fish", "usr/share/fish/vendor_completions.d/"),
        ("man/*.1", "usr/share/man/man1/"),
        ("README.md", "usr/share/doc/mdsctl/"),
        ("grafana/*", "usr/share/doc/mdsctl/grafana/"),
        ("contrib/systemd/*.service", "usr/lib/systemd/system/"),
        ("contrib/systemd/*.timer", "usr/lib/systemd/system/"),
        ("contrib/systemd/mdsctl.sysusers", "usr/lib/sysusers.d/mdsctl.conf"),
    ] {
        assert!(placed.contains(&(source.into(), place.into())), "{source} is not placed at {place}");
    }
    for (source, _) in &placed {
        let there = match source.strip_suffix('*').or_else(|| source.rsplit_once('*').map(|(start, _)| start))
        {
            _ if source.starts_with("target/") => true,
            Some(start) => !files(&folder(start)).is_empty(),
            None => folder(source).is_file(),
        };
        assert!(there, "{source} is not there");
    }
    let scripts = folder(package["maintainer-scripts"].as_str().expect("a folder"));
    for (name, script) in files(&scripts) {
        assert!(script.starts_with("#!/bin/sh\n") && script.contains("set -e"), "{name}");
        let mode = scripts.join(&name).metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{name} is not executable");
    }
}
