//! What every table of the pages shares. Its state is in the address: chips and filters, a search, the order, the page,
//! groups, and which rows are chosen. It is one form, so that all of it works without JavaScript: whatever is pressed
//! sends the whole form, and the answer is the address in its plain shape. With JavaScript only the table is swapped.
//!
//! A page says what its table can be asked ([`Shape`]), reads what was asked ([`Asked`]), looks its rows up, and shows
//! them ([`Table`]) between `part/table_top.html`, `part/table_columns.html` and `part/table_end.html`.

mod asked;
mod choice;
mod shown;

pub(crate) use asked::{Asked, Shape};
pub(crate) use choice::Chosen;
pub(crate) use shown::{Chip, Column, Filter, Named, Table};
