//! A file that always holds the metrics of the run, for node_exporter's textfile collector.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::files::{self, Replace, folder_of, put_in_place};
use crate::telemetry::metrics::Exposition;
use crate::text::flags::METRICS_TEXTFILE;

/// Between two writes while the run goes on.
const EVERY: Duration = Duration::from_secs(5);
/// Who collects metrics may run as another user.
const MODE: u32 = 0o644;

/// Keeps the file up to date, from a thread of its own, until [`Textfile::finish`].
///
/// The file is replaced as a whole: who reads it sees one state or the next.
#[derive(Debug)]
pub struct Textfile {
    path: PathBuf,
    exposition: Arc<Exposition>,
    /// Never sent on: that it is gone says that the run has ended.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Textfile {
    /// Writes the file for the first time, and from then on every few seconds.
    ///
    /// # Errors
    /// [`Error::Usage`] with the path and the reason, if it cannot be written.
    pub fn start(path: &Path, exposition: Arc<Exposition>) -> Result<Self> {
        Self::start_with(path, exposition, EVERY)
    }

    fn start_with(path: &Path, exposition: Arc<Exposition>, every: Duration) -> Result<Self> {
        let path = target(path)?;
        write(&path, &exposition.text()?).map_err(|error| refused(&path, &error))?;
        let (stop, stopped) = sync_channel(0);
        let (to, of) = (path.clone(), exposition.clone());
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || keep(&to, &of, every, &stopped))
            .map_err(|error| {
                Error::internal(format!("metrics: cannot start: {}", words(&error))).caused_by(error)
            })?;
        Ok(Self { path, exposition, stop: Some(stop), thread: Some(thread) })
    }

    /// Writes the file for the last time, with the exit code of the run.
    ///
    /// # Errors
    /// [`Error::Usage`] with the path and the reason, if it cannot be written any more.
    pub fn finish(mut self, exit_code: u8) -> Result<()> {
        self.halt();
        self.exposition.end(exit_code);
        write(&self.path, &self.exposition.text()?).map_err(|error| refused(&self.path, &error))
    }

    fn halt(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Textfile {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Writes until the run has ended. A disk that is full for a while costs the load nothing, and
/// one line.
fn keep(path: &Path, exposition: &Exposition, every: Duration, stopped: &Receiver<()>) {
    let mut told = false;
    while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let written = exposition.text().and_then(|text| write(path, &text).map_err(|e| refused(path, &e)));
        match written {
            Ok(()) => told = false,
            Err(error) if !told => {
                tracing::warn!("the metrics are not written: {error}");
                told = true;
            }
            Err(_) => {}
        }
    }
}

/// The file that is to be replaced: behind a symbolic link the one that it leads to.
fn target(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        // A device or a pipe would be replaced by a file.
        Ok(found) if !found.is_file() => {
            let what = if found.is_dir() { "a directory" } else { "not an ordinary file" };
            Err(Error::usage(format!(
                "{METRICS_TEXTFILE} {}: that is {what}; give the path of a file, such as metrics.prom",
                path.display()
            )))
        }
        Ok(_) => fs::canonicalize(path).map_err(|error| refused(path, &error)),
        Err(_) => Ok(path.to_owned()),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // The name of the temporary file does not match the collector's *.prom.
    let mut file = files::beside(path, ".mdsctl-", MODE)?;
    file.write_all(text.as_bytes())?;
    // Whoever sets a umask means other files.
    file.as_file().set_permissions(Permissions::from_mode(MODE))?;
    put_in_place(file, path, Replace::Yes).map(drop)
}

fn refused(path: &Path, error: &io::Error) -> Error {
    let directory = folder_of(path);
    let shown = directory.display();
    let why = match error.kind() {
        io::ErrorKind::NotFound if !directory.is_dir() => {
            format!("there is no directory {shown}; create it or give another path")
        }
        io::ErrorKind::PermissionDenied => {
            format!("no permission to write in {shown}; grant it or give another path")
        }
        _ => format!("cannot be written: {}", words(error)),
    };
    Error::usage(format!("{METRICS_TEXTFILE} {}: {why}", path.display()))
}

/// What the operating system says, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::settings::EngineSettings;
    use crate::telemetry::metrics::RunIdentity;

    const NEVER: Duration = Duration::from_secs(3_600);

    fn exposition() -> Arc<Exposition> {
        let run = RunIdentity { command: "load".into(), run_id: "r".into(), coord_id: "unknown".into() };
        Arc::new(Exposition::new(run).unwrap())
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn written_at_the_start_and_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mds.prom");
        fs::write(&path, "of an earlier run").unwrap();
        let exposition = exposition();
        let file = Textfile::start_with(&path, exposition.clone(), NEVER).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), exposition.text().unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        file.finish(4).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("mds_last_run_exit_code{command=\"load\",coord_id=\"unknown\"} 4\n"), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(names(directory.path()), ["mds.prom"]);
    }

    #[test]
    fn written_again_while_the_run_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mds.prom");
        let exposition = exposition();
        // Whoever asks for the number of bytes is writing the file anew.
        let (asked, asks) = sync_channel(0);
        let read = move || asked.send(()).map_or(7, |()| 8);
        let file = Textfile::start_with(&path, exposition.clone(), Duration::from_millis(1)).unwrap();
        let _metrics = exposition.engine("bars", "sqlite", &EngineSettings::default(), read).unwrap();
        let patience = Duration::from_secs(60);
        asks.recv_timeout(patience).unwrap();
        asks.recv_timeout(patience).unwrap();
        // The second time was asked for after the first was written.
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("mds_bytes_read_total{coord_id=\"bars\"} 8\n"), "{text}");
        assert!(!text.contains("exit_code"), "{text}");
        drop(asks);
        file.finish(0).unwrap();
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("real.prom"), directory.path().join("link.prom"));
        fs::write(&file, "").unwrap();
        symlink("real.prom", &link).unwrap();
        Textfile::start_with(&link, exposition(), NEVER).unwrap().finish(0).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&file).unwrap().contains("mds_last_run_exit_code"));
        assert_eq!(names(directory.path()), ["link.prom", "real.prom"]);
    }

    #[test]
    fn a_bad_path_is_refused_in_one_sentence() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_str().unwrap().to_owned();
        fs::write(directory.path().join("file"), "").unwrap();
        let said = |path: &str| {
            let error = Textfile::start_with(Path::new(path), exposition(), NEVER).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
            error.to_string().replace(&root, "ROOT")
        };
        let missing = said(&format!("{root}/no/such.prom"));
        insta::assert_snapshot!(missing, @"--metrics-textfile ROOT/no/such.prom: there is no directory ROOT/no; create it or give another path");
        insta::assert_snapshot!(said(&root), @"--metrics-textfile ROOT: that is a directory; give the path of a file, such as metrics.prom");
        insta::assert_snapshot!(said("/dev/null"), @"--metrics-textfile /dev/null: that is not an ordinary file; give the path of a file, such as metrics.prom");
        let below = said(&format!("{root}/file/x.prom"));
        insta::assert_snapshot!(below, @"--metrics-textfile ROOT/file/x.prom: cannot be written: Not a directory");
        assert_eq!(names(directory.path()), ["file"]);
    }

    #[test]
    fn a_directory_that_goes_away_costs_the_run_nothing() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("metrics");
        fs::create_dir(&directory).unwrap();
        let file = Textfile::start_with(&directory.join("mds.prom"), exposition(), Duration::from_millis(1))
            .unwrap();
        // Renamed at once: taking it out file by file would race with the thread that writes there.
        fs::rename(&directory, root.path().join("elsewhere")).unwrap();
        let error = file.finish(0).unwrap_err().to_string();
        assert!(error.contains("there is no directory"), "{error}");
    }
}
