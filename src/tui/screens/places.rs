//! Where everything stands, from 60x16 to the largest terminal. One answer for drawing and for scrolling.
//!
//! ```text
//! header                      row 0
//! line 2 (counters, facts)    row 1, Jobs: only where there is a banner
//! why (Tenant)                row 2, and more where the sentence needs them
//! banner or blank             below, and more where the banner needs them
//! body
//! strip (200x50)              rule, jobs, three lines of log
//! screens line                last but three (200x50: shares the hints' line)
//! job line                    last but two (200x50: in the strip)
//! message line                last but one
//! hints                       last
//! ```

use ratatui::layout::Rect;

use crate::tui::app::WIDE;
use crate::tui::app::state::{Screen, State};
use crate::tui::widgets::{above, below, slice};

/// The smallest terminal that is drawn on.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Columns from which on a list has room for its longest words.
pub const ROOMY: u16 = 76;

/// Columns of the list of tenants beside their details, with the blank behind it.
const LIST: u16 = 91;

/// The most columns of that list on a screen so wide, where names need them: the details keep what their tables take.
#[must_use]
pub const fn widest_list(width: u16) -> u16 {
    let more = width.saturating_sub(WIDE) / 4 * 3;
    if more > 45 { LIST + 45 } else { LIST + more }
}

/// How much fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// 80x24.
    Small,
    /// 120x40: more columns, two panes.
    Medium,
    /// 200x50: three panes, jobs and log on every screen.
    Wide,
}

/// Rows of the strip at the bottom of a wide screen: a rule, jobs, log.
pub const STRIP_ROWS: u16 = 5;

/// The places of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// How much fits.
    pub tier: Tier,
    /// One pane fills the body.
    pub zoom: bool,
    /// The environment bar.
    pub header: Rect,
    /// The second line; empty on the Jobs screens.
    pub line2: Rect,
    /// A warning, an error or progress; blank.
    pub banner: Rect,
    /// The screen's own.
    pub body: Rect,
    /// Jobs and log on wide screens; else empty.
    pub strip: Rect,
    /// Screens and position; where it equals `hints` both share the line.
    pub screens: Rect,
    /// The busiest job; empty on wide screens with a strip.
    pub job: Rect,
    /// A message, a filter, choices of a prefix.
    pub message: Rect,
    /// Hints.
    pub hints: Rect,
}

/// How much fits in an area.
#[must_use]
pub const fn tier(area: Rect) -> Tier {
    if area.width >= WIDE && area.height >= 30 {
        Tier::Wide
    } else if area.width >= 110 && area.height >= 20 {
        Tier::Medium
    } else {
        Tier::Small
    }
}

/// Whether the area is too small to draw on.
#[must_use]
pub const fn too_small(area: Rect) -> bool {
    area.width < SMALLEST.0 || area.height < SMALLEST.1
}

fn row(area: Rect, y: u16) -> Rect {
    above(below(area, y), 1)
}

/// Rows above the body that depend on what is said in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Said {
    /// Of the banner.
    pub banner: u16,
    /// Of the sentence that says where the open tenant stands, and why.
    pub standing: u16,
}

/// The places of the screen in front. The area is not too small.
#[must_use]
pub fn places(area: Rect, state: &State, said: Said) -> Places {
    let tier = tier(area);
    let jobs_like = is_jobs_like(state.screen);
    let empty = Rect { height: 0, ..area };
    let (line2, mut top) = if jobs_like { (empty, 1) } else { (row(area, 1), 2) };
    let mut blank = u16::from(tier != Tier::Wide && !jobs_like);
    // The open tenant has a line of facts, and where it stands below it: the banner is the blank line that follows, which
    // gives way to a second line of that.
    if state.screen == Screen::Tenant {
        top = 2 + said.standing.max(1);
        blank = blank.saturating_sub(said.standing.saturating_sub(1));
    }
    let banner = above(below(area, top), said.banner.max(blank));
    top += banner.height;
    let wide = tier == Tier::Wide;
    let zoom = state.zoom && has_panes(area, state);
    let strip_rows = if wide && !jobs_like && !zoom { STRIP_ROWS } else { 0 };
    let own_lines = match (wide, jobs_like) {
        (true, true) => 3,
        (true, false) => 2,
        (false, _) => 4,
    };
    let bottom = area.height - own_lines;
    let body = above(below(area, top), bottom.saturating_sub(top + strip_rows));
    Places {
        tier,
        zoom,
        header: row(area, 0),
        line2,
        banner,
        body,
        strip: above(below(area, bottom - strip_rows), strip_rows),
        screens: row(area, if wide { area.height - 1 } else { area.height - 4 }),
        job: if wide && !jobs_like { empty } else { row(area, area.height - 3) },
        message: row(area, area.height - 2),
        hints: row(area, area.height - 1),
    }
}

