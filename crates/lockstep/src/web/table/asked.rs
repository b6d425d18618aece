//! What the address says of a table, and addresses that say something else of it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use url::form_urlencoded::{Serializer, parse};

use crate::web::flash::SAID;
use crate::web::form::Fields;

/// How many rows a page of a table can have; the second is usual.
pub(crate) const SIZES: [u32; 4] = [25, 50, 100, 200];
const USUAL: u32 = 50;
/// The longest search, in characters.
const LONGEST: usize = 200;
/// So many characters of chosen rows an address bears: servers on the way refuse long ones.
const ROOM: usize = 4_000;

/// What a table can be asked.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The chips by their codes; the first is the usual one.
    pub(crate) chips: &'static [&'static str],
    /// The columns that can be sorted by, by their codes; the first is the usual order.
    pub(crate) sorts: &'static [&'static str],
    /// What rows can be grouped by.
    pub(crate) groups: &'static [&'static str],
    /// Names of further filters. An empty one filters nothing.
    pub(crate) filters: &'static [&'static str],
    /// Names of what else is kept and filters nothing, such as a row that is open.
    pub(crate) keeps: &'static [&'static str],
}

/// What was asked of a table.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    shape: &'static Shape,
    path: String,
    /// The chip.
    pub(crate) chip: &'static str,
    /// What is searched for; empty for nothing.
    pub(crate) search: String,
    /// The column that it is sorted by.
    pub(crate) sort: &'static str,
    /// Whether the order is turned round.
    pub(crate) backwards: bool,
    /// What the rows are grouped by.
    pub(crate) group: Option<&'static str>,
    /// The page, from 1.
    pub(crate) page: usize,
    /// Rows of a page.
    pub(crate) size: u32,
    texts: BTreeMap<&'static str, String>,
    /// The rows that are chosen one by one.
    pub(super) picks: BTreeSet<String>,
    /// Whether all that match are chosen.
    pub(super) all: bool,
    /// Whether the rows of this page are to be chosen.
    take_page: bool,
    /// Whether all that match are to be chosen.
    take_all: bool,
    /// Whether more was chosen than an address bears.
    pub(super) cut: bool,
    raw: Vec<(String, String)>,
}

impl Asked {
    /// What the part of an address after `?` asks of the table at `path`. What is not known asks for nothing.
    pub(crate) fn of_query(shape: &'static Shape, path: &str, query: &str) -> Self {
        let raw = parse(query.as_bytes());
        Self::read(shape, path, raw.into_owned().collect())
    }

    /// The same of what the table's form sends.
    pub(crate) fn of_form(shape: &'static Shape, path: &str, fields: &Fields) -> Self {
        let mut asked = Self::read(shape, path, fields.pairs().to_vec());
        // A form needs no address that bears them.
        asked.by_filter();
        // What a form sends is no address that could be in another shape.
        asked.raw = asked.pairs();
        asked
    }

