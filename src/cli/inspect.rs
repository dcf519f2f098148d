//! `mdsctl inspect-dlq`: says what is in a dead-letter queue and why, and hands its rows out.

use std::io::{self, IsTerminal as _};

use crate::app::exit::Exit;
use crate::app::queues::{self, Bytes, Queue, STANDARD, chosen, unreadable};
use crate::cli::args::{ByName, GlobalArgs, InspectArgs, LetterFormat};
use crate::cli::{export, filter, follow, print, style_of_stdout, tell, voice};
use crate::dlq::claim::Choice;
use crate::dlq::groups::By;
use crate::dlq::stats::{Plan, QueueStats};
use crate::error::Result;
use crate::report::letters::{Findings, QueueFile, json, replay_command, table, table_to_name};

/// Runs it.
pub fn run(global: &GlobalArgs, args: &InspectArgs) -> Result<Exit> {
    let selection = filter::selection(&args.filter);
    let format = if global.json { LetterFormat::Json } else { args.format };
    if args.follow {
        return follow::run(args, format, &selection);
    }
    let mut queues = queues::open(&args.queues)?;
    let rows_alone = args.export.is_some() || matches!(format, LetterFormat::Csv | LetterFormat::Ndjson);
    if rows_alone {
        let parked = queues::without_parked(&mut queues, &args.queues);
        if let (Some(path), false) = (parked, global.quiet) {
            tell(&format!(
                "what is parked is left out, as a replay leaves it; name its file for that: {path}"
            ));
        }
    }
    let none = queues.is_empty();
    let mut notes = Vec::new();
    if none {
        let place = match args.queues.as_slice() {
            [] => STANDARD.to_owned(),
            named => named.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        };
        notes.push(format!("no dead letters: there is no queue in {place}"));
        if !global.quiet {
            notes.iter().for_each(|note| tell(note));
        }
    }
    if let Some(path) = &args.export {
        return export::to_file(global, args, queues, &selection, path);
    }
    match format {
        LetterFormat::Csv if none => Ok(Exit::Stored),
        LetterFormat::Csv => export::as_csv(global, queues, &selection),
        LetterFormat::Ndjson => export::as_they_are(global, queues, &selection),
        LetterFormat::Table | LetterFormat::Json => {
            let by: Vec<&str> = args.by.iter().map(|by| by.word()).collect();
            let (files, survey) = surveyed(queues, args, selection)?;
            let found = Findings { files: &files, survey: &survey, by: &by };
            if format == LetterFormat::Json {
                let mut object = json(found);
                if let Some(fields) = object.as_object_mut() {
                    fields.insert("command".into(), "inspect-dlq".into());
                    fields.insert("notes".into(), notes.into());
                    fields.insert("exit_code".into(), 0.into());
                }
                print(&voice::result(object))?;
            } else if !none {
                print(&table(found, style(global)))?;
                // Without its table a replay would be refused.
                if let ([queue], Some(table), false) = (&*args.queues, table_to_name(&survey), global.quiet) {
                    let queue = queue.display().to_string();
                    tell(&format!("to put them into the store: {}", replay_command(&queue, Some(table))));
                }
            }
            Ok(Exit::Stored)
        }
    }
}

/// As wide as the terminal, and 80 columns elsewhere.
fn style(global: &GlobalArgs) -> crate::report::style::Style {
    let style = style_of_stdout(global.color);
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if io::stdout().is_terminal() && size.ws_col > 0 => style.width(size.ws_col.into()),
        _ => style,
    }
}

fn surveyed(
    queues: Vec<Queue>,
    args: &InspectArgs,
    selection: crate::dlq::filter::Selection,
) -> Result<(Vec<QueueFile>, QueueStats)> {
    let by: Vec<By> = args.by.iter().copied().map(By::from).collect();
    let mut plan = Plan { choice: Choice::default(), by, samples: args.samples, file: 0 };
    let (mut files, mut all) = (Vec::new(), QueueStats::default());
    for (file, (Queue { name, what, bytes }, choice)) in chosen(queues, &selection)?.into_iter().enumerate() {
        (plan.file, plan.choice) = (file, choice);
        let survey = match bytes {
            Bytes::File(file) => QueueStats::of_file(&file, &plan),
            Bytes::Stream(stream) => QueueStats::of_stream(stream, &plan),
        };
        let survey = survey.map_err(|e| unreadable(&name, &e))?;
        files.push(QueueFile { name, what, rows: survey.rows });
        all.merge(survey, args.samples);
    }
    Ok((files, all))
}

impl From<ByName> for By {
    fn from(name: ByName) -> Self {
        match name {
            ByName::Code => Self::Code,
            ByName::Stage => Self::Stage,
            ByName::Dataset => Self::Dataset,
            ByName::Source => Self::Source,
            ByName::Symbol => Self::Symbol,
            ByName::Hour => Self::Hour,
        }
    }
}

impl ByName {
    fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Stage => "stage",
            Self::Dataset => "dataset",
            Self::Source => "source",
            Self::Symbol => "symbol",
            Self::Hour => "hour",
        }
    }
}
