//! Rows of a table and of inputs in the form of binary COPY, made comparable.

mod cells;
mod json;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use self::cells::{PgCells, put};
use self::wire::{Places, copy_out, row_at};
use crate::batch::{Batch, Pick, Reason, Rows};
use crate::error::{Error, Result};
use crate::sink::defaults::is_literal;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::connection::quoting::{ident, literal};
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::encoder::{BLOCK, Encoder, Origin};
use crate::sink::postgres::encode::refusal::Reasons;
use crate::sink::postgres::write::plan::{Plan, reading};
use crate::sink::postgres::write::session::sources;
use crate::sink::postgres::write::sink::Shared;
use crate::sink::verify::{Cell, CellReader, RowBuffer, TakeRows, Verifier, VerifyColumn, VerifyScope};
use crate::text::flags::MAP;

/// Days of the years 1 to 9999, counted from 1970: others are not asked for, and all rows come.
const SAYABLE: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// Shapes of batches whose plans are kept.
const MAX_PLANS: usize = 32;

/// Compares with a table of PostgreSQL.
pub(in crate::sink::postgres) struct PgVerifier {
    shared: Arc<Shared>,
    table: Table,
    columns: Vec<VerifyColumn>,
    types: Vec<ColumnType>,
    uncompared: Vec<String>,
    /// Of columns of the key what they hold where no row brings it; as long as the columns.
    defaults: Vec<Option<Vec<u8>>>,
    /// Which columns any row has brought: of the others the table's values are not read.
    brought: Vec<bool>,
    /// The transaction in which the table is read, from the first time on.
    reading: Option<Link>,
    out: Out,
    /// By the names of the columns.
    plans: Vec<(Plan, Reasons)>,
}

impl PgVerifier {
    /// # Errors
    /// Usage, where rows of the table cannot be told apart, or it may not be read.
    pub async fn open(shared: Arc<Shared>, table: Table) -> Result<Self> {
        let named = table.display_name();
        if !table.readable {
            return Err(Error::usage(format!(
                "this role may not read {named}; as its owner run: GRANT SELECT ON {} TO the role",
                table.sql_name()
            )));
        }
        let is_time = |name: &&String| {
            let type_ = table.column(name).map(|column| column.type_);
            matches!(type_, Some(ColumnType::Timestamp(_) | ColumnType::Timestamptz(_) | ColumnType::Date))
        };
        let time = table.key.iter().find(is_time);
        let (mut columns, mut types, mut uncompared) = (Vec::new(), Vec::new(), Vec::new());
        for column in &table.columns {
            let key = table.key.contains(&column.name);
            if key && column.generated {
                return Err(Error::usage(format!(
                    "{named} cannot be compared: {} of its key is computed by the server",
                    column.name
                )));
            }
            if column.generated || !column.may_insert && !key {
                continue;
            }
            if column.type_.is_cast() {
                if key {
                    return Err(Error::usage(format!(
                        "{named} cannot be compared: {} of its key is {}, which only the server reads",
                        column.name, column.type_name
                    )));
                }
                uncompared.push(column.name.clone());
                continue;
            }
            columns.push(VerifyColumn { name: column.name.clone(), key, time: time == Some(&column.name) });
            types.push(column.type_);
        }
        let mut verifier = Self {
            shared,
            table,
            defaults: vec![None; columns.len()],
            brought: columns.iter().map(|column| column.key).collect(),
            columns,
            types,
            uncompared,
            reading: None,
            out: Out::new(),
            plans: Vec::new(),
        };
        verifier.read_defaults().await?;
        Ok(verifier)
    }

