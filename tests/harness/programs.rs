//! Where PostgreSQL's programs are, and which user they run as.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// PostgreSQL as it is installed here.
pub struct Programs {
    directory: PathBuf,
    /// User and group that the server runs as; `None`: as we do.
    pub user: Option<(u32, u32)>,
}

/// Found once.
pub static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| Programs {
    directory: directory().expect(
        "PostgreSQL's server programs are not installed: run scripts/test, which installs PostgreSQL",
    ),
    user: rustix::process::geteuid().is_root().then(unprivileged),
});

impl Programs {
    /// A program of that name, set to run as the server's user in a directory it may enter.
    pub fn command(&self, name: &str, directory: &Path) -> Command {
        let mut command = Command::new(self.directory.join(name));
        self.settle(&mut command, directory);
        command
    }

    /// Path of a program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes a command run as the server's user, in a process group of its own.
    pub fn settle(&self, command: &mut Command, directory: &Path) {
        command.current_dir(directory).env_clear().env("PATH", path()).env("LC_ALL", "C").env("TZ", "UTC");
        command.process_group(0);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
    }
}

/// The search path, for processes that otherwise start with an empty environment.
pub fn path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into())
}

fn directory() -> Option<PathBuf> {
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let asked = asked.map(|out| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim().to_string()));
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    debian.sort_by_key(|path| std::cmp::Reverse(version(path)));
    asked
        .into_iter()
        .chain(debian.into_iter().map(|path| path.join("bin")))
        .chain(path().split(':').map(PathBuf::from))
        .find(|directory| directory.join("initdb").is_file() && directory.join("postgres").is_file())
}

/// The user of Debian's package, or nobody: PostgreSQL refuses to run as root.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .expect("neither a user postgres nor a user nobody, and PostgreSQL refuses to run as root")
}
