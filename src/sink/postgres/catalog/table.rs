//! A table as the catalog describes it, and what the mapping needs to know of it.

use std::borrow::Cow;

use crate::dataset::{ALL, Column, Dataset, KeyNulls, Kind, Requirement, Rule, Target, TargetColumn, target};
use crate::sink::defaults::is_literal;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::quoting::{ident, readable};

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Name.
    pub name: String,
    /// Type that the encoder works by; a domain's base.
    pub type_: ColumnType,
    /// Its type as SQL writes it, for messages and casts (`numeric(20,8)`).
    pub type_name: String,
    /// Type of a stage's column for it: the base type with its modifier, or `text`.
    pub stage_type: String,
    /// Labels of its enum, in their order.
    pub labels: Vec<String>,
    /// Whether it refuses null, by itself or by its domain.
    pub not_null: bool,
    /// Its default, as an SQL expression.
    pub default: Option<String>,
    /// Whether the server numbers it (`GENERATED … AS IDENTITY`).
    pub identity: bool,
    /// Whether its number is the server's unless a statement says otherwise, and can never be changed
    /// (`GENERATED ALWAYS AS IDENTITY`).
    pub always: bool,
    /// Whether a CHECK of the table lets only texts in capitals into it.
    pub upper: bool,
    /// Whether no value can be given for it: computed from other columns.
    pub generated: bool,
    /// Whether we may give values for it.
    pub may_insert: bool,
}

impl TableColumn {
    /// Whether the server fills it when it is not given.
    pub fn has_default(&self) -> bool {
        self.default.is_some() || self.identity || self.generated
    }

    /// Whether the server makes a new value for each row (`nextval(…)`, `gen_random_uuid()`), as
    /// opposed to the same for all.
    fn is_numbered(&self) -> bool {
        self.identity || self.generated || self.default.as_deref().is_some_and(|d| d.contains('('))
    }
}

/// Row-level security of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSecurity {
    /// Whether the table has it.
    pub enabled: bool,
    /// Whether it binds the table's owner too.
    pub forced: bool,
    /// Whether its policies bind the role that we are; COPY into the table is refused then.
    pub binds: bool,
}

/// How Citus keeps a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distribution {
    /// In shards by the hash of that column.
    Column(String),
    /// Whole on every node, or in one shard.
    Whole,
}

/// A table that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Whether its name alone means it: its schema is one of those that the session looks in.
    pub visible: bool,
    /// Its name.
    pub name: String,
    /// Columns in the order of the table, generated ones included.
    pub columns: Vec<TableColumn>,
    /// Columns of the primary key or of the unique index that settles conflicts, in the order of
    /// the index. Empty where there is none, or only one that the server fills by itself: rows
    /// are appended then.
    pub key: Vec<String>,
    /// Columns of a unique index that the server fills by itself (`id bigserial`). It settles conflicts for rows that
    /// bring these columns.
    pub surrogate: Vec<String>,
    /// What a null in `key` means.
    pub nulls: KeyNulls,
    /// What makes the order of rows count.
    pub rules: Vec<Rule>,
    /// Whether it is declared with `PARTITION BY`.
    pub partitioned: bool,
    /// Whether it is a hypertable of TimescaleDB.
    pub hypertable: bool,
    /// Whether chunks of it may be compressed.
    pub compressed: bool,
    /// Whether the server limits how many rows a transaction may take out of compressed chunks.
    pub decompression_limit: bool,
    /// Whether the server can compress rows while they are copied in.
    pub compresses_copies: bool,
    /// How Citus spreads it over its nodes, where it does.
    pub distribution: Option<Distribution>,
    /// Row-level security.
    pub security: RowSecurity,
    /// Names of its triggers, the internal ones of constraints left out.
    pub triggers: Vec<String>,
    /// Names of its check constraints.
    pub checks: Vec<String>,
    /// Version of the server, as in `server_version_num` (150018).
    pub server_version: i32,
    /// Oids of the domains and enums of its columns: these change without the table.
    pub defined: Vec<i64>,
    /// Whether we may lock it: a privilege on single columns is not enough for that.
    pub lockable: bool,
    /// Whether we may read it, at least some of its columns.
    pub readable: bool,
}

impl Table {
    /// Its name as SQL takes it: both parts quoted.
    pub fn sql_name(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }

