//! A table as the templates show it.

use super::asked::{Asked, SIZES};
use crate::web::words::{Words, fill};

/// The table's own word in the page: what its buttons swap.
const ID: &str = "table";

/// A table to show.
pub(crate) struct Table {
    pub(crate) t: &'static Words,
    pub(crate) asked: Asked,
    /// What the table is called.
    pub(crate) label: String,
    /// What the search says that it looks through; `None` for no search.
    pub(crate) search: Option<String>,
    pub(crate) chips: Vec<Chip>,
    pub(crate) filters: Vec<Filter>,
    /// What rows can be grouped by.
    pub(crate) groups: Vec<Named>,
    pub(crate) columns: Vec<Column>,
    /// Whether rows can be chosen. Their boxes are the first column, which is not among [`Table::columns`].
    pub(crate) chooses: bool,
    /// What rows on this page are chosen by.
    pub(crate) here: Vec<String>,
    /// Rows on all pages.
    pub(crate) total: u64,
    /// Where all that is shown is to be had as CSV and as JSON.
    pub(crate) exports: Option<[String; 2]>,
    /// What is said where there is no row: a title and what to do. Where something is filtered, that is said instead.
    pub(crate) empty: (String, String),
    /// Elements outside of the table that change with it, as selectors.
    pub(crate) also: &'static str,
}

/// A filter that is one press away, with how many rows it has.
pub(crate) struct Chip {
    pub(crate) code: &'static str,
    pub(crate) label: String,
    pub(crate) count: u64,
}

/// A filter with many values.
pub(crate) struct Filter {
    /// Its name in the address.
    pub(crate) name: &'static str,
    pub(crate) label: String,
    /// What it can be. The first is that it filters nothing.
    pub(crate) options: Vec<Named>,
}

/// A value, and what it is called.
pub(crate) struct Named {
    pub(crate) code: String,
    pub(crate) label: String,
}

/// A column.
pub(crate) struct Column {
    pub(crate) label: String,
    /// The code that it is sorted by, if it can be.
    pub(crate) sort: Option<&'static str>,
    /// Whether it has numbers.
    pub(crate) num: bool,
    /// Whether its usual order begins with the greatest, as that of times with the newest.
    pub(crate) falls: bool,
    /// What it means, where its name alone does not say it.
    pub(crate) hint: Option<String>,
}

impl Chip {
    pub(crate) fn new(code: &'static str, label: &str, count: u64) -> Self {
        Self {
            code,
            label: label.to_owned(),
            count,
        }
    }
}

impl Named {
    pub(crate) fn new(code: &str, label: &str) -> Self {
        Self {
            code: code.to_owned(),
            label: label.to_owned(),
        }
    }
}

impl Column {
    /// A column of words.
    pub(crate) fn new(label: &str, sort: Option<&'static str>) -> Self {
        Self {
            label: label.to_owned(),
            sort,
            num: false,
            falls: false,
            hint: None,
        }
    }

    /// A column whose usual order begins with the greatest, as that of times does with the newest.
    pub(crate) fn falling(label: &str, sort: &'static str) -> Self {
        Self {
            falls: true,
            ..Self::new(label, Some(sort))
        }
    }

    /// The column with what it means.
    pub(crate) fn meaning(self, hint: &str) -> Self {
        Self {
            hint: Some(hint.to_owned()),
            ..self
        }
    }

    /// A column of numbers.
    pub(crate) fn num(label: &str, sort: Option<&'static str>) -> Self {
        Self {
            num: true,
            ..Self::new(label, sort)
        }
    }
}

