//! One price list, decoded: the ten values of each model, as places in the text they came in.

use crate::prices::field::Field;
use crate::prices::names::NameId;
use crate::prices::values::Values;

/// Where a value's text is: in the list itself, or among the table's own texts. Eight bytes, so that a table of 20,000
/// models and ten fields takes less than its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    len: u32,
}

/// Set in the start of a span that is among the table's own texts.
const OWN: u32 = 1 << 31;
/// No value.
const NONE: Span = Span {
    start: u32::MAX,
    len: 0,
};
/// A value was given that cannot be used, or more than one: there is none, and none may be set any more.
const SPENT: Span = Span {
    start: u32::MAX,
    len: 1,
};
/// No row.
const NO_ROW: u32 = u32::MAX;

impl Span {
    fn is_value(self) -> bool {
        self.start != u32::MAX
    }
}

#[derive(Clone, Debug, Default)]
struct Column<'a> {
    text: &'a str,
    spans: Vec<Span>,
    given: bool,
}

/// The ten values of each model of one list.
///
/// Models are rows in the order of the list, found by name through one array of four bytes a name; each field is a
/// column of spans, which exists as far as the list has values for it. So a table takes four bytes for each name of the
/// whole comparison and at most 84 for each of its own models, whatever the other lists hold.
#[derive(Clone, Debug, Default)]
pub struct Table<'a> {
    columns: [Column<'a>; Field::COUNT],
    rows: Vec<u32>,
    ids: Vec<NameId>,
    own: String,
}

/// What came of setting a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// The value is there.
    Set,
    /// There was one already, or one that could not be used: now there is none.
    Twice,
}

impl<'a> Table<'a> {
    /// An empty table, whose texts are all its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table whose values are parts of `body`, for which [`u32`] places suffice.
    pub(crate) fn of(body: &'a str) -> Self {
        let mut table = Self::default();
        for column in &mut table.columns {
            column.text = body;
        }
        table
    }

    /// A value: a number as it was written, a text without its quotes and escapes.
    pub fn get(&self, model: NameId, field: Field) -> Option<&str> {
        self.at(self.row_of(model)?, field)
    }

    /// Whether the list had this map at all, be it empty.
    pub fn has_map(&self, field: Field) -> bool {
        self.columns[field.index()].given
    }

