//! Why a value cannot go into its column: the codes that the server itself would give, decided
//! before anything is sent.

use std::sync::Arc;

use crate::batch::Reason;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::encode::encoder::EncodeTarget;
use crate::text::flags::{EXACT, ROUND};

/// A reason to refuse a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) enum Refusal {
    /// Null (or a float that is not a number) into a column that is never null.
    Null,
    /// Too large a number.
    Range,
    /// A fraction into a column of integers.
    Fraction,
    /// Too many characters.
    TooLong,
    /// A zero byte in a text.
    ZeroByte,
    /// Text that is no UUID.
    NoUuid,
    /// Text that is no JSON.
    NoJson,
    /// Text that is not a label of the enum.
    NoLabel,
    /// Text that is not an array.
    NoArray,
    /// Text that is not a time of day.
    NoClock,
    /// A time that the type cannot hold.
    Time,
    /// More digits than the column keeps, under `--exact`.
    Inexact,
}

const KINDS: usize = 12;

impl Refusal {
    fn code(self) -> &'static str {
        match self {
            Self::Null => "23502",
            Self::Range | Self::Fraction => "22003",
            Self::TooLong => "22001",
            Self::ZeroByte => "22021",
            Self::NoUuid | Self::NoJson | Self::NoLabel | Self::NoArray => "22P02",
            Self::NoClock => "22007",
            Self::Time => "22008",
            Self::Inexact => "inexact",
        }
    }

    fn message(self, goal: &EncodeTarget) -> String {
        let EncodeTarget { name, type_, type_name, labels, .. } = goal;
        match self {
            Self::Null => format!("column {name} ({type_name}) takes no null"),
            Self::Range => match *type_ {
                ColumnType::Numeric(Some((precision, scale))) if precision >= scale => format!(
                    "number too large for column {name} ({type_name}): it holds {} digits before the point",
                    precision - scale
                ),
                _ => format!("number out of range for column {name} ({type_name})"),
            },
            Self::Fraction => format!(
                "number with a fraction for column {name} ({type_name}), which holds integers; {ROUND} rounds it"
            ),
            Self::TooLong => format!("text too long for column {name} ({type_name})"),
            Self::ZeroByte => format!("text with a zero byte for column {name} ({type_name})"),
            Self::NoUuid => format!("text that is not a UUID for column {name} ({type_name})"),
            Self::NoJson => format!("text that is not JSON for column {name} ({type_name})"),
            Self::NoLabel => format!(
                "text that is not a label of the enum of column {name} ({type_name}), which are: {}",
                labels.shown()
            ),
            Self::NoArray => format!(
                "text that is not an array of texts, like {{a,b}} or [\"a\",\"b\"], for column {name} ({type_name})"
            ),
            Self::NoClock => {
                format!(
                    "text that is not a time of day, like 09:30 or 09:30:00.25, for column {name} ({type_name})"
                )
            }
            Self::Time => format!("time out of range for column {name} ({type_name})"),
            Self::Inexact => {
                format!("column {name} ({type_name}) would round or cut the value, and {EXACT} is set")
            }
        }
    }
}

/// The reasons given so far: one of a kind and column, shared by all rows that it hits.
#[derive(Debug, Default)]
pub(in crate::sink::postgres) struct Reasons(Vec<[Option<Arc<Reason>>; KINDS]>);

impl Reasons {
    /// The reason for the column at that place.
    pub fn get(&mut self, refusal: Refusal, place: usize, goal: &EncodeTarget) -> Arc<Reason> {
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Default::default);
        }
        let reason = self.0[place][refusal as usize].get_or_insert_with(|| {
            Arc::new(Reason::new(refusal.code(), refusal.message(goal)).column(Arc::clone(&goal.name)))
        });
        Arc::clone(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_shares_one_reason() {
        let mut reasons = Reasons::default();
        let goal = EncodeTarget {
            name: "close_price".into(),
            type_: ColumnType::Numeric(Some((20, 8))),
            type_name: "numeric(20,8)".into(),
            not_null: false,
            floor: false,
            labels: Arc::default(),
        };
        let first = reasons.get(Refusal::Range, 3, &goal);
        let second = reasons.get(Refusal::Range, 3, &goal);
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.code, "22003");
        assert!(first.message.ends_with("it holds 12 digits before the point"), "{}", first.message);
        assert_eq!(first.column.as_deref(), Some("close_price"));
        let other = reasons.get(Refusal::Null, 3, &goal);
        assert_eq!(other.code, "23502");
    }
}
