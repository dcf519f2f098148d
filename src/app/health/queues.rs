//! Findings about queues of dead letters.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Finding, Measure, Report, Status};
use crate::app::process;
use crate::dlq::claim::Choice;
use crate::dlq::groups::By;
use crate::dlq::journal;
use crate::dlq::names::{self, Kind};
use crate::dlq::remote::{self, Holder, Part, RemoteQueue};
use crate::dlq::stats::{Plan, QueueStats};
use crate::error::{Error, Result, words};
use crate::files::folder_of;
use crate::port::runs::RunProcess;
use crate::report::letters::{replay_command, table_to_name};
use crate::text::flags::{DLQ, MAX_ATTEMPTS};
use crate::text::number_format::{duration, plural};
use crate::text::phrases::shell_word;

/// From where on a queue is a reason to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// So many rows are a warning.
    pub warn: Option<u64>,
    /// So many are critical.
    pub crit: Option<u64>,
    /// A letter so old is a warning.
    pub age_warn: Option<Duration>,
    /// One so old is critical.
    pub age_crit: Option<Duration>,
}

/// Where queues are, where nobody says so.
const STANDARD: &str = ".dlq";

/// Counts what is in those queues, or directories of them; without any, in `.dlq`. `now` is in
/// microseconds since 1970.
pub fn look(named: &[PathBuf], limits: Limits, now: i64) -> Report {
    let mut report = Report::default();
    let places = places(named, &mut report.findings);
    let (mut rows, mut parked, mut damaged) = (0, 0, 0);
    let mut oldest: Option<(i64, PathBuf)> = None;
    let mut held: Vec<(PathBuf, u64)> = Vec::new();
    let mut all = QueueStats::default();
    for place in &places {
        let (mut own, queue) = (0, place.path());
        for Held { file, kind, survey } in place.held(&mut report.findings) {
            damaged += survey.damaged;
            if survey.damaged > 0 {
                report.findings.push(of_damage(&file, &survey));
            }
            match kind {
                Kind::Parked => {
                    parked += survey.rows;
                    report.findings.extend((survey.rows > 0).then(|| of_parked(place, &file, &survey)));
                    continue;
                }
                Kind::Segment(_) if journal::is_claimed(&file) => {
                    report.findings.push(of_claim(&file, &queue, &survey));
                }
                Kind::Live | Kind::Segment(_) => {}
            }
            own += survey.rows;
            all.tables.extend(survey.tables);
            if let Some(first) = survey.first
                && oldest.as_ref().is_none_or(|(known, _)| first < *known)
            {
                oldest = Some((first, file));
            }
        }
        rows += own;
        if own > 0 {
            held.push((queue, own));
        }
    }
    let age = oldest.map(|(first, file)| {
        (Duration::from_micros(u64::try_from(now.saturating_sub(first)).unwrap_or(0)), file)
    });
    let old = age.as_ref().map_or(String::new(), |(age, _)| format!(", the oldest {} old", duration(*age)));
    let status = Status::of(rows, limits.warn, limits.crit);
    let text = match held.as_slice() {
        [] => "no dead rows".to_owned(),
        [(one, _)] => format!("{} in {}{old}", plural(rows, "dead row"), one.display()),
        many => {
            let most = many.iter().max_by_key(|(_, rows)| *rows).map(|(path, _)| path.display().to_string());
            format!(
                "{} in {}, most in {}{old}",
                plural(rows, "dead row"),
                plural(many.len() as u64, "queue"),
                most.unwrap_or_default()
            )
        }
    };
    let depth = Finding::new("dlq", status, text).value(rows);
    let remedy = match (held.as_slice(), table_to_name(&all)) {
        // Without its table it would be refused.
        ([(one, _)], Some(table)) => {
            let replay = replay_command(&one.display().to_string(), Some(table));
            format!("mdsctl inspect-dlq says why, {replay} puts them into the store")
        }
        _ => "mdsctl inspect-dlq says why, mdsctl replay-dlq puts them into the store".to_owned(),
    };
    report.findings.push(depth.unless_ok(remedy));
    if let Some((age, file)) = &age {
        let status = Status::of(*age, limits.age_warn, limits.age_crit);
        if limits.age_warn.is_some() || limits.age_crit.is_some() {
            let text = format!("the oldest letter, in {}, is {} old", file.display(), duration(*age));
            report.findings.push(
                Finding::new("dlq_age", status, text)
                    .value(age.as_secs())
                    .unless_ok("see that mdsctl replay-dlq runs, and what it says"),
            );
        }
    }
    let number = |limit: Option<u64>| limit.map(|limit| limit as f64);
    let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
    report.measures.push(Measure {
        limits: (number(limits.warn), number(limits.crit)),
        ..Measure::new("dlq_rows", rows as f64, "")
    });
    report.measures.push(Measure {
        limits: (seconds(limits.age_warn), seconds(limits.age_crit)),
        ..Measure::new("dlq_age", age.map_or(0.0, |(age, _)| age.as_secs() as f64), "s")
    });
    report.measures.push(Measure::new("dlq_parked_rows", parked as f64, ""));
    report.measures.push(Measure::new("dlq_damaged_lines", damaged as f64, ""));
    report
}

