//! The way to the rows of a document, and what they are made of.

/// How the value at hand is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// An object: the member of that name leads on.
    Member(String, Box<Plan>),
    /// A list: the element of that index leads on.
    Item(u64, Box<Plan>),
    /// A list: each of its elements leads on, and is a document for itself.
    Each(Box<Plan>),
    /// An object: each of its lists and objects leads on; its name is a column of the rows within, where that is
    /// called something.
    Keyed(Option<String>, Box<Plan>),
    /// A list of objects, each a row.
    Rows,
    /// A list of arrays, each a row, its values under those names; whether the first one is the names.
    Arrays(Vec<String>, bool),
    /// An array that is a row, its values under those names.
    Line(Vec<String>),
    /// An object that is a row.
    One,
    /// An object with a list for each column.
    Columns(Vec<Column>),
    /// An object with an object for each column, which has a value for each key; what the key is called.
    Pivot(Option<String>),
    /// An object with a list of arrays and a list of as many times; the names of the values.
    Split {
        /// The names of the values.
        names: Vec<String>,
        /// The member with the times.
        index: String,
        /// The member with the arrays.
        data: String,
    },
}

/// A column that is a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The way to it: members, and of lists the first element.
    pub path: Vec<String>,
    /// What it is called.
    pub name: String,
}

/// Rows of a document, where they are and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The way to them.
    pub plan: Plan,
    /// That way as `--rows-at` takes it.
    pub path: String,
    /// What else there is to say of them.
    pub how: &'static str,
    /// The names that the rows have themselves.
    pub own: Vec<String>,
    /// Whether they make rows of a dataset by those.
    pub telling: bool,
}

impl Located {
    /// The sentence that says where they are.
    pub fn told(&self) -> String {
        let place = if self.path.is_empty() { "the top of the document" } else { self.path.as_str() };
        format!("rows are at {place}{}", self.how)
    }

    /// They are within an object.
    pub(super) fn within(self, name: &str) -> Self {
        let joined = match self.path.as_bytes().first() {
            None => name.to_owned(),
            Some(b'[') => format!("{name}{}", self.path),
            Some(_) => format!("{name}.{}", self.path),
        };
        Self { plan: Plan::Member(name.to_owned(), Box::new(self.plan)), path: joined, ..self }
    }

    /// They are within every member of an object, whose names are a column that is called so.
    pub(super) fn keyed(self, key: &str) -> Self {
        let mut own = self.own.clone();
        own.push(key.to_owned());
        let inner = self.within(&format!("{{{key}}}"));
        let Plan::Member(_, plan) = inner.plan else { return inner };
        Self { plan: Plan::Keyed(Some(key.to_owned()), plan), own, ..inner }
    }

    /// They are within the elements of a list, which has but one perhaps.
    pub(super) fn within_each(self, only: bool) -> Self {
        let place = if only { "[0]" } else { "[]" };
        let path = match self.path.as_bytes().first() {
            None => place.to_owned(),
            Some(b'[') => format!("{place}{}", self.path),
            Some(_) => format!("{place}.{}", self.path),
        };
        Self { plan: Plan::Each(Box::new(self.plan)), path, ..self }
    }

    /// They are within that element of a list.
    pub(super) fn within_item(self, item: u64) -> Self {
        let each = self.within_each(true);
        let Plan::Each(plan) = each.plan else { return each };
        let path = each.path.replacen("[0]", &format!("[{item}]"), 1);
        Self { plan: Plan::Item(item, plan), path, ..each }
    }
}
