//! What a table has become since it was looked at last, and whether rows under way can go on by that.

use super::{KeyPrecision, Target};

impl KeyPrecision {
    /// Whether values that are told apart by the other are told apart by this one too.
    pub fn tells_as_much(self, other: Self) -> bool {
        match (self, other) {
            (a, b) if a == b => true,
            (Self::Exact, _) => true,
            (Self::Scale(a), Self::Scale(b)) => a >= b,
            (Self::Chars(a), Self::Chars(b)) => a >= b,
            // What only the store knows may be anything, what is cut off or rounded may be needed.
            _ => false,
        }
    }
}

impl Target {
    /// What of it is new since it was as that, in words.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for column in &self.columns {
            let (name, type_name) = (&column.name, &column.type_name);
            let Some(was) = before.column(name) else {
                changes.push(format!("column {name} ({type_name}) is new"));
                continue;
            };
            if *type_name != was.type_name {
                changes.push(format!("column {name} is {type_name} now and was {}", was.type_name));
            } else if (column.kind, column.grain) != (was.kind, was.grain) {
                changes.push(format!("column {name} is another {type_name} now"));
            }
            if column.nullable != was.nullable {
                let takes = if column.nullable { "takes null now" } else { "takes no null any more" };
                changes.push(format!("column {name} {takes}"));
            }
            if column.has_default != was.has_default {
                let filled =
                    if column.has_default { "is filled by itself now" } else { "has no default any more" };
                changes.push(format!("column {name} {filled}"));
            }
        }
        let gone = before.columns.iter().filter(|was| self.column(&was.name).is_none());
        changes.extend(gone.map(|was| format!("column {} is gone", was.name)));
        match (self.tells_by(), before.tells_by()) {
            (now, was) if now == was => {}
            ([], _) => changes.push("it has no key any more".to_owned()),
            (now, _) => changes.push(format!("its key is {} now", now.join(", "))),
        }
        if (self.nulls, &self.rules) != (before.nulls, &before.rules) && changes.is_empty() {
            changes.push("its constraints are others now".to_owned());
        }
        changes
    }

    /// Why rows that were read when it was as that may not be written as it is now. Rows of one key go one
    /// after the other, through one worker, and the last of them alone is written where several come
    /// together, all because their keys were known to be the same when they were read. By another key rows
    /// would be lost, or come in another order; where there is none any more, rows of one key that are under
    /// way become one a last time.
    pub fn rekeyed_since(&self, before: &Self) -> Option<String> {
        let (now, was) = (self.tells_by(), before.tells_by());
        // Rows under way bring no column that was not there.
        let numbered = self.key.is_empty() && now.iter().any(|name| before.column(name).is_none());
        if now.is_empty() || numbered {
            return None;
        }
        if self.nulls != before.nulls || was.len() != now.len() || was.iter().any(|name| !now.contains(name))
        {
            return Some(format!("its key ({})", now.join(", ")));
        }
        let coarser = was.iter().find(|name| match (before.column(name), self.column(name)) {
            (Some(was), Some(now)) => !now.grain.tells_as_much(was.grain),
            _ => false,
        });
        // By the ones that are new, rows may have to come in an order that nobody knew of.
        let ordered = || self.rules.iter().any(|rule| !before.rules.contains(rule));
        match coarser {
            Some(name) => Some(format!("column {name} of its key")),
            None => ordered().then(|| "a constraint of it".to_owned()),
        }
    }

    /// What tells its rows apart.
    pub fn tells_by(&self) -> &[String] {
        if self.key.is_empty() { &self.surrogate } else { &self.key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Kind;
    use crate::dataset::target::TargetColumn;

    fn table(columns: &[(&str, &str, KeyPrecision)], key: &[&str]) -> Target {
        let column = |(name, type_name, grain): &(&str, &str, KeyPrecision)| TargetColumn {
            name: (*name).to_owned(),
            kind: Kind::Number,
            type_name: (*type_name).to_owned(),
            nullable: true,
            has_default: false,
            constant_default: false,
            grain: *grain,
        };
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        Target { table: "t".into(), columns: columns.iter().map(column).collect(), key, ..Target::default() }
    }

    #[test]
    fn a_change_is_told_in_words() {
        let before = table(
            &[("id", "integer", KeyPrecision::Scale(0)), ("v", "bigint", KeyPrecision::Scale(0))],
            &["id"],
        );
        assert!(before.changes_since(&before).is_empty());
        let now = table(
            &[
                ("id", "integer", KeyPrecision::Scale(0)),
                ("v", "numeric", KeyPrecision::Exact),
                ("w", "text", KeyPrecision::Exact),
            ],
            &["id"],
        );
        assert_eq!(
            now.changes_since(&before),
            ["column v is numeric now and was bigint", "column w (text) is new"]
        );
        assert_eq!(before.changes_since(&now)[1], "column w is gone");
        let mut strict = before.clone();
        strict.columns[1].nullable = false;
        strict.key.clear();
        assert_eq!(before.changes_since(&strict), ["column v takes null now", "its key is id now"]);
    }

    #[test]
    fn another_key_is_told_from_one_of_wider_columns() {
        let columns =
            [("a", "varchar(4)", KeyPrecision::Chars(4)), ("b", "numeric(10,2)", KeyPrecision::Scale(2))];
        let (one, both, none) = (table(&columns, &["a"]), table(&columns, &["b", "a"]), table(&columns, &[]));
        let turned = table(&columns, &["a", "b"]);
        assert_eq!((none.rekeyed_since(&one), turned.rekeyed_since(&both)), (None, None));
        for (before, now) in [(&one, &both), (&both, &one), (&none, &one)] {
            assert!(now.rekeyed_since(before).is_some_and(|why| why.contains("its key")));
        }
        let wider = table(
            &[("a", "varchar(20)", KeyPrecision::Chars(20)), ("b", "numeric", KeyPrecision::Exact)],
            &["b", "a"],
        );
        assert_eq!(wider.rekeyed_since(&both), None);
        assert!(both.rekeyed_since(&wider).is_some_and(|why| why.contains("column b")));
    }
}
