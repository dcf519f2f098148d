//! What a broker tells of a message beside its body, as columns of its rows.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::batch::Reading;
use crate::brokers::address::Address;
use crate::dataset::MapperSettings;
use crate::dataset::mapping::target_of;
use crate::error::{Error, Result};
use crate::text::flags::MAP;
use crate::text::phrases::list;

/// Something that is told of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// What it was sent under: its key, or its subject.
    Key,
    /// When it came to the broker.
    Time,
    /// Its id, as dead letters name it.
    Id,
    /// A header.
    Header(String),
}

/// What the parameter for a header begins with.
const HEADER: &str = "header.";

/// What is told of messages in which columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside(Arc<[(What, Arc<str>)]>);

/// The values of a message, one a column; or the sentence why its rows cannot have them.
pub(super) type Values = Result<Box<[Option<String>]>, Arc<str>>;

/// A value as a broker has it.
pub(super) enum Told<'m> {
    Bytes(&'m [u8]),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Beside {
    /// What the address asks for; `key`: the parameter for [`What::Key`], where there is such a thing.
    ///
    /// # Errors
    /// Usage, where two are to be in one column.
    pub(super) fn of(address: &Address, key: Option<&str>) -> Result<Self> {
        let one = |what: What, name: &str| Some((what, Arc::from(address.parameter(name)?)));
        let plain =
            [key.and_then(|name| one(What::Key, name)), one(What::Time, "time_as"), one(What::Id, "id_as")];
        let headers = address.parameters_of(HEADER);
        let headers = headers.map(|(name, column)| (What::Header(name.to_owned()), Arc::from(column)));
        let all: Vec<(What, Arc<str>)> = plain.into_iter().flatten().chain(headers).collect();
        for (place, (_, column)) in all.iter().enumerate() {
            if all.iter().take(place).any(|(_, before)| before == column) {
                return Err(Error::usage(format!(
                    "{}: two parameters name the column {column}",
                    address.name()
                )));
            }
        }
        Ok(Self(all.into()))
    }

    /// Whether nothing is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a header is.
    pub(super) fn has_headers(&self) -> bool {
        self.0.iter().any(|(what, _)| matches!(what, What::Header(_)))
    }

    /// The values of a message.
    pub(super) fn values<'m>(&self, of: impl Fn(&What) -> Option<Told<'m>>) -> Values {
        let text = |(what, _): &(What, Arc<str>)| match of(what) {
            None => Ok(None),
            Some(Told::Time(millis)) => match DateTime::<Utc>::from_timestamp_millis(millis) {
                Some(time) => Ok(Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))),
                None => Err(Arc::from("the time of the message is none")),
            },
            Some(Told::Bytes(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(Arc::from(match what {
                    What::Header(name) => {
                        Cow::Owned(format!("the header {name} of the message is not UTF-8"))
                    }
                    _ => Cow::Borrowed("the key of the message is not UTF-8"),
                })),
            },
        };
        self.0.iter().map(text).collect()
    }

    /// The columns of rows with those beside them, given the values of the message of each row.
    ///
    /// # Errors
    /// Usage, where the rows have such a column themselves.
    pub(super) fn add<'m>(
        &self,
        columns: &RecordBatch,
        of: impl Iterator<Item = &'m [Option<String>]> + Clone,
    ) -> Result<RecordBatch> {
        if self.is_empty() || columns.num_rows() == 0 {
            return Ok(columns.clone());
        }
        let schema = columns.schema_ref();
        let both: Vec<String> = self
            .0
            .iter()
            .filter(|(_, name)| schema.index_of(name).is_ok())
            .map(|(_, name)| name.to_string())
            .collect();
        if !both.is_empty() {
            return Err(Error::usage(format!(
                "the rows have {} themselves, which the address of the stream names for something else; name another column there, and say with {MAP} which one the table has it from",
                list(both.iter().map(String::as_str))
            )));
        }
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
        let mut arrays: Vec<ArrayRef> = columns.columns().to_vec();
        for (place, (_, name)) in self.0.iter().enumerate() {
            let mut builder = StringBuilder::with_capacity(columns.num_rows(), columns.num_rows() * 16);
            of.clone().for_each(|values| builder.append_option(values.get(place).and_then(Option::as_deref)));
            fields.push(Arc::new(Field::new(&**name, DataType::Utf8, true)));
            arrays.push(Arc::new(builder.finish()));
        }
        let failed = |error| Error::internal(format!("columns cannot be put beside others: {error}"));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(failed)
    }

    /// How a row that could not be read is to be read once it is mended: with the values of its message.
    pub(super) fn note(
        &self,
        reading: &Arc<Reading>,
        values: &[Option<String>],
        settings: &MapperSettings,
    ) -> Arc<Reading> {
        if self.is_empty() {
            return reading.clone();
        }
        let mut reading = Reading::clone(reading);
        for ((_, name), value) in self.0.iter().zip(values) {
            let mapped =
                reading.map.iter().find(|(_, source)| source.trim() == &**name).map(|(own, _)| own.clone());
            let own = || target_of(name, &settings.dataset, &settings.target).ok();
            // What no column of the table is for says nothing.
            if let (Some(own), Some(value)) = (mapped.or_else(own), value) {
                reading.set.insert(own, value.clone());
            }
        }
        Arc::new(reading)
    }
}
