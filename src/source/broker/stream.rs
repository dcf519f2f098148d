//! A stream as what a tail follows, whatever its broker.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use xxhash_rust::xxh3::xxh3_64;

use crate::decode::Format;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::pipeline::source::Source;
use crate::source::broker::bodies::Bodies;
use crate::source::broker::places::Places;
use crate::source::broker::tail::{SLICE, Tail};
use crate::source::broker::{About, Broker, Message};
use crate::source::fault::decode_error;
use crate::source::followed::{FollowOptions, FollowWith, Followed, OpenFollowed};
use crate::source::{Chosen, OpenOptions};
use crate::text::flags::{COLUMNS, COMMENT, FORMAT, ROWS_AT, SKIP_LINES};

/// The format of bodies, unless it is told otherwise.
pub(super) const JSON: &str = "ndjson";

/// The one of bodies that are streams of columns.
const ARROW: &str = "arrow";

/// Messages that are looked at to see their columns.
const SAMPLE: usize = 200;

/// Makes the client of a broker, which connects to nothing yet.
pub(super) type Open = fn(&FollowOptions) -> Result<(Box<dyn Broker>, About)>;

/// A stream as the user named it.
pub(super) struct Stream {
    pub(super) options: FollowOptions,
    pub(super) open: Open,
}

impl Stream {
    /// The client, once it is known that the options mean something for a stream.
    fn client(&self) -> Result<(Box<dyn Broker>, About)> {
        let options = &self.options;
        let (broker, about) = (self.open)(options)?;
        let refused = |what: &str| Err(Error::usage(format!("{}: {what}", about.name)));
        let open = &options.open;
        if options.patterns.len() > 1 {
            return refused("a stream is followed alone; start one tail for each");
        }
        let known = |format: &Format| format.name == JSON || format.name == ARROW || *format == Format::CSV;
        if let Some(format) = open.format.filter(|format| !known(format)) {
            return refused(&format!(
                "messages are read as JSON, CSV or Arrow, and not as {}; leave {FORMAT} out",
                format.title
            ));
        }
        if open.format == Some(Format::CSV) {
            let names = open.csv.columns.as_deref().unwrap_or_default();
            if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
                return refused(&format!(
                    "messages of CSV have no header; name their columns in their order with {COLUMNS}"
                ));
            }
            if open.csv.skip_lines > 0 || open.csv.comment.is_some() {
                return refused(&format!(
                    "{SKIP_LINES} and {COMMENT} are for files; each line of a message is a row"
                ));
            }
        }
        if open.remakes_rows() {
            return refused("rows of messages cannot be made of others or chosen among them");
        }
        if open.csv.json.rows_at.as_deref().is_some_and(|path| path != ".") {
            return refused(&format!("{ROWS_AT} is for files; each JSON object of a message is a row"));
        }
        if open.encoding.is_some_and(|encoding| !encoding.is_utf8()) {
            return refused("messages are read as UTF-8");
        }
        Ok((broker, about))
    }

    /// The checkpoint file for that table.
    fn path(&self, consumer: &str, table: &str) -> PathBuf {
        let hash = xxh3_64(format!("{consumer}\n{table}").as_bytes());
        let own = || PathBuf::from(".mdsctl").join(format!("tail-{hash:016x}.json"));
        self.options.checkpoint.clone().unwrap_or_else(own)
    }
}

/// The columns of messages, and how they are read; `None` where they have no row.
fn columns(
    mut messages: Vec<Message>,
    options: &OpenOptions,
    about: &About,
) -> Result<Option<(SchemaRef, Chosen)>> {
    let name = &*about.name;
    let failed = |error| decode_error(error, name);
    let mut bodies = Bodies::new(options.format, options.csv.clone());
    let mut cut = bodies.cut(&mut messages).map_err(failed)?;
    let Some(format) = options.format.or_else(|| Format::of_name(JSON)).filter(|_| !cut.is_empty()) else {
        return Ok(None);
    };
    let chosen = match format.name == JSON {
        true => Some(options.chooser.of_head(name, format, cut.lines()).map_err(|e| e.at(name))?),
        false => None,
    };
    if let Some(open) = chosen.as_ref().and_then(|chosen| chosen.open.as_ref()) {
        bodies = Bodies::new(options.format, open.csv.clone());
    }
    let ordinals = cut.ordinals(&firsts(&cut.rows));
    bodies.push(&mut cut).map_err(failed)?;
    let (mut seen, mut given) = (None, 0);
    while let Some(raw) = bodies.next(None, &ordinals, &mut given).map_err(failed)? {
        if raw.columns.num_columns() > 0 {
            let nothing = std::iter::repeat_n(&[][..], raw.rows.len());
            seen = Some(about.beside.add(&raw.columns, nothing).map_err(|e| e.at(name))?.schema());
        }
    }
    let Some(schema) = seen else { return Ok(None) };
    let of_names = || {
        let names: Vec<Arc<str>> = schema.fields().iter().map(|field| field.name().as_str().into()).collect();
        options.chooser.of_names(name, format, &names).map_err(|e| e.at(name))
    };
    let chosen = chosen.map_or_else(of_names, Ok)?;
    Ok(Some((schema, chosen)))
}

/// The number of the first row of each message.
fn firsts(rows: &[u64]) -> Vec<u64> {
    let first = |next: &mut u64, rows: &u64| {
        let first = *next;
        *next += rows;
        Some(first)
    };
    rows.iter().scan(1, first).collect()
}

impl Followed for Stream {
    fn schema(&self, stop: &Stop) -> Result<Option<(SchemaRef, Chosen)>> {
        let (mut broker, about) = self.client()?;
        broker.connect().map_err(Error::from)?;
        let began = Instant::now();
        loop {
            let messages = broker.latest(SAMPLE).map_err(Error::from)?;
            if let Some(seen) = columns(messages, &self.options.open, &about)? {
                return Ok(Some(seen));
            }
            if stop.is_set() || self.options.idle_exit.is_some_and(|most| began.elapsed() >= most) {
                return Ok(None);
            }
            std::thread::sleep(SLICE);
        }
    }

    fn read_by(&mut self, open: OpenOptions) {
        self.options.open = open;
    }

    fn open(&self, table: &str) -> Result<Box<dyn OpenFollowed>> {
        let (broker, about) = self.client()?;
        let places = Places::open(self.path(&about.consumer, table), &about.consumer, about.other)?;
        let (options, broker) = (self.options.clone(), Mutex::new(broker));
        Ok(Box::new(OpenStream { options, broker, about, places }))
    }
}

struct OpenStream {
    options: FollowOptions,
    /// Nobody else has it.
    broker: Mutex<Box<dyn Broker>>,
    about: About,
    places: Places,
}

impl OpenFollowed for OpenStream {
    fn group(&self) -> Option<&str> {
        Some(&self.about.group)
    }

    fn source(self: Box<Self>, with: FollowWith) -> Box<dyn Source> {
        let Self { options, broker, about, places } = *self;
        let broker = broker.into_inner().unwrap_or_else(PoisonError::into_inner);
        Box::new(Tail::new(options, broker, about, places, with))
    }
}
