//! What the runs before mean for this one: go on with one of them, begin anew, or not at all.

use serde_json::Value;
use uuid::Uuid;

use crate::app::process;
use crate::error::{Error, Result};
use crate::port::runs::{Emptied, InputIdentity, RunRecord, RunStatus};
use crate::text::flags::{FORCE, ON_CONFLICT, OVERFLOW, RESUME, SOURCE_ID, flag};
use crate::text::number_format::plural;

/// Silence after which a run on another machine is taken to be dead, in microseconds: three of
/// its signs of life.
pub const SILENCE: i64 = 30_000_000;

/// Whether the process of a run is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It is.
    Alive,
    /// It has ended, or died.
    Over,
    /// Its last sign of life is not old, and nobody here can tell more.
    Unknown,
}

/// Whether the process of that run is alive.
pub fn life(run: &RunRecord) -> Life {
    match (run.status, process::is_alive(&run.process)) {
        (RunStatus::Running, Some(true)) => Life::Alive,
        (RunStatus::Running, None) if run.silent <= SILENCE => Life::Unknown,
        _ => Life::Over,
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The inputs, in their order.
    pub inputs: &'a [InputIdentity],
    /// The table.
    pub table: &'a str,
    /// Whether it has a key.
    pub keyed: bool,
    /// The settings, by name.
    pub settings: &'a Value,
    /// `--resume`.
    pub resume: bool,
    /// `--force`.
    pub force: bool,
    /// Whether the input at that place has only grown since it was as an earlier run saw it.
    pub grown: &'a dyn Fn(usize, &InputIdentity) -> bool,
    /// Whether the input at that place begins with all that an earlier run knew of it by a hash.
    pub holds: &'a dyn Fn(usize, &InputIdentity) -> bool,
    /// Whether the input at that place, which an earlier run could not read to its end, may be read now.
    pub mended: &'a dyn Fn(usize, &InputIdentity) -> bool,
    /// Whether the table has no row any more, whatever was loaded into it.
    pub emptied: Emptied,
    /// Whether a row that comes again takes the place of the one that is there.
    pub overwrites: bool,
    /// Whether what an input ends with has a say in what the rows of the next one are: ids are made of content.
    pub counts_on: bool,
}

impl Request<'_> {
    /// Whether what that run has loaded is gone, so that nothing would be there twice. Where triggers or rules
    /// can put rows elsewhere an empty table tells nothing, nor where the run had left none in it.
    fn is_gone(&self, run: &RunRecord) -> bool {
        let left_none = run.books.skipped > 0 && run.books.inserted == 0 && run.resumed_from.is_none();
        self.emptied == Emptied::Yes && !left_none
    }

    /// Whether anything depends on the runs before. A table with a key may get anything again.
    pub fn looks_back(&self) -> bool {
        self.resume || !self.keyed && !self.force
    }
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// Begin anew; with something the user should know.
    Fresh(Option<String>),
    /// Go on with that run.
    Resume(Box<RunRecord>),
    /// Look first whether that run gives a sign of life.
    Watch(Uuid),
}

/// How people name a run.
pub fn short(run: Uuid) -> String {
    run.to_string().chars().take(13).collect()
}

fn day(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M UTC").to_string())
}

/// Decides, by the runs that had an input in common with this one, the newest first.
///
/// # Errors
/// Usage, where the request cannot be granted: the sentence says why, and what can be done.
pub fn decide(request: &Request<'_>, earlier: &[(RunRecord, Life)]) -> Result<Decision> {
    if request.resume {
        if let Some(unknown) = request.inputs.iter().find(|input| input.id.is_none()) {
            let what = if unknown.name == "-" { "standard input" } else { &unknown.name };
            return Err(Error::usage(format!(
                "{RESUME} cannot tell what comes from {what}: give it a name with {SOURCE_ID}, the same in both runs"
            )));
        }
        if let Some((run, life)) = to_go_on_with(request, earlier) {
            return go_on(request, run, *life, earlier);
        }
    }
    let fresh = fresh(request, earlier)?;
    Ok(match fresh {
        Decision::Fresh(_) if request.resume => Decision::Fresh(Some(format!(
            "nothing to resume: no earlier run has loaded this input into {}; loading from the start",
            request.table
        ))),
        other => other,
    })
}