    /// Its name as messages show it and the books keep it, which can be given to SQL and to `--table`.
    pub fn display_name(&self) -> String {
        format!("{}.{}", readable(&self.schema), readable(&self.name))
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Whether it has a column whose text the server reads by itself, where its settings have a say in
    /// what that means. (A collation alone makes a text no other.)
    pub(in crate::sink::postgres) fn casts(&self) -> bool {
        let text = |c: &TableColumn| c.type_name == "text" || c.type_name.starts_with("character");
        self.columns.iter().any(|c| c.type_.is_cast() && !c.generated && !text(c))
    }

    /// Chooses among the unique indexes, the primary key being the first, each with whether nulls are
    /// equal to it. A key that the server fills by itself never meets a conflict, so any other is
    /// preferred to it; one that every row has is preferred to one that takes nulls.
    pub(in crate::sink::postgres) fn choose_key(&mut self, indexes: Vec<(Vec<String>, bool)>) {
        let all = |key: &[String], is: &dyn Fn(&TableColumn) -> bool| {
            key.iter().all(|name| self.column(name).is_some_and(is))
        };
        let natural = || indexes.iter().filter(|(key, _)| !all(key, &TableColumn::is_numbered));
        let whole = |(key, _): &&(Vec<String>, bool)| all(key, &|c| c.not_null);
        let chosen = natural().find(whole).map(|(key, _)| (key.clone(), KeyNulls::Never)).or_else(|| {
            let (key, alike) = natural().next()?;
            Some((key.clone(), if *alike { KeyNulls::Alike } else { KeyNulls::Apart }))
        });
        let numbered = indexes.iter().find(|(key, _)| all(key, &|c| c.not_null && c.is_numbered()));
        let surrogate = numbered.map(|(key, _)| key.clone()).unwrap_or_default();
        (self.key, self.nulls) = chosen.unwrap_or_default();
        self.surrogate = surrogate;
    }

    /// The key of rows that bring these columns: see [`Target::key_of`].
    pub(in crate::sink::postgres) fn key_of(&self, names: &[String]) -> (&[String], KeyNulls) {
        let brings = |name: &str| names.iter().any(|brought| brought == name);
        target::key_of((&self.key, self.nulls), &self.surrogate, brings)
    }

    /// The table as the mapping wants it.
    pub fn target(&self) -> Target {
        let columns = self
            .columns
            .iter()
            .filter(|c| !c.generated)
            .map(|c| TargetColumn {
                name: c.name.clone(),
                kind: self.kind(c),
                type_name: c.type_name.clone(),
                nullable: !c.not_null,
                has_default: c.has_default(),
                constant_default: !c.identity && !c.generated && c.default.as_deref().is_some_and(is_literal),
                grain: c.type_.grain(),
            })
            .collect();
        Target {
            table: self.display_name(),
            columns,
            key: self.key.clone(),
            surrogate: self.surrogate.clone(),
            nulls: self.nulls,
            rules: self.rules.clone(),
        }
    }

    /// A dataset for a table that is none of ours: kinds from types, key from the index. Columns
    /// named as ours are (`ts`, `symbol`, `volume`) are found under the same synonyms.
    ///
    /// The names of the key are leaked, since a dataset's key outlives everything; call it once
    /// a table.
    pub fn dataset(&self) -> Dataset {
        let columns: Vec<Column> =
            self.columns.iter().filter(|c| !c.generated).map(|c| self.describe(c)).collect();
        let key: Vec<&'static str> = self.key.iter().map(|name| &*name.clone().leak()).collect();
        let times = |c: &&Column| c.kind == Kind::Timestamp;
        let time = columns
            .iter()
            .filter(times)
            .find(|c| c.need == Requirement::Key)
            .or_else(|| columns.iter().find(times))
            .map(|c| c.name.clone());
        Dataset {
            name: Cow::Owned(self.name.clone()),
            table: Cow::Owned(self.sql_name()),
            columns: Cow::Owned(columns),
            key: Cow::Owned(key),
            earlier_keys: &[],
            time,
            chunk_days: 7,
            segment_by: &[],
            compress_days: 0,
            signature: &[],
            checks: &[],
        }
    }

    fn kind(&self, column: &TableColumn) -> Kind {
        let kind = column.type_.kind();
        match known(&column.name).map(|known| known.kind) {
            // The finer kinds of text and number are ours by name.
            Some(Kind::Symbol) if kind == Kind::Text && column.upper => Kind::UpperSymbol,
            Some(Kind::Symbol) if kind == Kind::Text => Kind::Symbol,
            Some(Kind::Nanos) if kind == Kind::Number => Kind::Nanos,
            Some(Kind::OptionType) if kind == Kind::Text => Kind::OptionType,
            _ if column.type_name == "bytea" => Kind::Bytes,
            _ if column.type_ == ColumnType::Other && takes_any_text(&column.type_name) => Kind::Label,
            _ => kind,
        }
    }

    fn describe(&self, column: &TableColumn) -> Column {
        let kind = self.kind(column);
        let known = known(&column.name).filter(|known| {
            let finer = known.kind == Kind::Timeframe && kind == Kind::Text
                || known.kind == Kind::Symbol && kind == Kind::UpperSymbol;
            known.kind == kind || finer || known.kind.is_number() && kind.is_number()
        });
        let need = if self.key.contains(&column.name) && self.nulls == KeyNulls::Never {
            Requirement::Key
        } else if column.not_null && !column.has_default() {
            Requirement::Required
        } else {
            Requirement::Optional
        };
        // A synonym that is another column's name would make both ambiguous.
        let taken = |names: &[&str]| {
            names
                .iter()
                .any(|n| self.columns.iter().any(|c| c.name != column.name && c.name.eq_ignore_ascii_case(n)))
        };
        Column {
            name: Cow::Owned(column.name.clone()),
            kind,
            need,
            synonyms: known.map(|k| k.synonyms).filter(|names| !taken(names)).unwrap_or(&[]),
            derive: known.and_then(|k| k.derive).filter(|_| kind == Kind::Nanos),
        }
    }
}

/// Whether any text may be a value of a type that the server itself reads, so that a null word is none.
fn takes_any_text(type_name: &str) -> bool {
    const TEXTS: [&str; 14] = [
        "text",
        "citext",
        "xml",
        "name",
        "ltree",
        "lquery",
        "ltxtquery",
        "tsvector",
        "tsquery",
        "hstore",
        "jsonpath",
        "character",
        "character varying",
        "\"char\"",
    ];
    // `extensions.citext`, `character varying(20)`
    let name = type_name.split('(').next().unwrap_or(type_name);
    TEXTS.contains(&name.rsplit('.').next().unwrap_or(name))
}

/// The first of our datasets' columns of that name.
fn known(name: &str) -> Option<&'static Column> {
    ALL.iter().find_map(|dataset| dataset.column(name))
}