    /// The models that have a value, in the order of the list.
    pub fn models(&self) -> impl Iterator<Item = NameId> + '_ {
        let has_value = |row: &usize| {
            let row = *row;
            (self.columns.iter())
                .any(|column| column.spans.get(row).is_some_and(|span| span.is_value()))
        };
        (0..self.ids.len())
            .filter(has_value)
            .map(|row| self.ids[row])
    }

    /// All values of a model.
    pub fn values(&self, model: NameId) -> Values {
        match self.row_of(model) {
            Some(row) => Field::ALL
                .iter()
                .filter_map(|field| Some((*field, self.at(row, *field)?)))
                .collect(),
            None => Values::default(),
        }
    }

    /// Sets a value, in place of the one that was there. The map then counts as given.
    pub fn set(&mut self, model: NameId, field: Field, value: &str) {
        let row = self.row(model);
        let span = self.keep(value);
        *self.cell(row, field) = span;
        self.give(field);
    }

    /// How many models have a value.
    pub fn len(&self) -> usize {
        self.models().count()
    }

    /// Whether no model has a value.
    pub fn is_empty(&self) -> bool {
        self.models().next().is_none()
    }

    /// How many values a field has.
    pub fn count(&self, field: Field) -> usize {
        let spans = &self.columns[field.index()].spans;
        spans.iter().filter(|span| span.is_value()).count()
    }

    /// The same table over another body, which has every value that is not the table's own at the same place.
    pub(crate) fn moved_to(self, body: &str) -> Table<'_> {
        let column = |column: Column<'a>| Column {
            text: body,
            spans: column.spans,
            given: column.given,
        };
        Table {
            columns: self.columns.map(column),
            rows: self.rows,
            ids: self.ids,
            own: self.own,
        }
    }

    /// The text that a column's spans are places in.
    pub(crate) fn set_text(&mut self, field: Field, text: &'a str) {
        self.columns[field.index()].text = text;
    }

    /// Says that the list has a map.
    pub(crate) fn give(&mut self, field: Field) {
        self.columns[field.index()].given = true;
    }

    /// The row of a model, made if it has none.
    pub(crate) fn row(&mut self, model: NameId) -> usize {
        self.new_row(model).unwrap_or_else(|row| row)
    }

    /// A row for a model; the one that it has already is the error.
    pub(crate) fn new_row(&mut self, model: NameId) -> Result<usize, usize> {
        let at = model.index();
        if self.rows.len() <= at {
            self.rows.resize(at + 1, NO_ROW);
        }
        if self.rows[at] != NO_ROW {
            return Err(self.rows[at] as usize);
        }
        let row = self.ids.len();
        self.rows[at] = row as u32;
        self.ids.push(model);
        Ok(row)
    }

    /// Sets a value where none was; a second one leaves none. `value` is part of the column's text, or is copied.
    pub(crate) fn put(&mut self, row: usize, field: Field, value: &str) -> Put {
        let span = match self.place(field, value) {
            Some(span) => span,
            None => self.keep(value),
        };
        let cell = self.cell(row, field);
        if *cell != NONE {
            *cell = SPENT;
            return Put::Twice;
        }
        *cell = span;
        Put::Set
    }

    /// Sets the value that comes last, as the gateway does with its own maps.
    pub(crate) fn put_last(&mut self, row: usize, field: Field, value: &str) {
        *self.cell(row, field) = NONE;
        self.put(row, field, value);
    }

    /// Takes a value away, and any that is put later.
    pub(crate) fn spend(&mut self, row: usize, field: Field) -> Put {
        let cell = self.cell(row, field);
        let before = std::mem::replace(cell, SPENT);
        if before == NONE { Put::Set } else { Put::Twice }
    }

    /// Takes all values of a row away.
    pub(crate) fn spend_row(&mut self, row: usize) {
        for column in &mut self.columns {
            if let Some(cell) = column.spans.get_mut(row) {
                *cell = SPENT;
            }
        }
    }

    /// Takes a whole column away.
    pub(crate) fn clear(&mut self, field: Field) {
        self.columns[field.index()].spans.clear();
    }

    /// The rows and their models.
    pub(crate) fn ids(&self) -> &[NameId] {
        &self.ids
    }

    /// The row of a model that has one.
    pub(crate) fn row_of(&self, model: NameId) -> Option<usize> {
        let row = *self.rows.get(model.index())?;
        (row != NO_ROW).then_some(row as usize)
    }

    /// The fields that have a column, with any value or none.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        let held = |field: &Field| !self.columns[field.index()].spans.is_empty();
        Field::ALL.iter().copied().filter(held)
    }

    /// The value of a row.
    pub(crate) fn at(&self, row: usize, field: Field) -> Option<&str> {
        let column = &self.columns[field.index()];
        let span = *column.spans.get(row)?;
        if !span.is_value() {
            return None;
        }
        let (text, start) = if span.start & OWN == 0 {
            (column.text, span.start)
        } else {
            (self.own.as_str(), span.start & !OWN)
        };
        text.get(start as usize..start as usize + span.len as usize)
    }

    fn cell(&mut self, row: usize, field: Field) -> &mut Span {
        let spans = &mut self.columns[field.index()].spans;
        if spans.len() <= row {
            spans.resize(row + 1, NONE);
        }
        &mut spans[row]
    }

    /// Where a text is in the column's own, if it is a part of it: told by its address, as two texts that are there at the
    /// same time share bytes only where one is a part of the other.
    fn place(&self, field: Field, value: &str) -> Option<Span> {
        let text = self.columns[field.index()].text;
        let start = (value.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        let inside = start.checked_add(value.len())? <= text.len() && text.len() < OWN as usize;
        inside.then_some(Span {
            start: start as u32,
            len: value.len() as u32,
        })
    }

    /// Copies a text. A table that has no room for it, after 2 GiB, has no value.
    fn keep(&mut self, value: &str) -> Span {
        let start = self.own.len();
        if start + value.len() >= (OWN - 1) as usize {
            return SPENT;
        }
        self.own.push_str(value);
        Span {
            start: start as u32 | OWN,
            len: value.len() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::names::Names;

    #[test]
    fn values_are_places_in_the_list_or_copies() {
        let body = String::from(r#"{"a":1.50}"#);
        let mut names = Names::new();
        let mut table = Table::of(&body);
        let a = names.id("a");
        let row = table.row(a);
        assert_eq!(table.put(row, Field::ModelRatio, &body[5..9]), Put::Set);
        assert_eq!(table.put(row, Field::BillingExpr, "p * 2"), Put::Set);
        assert_eq!(table.own, "p * 2");
        assert_eq!(table.get(a, Field::ModelRatio), Some("1.50"));
        assert_eq!(table.get(a, Field::BillingExpr), Some("p * 2"));
        assert_eq!(table.get(a, Field::CacheRatio), None);
        assert_eq!(table.get(names.id("b"), Field::ModelRatio), None);
        assert_eq!(table.values(a).get(Field::ModelRatio), Some("1.50"));
        assert_eq!(size_of::<Span>(), 8);
    }

    #[test]
    fn of_two_values_none_stays_and_a_third_changes_nothing() {
        let mut names = Names::new();
        let mut table = Table::new();
        let row = table.row(names.id("a"));
        assert_eq!(table.put(row, Field::ModelRatio, "1"), Put::Set);
        for value in ["2", "3"] {
            assert_eq!(table.put(row, Field::ModelRatio, value), Put::Twice);
            assert!(table.is_empty());
        }
        assert_eq!(table.spend(row, Field::CacheRatio), Put::Set);
        assert_eq!(table.put(row, Field::CacheRatio, "1"), Put::Twice);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn setting_replaces_and_counts_the_models_that_have_something() {
        let mut names = Names::new();
        let mut table = Table::new();
        let (a, b) = (names.id("a"), names.id("b"));
        table.set(b, Field::ModelPrice, "0.1");
        table.set(b, Field::ModelPrice, "0.2");
        table.set(a, Field::ModelRatio, "1");
        assert_eq!(table.get(b, Field::ModelPrice), Some("0.2"));
        assert_eq!(table.models().collect::<Vec<_>>(), [b, a]);
        assert_eq!((table.len(), table.count(Field::ModelPrice)), (2, 1));
        assert!(table.has_map(Field::ModelPrice) && !table.has_map(Field::CacheRatio));
        assert!(!table.is_empty());
    }
}