/// The newest run that began with the same input and has left something; else the newest.
fn to_go_on_with<'a>(
    request: &Request<'_>,
    earlier: &'a [(RunRecord, Life)],
) -> Option<&'a (RunRecord, Life)> {
    let first = request.inputs.first().and_then(|input| input.id.as_ref());
    let mut candidates =
        earlier.iter().filter(|(run, _)| run.inputs.first().is_some_and(|input| input.id.as_ref() == first));
    let left = |(run, life): &&(RunRecord, Life)| {
        *life != Life::Over || run.status.is_finished() || run.has_checkpoints
    };
    candidates.clone().find(left).or_else(|| candidates.next())
}

fn go_on(
    request: &Request<'_>,
    run: &RunRecord,
    life: Life,
    earlier: &[(RunRecord, Life)],
) -> Result<Decision> {
    let name = short(run.run_id);
    let when = day(run.started);
    let again = from_the_start(request, run);
    match life {
        Life::Alive => return Err(Error::usage(going_on(run))),
        Life::Unknown => return Ok(Decision::Watch(run.run_id)),
        Life::Over => {}
    }
    if let Some(input) = damaged(run)
        && !(request.keyed && request.overwrites)
    {
        if !run.has_checkpoints {
            return fresh(request, earlier);
        }
        if request.is_gone(run) {
            return Ok(emptied(request, run));
        }
        return Err(Error::usage(unproven(request, run, input)));
    }
    let changed = first_change(request, run);
    if run.status.is_finished() {
        // With other content it is another input, which nobody has loaded yet.
        return Ok(match (changed, request.keyed) {
            (None, true) => Decision::Fresh(Some(format!(
                "nothing to resume: run {name} of {when} has loaded all of it; loading it again changes nothing"
            ))),
            (None, false) if request.is_gone(run) => emptied(request, run),
            (None, false) => return Err(Error::usage(loaded(request, run, &request.inputs[0].name))),
            (Some(_), _) => match fresh(request, std::slice::from_ref(&(run.clone(), life)))? {
                Decision::Fresh(_) => Decision::Fresh(Some(format!(
                    "nothing to resume: run {name} of {when} has loaded all of what was there then; loading from the start"
                ))),
                other => other,
            },
        });
    }
    if let (Some(what), false) = (&changed, run.has_checkpoints) {
        // Nothing of what was there then is stored: it may be another one by now.
        return Ok(match fresh(request, earlier)? {
            Decision::Fresh(_) => Decision::Fresh(Some(format!(
                "nothing to resume: run {name} of {when} has stored no row, and {what} since; loading from the start"
            ))),
            other => other,
        });
    }
    if changed.is_some() && !request.keyed && request.is_gone(run) {
        return Ok(emptied(request, run));
    }
    if let Some(what) = changed {
        return Err(Error::usage(format!(
            "run {name} of {when} cannot be resumed: {what} since; to load from the start {again}"
        )));
    }
    if !run.resumable {
        return Err(Error::usage(format!(
            "run {name} of {when} cannot be resumed: it ran with {OVERFLOW} drop-oldest; to load from the start {again}"
        )));
    }
    let others = differences(&run.settings, request.settings);
    if !others.is_empty() {
        return Err(Error::usage(format!(
            "run {name} of {when} cannot be resumed with other settings: it differed in {}; give them as they were (mdsctl runs {name} shows them)",
            others.join(", ")
        )));
    }
    Ok(Decision::Resume(Box::new(run.clone())))
}

/// What of the inputs is not as that run saw it.
fn first_change(request: &Request<'_>, run: &RunRecord) -> Option<String> {
    for (place, before) in run.inputs.iter().enumerate() {
        match request.inputs.get(place) {
            None => return Some(format!("{} is no longer among the inputs", before.name)),
            Some(now) if now.id != before.id => {
                return Some(format!("{} has come before {}", now.name, before.name));
            }
            // What could not be read may be another one by now.
            Some(now)
                if before.failed.is_none() && !now.is_same(before) && !(request.grown)(place, before) =>
            {
                return Some(format!("{} has changed", before.name));
            }
            Some(now) if before.failed.is_none() && is_rewritten(request, place, now, before) => {
                return Some(format!("{} has been written to", before.name));
            }
            Some(_) => {}
        }
    }
    None
}

/// Whether an input that is the same by its ends, or has only grown by them, is another one between them.
fn is_rewritten(request: &Request<'_>, place: usize, now: &InputIdentity, before: &InputIdentity) -> bool {
    let same = now.is_same(before);
    match (&now.content, &before.content) {
        (Some(now), Some(then)) if same => now != then,
        (_, Some(_)) if same && now.modified == before.modified => false,
        (_, Some(_)) => !(request.holds)(place, before),
        (_, None) => same && now.is_written_since(before),
    }
}

