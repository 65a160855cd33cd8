//! Hostile text through the choke point and every widget: what reaches the terminal is harmless, and every column is
//! where the frame has it. A terminal (`vt100`) reads the very bytes that the dashboard sends.
//!
//! `TENANTUI_FAULTS_STRINGS` sets how many strings; `scripts/terminal` takes a million.
#![allow(clippy::cast_possible_truncation, reason = "small numbers of rows and columns")]

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::buffer::Buffer;
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobEvent, JobId, LogLine, LogMark};
use tenantui::model::ledger::Version;
use tenantui::model::tenant::{FailedStep, KeySample, Tenant, TenantState, Ttl};
use tenantui::text::{Untrusted, cells, is_unsafe, width};
use tenantui::tui::app::event::Event;
use tenantui::tui::frame::FrameBackend;

use super::sample::{at, audit, detail, eu1, jobs, outcomes, tenant};
use super::stage::Stage;
use crate::faults::{Dice, count, report};
use crate::support::hostile;

fn terminal(columns: u16, rows: u16) -> vt100::Parser {
    let cells = |count: u16| std::num::NonZero::new(count).expect("not empty");
    vt100::Parser::new(cells(rows), cells(columns), 0)
}

#[test]
fn the_choke_point_lets_nothing_through_and_knows_every_width() {
    let mut dice = Dice::new("choke point");
    let strings = count("strings", 12_000);
    let mut line = terminal(600, 1);
    for _ in 0..strings {
        let raw = hostile::text(&mut dice);
        let safe = Untrusted::new(&raw).safe();
        let text = safe.as_str();
        assert!(!text.chars().any(is_unsafe), "{raw:?} became {text:?}");
        // A replacement character is drawn by terminals, but not by this one.
        let text = text.replace('\u{fffd}', "?");
        line.process(b"\r\x1b[2K");
        line.process(text.as_bytes());
        assert_eq!(usize::from(line.screen().cursor_position().1), width(&text), "{raw:?} became {text:?}");
        assert_eq!(cells(&text).map(|(_, columns)| columns).sum::<usize>(), width(&text), "{text:?}");
        let room = dice.below(12);
        assert!(safe.fit(room).width() <= room, "{text:?}");
    }
    report("strings through the choke point", &format!("{strings}: none unsafe, all as wide as a terminal has them"));
}

/// Draws as the dashboard does: the bytes of the frame, read by a terminal, are the frame.
fn assert_drawn(stage: &Stage, what: &str) -> Buffer {
    let buffer = stage.frame();
    let (columns, rows) = stage.app.state().size;
    let mut drawn = Terminal::new(FrameBackend::new(columns, rows)).expect("a terminal");
    drawn.draw(|frame| stage.app.draw(frame)).expect("a frame");
    let bytes = drawn.backend_mut().take_frame().unwrap_or_default();
    let mut screen = terminal(columns, rows);
    screen.process(&bytes);
    let text = String::from_utf8(bytes).expect("UTF-8");
    let odd: Vec<char> = text.chars().filter(|c| is_unsafe(*c) && *c != '\u{1b}').collect();
    assert!(odd.is_empty(), "{what}: {odd:?}");
    for y in 0..rows {
        let (mut meant, mut seen) = (String::new(), String::new());
        let mut x = 0;
        while x < columns {
            meant.push_str(buffer[(x, y)].symbol());
            x += width(buffer[(x, y)].symbol()).clamp(1, 2) as u16;
        }
        for cell in (0..columns).filter_map(|x| screen.screen().cell(y, x)).filter(|cell| !cell.is_wide_continuation())
        {
            seen.push_str(if cell.has_contents() { cell.contents() } else { " " });
        }
        // A replacement character is drawn by terminals, but not by this one.
        if !meant.contains('\u{fffd}') {
            assert_eq!(seen, meant, "{what}: row {y}");
        }
    }
    buffer
}

/// A tenant of which every text is hostile; how many texts that are.
fn evil_tenant(dice: &mut Dice, number: usize) -> Tenant {
    let mut text = || Untrusted::new(hostile::text(dice));
    let mut tenant = tenant(&format!("x{number}"), Some(number % 4), TenantState::ALL[number % TenantState::ALL.len()]);
    tenant.slug = text();
    tenant.name = Some(text());
    tenant.schema = Some(text());
    tenant.status = Some(text());
    tenant.plan = Some(text());
    tenant.owner = Some(text());
    tenant.created_at = Some(text());
    tenant.problems = vec![text(), text()];
    tenant.failed_step = Some(Arc::new(FailedStep {
        job: JobId(17),
        version: Some(Version::new(text().raw())),
        sqlstate: Some("P0001".into()),
        message: text(),
    }));
    tenant
}

/// Texts of a hostile tenant.
const OF_A_TENANT: usize = 11;