/// Whether the screen in front has more than one pane in this area.
#[must_use]
pub const fn has_panes(area: Rect, state: &State) -> bool {
    match state.screen {
        Screen::Tenants => matches!(tier(area), Tier::Wide),
        Screen::Tenant => !matches!(tier(area), Tier::Small),
        Screen::Migrations | Screen::Jobs | Screen::Server => true,
        Screen::JobResult | Screen::Messages | Screen::Audit => false,
    }
}

/// Jobs, its results, messages and the audit: no line 2, no strip.
#[must_use]
pub const fn is_jobs_like(screen: Screen) -> bool {
    match screen {
        Screen::Jobs | Screen::JobResult | Screen::Messages | Screen::Audit => true,
        Screen::Tenants | Screen::Tenant | Screen::Migrations | Screen::Server => false,
    }
}

/// Two parts beside each other with a rule of one column and a blank between: left, column of the rule, right.
#[must_use]
pub fn side_by_side(area: Rect, left: u16) -> (Rect, u16, Rect) {
    let left_area = slice(area, 0, left);
    (left_area, left_area.width, slice(area, left + 2, area.width))
}

/// The list and the detail of Tenants on a wide screen.
#[must_use]
pub fn tenants_columns(places: &Places, wanted: u16) -> (Rect, Option<Rect>) {
    match places.tier {
        Tier::Small | Tier::Medium => (places.body, None),
        Tier::Wide if places.zoom => (places.body, None),
        Tier::Wide => {
            let (left, _, right) = side_by_side(places.body, wanted.clamp(LIST, widest_list(places.body.width)));
            (left, Some(right))
        }
    }
}

/// The panes of the open tenant: one, two or all four, in the order of the tabs. The tabs' line stands above.
#[must_use]
pub fn tenant_panes(places: &Places) -> Vec<Rect> {
    let body = places.body;
    let half = body.width.saturating_sub(2) / 2;
    match places.tier {
        Tier::Small => vec![below(body, 1)],
        Tier::Medium | Tier::Wide if places.zoom => vec![below(body, 1)],
        Tier::Medium => {
            let (left, _, right) = side_by_side(below(body, 1), half);
            vec![left, right]
        }
        Tier::Wide => {
            let rows = body.height / 2;
            let mut panes = Vec::with_capacity(4);
            for part in [above(body, rows), above(below(body, rows), rows)] {
                let (left, _, right) = side_by_side(part, half);
                panes.extend([below(left, 1), below(right, 1)]);
            }
            panes
        }
    }
}

/// The parts of the Migrations screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationsParts {
    /// Versions.
    pub list: Rect,
    /// Names of the group, below the list or beside it.
    pub group: Rect,
    /// SQL of the chosen version, on wide screens.
    pub sql: Option<Rect>,
}

/// The parts of the Migrations screen.
#[must_use]
pub fn migrations_parts(places: &Places) -> MigrationsParts {
    let body = places.body;
    if places.zoom {
        return MigrationsParts { list: body, group: above(body, 0), sql: None };
    }
    match places.tier {
        Tier::Small => {
            let rows = body.height.saturating_sub(3);
            MigrationsParts { list: above(body, rows), group: below(body, rows), sql: None }
        }
        Tier::Medium => {
            let (list, _, group) = side_by_side(body, 79);
            MigrationsParts { list, group, sql: None }
        }
        Tier::Wide => {
            let (list, _, rest) = side_by_side(body, 79);
            let (group, _, sql) = side_by_side(rest, 40);
            MigrationsParts { list, group, sql: Some(sql) }
        }
    }
}

/// The parts of the Jobs screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobsParts {
    /// Jobs.
    pub list: Rect,
    /// Results of the chosen one, where there is room.
    pub results: Option<Rect>,
    /// Its log, the rule above it included on small screens.
    pub log: Rect,
}

/// The parts of the Jobs screen.
#[must_use]
pub fn jobs_parts(places: &Places, jobs: usize) -> JobsParts {
    let body = places.body;
    let wanted = u16::try_from(jobs).unwrap_or(u16::MAX).max(3).saturating_add(1);
    let list_rows = wanted.min((body.height / 3).max(4)).min(body.height);
    if places.zoom {
        // The log is what one wants more of; the row above it says whose it is.
        return JobsParts { list: above(body, 2), results: None, log: below(body, 2) };
    }
    match places.tier {
        Tier::Small => JobsParts { list: above(body, list_rows), results: None, log: below(body, list_rows) },
        Tier::Medium => {
            let lower = below(body, list_rows);
            let (log, _, results) = side_by_side(lower, lower.width.saturating_sub(44));
            JobsParts { list: above(body, list_rows), results: Some(results), log }
        }
        Tier::Wide => {
            let (list, _, rest) = side_by_side(body, 79);
            let (results, _, log) = side_by_side(rest, 44);
            JobsParts { list, results: Some(results), log }
        }
    }
}