    /// What columns of the key hold that rows do not bring, where that is the same for all.
    async fn read_defaults(&mut self) -> Result<()> {
        let asked: Vec<(usize, String)> = (0..)
            .zip(&self.columns)
            .filter(|(_, column)| column.key)
            .filter_map(|(place, column)| {
                let column = self.table.column(&column.name)?;
                let default = column.default.as_ref().filter(|default| is_literal(default))?;
                Some((place, format!("({default})::{}", column.type_name)))
            })
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let list: Vec<&str> = asked.iter().map(|(_, sql)| sql.as_str()).collect();
        let types: Vec<ColumnType> =
            asked.iter().filter_map(|(place, _)| self.types.get(*place).copied()).collect();
        let mut rows = RowBuffer::new(asked.len());
        let mut defaults = self.defaults.clone();
        let link = self.begin().await?;
        copy_out(&link, &format!("SELECT {}", list.join(", ")), &types, &mut rows, &mut |rows| {
            for (at, (place, _)) in asked.iter().enumerate() {
                if let (Cell::Value(bytes), Some(default)) = (rows.cell(0, at), defaults.get_mut(*place)) {
                    *default = Some(bytes.to_vec());
                }
            }
            Ok(true)
        })
        .await?;
        self.defaults = defaults;
        Ok(())
    }

    /// A connection in a transaction that only reads, as the tenant.
    async fn begin(&self) -> Result<Link> {
        let link = self.shared.connect().await.map_err(to_error)?;
        let tenant = self.shared.tenant.map(|id| {
            format!("SELECT pg_catalog.set_config('app.tenant_id', {}, true);", literal(&id.to_string()))
        });
        // Rows of one moment, however long the inputs are read in between: what others commit meanwhile is no difference.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_catalog.set_config('jit', 'off', true), \
             pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true); {}",
            tenant.unwrap_or_default()
        );
        link.client.batch_execute(&begin).await.map_err(|error| to_error(link.classify(&error)))?;
        Ok(link)
    }

    fn query(&self, scope: &VerifyScope) -> String {
        let value = |(column, brought): (&VerifyColumn, &bool)| match brought {
            true => format!("t.{}", ident(&column.name)),
            false => "NULL".to_owned(),
        };
        let list: Vec<String> = self.columns.iter().zip(&self.brought).map(value).collect();
        let mut wanted = Vec::new();
        let time = self.columns.iter().zip(&self.types).find(|(column, _)| column.time);
        if let (Some((column, type_)), Some((first, last))) = (time, scope.days)
            && SAYABLE.contains(&first)
            && SAYABLE.contains(&(last + 1))
        {
            let day = |day: i64| {
                let day = chrono::DateTime::from_timestamp(day * 86_400, 0).unwrap_or_default();
                let day = day.format("%Y-%m-%d");
                match type_ {
                    ColumnType::Date => format!("date '{day}'"),
                    ColumnType::Timestamp(_) => format!("timestamp '{day} 00:00:00'"),
                    _ => format!("timestamptz '{day} 00:00:00+00'"),
                }
            };
            let name = ident(&column.name);
            wanted.push(format!("t.{name} >= {}", day(first)));
            wanted.push(format!("t.{name} < {}", day(last + 1)));
        }
        if let Some((column, texts)) = &scope.texts
            && let Some(column) = self.columns.get(*column)
        {
            let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
            wanted.push(format!("t.{} IN ({})", ident(&column.name), texts.join(", ")));
        }
        if let Some(tenant) = self.shared.tenant
            && self.columns.iter().any(|column| column.name == "tenant_id")
        {
            wanted.push(format!("t.tenant_id = {}", literal(&tenant.to_string())));
        }
        let wanted = match wanted.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", wanted.join(" AND ")),
        };
        format!("SELECT {} FROM {} AS t{wanted}", list.join(", "), reading(&self.table))
    }
}

#[async_trait]
impl Verifier for PgVerifier {
    fn columns(&self) -> &[VerifyColumn] {
        &self.columns
    }

    fn uncompared(&self) -> &[String] {
        &self.uncompared
    }