/// A load from the start: harmless where there is a key.
fn fresh(request: &Request<'_>, earlier: &[(RunRecord, Life)]) -> Result<Decision> {
    if request.force || request.keyed {
        return Ok(Decision::Fresh(None));
    }
    for (at, (run, life)) in earlier.iter().enumerate() {
        // What was not what it was has been loaded whole since, perhaps.
        let redone = |id: &Option<String>| {
            let later = earlier.iter().take(at).filter(|(later, _)| later.status.is_finished());
            later.flat_map(|(later, _)| &later.inputs).any(|input| input.id == *id)
        };
        let mut shared = None;
        for (place, input) in request.inputs.iter().enumerate().filter(|(_, input)| input.id.is_some()) {
            for before in run.inputs.iter().filter(|before| before.id == input.id) {
                if shared.is_none()
                    && (before.unproven && !redone(&before.id)
                        || input.is_same(before)
                        || (request.grown)(place, before))
                {
                    shared = Some(&*input.name);
                }
            }
        }
        let Some(shared) = shared else { continue };
        match life {
            Life::Alive => return Err(Error::usage(going_on(run))),
            Life::Unknown => return Ok(Decision::Watch(run.run_id)),
            Life::Over if request.is_gone(run) => return Ok(emptied(request, run)),
            Life::Over if run.has_checkpoints && damaged(run).is_some() => {
                return Err(Error::usage(unproven(request, run, shared)));
            }
            Life::Over if run.status.is_finished() || run.has_checkpoints => {
                return Err(Error::usage(loaded(request, run, shared)));
            }
            Life::Over => {}
        }
    }
    Ok(Decision::Fresh(None))
}

/// What to do to load the inputs of an unfinished run anew.
fn from_the_start(request: &Request<'_>, run: &RunRecord) -> String {
    match (request.keyed, request.overwrites) {
        (true, true) => format!("leave {RESUME} out"),
        (true, false) => {
            format!(
                "leave {RESUME} out and give {ON_CONFLICT} update, which writes over the rows that are there"
            )
        }
        (false, _) if !run.has_checkpoints => format!("use {FORCE} instead of {RESUME}"),
        (false, _) => format!(
            "take {} out of {}, which has no key, and use {FORCE} instead of {RESUME}",
            rows_of(run),
            request.table
        ),
    }
}

/// The rows of a run; how many is known of one that has said its last word.
fn rows_of(run: &RunRecord) -> String {
    match run.exit_code {
        Some(_) => format!("the {} of that run", plural(run.books.inserted, "row")),
        None => "the rows of that run".to_owned(),
    }
}

/// The input of an unfinished run of which rows are stored that nothing proves.
fn damaged(run: &RunRecord) -> Option<&str> {
    let input = run.inputs.iter().find(|input| input.unproven)?;
    (!run.status.is_finished()).then_some(&*input.name)
}

/// Why what comes behind damaged rows is not gone on with.
fn unproven(request: &Request<'_>, run: &RunRecord, input: &str) -> String {
    let (name, when) = (short(run.run_id), day(run.started));
    let what = if input == "-" { "standard input" } else { input };
    let told = format!(
        "run {name} of {when} stored rows of {what} before it turned out to be damaged, or changed meanwhile"
    );
    if request.keyed {
        return format!(
            "{told}, and rows that are in {} already would stay as they are: load it without {RESUME} and with {ON_CONFLICT} update, which writes over them",
            request.table
        );
    }
    format!(
        "{told}, and {} has no key, so that they would stay, or be there twice: take {} out of it, then load with {FORCE} and without {RESUME}",
        request.table,
        rows_of(run)
    )
}

/// What was loaded is no longer there, so that nothing would be there twice.
fn emptied(request: &Request<'_>, run: &RunRecord) -> Decision {
    Decision::Fresh(Some(format!(
        "{} is empty: what run {} had loaded is no longer there; loading from the start",
        request.table,
        short(run.run_id)
    )))
}

fn going_on(run: &RunRecord) -> String {
    format!(
        "run {} is loading this input into {} just now (process {} on {}); wait for its end, or stop it first",
        short(run.run_id),
        run.table,
        run.process.pid,
        run.process.host
    )
}