/// A queue.
enum Place {
    /// A live file, or what stands beside where one would be.
    File(PathBuf),
    /// What is no file.
    Elsewhere(Box<dyn RemoteQueue>),
}

/// What a part of a queue holds.
struct Held {
    file: PathBuf,
    kind: Kind,
    survey: QueueStats,
}

impl Place {
    /// As it is named.
    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Elsewhere(queue) => queue.name().into(),
        }
    }

    /// What is in each of its parts; those that cannot be read are findings.
    fn held(&self, findings: &mut Vec<Finding>) -> Vec<Held> {
        let queue = match self {
            Self::File(path) => return of_files(path, findings),
            Self::Elsewhere(queue) => queue,
        };
        let look = || -> Result<Vec<Held>> {
            let parts = remote::brought(&**queue)?;
            let part = |Part { name, parked, file }: Part| {
                let kind = if parked { Kind::Parked } else { Kind::Live };
                let survey = QueueStats::of_file(&file, &stats());
                let survey = survey.map_err(|error| Error::input(format!("{name}: {}", words(&error))))?;
                Ok(Held { file: name.into(), kind, survey })
            };
            parts.into_iter().map(part).collect()
        };
        match queue.holder().and_then(|holder| Ok((holder, look()?))) {
            Ok((holder, held)) => {
                findings.extend(holder.map(|holder| of_holder(&queue.name(), &holder)));
                held
            }
            Err(error) => {
                let text = format!("{} cannot be read: {error}", queue.name());
                findings.push(
                    Finding::new("dlq", Status::Unknown, text).remedy(format!("mend that, or mend {DLQ}")),
                );
                Vec::new()
            }
        }
    }
}

fn of_files(queue: &Path, findings: &mut Vec<Finding>) -> Vec<Held> {
    let mut held = Vec::new();
    for file in files(queue) {
        match survey(&file) {
            Ok(Some(survey)) => held.push(Held { kind: names::kind(&file), file, survey }),
            Ok(None) => {}
            Err(error) => {
                let text = format!("{} cannot be read: {}", file.display(), words(&error));
                let remedy = format!("mend its permissions, or mend {DLQ}");
                findings.push(Finding::new("dlq", Status::Unknown, text).remedy(remedy));
            }
        }
    }
    held
}

/// The queues that are meant, files first.
fn places(named: &[PathBuf], findings: &mut Vec<Finding>) -> Vec<Place> {
    let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
    for path in named {
        match remote::queue(path) {
            Ok(Some(queue)) => elsewhere.push(Place::Elsewhere(queue)),
            Ok(None) => here.push(path.clone()),
            Err(error) => findings.push(Finding::new("dlq", Status::Unknown, error.to_string())),
        }
    }
    // Where none is named, those of the standard folder are meant.
    let all = if here.is_empty() && !named.is_empty() { BTreeSet::new() } else { queues(&here, findings) };
    all.into_iter().map(Place::File).chain(elsewhere).collect()
}