    fn input(&mut self, batch: &Arc<Batch>, rows: &mut RowBuffer) -> Result<Vec<(usize, Arc<Reason>)>> {
        let fault = |reason: Reason| Error::usage(reason.message.into_owned());
        let schema = batch.columns.schema_ref();
        let names = || schema.fields().iter().map(|field| field.name());
        let tenant = self.shared.tenant;
        let place = match self.plans.iter().position(|(plan, _)| plan.names.iter().eq(names())) {
            Some(place) => place,
            None => {
                let plan = Plan::new(&self.table, names().cloned().collect(), tenant.is_some(), false, 0);
                if self.plans.len() >= MAX_PLANS {
                    self.plans.clear();
                }
                self.plans.push((plan.map_err(fault)?, Reasons::default()));
                self.plans.len() - 1
            }
        };
        let Some((plan, reasons)) = self.plans.get_mut(place) else { return Ok(Vec::new()) };
        // Where each cell of a row is among those that are encoded.
        let places: Vec<Option<usize>> = self
            .columns
            .iter()
            .map(|column| {
                let at = plan.goals.iter().position(|goal| *goal.name == *column.name)?;
                matches!(plan.origins.get(at), Some(Origin::Batch(_) | Origin::Tenant)).then_some(at)
            })
            .collect();
        for ((column, default), place) in self.columns.iter().zip(&self.defaults).zip(&places) {
            let fills = |column: &VerifyColumn| {
                self.table.column(&column.name).is_some_and(|column| column.has_default() || column.not_null)
            };
            if column.key && place.is_none() && default.is_none() && fills(column) {
                return Err(Error::usage(format!(
                    "{} cannot be compared: the server has given {} of its key a value of its own for each row, and the input has none; give it with {MAP}",
                    self.table.display_name(),
                    column.name
                )));
            }
        }
        for (brought, place) in self.brought.iter_mut().zip(&places) {
            *brought |= place.is_some();
        }
        let parts = std::slice::from_ref(batch);
        let sources = sources(Rows { parts, picks: &[] }, plan).map_err(fault)?;
        let (width, rules) = (plan.names.len(), self.shared.rules);
        let mut encoder = Encoder::new(&plan.goals, &plan.origins, &sources, width, rules, tenant, reasons);
        let mut refused = Vec::new();
        let mut cells = Places::new();
        let mut first = 0;
        while first < batch.len() {
            let end = batch.len().min(first + BLOCK);
            let picks: Vec<Pick> = (first..end).map(|row| Pick { part: 0, row: row as u32 }).collect();
            self.out.truncate(0);
            encoder.block(&picks, &mut self.out, |at, done| {
                if let Err(reason) = done {
                    refused.push((first + at, reason));
                }
            });
            let (bytes, mut at) = (self.out.written(), 0);
            while row_at(bytes, &mut at, &mut cells)? {
                for (column, place) in places.iter().enumerate() {
                    let type_ = self.types.get(column).copied();
                    match place.map(|place| cells.get(place).cloned().flatten()) {
                        Some(Some(cell)) => put(type_, bytes.get(cell).unwrap_or_default(), rows),
                        Some(None) => rows.push(Cell::Null),
                        None => match self.defaults.get(column) {
                            Some(Some(default)) => rows.push(Cell::Value(default)),
                            _ => rows.push(Cell::Absent),
                        },
                    }
                }
            }
            first = end;
        }
        Ok(refused)
    }

    async fn scan(&mut self, scope: &VerifyScope, take: &mut TakeRows<'_>) -> Result<()> {
        let query = self.query(scope);
        let link = match self.reading.take() {
            Some(link) => link,
            None => self.begin().await?,
        };
        let mut rows = RowBuffer::new(self.columns.len());
        let done = copy_out(&link, &query, &self.types, &mut rows, take).await;
        self.reading = Some(link);
        done
    }

    fn reader(&self) -> Arc<dyn CellReader> {
        Arc::new(PgCells { types: self.types.clone() })
    }
}
