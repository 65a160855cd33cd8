//! What stands in place of a list that cannot be there: still reading, refused, no tenants, nothing found.
//!
//! ```text
//!    The server refuses the connection to eu-1
//!
//!    password authentication failed for user "ops" (28P01)
//!
//!    What to change   in the configuration:  [[database]] name = "eu-1": url, or password_command
//!    Then             r tries again; nothing is tried by itself.
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::footer::filter_words;
use crate::model::fleet::DatabaseView;
use crate::model::link::LinkState;
use crate::text::{Untrusted, counted, sanitise};
use crate::tui::app::action::Action;
use crate::tui::app::state::State;
use crate::tui::theme::Theme;
use crate::tui::widgets::{columns, put_fit, put_safe, wrap};

/// Draws a notice where nothing is known of the fleet; says whether it did.
pub fn draw_instead(frame: &mut Frame, area: Rect, state: &State, theme: &Theme) -> bool {
    if !state.snapshot.tenants.is_empty() {
        return false;
    }
    let buf = frame.buffer_mut();
    let lines = match state.header_database().or_else(|| state.latest.databases.first()) {
        None if state.loaded => {
            plain("No database is configured.", &["tenantui config template prints a file to begin with."], theme)
        }
        None => plain("Connecting ...", &[], theme),
        Some(database) => of_database(database, state, theme),
    };
    draw_lines(buf, area, &lines, theme);
    true
}

/// One line of a notice.
struct Line(String, Style);

fn plain(title: &str, more: &[&str], theme: &Theme) -> Vec<Line> {
    let mut lines = vec![Line(title.to_owned(), theme.title), Line(String::new(), Style::new())];
    lines.extend(more.iter().map(|text| Line((*text).to_owned(), Style::new())));
    lines
}

fn draw_lines(buf: &mut Buffer, area: Rect, lines: &[Line], theme: &Theme) {
    let room = usize::from(area.width.saturating_sub(6));
    let mut y = 1;
    for Line(text, style) in lines {
        let words = text.trim_start();
        let indent = text.len() - words.len();
        for part in wrap(words, room.saturating_sub(indent)) {
            put_safe(buf, area, 3 + columns(indent), y, columns(room - indent), &part, *style, theme);
            y += 1;
        }
    }
}

fn of_database(database: &DatabaseView, state: &State, theme: &Theme) -> Vec<Line> {
    let again = state.key(Action::Refresh);
    let name = sanitise(&database.name);
    let address = database.address.safe();
    match &database.link {
        LinkState::Refused { why } => refused(&name, why, &again, theme),
        LinkState::Lost { why, .. } => vec![
            Line(format!("There is no link to {name}"), theme.error),
            Line(String::new(), Style::new()),
            Line(why.safe().into(), theme.error),
            Line(String::new(), Style::new()),
            Line(format!("Tried: {address}. It is tried again by itself; {again} tries now."), Style::new()),
        ],
        LinkState::Connecting => plain(&format!("Connecting to {name} ({address}) ..."), &[], theme),
        LinkState::Up { .. } | LinkState::Slow { .. } => {
            if let Some(error) = &database.error {
                vec![
                    Line(format!("{name} cannot be read"), theme.error),
                    Line(String::new(), Style::new()),
                    Line(error.safe().into(), theme.error),
                    Line(String::new(), Style::new()),
                    Line(
                        format!("tenantui doctor says what was looked for and what to write. {again} tries again."),
                        Style::new(),
                    ),
                ]
            } else if !state.loaded || database.taken_at.is_none() {
                let progress = database.progress.as_ref().map(|p| format!(" {}", p.safe())).unwrap_or_default();
                plain(
                    &format!("Reading {name}{progress} ..."),
                    &["The cheap things come first: names and states, then sizes and versions."],
                    theme,
                )
            } else {
                let shared = state.latest.shared.iter();
                let shared = shared.filter(|shared| shared.database == database.name && shared.page.is_some());
                no_tenants(database, (&name, shared.map(|shared| &shared.schema).next()), state, theme)
            }
        }
    }
}

/// Wrong password or wrong TLS: no loop, a card with the line to fix.
fn refused(name: &str, why: &Untrusted, again: &str, theme: &Theme) -> Vec<Line> {
    let fix = super::banner::line_to_fix(why);
    vec![
        Line(format!("The server refuses the connection to {name}"), theme.error),
        Line(String::new(), Style::new()),
        Line(why.safe().into(), theme.error),
        Line(String::new(), Style::new()),
        Line("To change, in the configuration (tenantui config path names the file):".to_owned(), Style::new()),
        Line(format!("    [[database]]  name = \"{name}\""), theme.accent),
        Line(format!("    {fix}"), theme.accent),
        Line(String::new(), Style::new()),
        Line(format!("Nothing is tried by itself, so that no account is locked. {again} tries again."), Style::new()),
    ]
}

/// The first run on an empty registry.
fn no_tenants(
    database: &DatabaseView,
    (name, shared): (&str, Option<&Untrusted>),
    state: &State,
    theme: &Theme,
) -> Vec<Line> {
    let layout = database.layout.as_ref().map_or_else(|| "unknown".to_owned(), |layout| layout.safe().into());
    let folder = match &database.files {
        None => {
            "No migration folder is configured (migrations.path): a new tenant would be an empty schema.".to_owned()
        }
        Some(files) => format!("A new one gets {}.", counted(files.len(), "migration")),
    };
    vec![
        Line(format!("{name} has no tenants yet"), theme.title),
        Line(String::new(), Style::new()),
        Line(
            match shared {
                // A broker of Brokkr's own in public, a Cloacina server before its first tenant.
                Some(schema) => {
                    let (schema, key) = (schema.safe(), state.key(Action::Palette));
                    format!(
                        "Layout {layout}: all is in {schema}, the shared schema, no tenant; {key}tenant {schema} shows it."
                    )
                }
                None => format!("The registry was found (layout {layout}) and is empty."),
            },
            Style::new(),
        ),
        Line(folder, Style::new()),
        Line(String::new(), Style::new()),
        Line(
            format!(
                "{:<4} makes the first tenant: row, schema, migrations, in one transaction",
                state.key(Action::NewTenant)
            ),
            theme.accent,
        ),
        Line(
            format!("{:<4} help    {:<4} all actions", state.key(Action::Help), state.key(Action::Palette)),
            theme.accent,
        ),
        Line(String::new(), Style::new()),
        Line(
            "Tenants elsewhere? tenantui doctor says what was looked for; [database.tenants] says where to look."
                .to_owned(),
            theme.muted,
        ),
    ]
}

/// Below the headings, where nothing is left: by a filter, or because the one database that is shown has nobody.
pub fn nothing_found(buf: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let Some(words) = filter_words(state) else {
        if let Some(database) = state.header_database() {
            let mut lines = of_database(database, state, theme);
            if state.only_database.is_some() {
                let back = format!("{} shows all databases.", state.key(Action::Back));
                lines.extend([Line(String::new(), Style::new()), Line(back, theme.muted)]);
            }
            draw_lines(buf, area, &lines, theme);
        }
        return;
    };
    let text = format!("No tenant matches {words}");
    put_safe(buf, area, 3, 1, area.width.saturating_sub(4), &text, theme.title, theme);
    let clears = format!("{} clears the filter.", state.key(Action::Back));
    put_fit(buf, area, 3, 2, area.width.saturating_sub(4), &clears, theme.muted);
}