#[cfg(test)]
pub(in crate::sink::postgres) mod tests {
    use super::*;

    pub fn column(name: &str, type_: ColumnType, type_name: &str) -> TableColumn {
        TableColumn {
            name: name.into(),
            type_,
            type_name: type_name.into(),
            stage_type: type_name.into(),
            labels: Vec::new(),
            not_null: false,
            default: None,
            identity: false,
            always: false,
            upper: false,
            generated: false,
            may_insert: true,
        }
    }

    pub fn table(columns: Vec<TableColumn>, indexes: &[&[&str]]) -> Table {
        let mut table = Table {
            visible: true,
            schema: "public".into(),
            name: "t".into(),
            columns,
            key: Vec::new(),
            surrogate: Vec::new(),
            nulls: KeyNulls::Never,
            rules: Vec::new(),
            partitioned: false,
            hypertable: false,
            compressed: false,
            decompression_limit: false,
            compresses_copies: false,
            distribution: None,
            security: RowSecurity { enabled: false, forced: false, binds: false },
            triggers: Vec::new(),
            checks: Vec::new(),
            server_version: 150_000,
            defined: Vec::new(),
            lockable: true,
            readable: true,
        };
        table.choose_key(
            indexes.iter().map(|key| (key.iter().map(|n| (*n).to_owned()).collect(), false)).collect(),
        );
        table
    }

    #[test]
    fn a_key_that_the_server_fills_is_no_key() {
        let columns = || {
            let id = TableColumn {
                default: Some("nextval('s'::regclass)".into()),
                not_null: true,
                ..column("id", ColumnType::Int8, "bigint")
            };
            let tenant = TableColumn {
                default: Some("'0'::uuid".into()),
                not_null: true,
                ..column("tenant_id", ColumnType::Uuid, "uuid")
            };
            let ts = TableColumn {
                not_null: true,
                ..column("ts", ColumnType::Timestamptz(6), "timestamp with time zone")
            };
            vec![id, tenant, ts]
        };
        let natural = table(columns(), &[&["id"], &["tenant_id", "ts"]]);
        assert_eq!(
            (natural.key.join(","), natural.surrogate.join(",")),
            ("tenant_id,ts".into(), "id".into())
        );
        let appended = table(columns(), &[&["id"]]);
        assert_eq!((appended.key.join(","), appended.surrogate.join(",")), (String::new(), "id".into()));
        let constant = table(columns(), &[&["tenant_id"]]);
        assert_eq!(constant.key, ["tenant_id"]);
    }

    #[test]
    fn a_foreign_table_becomes_a_dataset() {
        let not_null = |c: TableColumn| TableColumn { not_null: true, ..c };
        let table = table(
            vec![
                not_null(column("provider", ColumnType::Text, "text")),
                not_null(column("symbol", ColumnType::Text, "text")),
                not_null(column("ts", ColumnType::Timestamptz(6), "timestamp with time zone")),
                not_null(column("close", ColumnType::Float8, "double precision")),
                column("date", ColumnType::Date, "date"),
                TableColumn { generated: true, ..column("g", ColumnType::Int4, "integer") },
            ],
            &[&["provider", "symbol", "ts"]],
        );
        let dataset = table.dataset();
        assert_eq!(&*dataset.key, ["provider", "symbol", "ts"]);
        assert_eq!(dataset.time.as_deref(), Some("ts"));
        assert_eq!(dataset.column("symbol").unwrap().kind, Kind::Symbol);
        assert!(dataset.column("symbol").unwrap().synonyms.contains(&"ticker"));
        // `date` is a column of its own here.
        assert!(dataset.column("ts").unwrap().synonyms.is_empty());
        assert_eq!(dataset.column("close").unwrap().need, Requirement::Required);
        assert_eq!(dataset.column("date").unwrap().need, Requirement::Optional);
        assert_eq!(dataset.column("g"), None);
        assert_eq!(dataset.table, r#""public"."t""#);
    }
}
