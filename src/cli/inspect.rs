//! `mdsctl inspect-dlq`: says what is in a dead-letter queue and why, and hands its rows out.

use std::path::Path;

use anyhow::{Result, bail};

use crate::app::exit::Exit;
use crate::app::inspect;
use crate::app::inspect::export::{self, Exported};
use crate::app::inspect::follow::{self, Form};
use crate::app::inspect::queues;
use crate::cli::args::{GlobalArgs, InspectArgs, LetterFormat};
use crate::cli::voice::note;
use crate::cli::{help, plan, print, signals, style_of_stdout, voice};
use crate::error::Error;
use crate::report::letters::{Findings, json as found_json, replay_command, table, table_to_name};
use crate::telemetry::result::line;
use crate::text::choice::Choice as _;

/// Prints what is in the queues: totals and groups, rows, or what is added to them; or exports their rows.
pub fn run(global: &GlobalArgs, args: &InspectArgs) -> Result<Exit> {
    let selection = plan::selection(&args.filter);
    let format = if global.json { LetterFormat::Json } else { args.format };
    if args.follow {
        let form = match format {
            LetterFormat::Table => Form::News,
            LetterFormat::Json => Form::Record,
            LetterFormat::Ndjson => Form::Rows,
            LetterFormat::Csv => {
                bail!(Error::usage(
                    "--follow: the columns of CSV are known only at the end; use --format ndjson",
                ));
            }
        };
        let interrupts = signals::heard()?;
        return Ok(follow::run(&args.queues, form, &selection, &interrupts, voice::rows())?);
    }
    let mut queues = queues::open(&args.queues)?;
    let rows_alone = args.export.is_some() || matches!(format, LetterFormat::Csv | LetterFormat::Ndjson);
    if rows_alone && let Some(path) = queues::without_parked(&mut queues, &args.queues) {
        note(
            global,
            &format!("what is parked is left out, as a replay leaves it; name its file for that: {path}"),
        );
    }
    let none = queues.is_empty();
    let notes: Vec<String> = none.then(|| queues::none(&args.queues)).into_iter().collect();
    notes.iter().for_each(|text| note(global, text));
    if let Some(path) = &args.export {
        let interrupts = signals::heard()?;
        return match export::to_file(path, args.force, queues, &selection, &interrupts)? {
            Some(told) => exported(global, path, &told).map(|()| Exit::Stored),
            None => Ok(interrupts.exit().unwrap_or(Exit::Interrupted)),
        };
    }
    match format {
        LetterFormat::Csv if none => Ok(Exit::Stored),
        LetterFormat::Csv => {
            export::as_csv(voice::rows(), queues, &selection, |told| left_out(global, told))?;
            Ok(Exit::Stored)
        }
        LetterFormat::Ndjson => {
            left_out(global, &export::as_they_are(voice::rows(), queues, &selection)?);
            Ok(Exit::Stored)
        }
        LetterFormat::Table | LetterFormat::Json => {
            let by: Vec<&str> = args.by.iter().map(|by| by.word()).collect();
            let (files, survey) = inspect::survey(queues, &selection, args.by.clone(), args.samples)?;
            let found = Findings { files: &files, survey: &survey, by: &by };
            if format == LetterFormat::Json {
                print(&line(found_json(found, &notes)))?;
            } else if !none {
                let style = style_of_stdout(global.color);
                let style = help::columns().map_or(style, |columns| style.width(columns));
                print(&table(found, style))?;
                // Without its table a replay would be refused.
                if let ([queue], Some(table)) = (&*args.queues, table_to_name(&survey)) {
                    let queue = queue.display().to_string();
                    note(
                        global,
                        &format!("to put them into the store: {}", replay_command(&queue, Some(table))),
                    );
                }
            }
            Ok(Exit::Stored)
        }
    }
}

/// `--export`: says what was written.
fn exported(global: &GlobalArgs, path: &Path, told: &Exported) -> Result<()> {
    match global.json {
        true => print(&line(told.json(path)))?,
        false => note(global, &told.written(path)),
    }
    left_out(global, told);
    Ok(())
}

/// Says what is not among the rows that were handed out.
fn left_out(global: &GlobalArgs, told: &Exported) {
    told.left_out().iter().for_each(|line| note(global, line));
}
