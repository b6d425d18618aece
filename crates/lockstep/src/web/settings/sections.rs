//! The parts of the settings: each is a page, and leads to the others.

use crate::web::frame::{Frame, Here};
use crate::web::{access, notices, place};

/// A part of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Part {
    /// The gateway and what runs by itself, of a site.
    Basic,
    /// Where a site's prices come from.
    Sources,
    /// Who is told of what.
    Notices,
    /// People and programs.
    Access,
}

/// A part, as every part leads to it.
pub(in crate::web) struct Section {
    pub(in crate::web) href: String,
    pub(in crate::web) label: &'static str,
    pub(in crate::web) here: bool,
}

/// All parts that there are for whoever looks at one: without a site there are none of a site.
pub(in crate::web) fn all(f: &Frame, here: Part) -> Vec<Section> {
    let t: &'static crate::web::words::SettingWords = &f.t.settings;
    let parts = [
        (Part::Basic, &t.basic),
        (Part::Sources, &t.sources),
        (Part::Notices, &t.notices),
        (Part::Access, &t.people),
    ];
    let of_site = |part| matches!(part, Part::Basic | Part::Sources);
    parts
        .into_iter()
        .filter(|(part, _)| f.site.is_some() || !of_site(*part))
        .map(|(part, label)| Section {
            href: match part {
                Part::Basic => f.href(Here::Settings),
                Part::Sources => f.href(Here::Prices) + &place::path(&["sources"]),
                Part::Notices => f.beside(notices::AT),
                Part::Access => f.beside(access::AT),
            },
            label,
            here: part == here,
        })
        .collect()
}