    fn read(shape: &'static Shape, path: &str, raw: Vec<(String, String)>) -> Self {
        // Of a name that comes twice the last counts: a button says it after what the form keeps.
        let last = |wanted: &str| {
            let found = raw.iter().rev().find(|(name, _)| name == wanted);
            found.map_or("", |(_, value)| value.as_str())
        };
        let known = |list: &'static [&'static str], wanted: &str| {
            list.iter().copied().find(|code| *code == wanted)
        };
        let first = |list: &'static [&'static str]| list.first().copied().unwrap_or("");
        let sort = last("sort");
        let column = known(shape.sorts, sort.trim_start_matches('-'));
        let texts = shape.filters.iter().chain(shape.keeps);
        let texts = texts.map(|name| (*name, cut(last(name))));
        let mut asked = Self {
            shape,
            path: path.to_owned(),
            chip: known(shape.chips, last("show")).unwrap_or(first(shape.chips)),
            search: cut(last("q")),
            sort: column.unwrap_or(first(shape.sorts)),
            backwards: column.is_some() && sort.starts_with('-'),
            group: known(shape.groups, last("group")),
            page: last("page").parse().unwrap_or(1).max(1),
            size: last("size")
                .parse()
                .ok()
                .filter(|size| SIZES.contains(size))
                .unwrap_or(USUAL),
            texts: texts.filter(|(_, text)| !text.is_empty()).collect(),
            picks: BTreeSet::new(),
            all: false,
            take_page: last("take") == "page",
            take_all: last("take") == "all",
            cut: false,
            raw: Vec::new(),
        };
        asked.all = match last("take") {
            "none" | "page" | "all" => false,
            // What matches now may be something else than what was chosen.
            _ => !last("all").is_empty() && last("all") == asked.filter_digest(),
        };
        if !asked.all && last("take") != "none" {
            let picks = raw.iter().filter(|(name, _)| name == "pick");
            let picks = picks.flat_map(|(_, value)| value.split(','));
            asked.pick(picks.map(str::to_owned));
        }
        let was = last("was");
        if !was.is_empty() && was != asked.view_digest() {
            asked.page = 1;
        }
        asked.raw = raw;
        asked
    }

    /// A filter, or what else is kept; empty where it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    /// What is chosen one by one.
    pub(crate) fn picks(&self) -> &BTreeSet<String> {
        &self.picks
    }

    /// Whether anything is chosen.
    pub(crate) fn chooses(&self) -> bool {
        self.all || !self.picks.is_empty()
    }

    /// How many rows come before this page.
    pub(crate) fn skip(&self) -> usize {
        (self.page - 1).saturating_mul(self.size as usize)
    }

    /// Whether anything narrows the rows.
    pub(crate) fn narrows(&self) -> bool {
        let filtered = |name: &&str| !self.text(name).is_empty();
        !self.search.is_empty()
            || Some(&self.chip) != self.shape.chips.first()
            || self.shape.filters.iter().any(filtered)
    }

    /// Where to go instead, if the address is not in its plain shape. Asked before rows are looked up.
    pub(crate) fn moved(&self) -> Option<String> {
        if self.take_page || self.take_all {
            return None;
        }
        let plain = self.pairs();
        (plain != self.raw).then(|| self.address(&plain))
    }

    /// Whether all that match are to be chosen and are so few, of so many, that an address may bear them. Then
    /// [`Asked::take_all`] takes them; else the filter stands for them, and what was chosen before is not.
    pub(crate) fn takes_all(&self, total: u64) -> bool {
        self.take_all && total <= (ROOM / 2) as u64
    }

    /// Chooses all that match beside what is chosen, one by one, if an address bears them.
    pub(crate) fn take_all(&mut self, all: impl Iterator<Item = String>) {
        let before = (self.picks.clone(), self.cut);
        self.pick(all);
        if self.cut {
            (self.picks, self.cut) = before;
        } else {
            self.take_all = false;
        }
    }

    /// Takes note of the rows that this page has, by what they are chosen by, and of how many there are on all pages.
    /// Where to go instead, if that changes anything.
    pub(crate) fn settle(&mut self, here: &[String], total: u64) -> Option<String> {
        if std::mem::take(&mut self.take_page) {
            self.pick(here.iter().cloned());
        }
        self.by_filter();
        self.page = self.page.clamp(1, self.pages(total));
        self.moved()
    }

    /// How many pages there are of so many rows, at least one.
    pub(crate) fn pages(&self, total: u64) -> usize {
        let pages = total.div_ceil(u64::from(self.size)).max(1);
        usize::try_from(pages).unwrap_or(usize::MAX)
    }

    /// The address of the table as it is.
    pub(crate) fn href(&self) -> String {
        self.address(&self.pairs())
    }

    /// The address with something else said, on its first page.
    pub(crate) fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut pairs = self.pairs();
        pairs.retain(|(name, _)| name != "page" && name != SAID);
        pairs.extend(
            changes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let changed = Self::read(self.shape, &self.path, pairs);
        changed.href()
    }

    /// The addresses of all that is shown, as CSV and as JSON: the table's path with an ending, the filter, the groups and
    /// the order.
    pub(crate) fn files(&self) -> [String; 2] {
        self.files_at(&self.path)
    }

    /// The same of files with a name of their own below the table's path.
    pub(crate) fn files_below(&self, name: &str) -> [String; 2] {
        self.files_at(&format!("{}/{name}", self.path))
    }

    fn files_at(&self, path: &str) -> [String; 2] {
        ["csv", "json"].map(|ending| self.file_at(format!("{path}.{ending}")))
    }

    fn file_at(&self, path: String) -> String {
        let mut whole = self.clone();
        (whole.page, whole.size, whole.all) = (1, USUAL, false);
        whole.picks.clear();
        whole.raw.clear();
        whole
            .texts
            .retain(|name, _| self.shape.filters.contains(name));
        whole.path = path;
        whole.href()
    }

    /// The path without its state.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What the form has to send beside the fields of these names, which can be seen: the state, and the chosen rows
    /// that are not on this page.
    pub(super) fn hidden(&self, seen: &[&str], here: &[String]) -> Vec<(String, String)> {
        let mut pairs = self.pairs();
        pairs.retain(|(name, _)| !seen.contains(&name.as_str()) && name != "pick" && name != SAID);
        let elsewhere = self.picks.iter().filter(|pick| !here.contains(pick));
        let elsewhere: Vec<&str> = elsewhere.map(String::as_str).collect();
        if !elsewhere.is_empty() {
            pairs.push(("pick".to_owned(), elsewhere.join(",")));
        }
        pairs.push(("was".to_owned(), self.view_digest()));
        pairs
    }

    /// Lets the filter stand for all that match, if they are to be chosen.
    fn by_filter(&mut self) {
        if std::mem::take(&mut self.take_all) {
            self.all = true;
            self.picks.clear();
        }
    }

    fn pick(&mut self, picks: impl Iterator<Item = String>) {
        let mut room: usize = self.picks.iter().map(|pick| pick.len() + 1).sum();
        for pick in picks.filter(|pick| !pick.is_empty()) {
            room += pick.len() + 1;
            if room > ROOM {
                self.cut = true;
                return;
            }
            self.picks.insert(pick);
        }
    }

    /// The state in its plain shape: nothing that is usual, in one order.
    fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = self.filter_pairs();
        let mut say = |name: &str, value: String| pairs.push((name.to_owned(), value));
        if let Some(group) = self.group {
            say("group", group.to_owned());
        }
        if self.backwards || Some(&self.sort) != self.shape.sorts.first() {
            let sign = if self.backwards { "-" } else { "" };
            say("sort", format!("{sign}{}", self.sort));
        }
        if self.size != USUAL {
            say("size", self.size.to_string());
        }
        if self.page > 1 {
            say("page", self.page.to_string());
        }
        for name in self.shape.keeps {
            if let Some(text) = self.texts.get(name) {
                say(name, text.clone());
            }
        }
        if self.all {
            say("all", self.filter_digest());
        } else if !self.picks.is_empty() {
            let picks: Vec<&str> = self.picks.iter().map(String::as_str).collect();
            say("pick", picks.join(","));
        }
        let said = self.raw.iter().find(|(name, _)| name == SAID);
        if let Some((_, value)) = said {
            say(SAID, value.clone());
        }
        pairs
    }

    /// What narrows the rows.
    fn filter_pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        if Some(&self.chip) != self.shape.chips.first() {
            pairs.push(("show".to_owned(), self.chip.to_owned()));
        }
        for name in self.shape.filters {
            if let Some(text) = self.texts.get(name) {
                pairs.push(((*name).to_owned(), text.clone()));
            }
        }
        if !self.search.is_empty() {
            pairs.push(("q".to_owned(), self.search.clone()));
        }
        pairs
    }

    fn filter_digest(&self) -> String {
        digest(&self.filter_pairs())
    }

    /// What the number of a page is a number in.
    fn view_digest(&self) -> String {
        let mut pairs = self.filter_pairs();
        pairs.push((self.group.unwrap_or("").to_owned(), self.size.to_string()));
        pairs.push((self.sort.to_owned(), self.backwards.to_string()));
        digest(&pairs)
    }

    fn address(&self, pairs: &[(String, String)]) -> String {
        match Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
            .as_str()
        {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }
}

