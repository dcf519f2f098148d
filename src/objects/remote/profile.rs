//! The profiles of `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;
use std::env;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::error::{Error, Result, words};
use crate::files::read_small_text;

/// Settings of a profile, by their names.
pub(super) type Profile = BTreeMap<String, String>;

/// Settings by which a profile takes its credentials from elsewhere.
const ELSEWHERE: [&str; 5] =
    ["credential_process", "sso_session", "sso_start_url", "source_profile", "credential_source"];

/// The profile that `AWS_PROFILE` names, or the default one, which need not be there.
///
/// # Errors
/// Usage, where it is named and not there, or a file cannot be read.
pub(super) fn read() -> Result<Profile> {
    let named = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].iter().find_map(|name| env::var(name).ok());
    let named = named.filter(|name| !name.is_empty());
    let name = named.as_deref().unwrap_or("default");
    let files = [
        file("AWS_CONFIG_FILE", "config").map(|path| (path, true)),
        file("AWS_SHARED_CREDENTIALS_FILE", "credentials").map(|path| (path, false)),
    ];
    let (mut found, mut profile) = (false, Profile::new());
    for (path, is_config) in files.into_iter().flatten() {
        let text = match read_small_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Error::usage(format!("{}: {}", path.display(), words(&error))).caused_by(error));
            }
        };
        if let Some(settings) = section(&text, name, is_config) {
            found = true;
            profile.extend(settings);
        }
    }
    if !found && named.is_some() && env::var_os("AWS_ACCESS_KEY_ID").is_none() {
        return Err(Error::usage(format!(
            "AWS_PROFILE names the profile {name}, which is neither in ~/.aws/config nor in ~/.aws/credentials"
        )));
    }
    Ok(profile)
}

/// Why no credentials can be taken out of a profile that has none of its own.
pub(super) fn elsewhere(profile: &Profile) -> Option<Error> {
    let how = ELSEWHERE.iter().find(|how| profile.contains_key(**how))?;
    Some(Error::usage(format!(
        "the profile takes its credentials from elsewhere ({how}), which is not done here; set the variables that aws configure export-credentials prints"
    )))
}

fn file(variable: &str, name: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".aws").join(name)))
}

/// The settings of a section; in the configuration all but the default one are called `profile NAME`.
fn section(text: &str, name: &str, is_config: bool) -> Option<Profile> {
    let (mut settings, mut inside, mut found) = (Profile::new(), false, false);
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(title) = trimmed.strip_prefix('[').and_then(|title| title.strip_suffix(']')) {
            let title = title.trim();
            let plain = title.strip_prefix("profile").map_or(title, str::trim);
            inside = plain == name && (!is_config || title != plain || name == "default");
            found |= inside;
        } else if inside
            && !trimmed.starts_with(['#', ';'])
            // What is set in is a part of the setting above.
            && !line.starts_with([' ', '\t'])
            && let Some((key, value)) = trimmed.split_once('=')
        {
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found.then_some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_by_their_names() {
        let text = "[default]\nregion=eu-west-1\n# c\n[profile two]\nREGION = us-east-2\ns3 =\n  endpoint_url = x\nendpoint_url = http://h:1\n[other]\nregion=no\n";
        let of = |name: &str, is_config| section(text, name, is_config);
        assert_eq!(of("default", true).unwrap()["region"], "eu-west-1");
        let two = of("two", true).unwrap();
        assert_eq!((two["region"].as_str(), two["endpoint_url"].as_str()), ("us-east-2", "http://h:1"));
        assert_eq!(of("other", true), None);
        assert_eq!(of("other", false).unwrap()["region"], "no");
        assert_eq!(of("three", false), None);
    }
}