/// The live files of the queues, whether they are there or only their companions.
fn queues(named: &[PathBuf], findings: &mut Vec<Finding>) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut within = |directory: &Path| -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.extension().is_some_and(|e| e == "ndjson") && path.is_file() {
                found.insert(names::live(&path));
            }
        }
        Ok(())
    };
    let standard = [PathBuf::from(STANDARD)];
    let (all, said) = if named.is_empty() { (&standard[..], false) } else { (named, true) };
    let mut single = Vec::new();
    for path in all {
        if path.is_dir() {
            if let Err(error) = within(path) {
                let text = format!("{} cannot be read: {}", path.display(), words(&error));
                let finding = Finding::new("dlq", Status::Unknown, text);
                findings.push(finding.remedy(format!("mend its permissions, or mend {DLQ}")));
            }
        } else if said {
            single.push(names::live(path));
        }
    }
    for path in single {
        // A queue in which nothing has been put yet has no file, but it has a place.
        let directory = folder_of(&path);
        if directory.is_dir() {
            found.insert(path);
        } else {
            let text = format!("there is no directory {} for {}", directory.display(), path.display());
            findings.push(Finding::new("dlq", Status::Unknown, text).remedy(format!("mend {DLQ}")));
        }
    }
    found
}

/// All files of a queue that may be there.
fn files(queue: &Path) -> Vec<PathBuf> {
    let mut all = names::segments(queue).unwrap_or_default();
    all.extend([queue.to_owned(), names::parked(queue)]);
    all
}

/// What is counted of a file.
fn stats() -> Plan {
    Plan { choice: Choice::default(), by: vec![By::Stage], samples: 0, file: 0 }
}