impl Table {
    pub(crate) fn id(&self) -> &'static str {
        ID
    }

    pub(crate) fn hidden(&self) -> Vec<(String, String)> {
        let mut seen: Vec<&str> = self.filters.iter().map(|filter| filter.name).collect();
        if self.search.is_some() {
            seen.push("q");
        }
        if self.total > 0 {
            seen.push("size");
        }
        if self.is_sorted() {
            seen.push("sort");
        }
        self.asked.hidden(&seen, &self.here)
    }

    /// Whether there is nothing above the rows but the choice of their order, for which only a narrow screen has a use.
    pub(crate) fn is_bare(&self) -> bool {
        self.search.is_none()
            && self.chips.is_empty()
            && self.filters.is_empty()
            && self.groups.is_empty()
            && self.exports.is_none()
    }

    pub(crate) fn is_chip(&self, chip: &Chip) -> bool {
        self.asked.chip == chip.code
    }

    pub(crate) fn is_filtered(&self, filter: &Filter, option: &Named) -> bool {
        self.asked.text(filter.name) == option.code
    }

    pub(crate) fn is_group(&self, group: &Named) -> bool {
        self.asked.group.unwrap_or("") == group.code
    }

    pub(crate) fn sizes(&self) -> [u32; 4] {
        SIZES
    }

    /// `aria-sort` of a column that the rows are sorted by.
    pub(crate) fn sorted(&self, column: &Column) -> Option<&'static str> {
        let rises = self.asked.backwards == column.falls;
        (column.sort == Some(self.asked.sort)).then_some(match rises {
            true => "ascending",
            false => "descending",
        })
    }

    /// What pressing a column's head asks for: its order, or that turned round.
    pub(crate) fn sort_by(&self, code: &str) -> String {
        let turns = self.asked.sort == code && !self.asked.backwards;
        format!("{}{code}", if turns { "-" } else { "" })
    }

    /// Whether there is an order to choose.
    pub(crate) fn is_sorted(&self) -> bool {
        self.total > 0 && self.columns.iter().any(|column| column.sort.is_some())
    }

    /// Every order, as the address says it, for a narrow screen: that has no heads of columns to press.
    pub(crate) fn orders(&self) -> Vec<Named> {
        let t = &self.t.table;
        let mut orders = Vec::new();
        for column in &self.columns {
            let said = match column.falls {
                false => [&t.sorted_up, &t.sorted_down],
                true => [&t.sorted_down, &t.sorted_up],
            };
            for (sign, text) in ["", "-"].into_iter().zip(said) {
                let said = fill(text, &[("column", &column.label)]);
                orders.extend(
                    column
                        .sort
                        .map(|code| Named::new(&format!("{sign}{code}"), &said)),
                );
            }
        }
        // Prices have an order that is no column's: it holds until another one is chosen.
        if !orders.iter().any(|order| self.is_order(order)) {
            orders.push(Named::new(&self.order(), &self.t.prices.by_move));
        }
        orders
    }

    pub(crate) fn is_order(&self, order: &Named) -> bool {
        order.code == self.order()
    }

    /// The order that the rows are in, as the address says it.
    fn order(&self) -> String {
        let sign = if self.asked.backwards { "-" } else { "" };
        format!("{sign}{}", self.asked.sort)
    }

    /// Whether a row is chosen.
    pub(crate) fn is_picked(&self, pick: &str) -> bool {
        self.asked.all || self.asked.picks.contains(pick)
    }

    /// Whether nothing that matches is left to be chosen, as far as this page can tell.
    pub(crate) fn has_all(&self) -> bool {
        let whole = self.total == self.here.len() as u64;
        self.asked.all || whole && self.here.iter().all(|pick| self.is_picked(pick))
    }

    /// Whether all that match are chosen, by their filter.
    pub(crate) fn is_all(&self) -> bool {
        self.asked.all
    }

    /// How many rows are chosen.
    pub(crate) fn picked(&self) -> u64 {
        if self.asked.all {
            self.total
        } else {
            self.asked.picks.len() as u64
        }
    }

    pub(crate) fn picked_said(&self) -> String {
        fill(&self.t.table.selected, &[("n", &self.picked())])
    }

    pub(crate) fn take_all(&self) -> String {
        fill(&self.t.table.select_matching, &[("n", &self.total)])
    }

    /// What is said where more was chosen than an address bears.
    pub(crate) fn too_many(&self) -> Option<String> {
        let kept = self.asked.picks.len();
        self.asked
            .cut
            .then(|| fill(&self.t.table.too_many, &[("n", &kept)]))
    }

    pub(crate) fn range_said(&self) -> String {
        // What a row is chosen by may be several things, or nothing, so that those do not count the rows.
        let before = self.asked.skip() as u64;
        let from = before + 1;
        let to = self.total.min(before + u64::from(self.asked.size));
        fill(
            &self.t.table.of,
            &[("from", &from), ("to", &to), ("n", &self.total)],
        )
    }

    pub(crate) fn pages(&self) -> usize {
        self.asked.pages(self.total)
    }

    pub(crate) fn page_of(&self) -> String {
        let (page, pages) = (self.asked.page, self.pages());
        fill(
            &self.t.common.page_of,
            &[("page", &page), ("pages", &pages)],
        )
    }

    /// The title and the way on where there is no row.
    pub(crate) fn nothing(&self) -> Option<(&str, &str)> {
        if self.total > 0 {
            return None;
        }
        let words = &self.t.table;
        Some(if self.asked.narrows() {
            (&words.no_match, &words.no_match_hint)
        } else {
            (&self.empty.0, &self.empty.1)
        })
    }

    /// How many columns a row that has but one cell spans.
    pub(crate) fn width(&self) -> usize {
        self.columns.len() + usize::from(self.chooses)
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::super::Shape;
    use super::*;
    use crate::web::words::Lang;

    static SHAPE: Shape = Shape {
        chips: &["all", "failed"],
        sorts: &["id", "name"],
        groups: &["provider"],
        filters: &["source"],
        keeps: &[],
    };

    struct Around {
        t: &'static Words,
    }

    #[derive(Template)]
    #[template(
        source = r#"{% include "part/table_top.html" %}{% include "part/table_columns.html" %}{% for row in table.here %}<tr><td>{{ row }}</td></tr>{% endfor %}{% include "part/table_end.html" %}"#,
        ext = "html"
    )]
    struct Page {
        f: Around,
        table: Table,
    }

    fn shown(query: &str, total: u64) -> String {
        let columns = vec![Column::num("ID", Some("id")), Column::new("Message", None)];
        shown_with(columns, query, total)
    }

    fn shown_with(columns: Vec<Column>, query: &str, total: u64) -> String {
        let t = Lang::En.words();
        let chip = |code, count| Chip::new(code, code, count);
        let table = Table {
            t,
            asked: Asked::of_query(&SHAPE, "/t", query),
            label: "Rows".to_owned(),
            search: Some("Search by name".to_owned()),
            chips: vec![chip("all", total), chip("failed", 3)],
            filters: vec![Filter {
                name: "source",
                label: "Source".to_owned(),
                options: vec![Named::new("", "All"), Named::new("a", "A")],
            }],
            groups: vec![
                Named::new("", "Flat"),
                Named::new("provider", "By provider"),
            ],
            columns,
            chooses: true,
            here: (0..total.min(2)).map(|row| row.to_string()).collect(),
            total,
            exports: Some(["/rows.csv?a=1&b=2".to_owned(), "/rows".to_owned()]),
            empty: ("No row".to_owned(), "Make one.".to_owned()),
            also: "#run",
        };
        let page = Page {
            f: Around { t },
            table,
        };
        page.render().expect("renders")
    }

    #[track_caller]
    fn says(page: &str, texts: &[&str]) {
        for text in texts {
            assert!(page.contains(text), "{text}\n{page}");
        }
    }

    #[test]
    fn the_whole_state_can_be_changed_without_javascript() {
        let page = shown("show=failed&source=a&q=x&sort=id&page=2", 130);
        says(
            &page,
            &[
                "name=\"q\" value=\"x\"",
                "name=\"show\" value=\"failed\" hx-get=\"/t\" aria-current=\"true\">failed <b>3</b>",
                "<option value=\"a\" selected>A",
                "name=\"group\" value=\"provider\"",
                "aria-sort=\"ascending\"><button class=\"sort\" id=\"sort-id\" name=\"sort\" value=\"-id\"",
                "name=\"page\" value=\"1\"",
                "name=\"page\" value=\"3\"",
                "Page 2 of 3",
                "51 to 100 of 130",
                "Select all 130 that match",
                "href=\"/rows.csv?a=1&#38;b=2\"",
            ],
        );
        // Enter in the search presses the first button of the form, which must be the search.
        let first = page.split("<button").nth(1).expect("a button");
        assert!(first.contains("id=\"seek\""), "{first}");
    }

    #[test]
    fn where_heads_of_columns_have_no_room_the_order_is_a_list_of_choices() {
        let page = shown("sort=-id", 5);
        says(
            &page,
            &[
                "<select id=\"by-sort\" name=\"sort\" hx-get=\"/t\">",
                "<option value=\"id\">ID, ascending",
                "<option value=\"-id\" selected>ID, descending",
            ],
        );
        // The list says the order, and nothing beside it says another one.
        assert!(!page.contains("type=\"hidden\" name=\"sort\""), "{page}");
        assert!(!page.contains("Message, ascending"), "{page}");
        assert_eq!(page.matches(" selected>").count(), 3, "{page}");
        // An order that no column has stays until another one is chosen.
        says(
            &shown("sort=-name", 5),
            &["<option value=\"-name\" selected>"],
        );
        // Without the list the form keeps the order.
        let none = shown("sort=-id", 0);
        assert!(!none.contains("by-sort"), "{none}");
        says(&none, &["type=\"hidden\" name=\"sort\" value=\"-id\""]);
    }

    #[test]
    fn what_begins_with_the_newest_is_said_to_fall() {
        for (query, order) in [("", "descending"), ("sort=-id", "ascending")] {
            let page = shown_with(vec![Column::falling("Time", "id")], query, 5);
            let head = format!("aria-sort=\"{order}\"><button class=\"sort\" id=\"sort-id\"");
            let choice = format!(" selected>Time, {order}");
            says(&page, &[&head, &choice]);
            assert_eq!(page.matches("Time, descending").count(), 1, "{page}");
        }
    }

    #[test]
    fn an_empty_table_says_what_to_do_next() {
        says(&shown("", 0), &["No row", "Make one."]);
        let filtered = shown("q=x", 0);
        says(&filtered, &["Nothing matches"]);
        assert!(!filtered.contains("Make one."));
    }

    #[test]
    fn the_number_of_chosen_rows_is_said() {
        says(&shown("pick=1%2C7", 5), &["2 selected", "Select none"]);
        let mut all = Asked::of_query(&SHAPE, "/t", "q=x&take=all");
        let (_, all) = all
            .settle(&[], 214)
            .expect("another address")
            .split_once('?')
            .map(|(path, query)| (path.to_owned(), query.to_owned()))
            .expect("a query");
        let page = shown(&all, 214);
        says(&page, &["214 selected"]);
        assert!(!page.contains("id=\"take-all\""));
    }
}
