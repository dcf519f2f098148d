//! Findings about queues of dead letters.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Finding, Measure, Report, Status};
use crate::dlq::claim::Choice;
use crate::dlq::groups::By;
use crate::dlq::journal;
use crate::dlq::names::{self, Kind};
use crate::dlq::stats::{Plan, QueueStats};
use crate::error::words;
use crate::files::folder_of;
use crate::report::letters::{replay_command, table_to_name};
use crate::text::flags::DLQ;
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
    let queues = queues(named, &mut report.findings);
    let (mut rows, mut parked, mut damaged) = (0, 0, 0);
    let mut oldest: Option<(i64, PathBuf)> = None;
    let mut held: Vec<(PathBuf, u64)> = Vec::new();
    let mut all = QueueStats::default();
    for queue in &queues {
        let mut own = 0;
        for file in files(queue) {
            let survey = match survey(&file) {
                Ok(Some(survey)) => survey,
                Ok(None) => continue,
                Err(error) => {
                    let text = format!("{} cannot be read: {}", file.display(), words(&error));
                    report.findings.push(
                        Finding::new("dlq", Status::Unknown, text)
                            .remedy(format!("mend its permissions, or mend {DLQ}")),
                    );
                    continue;
                }
            };
            damaged += survey.damaged;
            if survey.damaged > 0 {
                report.findings.push(of_damage(&file, &survey));
            }
            match names::kind(&file) {
                Kind::Parked => {
                    parked += survey.rows;
                    report.findings.extend((survey.rows > 0).then(|| of_parked(&file, &survey)));
                    continue;
                }
                Kind::Segment(_) if journal::is_claimed(&file) => {
                    report.findings.push(of_claim(&file, queue, &survey));
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
            held.push((queue.clone(), own));
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

/// What is in a file; `None` where there is none.
fn survey(file: &Path) -> io::Result<Option<QueueStats>> {
    let plan = Plan { choice: Choice::default(), by: vec![By::Stage], samples: 0, file: 0 };
    match File::open(file).and_then(|file| QueueStats::of_file(&file, &plan)) {
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

fn of_parked(file: &Path, survey: &QueueStats) -> Finding {
    let rows = survey.rows;
    let text = format!("{} given up after too many attempts, in {}", plural(rows, "row"), file.display());
    let shown = shell_word(&file.display().to_string());
    Finding::new("dlq_parked", Status::Warning, text).value(rows).remedy(format!(
        "mdsctl inspect-dlq {shown} says why; once the cause is mended: {}",
        replay_command(&file.display().to_string(), table_to_name(survey))
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