/// Why a table without a key does not get an input again.
fn loaded(request: &Request<'_>, run: &RunRecord, input: &str) -> String {
    let (name, when) = (short(run.run_id), day(run.started));
    let what = if input == "-" { "this input" } else { input };
    let why = match request.emptied {
        Emptied::No => format!("{} has no key, so its rows would be there twice", request.table),
        // It may have been emptied all the same: who knows that can say so.
        _ => format!(
            "{} has no key; it is empty, but its rows can go elsewhere by triggers or rules, where they would be twice",
            request.table
        ),
    };
    if run.status.is_finished() {
        format!("run {name} of {when} has loaded {what} already, and {why}; {FORCE} loads it all the same")
    } else {
        format!(
            "run {name} of {when} has loaded a part of {what}, and {why}; {RESUME} goes on with the rest, {FORCE} loads all of it"
        )
    }
}

/// The settings that are not alike, as the flags that they come from.
pub fn differences(before: &Value, now: &Value) -> Vec<String> {
    let (Some(before), Some(now)) = (before.as_object(), now.as_object()) else { return Vec::new() };
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let other = |name: &&String| before.get(*name) != now.get(*name);
    let flag = |name: &String| match name.as_str() {
        "key" => "the key of the table".to_owned(),
        "slots" => "the version of mdsctl".to_owned(),
        name => flag(name),
    };
    names.into_iter().filter(other).map(flag).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::port::runs::{RunBooks, RunProcess};

    fn input(id: &str, fingerprint: &str) -> InputIdentity {
        InputIdentity {
            name: id.to_owned(),
            id: Some(id.to_owned()),
            bytes: Some(10),
            fingerprint: Some(fingerprint.to_owned()),
            failed: None,
            unproven: false,
            modified: None,
            content: None,
        }
    }

    fn run(status: RunStatus, inputs: &[InputIdentity]) -> RunRecord {
        RunRecord {
            run_id: Uuid::now_v7(),
            command: "load".to_owned(),
            dataset: "t".to_owned(),
            table: "t".to_owned(),
            keyed: false,
            status,
            started: 1_700_000_000_000_000,
            heartbeat: 0,
            silent: 0,
            finished: None,
            inputs: inputs.to_vec(),
            settings: json!({"vendor": "a", "key": []}),
            settled: 0,
            workers: 2,
            resumable: true,
            has_checkpoints: !status.is_finished(),
            books: RunBooks::default(),
            exit_code: None,
            error: None,
            resumed_from: None,
            resumed_by: None,
            process: RunProcess { host: "h".to_owned(), pid: 7, mark: None },
            version: "0".to_owned(),
        }
    }

    struct Asked {
        inputs: Vec<InputIdentity>,
        keyed: bool,
        settings: Value,
        resume: bool,
        force: bool,
        grown: bool,
        holds: bool,
        emptied: Emptied,
    }

    fn asked(inputs: &[InputIdentity], keyed: bool, resume: bool) -> Asked {
        let settings = json!({"vendor": "a", "key": []});
        Asked {
            inputs: inputs.to_vec(),
            keyed,
            settings,
            resume,
            force: false,
            grown: false,
            holds: false,
            emptied: Emptied::No,
        }
    }

    impl Asked {
        fn of(&self, earlier: &[(RunRecord, Life)]) -> Result<Decision> {
            let grown = |_: usize, _: &InputIdentity| self.grown;
            let request = Request {
                inputs: &self.inputs,
                table: "t",
                keyed: self.keyed,
                settings: &self.settings,
                resume: self.resume,
                force: self.force,
                grown: &grown,
                holds: &|_, _| self.holds,
                mended: &|_, _| false,
                emptied: self.emptied,
                overwrites: true,
                counts_on: false,
            };
            decide(&request, earlier)
        }

        fn refused(&self, earlier: &[(RunRecord, Life)]) -> String {
            match self.of(earlier) {
                Err(Error::Usage(why)) => why.into(),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_interrupted_run_is_gone_on_with_as_long_as_nothing_has_changed() {
        let (a, b) = (input("a", "1"), input("b", "2"));
        let stopped = run(RunStatus::Interrupted, &[a.clone(), b.clone()]);
        let earlier = [(stopped.clone(), Life::Over)];
        for keyed in [true, false] {
            let both = asked(&[a.clone(), b.clone()], keyed, true);
            assert_eq!(both.of(&earlier).unwrap(), Decision::Resume(Box::new(stopped.clone())));
            // A file more at the end.
            let more = asked(&[a.clone(), b.clone(), input("c", "3")], keyed, true);
            assert!(matches!(more.of(&earlier), Ok(Decision::Resume(_))));
            let fewer = asked(std::slice::from_ref(&a), keyed, true);
            assert!(fewer.refused(&earlier).contains("b is no longer among the inputs since"));
            let between = asked(&[a.clone(), input("aa", "3"), b.clone()], keyed, true);
            assert!(between.refused(&earlier).contains("aa has come before b since"));
            let mut changed = asked(&[a.clone(), input("b", "9")], keyed, true);
            assert!(changed.refused(&earlier).contains("b has changed since"));
            changed.grown = true;
            assert!(matches!(changed.of(&earlier), Ok(Decision::Resume(_))));
            // Grown, with the hash of what was there.
            let mut hashed = stopped.clone();
            hashed.inputs[1].content = Some("h".to_owned());
            let hashed = [(hashed, Life::Over)];
            assert!(changed.refused(&hashed).contains("b has been written to since"));
            changed.holds = true;
            assert!(matches!(changed.of(&hashed), Ok(Decision::Resume(_))));
            let mut other = asked(&[a.clone(), b.clone()], keyed, true);
            other.settings = json!({"vendor": "b", "key": ["k"]});
            assert!(other.refused(&earlier).contains("differed in the key of the table, --vendor;"));
        }
        let mut dropping = stopped.clone();
        dropping.resumable = false;
        let both = asked(&[a.clone(), b], false, true);
        assert!(both.refused(&[(dropping, Life::Over)]).contains("drop-oldest"));
        // A later attempt that came to nothing does not hide it.
        let mut nothing = run(RunStatus::Failed, std::slice::from_ref(&a));
        nothing.has_checkpoints = false;
        let found = both.of(&[(nothing, Life::Over), (stopped.clone(), Life::Over)]).unwrap();
        assert_eq!(found, Decision::Resume(Box::new(stopped)));
    }

    #[test]
    fn a_run_that_lives_is_left_alone() {
        let a = [input("a", "1")];
        let running = run(RunStatus::Running, &a);
        for resume in [true, false] {
            let one = asked(&a, false, resume);
            let why = one.refused(&[(running.clone(), Life::Alive)]);
            assert!(why.contains("just now (process 7 on h)"), "{why}");
            let watch = one.of(&[(running.clone(), Life::Unknown)]).unwrap();
            assert_eq!(watch, Decision::Watch(running.run_id));
        }
        // Where there is a key, two may load the same.
        let keyed = asked(&a, true, false).of(&[(running, Life::Alive)]).unwrap();
        assert_eq!(keyed, Decision::Fresh(None));
    }

    #[test]
    fn nothing_to_resume() {
        let a = [input("a", "1")];
        let says = |decision: Decision| match decision {
            Decision::Fresh(Some(note)) => note,
            other => panic!("{other:?}"),
        };
        for keyed in [true, false] {
            assert!(says(asked(&a, keyed, true).of(&[]).unwrap()).contains("no earlier run"));
            let other = [(run(RunStatus::Done, &[input("a", "0")]), Life::Over)];
            assert!(says(asked(&a, keyed, true).of(&other).unwrap()).contains("what was there then"));
        }
        let done = [(run(RunStatus::Rejects, &a), Life::Over)];
        assert!(says(asked(&a, true, true).of(&done).unwrap()).contains("changes nothing"));
        assert!(asked(&a, false, true).refused(&done).contains("--force"));
        let mut pipe = a.clone();
        pipe[0].id = None;
        assert!(asked(&pipe, true, true).refused(&[]).contains("--source-id"));
        assert_eq!(asked(&pipe, false, false).of(&[]).unwrap(), Decision::Fresh(None));
    }

    #[test]
    fn a_table_without_a_key_does_not_get_the_same_twice() {
        let (a, b) = (input("a", "1"), input("b", "2"));
        let done = [(run(RunStatus::Done, &[b.clone(), a.clone()]), Life::Over)];
        let part = [(run(RunStatus::Interrupted, &[b, a.clone()]), Life::Over)];
        let mut one = asked(std::slice::from_ref(&a), false, false);
        assert!(one.refused(&done).contains("has loaded a already, and t has no key"));
        assert!(one.refused(&part).contains("a part of a") && one.refused(&part).contains("--resume"));
        one.force = true;
        assert_eq!(one.of(&done).unwrap(), Decision::Fresh(None));
        let changed = asked(&[input("a", "7")], false, false);
        assert_eq!(changed.of(&done).unwrap(), Decision::Fresh(None));
        let mut empty = part.clone();
        empty[0].0.has_checkpoints = false;
        assert_eq!(asked(&[a], false, false).of(&empty).unwrap(), Decision::Fresh(None));
    }
}