/// A dashboard on which everything that can be hostile is; how many texts that are.
fn evil_stage(dice: &mut Dice, size: (u16, u16)) -> (Stage, usize) {
    let list: Vec<Tenant> = (0..24).map(|number| evil_tenant(dice, number)).collect();
    let mut texts = list.len() * OF_A_TENANT;
    let environments = [Environment::Production, Environment::Staging, Environment::Development];
    let mut stage = Stage::with(size, environments[dice.below(environments.len())], list);
    let mut text = || {
        texts += 1;
        Untrusted::new(hostile::text(dice))
    };
    let database = &mut stage.snapshot.databases[0];
    (database.address, database.user, database.error) = (text(), text(), Some(text()));
    database.warnings = vec![text(), text()];
    for job in &mut stage.snapshot.jobs {
        (job.what, job.created_by, job.worker, job.reason) = (text(), text(), Some(text()), Some(text()));
    }
    let of = Arc::clone(&stage.snapshot.tenants[0]);
    let mut opened = detail(&of);
    for table in &mut opened.tables {
        table.name = text();
    }
    for migration in &mut opened.migrations {
        (migration.version, migration.name, migration.applied_at) =
            (Version::new(text().raw()), Some(text()), Some(text()));
    }
    opened.cache_by_prefix = (0..6).map(|keys| (text(), keys)).collect();
    opened.cache_sample =
        (0..6).map(|_| KeySample { prefix: text(), key: text(), kind: Some(text()), ttl: Some(Ttl::Never) }).collect();
    (opened.why, opened.problems) = (text(), vec![text(), text()]);
    opened.objects_outside = vec![text(), text()];
    stage.snapshot.detail = Some(Arc::new(opened));
    stage.show();
    for _ in 0..12 {
        stage.event(Event::Job(JobEvent::Log(LogLine {
            database: eu1(),
            job: JobId(17),
            at: at(0),
            mark: LogMark::Fail,
            tenant: Some(text()),
            text: text(),
        })));
    }
    let mut results = outcomes();
    for result in results.iter_mut().take(20) {
        (result.slug, result.schema, result.note) = (text(), text(), Some(text()));
        if let Some(failure) = &mut result.failure {
            (failure.message, failure.blocker) = (text(), Some(text()));
            if let Some(statement) = &mut failure.statement {
                statement.text = text();
            }
        }
    }
    stage.event(Event::Job(JobEvent::Outcomes { database: eu1(), job: JobId(17), outcomes: results }));
    stage.event(Event::Undelivered { what: text().raw().to_owned(), why: text().raw().to_owned() });
    (stage, texts)
}

/// Every way into a screen, a tab, a prompt or a dialog.
const WAYS: [&str; 21] = [
    "",
    "Enter",
    "Enter Tab",
    "Enter Tab Tab",
    "Enter Tab Tab Tab",
    "2",
    "3",
    "3 Enter",
    "3 Enter Enter",
    ": m",
    "?",
    "y",
    "W",
    "N",
    "M",
    "2 M",
    "/ a",
    "D",
    ": s u s p e n d Enter",
    ": m e s s a g e s Enter",
    ": a u d i t Enter",
];

#[test]
fn hostile_text_on_every_screen_is_drawn_where_it_belongs() {
    let mut dice = Dice::new("every widget");
    let wanted = count("strings", 12_000);
    let (mut texts, mut frames) = (0, 0);
    while texts < wanted {
        let size = [(80, 24), (120, 40), (200, 50), (61, 17)][dice.below(4)];
        let (mut stage, of_stage) = evil_stage(&mut dice, size);
        texts += of_stage;
        for _ in 0..4 {
            let way = WAYS[dice.below(WAYS.len())];
            stage.keys("Esc Esc Esc 1");
            stage.keys(way);
            if let Some(filter) = stage.audit_asked.take() {
                let mut lines = audit();
                for line in &mut lines {
                    let mut text = || Untrusted::new(hostile::text(&mut dice));
                    (line.actor, line.action, line.target) = (text(), text(), Some(text()));
                    (line.os_user, line.outcome, line.after) = (Some(text()), text(), Some(text()));
                }
                stage.event(Event::Job(JobEvent::Audit { database: eu1(), filter, lines }));
            }
            assert_drawn(&stage, way);
            frames += 1;
        }
    }
    report("strings on every screen", &format!("{texts} in {frames} frames: none unsafe, every cell in its place"));
    // The same comparison finds a character that is as wide as nobody says.
    let mut stage = Stage::with((80, 24), Environment::Production, Vec::new());
    stage.snapshot.jobs = jobs();
    stage.show();
    let shown = assert_drawn(&stage, "the end");
    assert!(shown.content.iter().any(|cell| cell.symbol() != " "));
}