/// What is in a file; `None` where there is none.
fn survey(file: &Path) -> io::Result<Option<QueueStats>> {
    match File::open(file).and_then(|file| QueueStats::of_file(&file, &stats())) {
        Ok(survey) => Ok(Some(survey)),
        // It may have been claimed or archived since it was found.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_damage(file: &Path, survey: &QueueStats) -> Finding {
    let first = survey
        .damage
        .as_ref()
        .map_or(String::new(), |((_, offset), why)| format!("; the first, at byte {offset}, {why}"));
    let lines = plural(survey.damaged, "line");
    let are = if survey.damaged == 1 { "is not a record" } else { "are not records" };
    Finding::new("dlq_damage", Status::Warning, format!("{lines} of {} {are}{first}", file.display()))
        .value(survey.damaged)
        .remedy("mend or take out what was written there by hand, or by a disk that is not well")
}

fn of_parked(place: &Place, file: &Path, survey: &QueueStats) -> Finding {
    let rows = survey.rows;
    let text = format!("{} given up after too many attempts, in {}", plural(rows, "row"), file.display());
    // Of what is no file, the queue is named.
    let (named, more) = match place {
        Place::File(_) => (file.display().to_string(), String::new()),
        Place::Elsewhere(queue) => (queue.name(), format!(" {MAX_ATTEMPTS} 100")),
    };
    Finding::new("dlq_parked", Status::Warning, text).value(rows).remedy(format!(
        "mdsctl inspect-dlq {} says why; once the cause is mended: {}{more}",
        shell_word(&named),
        replay_command(&named, table_to_name(survey))
    ))
}

fn of_claim(file: &Path, queue: &Path, survey: &QueueStats) -> Finding {
    let rows = survey.rows;
    let (shown, count) = (file.display(), plural(rows, "row"));
    match is_held(&names::lock(queue)) {
        true => Finding::new("dlq_claim", Status::Ok, format!("a replay is at work on {count} in {shown}")),
        false => Finding::new(
            "dlq_claim",
            Status::Warning,
            format!("a replay has claimed {count} in {shown}, and is not at work any more"),
        )
        .remedy(format!("run: {}", replay_command(&queue.display().to_string(), table_to_name(survey)))),
    }
    .value(rows)
}

fn of_holder(queue: &str, holder: &Holder) -> Finding {
    let Holder { host, pid, mark, since, .. } = holder;
    let process = RunProcess { host: host.clone(), pid: *pid, mark: mark.clone() };
    let by = format!("{queue} was claimed by process {pid} on {host}, {since}");
    match process::is_alive(&process) {
        Some(true) => Finding::new("dlq_claim", Status::Ok, format!("{by}: a replay is at work")),
        Some(false) => Finding::new("dlq_claim", Status::Warning, format!("{by}, which has ended"))
            .remedy(format!("run: {}", replay_command(queue, None))),
        None => {
            Finding::new("dlq_claim", Status::Ok, format!("{by}; look there whether it is still at work"))
        }
    }
}

/// Whether a process holds the lock. Read from the system's list, since a try at the lock itself
/// would be in the way of a replay that begins.
fn is_held(lock: &Path) -> bool {
    let Ok(metadata) = std::fs::metadata(lock) else { return false };
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let inode = metadata.ino().to_string();
    locks.lines().filter(|line| !line.contains("->")).any(|line| {
        let place = line.split_whitespace().nth(5).unwrap_or_default();
        line.contains(" FLOCK ") && place.rsplit(':').next() == Some(inode.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(rows: u64, ts: &str, first: &str) -> String {
        let numbers: Vec<String> = (1..=rows).map(|row| row.to_string()).collect();
        let items: Vec<String> = (1..=rows).map(|row| format!("{{\"symbol\":\"S{row}\"}}")).collect();
        format!(
            "{{\"ts\":{ts},\"error\":\"e\",\"metadata\":{{\"stage\":\"write\",\"first_ts\":{first},\"rows\":[{}]}},\
             \"items\":[{}]}}\n",
            numbers.join(","),
            items.join(",")
        )
    }

    #[test]
    fn queues_are_counted_with_all_that_belongs_to_them() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        put("bars.ndjson", &(letter(2, "900.0", "100.0") + "garbage\n"));
        put("bars.1.ndjson", &letter(3, "950.0", "950.0"));
        put("bars.2.ndjson", &letter(1, "990.0", "990.0"));
        put(".bars.replay.json", r#"{"files":[{"name":"bars.2.ndjson"}]}"#);
        put("bars.parked.ndjson", &letter(4, "10.0", "10.0"));
        let limits =
            Limits { warn: Some(1), crit: Some(7), age_warn: None, age_crit: Some(Duration::from_secs(900)) };
        let named = [directory.path().to_owned()];
        let report = look(&named, limits, 1_000_000_000);
        let of = |check: &str| report.findings.iter().find(|f| f.check == check).unwrap();
        assert_eq!((of("dlq").status, &of("dlq").value), (Status::Warning, &Some(6.into())));
        assert!(of("dlq").message.contains("6 dead rows in ") && of("dlq").message.contains("15 min"));
        assert_eq!((of("dlq_age").status, &of("dlq_age").value), (Status::Critical, &Some(900.into())));
        assert_eq!(of("dlq_parked").value, Some(4.into()));
        assert_eq!(of("dlq_claim").status, Status::Warning);
        assert_eq!(of("dlq_damage").value, Some(1.into()));
        assert_eq!(report.status(), Status::Critical);

        let lock = directory.path().join(".bars.replay.lock");
        let _held = crate::dlq::replay_lock::Hold::take(&lock, "here").unwrap().unwrap();
        let report = look(&[directory.path().join("bars.ndjson")], Limits::default(), 1_000_000_000);
        let claim = report.findings.iter().find(|f| f.check == "dlq_claim").unwrap();
        assert_eq!(claim.status, Status::Ok, "{claim:?}");
    }

    #[test]
    fn an_empty_queue_is_well_and_one_without_a_place_is_not_known() {
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits { warn: Some(1), ..Limits::default() };
        let at = |name: &str| look(&[directory.path().join(name)], limits, 0).status();
        assert_eq!(at("bars.ndjson"), Status::Ok);
        assert_eq!(at("absent/bars.ndjson"), Status::Unknown);
    }
}
