//! Types of columns, as far as the binary encoder knows them.

use tokio_postgres::types::Type;

use crate::dataset::{KeyPrecision, Kind};

/// Type of a column: its base where it is a domain, with what the type modifier says.
///
/// All but [`Array`](Self::Array) and [`Other`](Self::Other) are sent in their wire form, by COPY right into the table where that
/// is allowed. Other are ranges, networks, `interval`, `money`, `bytea`, `xml`, composites, `time with
/// time zone`, `char(n)[]` and arrays of what is not text: these go as text into a stage, and from there
/// by a CAST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`, or `numeric(precision, scale)`
    Numeric(Option<(i32, i32)>),
    /// `text`
    Text,
    /// `character varying`, at most so many characters
    Varchar(Option<usize>),
    /// `character`, padded to so many characters
    Bpchar(Option<usize>),
    /// `uuid`
    Uuid,
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
    /// `date`
    Date,
    /// `timestamp`, with so many digits of the second
    Timestamp(u8),
    /// `timestamp with time zone`, with so many digits of the second
    Timestamptz(u8),
    /// `time` without a zone, with so many digits of the second; from text (`09:30:00.25`)
    Time(u8),
    /// An enum; from text that is one of its labels
    Enum,
    /// `text[]`; from an array literal, or a JSON array
    TextArray,
    /// `character varying[]`, whose elements have at most so many characters; the same
    VarcharArray(Option<usize>),
    /// Any other array: sent as text like [`Other`](Self::Other), a JSON array as the array literal of
    /// its elements
    Array,
    /// Any other: sent as text, and the server reads it as it reads any text for that type.
    Other,
}

impl ColumnType {
    /// From a base type's oid in `pg_type`, which is the same on every server, and the modifier
    /// in `pg_attribute.atttypmod` (-1 for none).
    pub fn from_catalog(oid: u32, modifier: i32) -> Self {
        let length = usize::try_from(modifier - 4).ok();
        let digits = u8::try_from(modifier).ok().filter(|digits| *digits < 6).unwrap_or(6);
        match oid {
            16 => Self::Bool,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            25 => Self::Text,
            114 => Self::Json,
            700 => Self::Float4,
            701 => Self::Float8,
            1009 => Self::TextArray,
            1015 => Self::VarcharArray(length),
            1042 => Self::Bpchar(length),
            1043 => Self::Varchar(length),
            1082 => Self::Date,
            1083 => Self::Time(digits),
            1114 => Self::Timestamp(digits),
            1184 => Self::Timestamptz(digits),
            1700 if modifier < 4 => Self::Numeric(None),
            1700 => {
                // Precision in the upper half; the scale is a signed number of eleven bits.
                let packed = modifier - 4;
                let scale = ((packed & 0x7ff) ^ 1024) - 1024;
                Self::Numeric(Some((packed >> 16 & 0xffff, scale)))
            }
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            _ => Self::Other,
        }
    }

    /// What the mapping makes of text for it.
    pub fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Bool,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Numeric(_) => Kind::Number,
            Self::Float4 => Kind::Single,
            Self::Float8 => Kind::Double,
            Self::Text | Self::Varchar(_) | Self::Bpchar(_) => Kind::Text,
            Self::Enum => Kind::Label,
            Self::Time(_) | Self::TextArray | Self::VarcharArray(_) | Self::Array | Self::Other => {
                Kind::Words
            }
            Self::Uuid => Kind::Uuid,
            Self::Json | Self::Jsonb => Kind::Json,
            Self::Date => Kind::Date,
            Self::Timestamp(_) | Self::Timestamptz(_) => Kind::Timestamp,
        }
    }

    /// Which values become the same in it.
    pub fn grain(self) -> KeyPrecision {
        match self {
            Self::Timestamp(6) | Self::Timestamptz(6) => KeyPrecision::Micros,
            Self::Numeric(Some((_, scale))) => {
                u8::try_from(scale).map_or(KeyPrecision::Opaque, KeyPrecision::Scale)
            }
            // A fraction is refused, or rounded under --round.
            Self::Int2 | Self::Int4 | Self::Int8 => KeyPrecision::Scale(0),
            Self::Bool
            | Self::Numeric(None)
            | Self::Text
            | Self::Varchar(None)
            | Self::Enum
            | Self::Uuid
            | Self::Date => KeyPrecision::Exact,
            Self::Varchar(Some(limit)) => KeyPrecision::Chars(u32::try_from(limit).unwrap_or(u32::MAX)),
            Self::Timestamp(_)
            | Self::Timestamptz(_)
            | Self::Float4
            | Self::Float8
            | Self::Bpchar(_)
            | Self::Json
            | Self::Jsonb
            | Self::Time(_)
            | Self::TextArray
            | Self::VarcharArray(_)
            | Self::Array
            | Self::Other => KeyPrecision::Opaque,
        }
    }

    /// The type of a parameter that has its wire form; none for what goes as text. A label is sent
    /// as text, for a cast, since only the database knows the type's oid.
    pub(in crate::sink::postgres) fn wire(self) -> Option<Type> {
        Some(match self {
            Self::Bool => Type::BOOL,
            Self::Int2 => Type::INT2,
            Self::Int4 => Type::INT4,
            Self::Int8 => Type::INT8,
            Self::Float4 => Type::FLOAT4,
            Self::Float8 => Type::FLOAT8,
            Self::Numeric(_) => Type::NUMERIC,
            Self::Text | Self::Enum => Type::TEXT,
            Self::Varchar(_) => Type::VARCHAR,
            Self::Bpchar(_) => Type::BPCHAR,
            Self::Uuid => Type::UUID,
            Self::Json => Type::JSON,
            Self::Jsonb => Type::JSONB,
            Self::Date => Type::DATE,
            Self::Time(_) => Type::TIME,
            Self::TextArray => Type::TEXT_ARRAY,
            Self::VarcharArray(_) => Type::VARCHAR_ARRAY,
            Self::Timestamp(_) => Type::TIMESTAMP,
            Self::Timestamptz(_) => Type::TIMESTAMPTZ,
            Self::Array | Self::Other => return None,
        })
    }

    /// Whether `IS DISTINCT FROM` is certain to exist for it.
    pub fn comparable(self) -> bool {
        !matches!(self, Self::Json | Self::Array | Self::Other)
    }

    /// Whether its values go as text into a stage, and from there by a CAST.
    pub(in crate::sink::postgres) fn is_cast(self) -> bool {
        matches!(self, Self::Array | Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_unpacked() {
        assert_eq!(ColumnType::from_catalog(1700, (20 << 16 | 8) + 4), ColumnType::Numeric(Some((20, 8))));
        assert_eq!(ColumnType::from_catalog(1700, (3 << 16 | 0x7fe) + 4), ColumnType::Numeric(Some((3, -2))));
        assert_eq!(ColumnType::from_catalog(1700, -1), ColumnType::Numeric(None));
        assert_eq!(ColumnType::from_catalog(1043, 24), ColumnType::Varchar(Some(20)));
        assert_eq!(ColumnType::from_catalog(1042, -1), ColumnType::Bpchar(None));
        assert_eq!(ColumnType::from_catalog(1184, -1), ColumnType::Timestamptz(6));
        assert_eq!(ColumnType::from_catalog(1083, 0), ColumnType::Time(0));
        assert_eq!(ColumnType::from_catalog(1015, 9), ColumnType::VarcharArray(Some(5)));
        assert_eq!(ColumnType::from_catalog(1014, 9), ColumnType::Other);
        assert_eq!(ColumnType::from_catalog(1114, 3), ColumnType::Timestamp(3));
    }
}