fn cut(text: &str) -> String {
    text.trim().chars().take(LONGEST).collect()
}

/// A few letters that stand for a state.
fn digest(pairs: &[(String, String)]) -> String {
    let mut digest = Sha256::new();
    for (name, value) in pairs {
        digest.update(format!("{}:{name}={}:{value};", name.len(), value.len()));
    }
    let digest = digest.finalize();
    digest.iter().take(4).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        chips: &["all", "failed", "held"],
        sorts: &["id", "name"],
        groups: &["provider"],
        filters: &["source"],
        keeps: &["open"],
    };
    const SHAPED: &Shape = &SHAPE;

    fn asked(query: &str) -> Asked {
        Asked::of_query(SHAPED, "/t", query)
    }

    #[test]
    fn what_is_asked_comes_back_as_the_same_address() {
        for query in [
            "",
            "show=failed&source=a&q=x+y&group=provider&sort=-name&size=100&page=3&open=5&pick=1%2C2",
            "sort=-id&said=saved",
        ] {
            let asked = asked(query);
            assert_eq!(asked.moved(), None, "{query}");
            let href = if query.is_empty() {
                "/t".to_owned()
            } else {
                format!("/t?{query}")
            };
            assert_eq!(asked.href(), href);
        }
    }

    #[test]
    fn what_is_usual_or_unknown_is_left_out_of_the_address() {
        let moved = asked("q=&show=all&size=50&page=1&sort=id&group=&x=1&source=").moved();
        assert_eq!(moved.as_deref(), Some("/t"));
        let moved = asked("show=nothing&sort=nothing&page=-1&size=7").moved();
        assert_eq!(moved.as_deref(), Some("/t"));
    }

    #[test]
    fn what_a_form_sends_is_shown_as_it_is() {
        let sent = Fields::read(b"what=all&show=failed&q=&page=1&pick=2&was=x");
        let mut asked = Asked::of_form(SHAPED, "/t", &sent);
        assert_eq!(asked.moved(), None);
        assert_eq!(asked.settle(&[], 9), None);
        assert_eq!(asked.href(), "/t?show=failed&pick=2");
    }

    #[test]
    fn a_button_wins_over_what_the_form_keeps() {
        let asked = asked("show=failed&q=a&show=held");
        assert_eq!((asked.chip, asked.search.as_str()), ("held", "a"));
    }

    #[test]
    fn another_filter_or_order_begins_on_the_first_page_and_a_choice_stays() {
        let sent = |asked: &Asked, more: &str| {
            let mut form = Serializer::new(String::new());
            form.extend_pairs(asked.hidden(&[], &[]));
            self::asked(&format!("{}&{more}", form.finish()))
        };
        let third = asked("page=3&pick=7");
        assert_eq!(sent(&third, "").page, 3);
        for more in ["show=held", "sort=name", "size=25", "q=x", "group=provider"] {
            let changed = sent(&third, more);
            assert_eq!(changed.page, 1, "{more}");
            assert!(changed.picks.contains("7"), "{more}");
        }
        assert_eq!(sent(&third, "page=4").page, 4);
        assert_eq!(third.with(&[("show", "held")]), "/t?show=held&pick=7");
    }

    #[test]
    fn all_that_match_is_the_filter_and_ends_with_it() {
        let mut all = asked("show=failed&take=all&pick=3");
        assert_eq!(all.moved(), None, "what matches is not known yet");
        assert!(!all.takes_all(10_000));
        let address = all.settle(&[], 10_000);
        assert!(all.all);
        let address = address.expect("an address without the button");
        let query = address.split_once('?').expect("a query").1.to_owned();
        assert!(asked(&query).all);
        assert!(asked(&format!("{query}&sort=name&page=2")).all);
        assert!(!asked(&format!("{query}&show=held")).all);
        assert!(!asked(&format!("{query}&q=x")).all);
        assert!(!asked(&format!("{query}&take=none")).all);
        assert!(!asked("all=1").all, "no address says so by chance");
    }

    #[test]
    fn few_that_match_are_chosen_beside_the_others_and_stay_when_the_filter_ends() {
        let mut few = asked("show=failed&pick=3&take=all");
        assert!(few.takes_all(2));
        few.take_all(["7", "9"].map(str::to_owned).into_iter());
        let address = few.settle(&[], 2).expect("another address");
        assert_eq!(address, "/t?show=failed&pick=3%2C7%2C9");
        let query = address.split_once('?').expect("a query").1;
        let other = asked(&format!("{query}&show=held"));
        assert_eq!(other.picks.len(), 3);
        // What an address does not bear is the filter.
        let mut many = asked("pick=3&take=all");
        let long = (0..9).map(|row| format!("{row}{}", "x".repeat(ROOM / 8)));
        many.take_all(long);
        many.settle(&[], 9);
        assert!(many.all && many.picks.is_empty() && !many.cut);
    }

    #[test]
    fn the_rows_of_a_page_are_added_to_the_choice() {
        let mut asked = asked("page=2&pick=1&take=page");
        assert_eq!(asked.moved(), None);
        let here = ["5".to_owned(), "6".to_owned()];
        let moved = asked.settle(&here, 60);
        assert_eq!(moved.as_deref(), Some("/t?page=2&pick=1%2C5%2C6"));
        assert_eq!(
            asked
                .hidden(&[], &here)
                .first()
                .map(|(name, _)| name.as_str()),
            Some("page")
        );
        let elsewhere = asked.hidden(&[], &here);
        assert!(elsewhere.contains(&("pick".to_owned(), "1".to_owned())));
    }

    #[test]
    fn a_file_has_all_that_matches_in_its_order() {
        let asked = asked(
            "show=failed&source=a&q=x&group=provider&sort=-name&size=100&page=3&open=5&pick=1",
        );
        let [file, _] = asked.files();
        assert_eq!(
            file,
            "/t.csv?show=failed&source=a&q=x&group=provider&sort=-name"
        );
        let [_, below] = asked.files_below("rows");
        assert!(below.starts_with("/t/rows.json?show=failed&"), "{below}");
    }

    #[test]
    fn a_page_behind_the_last_one_leads_to_that() {
        let mut asked = asked("page=9");
        assert_eq!(asked.settle(&[], 60).as_deref(), Some("/t?page=2"));
        let mut none = self::asked("page=9");
        assert_eq!(none.settle(&[], 0).as_deref(), Some("/t"));
    }

    #[test]
    fn an_address_bears_no_more_chosen_rows_than_servers_take() {
        let many: Vec<String> = (10_000..12_000).map(|id: u32| id.to_string()).collect();
        let asked = asked(&format!("pick={}", many.join("%2C")));
        assert!(asked.cut);
        assert!(asked.href().len() < 8_000, "{}", asked.href().len());
    }
}
