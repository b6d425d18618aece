//! Edits as splices: what goes out is what stood there, entry by entry, with the edited ones in their places.

use std::collections::HashMap;

use super::{Entry, MapText, Raw, characters, name, part, quoted};

/// See [`MapText::edit`].
pub(super) fn edit(map: &MapText, edits: &[(String, Option<Raw>)]) -> MapText {
    let pieces = pieces(map, edits);
    let Some(pieces) = pieces else {
        return map.clone();
    };
    write(map, &pieces)
}

/// One entry to come out.
enum Piece<'a> {
    /// An entry that is there, as it stands.
    Kept(usize),
    /// An entry that is there, with another value.
    Changed(usize, &'a Raw),
    /// An entry that is not there yet.
    New(&'a str, &'a Raw),
}

/// What comes out, in order; `None` when nothing changes.
fn pieces<'a>(map: &MapText, edits: &'a [(String, Option<Raw>)]) -> Option<Vec<Piece<'a>>> {
    let mut wanted: HashMap<&str, Option<&Raw>> = HashMap::with_capacity(edits.len());
    let mut order: Vec<&str> = Vec::with_capacity(edits.len());
    for (model, value) in edits {
        if wanted.insert(model, value.as_ref()).is_none() {
            order.push(model);
        }
    }
    wanted.retain(|model, value| match (map.get(model), value) {
        (None, None) => false,
        (Some(old), Some(new)) => !same(old, new),
        _ => true,
    });
    if wanted.is_empty() {
        return None;
    }
    let mut pieces = Vec::with_capacity(map.entries.len() + wanted.len());
    for (place, entry) in map.entries.iter().enumerate() {
        let name = name(&map.text, *entry);
        match wanted.get(&*name) {
            None => pieces.push(Piece::Kept(place)),
            Some(Some(value)) if map.index.find(&map.text, &map.entries, &name) == Some(place) => {
                pieces.push(Piece::Changed(place, value));
            }
            Some(_) => {}
        }
    }
    for model in order {
        if let Some(Some(value)) = wanted.get(model)
            && map.get(model).is_none()
        {
            pieces.push(Piece::New(model, value));
        }
    }
    Some(pieces)
}

/// Whether two values say the same: the same text, the same number, or the same characters.
fn same(old: &str, new: &Raw) -> bool {
    let new = new.as_str();
    if old == new {
        return true;
    }
    if let (Some(old), Some(new)) = (characters(old), characters(new)) {
        return old == new;
    }
    let number = |text: &str| {
        text.parse()
            .ok()
            .filter(|number: &f64| !text.starts_with('"') && number.is_finite())
    };
    number(old).is_some() && number(old) == number(new)
}

/// The spaces of a map: what stands between its marks.
struct Layout<'a> {
    /// Behind the opening brace.
    first: &'a str,
    /// Behind a comma.
    next: &'a str,
    /// Between a name and its value, with the colon.
    colon: &'a str,
    /// Before a comma.
    comma: &'a str,
    /// Before the closing brace.
    last: &'a str,
}

/// The spaces before and behind an entry, up to the marks around it.
fn around(map: &MapText, place: usize) -> (&str, &str) {
    let entry = map.entries[place];
    let before = match place.checked_sub(1) {
        None => part(&map.text, (map.open + 1, entry.name.0)),
        Some(previous) => between(map, previous).1,
    };
    let behind = if place + 1 == map.entries.len() {
        part(&map.text, (entry.value.1, map.close))
    } else {
        between(map, place).0
    };
    (before, behind)
}

/// What stands between an entry and the next, either side of the comma.
fn between(map: &MapText, place: usize) -> (&str, &str) {
    let gap = part(
        &map.text,
        (map.entries[place].value.1, map.entries[place + 1].name.0),
    );
    gap.split_once(',').unwrap_or((gap, ""))
}

fn layout(map: &MapText) -> Layout<'_> {
    let Some(last) = map.entries.len().checked_sub(1) else {
        let inside = part(&map.text, (map.open + 1, map.close));
        return if inside.contains('\n') {
            Layout {
                first: "\n  ",
                next: "\n  ",
                colon: ": ",
                comma: "",
                last: "\n",
            }
        } else {
            Layout {
                first: "",
                next: "",
                colon: ":",
                comma: "",
                last: "",
            }
        };
    };
    let entry = map.entries[last];
    let colon = part(&map.text, (entry.name.1, entry.value.0));
    let first = around(map, 0).0;
    let (next, comma) = if last > 0 {
        (around(map, last).0, around(map, last - 1).1)
    } else if first.contains('\n') {
        (first, "")
    } else {
        (if colon == ":" { "" } else { " " }, "")
    };
    Layout {
        first,
        next,
        colon,
        comma,
        last: around(map, last).1,
    }
}

fn write(map: &MapText, pieces: &[Piece<'_>]) -> MapText {
    let layout = layout(map);
    let last = map.entries.len().wrapping_sub(1);
    let mut out = Out {
        text: String::with_capacity(map.text.len() + pieces.len()),
        entries: Vec::with_capacity(pieces.len()),
    };
    out.push(part(&map.text, (0, map.open + 1)));
    for (nth, piece) in pieces.iter().enumerate() {
        let place = match piece {
            Piece::Kept(place) | Piece::Changed(place, _) => Some(*place),
            Piece::New(..) => None,
        };
        // The first and the last of the map that comes out stand where those of the old one stood.
        out.push(match place {
            _ if nth == 0 => layout.first,
            Some(0) | None => layout.next,
            Some(place) => around(map, place).0,
        });
        out.entry(map, &layout, piece);
        if nth + 1 == pieces.len() {
            out.push(layout.last);
        } else {
            out.push(match place {
                Some(place) if place != last => around(map, place).1,
                _ => layout.comma,
            });
            out.push(",");
        }
    }
    let close = out.place();
    out.push(part(
        &map.text,
        (map.close, u32::try_from(map.text.len()).unwrap_or(u32::MAX)),
    ));
    MapText::of(out.text, map.open, close, out.entries)
}

struct Out {
    text: String,
    entries: Vec<Entry>,
}

impl Out {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn place(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    fn entry(&mut self, map: &MapText, layout: &Layout<'_>, piece: &Piece<'_>) {
        let text = &*map.text;
        let start = self.place();
        let (colon, value) = match piece {
            Piece::Kept(place) | Piece::Changed(place, _) => {
                let entry = map.entries[*place];
                self.push(part(text, entry.name));
                let value = match piece {
                    Piece::Changed(_, value) => value.as_str(),
                    _ => part(text, entry.value),
                };
                (part(text, (entry.name.1, entry.value.0)), value)
            }
            Piece::New(model, value) => {
                self.push(&quoted(model));
                (layout.colon, value.as_str())
            }
        };
        let name = (start, self.place());
        self.push(colon);
        let from = self.place();
        self.push(value);
        self.entries.push(Entry {
            name,
            value: (from, self.place()),
        });
    }
}
