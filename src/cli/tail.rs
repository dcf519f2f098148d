//! `mdsctl tail`: a load of files that grow.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xxhash_rust::xxh3::xxh3_64;

use crate::app::exit::Exit;
use crate::app::span;
use crate::cli::args::{FromName, GlobalArgs, HistoryArgs, LoadArgs, TailArgs};
use crate::cli::load::{Load, known_name, runtime};
use crate::cli::metrics::RunMetrics;
use crate::cli::{settings, traces};
use crate::decode::Format;
use crate::error::{Error, Result};
use crate::port::runs::earlier_name;
use crate::report::shared_stderr::SharedStderr;
use crate::source::follow::{FollowOptions, From};
use crate::source::shown;

/// What is followed.
#[derive(Clone)]
pub struct Followed {
    /// The files, and how.
    pub options: FollowOptions,
    /// The checkpoint file, where a flag names one.
    checkpoint: Option<PathBuf>,
}

impl Followed {
    /// The checkpoint file for that table.
    pub fn checkpoint(&self, table: &str) -> PathBuf {
        if let Some(path) = &self.checkpoint {
            return path.clone();
        }
        let named_for = |inputs: Vec<String>, table: &str| {
            let hash = xxh3_64(format!("{}\n{table}", inputs.join("\n")).as_bytes());
            PathBuf::from(".mdsctl").join(format!("tail-{hash:016x}.json"))
        };
        let absolute =
            |pattern: &OsString| std::path::absolute(pattern).unwrap_or_else(|_| PathBuf::from(pattern));
        let absolute: Vec<PathBuf> = self.options.patterns.iter().map(absolute).collect();
        let inputs: Vec<String> = absolute.iter().map(|path| shown(straight(path))).collect();
        // As it was called before `..` was seen through, and names of tables had the quotes that they need.
        let before: Vec<String> = absolute.iter().map(shown).collect();
        let bare = earlier_name(table);
        let mut earlier = [(&before, table), (&inputs, &*bare), (&before, &*bare)]
            .into_iter()
            .map(|(inputs, table)| named_for(inputs.clone(), table));
        let own = named_for(inputs.clone(), table);
        if own.exists() { own } else { earlier.find(|path| path.exists()).unwrap_or(own) }
    }
}

/// An absolute path without `..`. Links stay, since they may lead elsewhere tomorrow.
fn straight(path: &Path) -> PathBuf {
    let mut way = PathBuf::new();
    for part in path.components() {
        if part != Component::ParentDir {
            way.push(part);
            continue;
        }
        if way.is_symlink()
            && let Ok(there) = way.canonicalize()
        {
            way = there;
        }
        way.pop();
    }
    way
}

/// Each followed file is held open: of what the system allows, as much as it takes.
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, a file that cannot be opened is told.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Runs it.
pub fn run(global: &GlobalArgs, args: &TailArgs, screen: &SharedStderr) -> Result<Exit> {
    if args.rejects.dry_run {
        return Err(Error::Usage("tail has no --dry-run; mdsctl load --dry-run looks at a file".into()));
    }
    if let Some(format) = args.format.format.as_deref().and_then(Format::of_name).filter(|f| !f.grows()) {
        return Err(Error::Usage(format!("{} cannot be followed; use mdsctl load", format.title)));
    }
    let pipe = args.inputs.iter().any(|input| input == "-");
    if pipe && args.inputs.len() > 1 {
        return Err(Error::Usage(
            "a pipe (-) is followed alone; start one tail for it and one for the files".into(),
        ));
    }
    let mut engine = args.engine.clone();
    // A tail is there to stay: as good as for ever, unless the user says otherwise.
    engine.max_outage = engine.max_outage.or(Some(Duration::from_secs(100 * 365 * 86_400)));
    let load = LoadArgs {
        inputs: args.inputs.clone(),
        store: args.store.clone(),
        data: args.data.clone(),
        format: args.format.clone(),
        rejects: args.rejects.clone(),
        history: HistoryArgs { resume: false, source_id: None, force: true },
        engine,
    };
    let followed = Followed {
        options: FollowOptions {
            patterns: args.inputs.clone(),
            recursive: args.format.recursive,
            open: settings::open_options(&args.format),
            from: match args.from {
                FromName::Start => From::Start,
                FromName::End => From::End,
                FromName::Checkpoint => From::Checkpoint,
            },
            poll: args.poll,
            idle_exit: args.idle_exit,
        },
        checkpoint: args.checkpoint.clone(),
    };
    open_many_files();
    let run_id = traces::run_id();
    let metrics = RunMetrics::start(&load.engine, "tail", run_id, known_name(&load.data), (global, screen))?;
    let done = (|| {
        let runtime = runtime()?;
        let load = match pipe {
            true => Load::tail_of_pipe(global, &load, screen, run_id, &metrics, args.idle_exit)?,
            false => Load::follow(global, &load, screen, run_id, &metrics, followed)?,
        };
        let done = runtime.block_on(span::run("tail", load.run()));
        runtime.shutdown_background();
        done
    })();
    metrics.finish(&done);
    done
}
