//! Shared jobs, for people.

use std::time::Duration;

use crate::report::page::Page;
use crate::report::style::{Ink, Style};
use crate::telemetry::jobs::JobView;
use crate::telemetry::snapshot::Books;
use crate::text::flags::SHARE;
use crate::text::number_format::{bytes, clock, count, duration, percent, plural};

/// Loaders and failures that are shown one by one.
const MOST: usize = 20;

fn time(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 1e12))
}

fn ink(job: &JobView) -> Ink {
    match (job.status, job.exit_code) {
        ("done", Some(0)) => Ink::Good,
        ("done", _) => Ink::Warn,
        ("failed", _) => Ink::Bad,
        _ => Ink::Plain,
    }
}

/// `4,000 read = 3,990 inserted + 10 skipped`.
fn sum(rows: &Books) -> String {
    let outcomes = rows.outcomes();
    let parts: Vec<String> =
        outcomes.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{} {word}", count(*n))).collect();
    match parts.is_empty() {
        true => format!("{} read", count(rows.read)),
        false => format!("{} read = {}", count(rows.read), parts.join(" + ")),
    }
}

/// What was written once more, and what of dead letters is not in the books.
fn remarks(job: &JobView) -> Vec<String> {
    let mut all = Vec::new();
    if job.settled > 0 {
        all.push(format!(
            "{} of inputs whose keys overlap, and that were loaded at the same time, were written once more in the order of the list",
            plural(job.settled, "row")
        ));
    }
    if job.earlier_rejects > 0 {
        all.push(format!(
            "at least {} are in the dead letters of loaders that did not come to the end of a part",
            plural(job.earlier_rejects, "row")
        ));
    }
    all
}

/// The lines of a job in the summary of the loader that came to its end last.
pub fn summed_up(job: &JobView) -> Vec<(&'static str, String)> {
    let mut lines = vec![(
        "job",
        format!(
            "{}: {} by {} in {}",
            job.job,
            plural(job.inputs, "input"),
            plural(job.loaders, "loader"),
            duration(time(job.elapsed_s))
        ),
    )];
    lines.push(("", sum(&job.rows)));
    lines.extend(remarks(job).into_iter().map(|remark| ("", remark)));
    lines
}

/// A line for each job under a heading; nothing where there are none.
pub fn table(jobs: &[JobView], style: Style) -> String {
    if jobs.is_empty() {
        return String::new();
    }
    let heads = ["JOB", "STARTED (UTC)", "TOOK", "TABLE", "PARTS", "ROWS", "REJECTED", "STATE"];
    let cells = |job: &JobView| {
        [
            job.job.clone(),
            job.started_at.get(..16).unwrap_or_default().replace('T', " "),
            clock(time(job.elapsed_s)),
            job.table.strip_prefix("public.").unwrap_or(&job.table).to_owned(),
            format!("{}/{}", job.parts.done, job.parts.total),
            count(job.rows.read),
            count(job.rows.rejected + job.rows.dropped),
            job.status.to_owned(),
        ]
    };
    let lines: Vec<[String; 8]> = jobs.iter().map(cells).collect();
    let mut widths = heads.map(str::len);
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; 8]| {
        let padded = cells.iter().zip(widths).enumerate().map(|(at, (cell, width))| match at {
            2 | 4..=6 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut page = Page::new(style);
    page.line(&line(heads), Ink::Faint);
    for (cells, job) in lines.iter().zip(jobs) {
        page.line(&line(cells.each_ref().map(String::as_str)), ink(job));
    }
    page.out
}

/// All there is to say of one job.
pub fn details(job: &JobView, style: Style) -> String {
    let mut page = Page::new(style);
    page.line(&format!("job {}", job.job), Ink::Strong);
    let what = match job.dataset == job.table {
        true => format!("load into {}", job.table),
        false => format!("load {} into {}", job.dataset, job.table),
    };
    page.entry("what", &what, Ink::Plain);
    let started = job.started_at.get(..16).unwrap_or_default().replace('T', " ");
    let took = duration(time(job.elapsed_s));
    let took = if job.is_done() { format!("took {took}") } else { format!("{took} ago") };
    page.entry("started", &format!("{started} UTC, {took}"), Ink::Plain);
    let code = job.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
    page.entry("state", &format!("{}{code}", job.status), ink(job));
    let parts = &job.parts;
    let stand: Vec<String> = [
        ("done", parts.done),
        ("being loaded", parts.claimed),
        ("to come", parts.open),
        ("failed", parts.failed),
    ]
    .into_iter()
    .filter(|(_, n)| *n > 0)
    .map(|(word, n)| format!("{} {word}", count(n)))
    .collect();
    page.entry(
        "parts",
        &format!("{} of {}: {}", count(parts.total), plural(job.inputs, "input"), stand.join(", ")),
        Ink::Plain,
    );
    let eta = match job.eta_s {
        Some(eta) => format!(", about {} to go", duration(time(eta))),
        None => String::new(),
    };
    page.entry(
        "progress",
        &format!(
            "{} % ({} of {}){eta}",
            percent(job.bytes_done, job.bytes),
            bytes(job.bytes_done),
            bytes(job.bytes)
        ),
        Ink::Plain,
    );
    let so_far = if job.is_done() { "" } else { " so far" };
    page.entry("rows", &format!("{}{so_far}", sum(&job.rows)), Ink::Plain);
    remarks(job).iter().for_each(|remark| page.entry("", remark, Ink::Plain));
    page.entry(
        "loaders",
        &format!("{} so far, {} at work", count(job.loaders), job.working.len()),
        Ink::Plain,
    );
    for worker in job.working.iter().take(MOST) {
        let more = match worker.inputs {
            0 | 1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        let share = worker.share.map_or_else(String::new, |share| format!(", about {:.0} %", share * 100.0));
        let lost = match worker.lost {
            true => format!("; no sign of life for {}", duration(time(worker.silent_s))),
            false => String::new(),
        };
        page.entry(
            "",
            &format!(
                "{} on {}: part {}, {}{more}, {}{share}{lost}",
                worker.pid,
                worker.host,
                worker.part,
                worker.input,
                plural(worker.rows, "row")
            ),
            if worker.lost { Ink::Warn } else { Ink::Plain },
        );
    }
    for failure in job.failures.iter().take(MOST) {
        page.entry("failed", &format!("{}: {}", failure.input, failure.error), Ink::Bad);
    }
    let next = match (job.is_done(), job.working.iter().any(|worker| !worker.lost), job.failures.is_empty()) {
        (true, _, true) | (false, true, _) => return page.out,
        (true, _, false) => format!("the same command with {SHARE} {} tries what failed once more", job.job),
        (false, false, _) => format!("the same command with {SHARE} {} goes on", job.job),
    };
    page.entry("next", &next, Ink::Strong);
    page.out
}
