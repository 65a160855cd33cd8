//! Dialogs: what they look like, and what keys and pasted text do to them.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tenantui::jobs::flush::FlushOrder;
use tenantui::model::environment::Environment;
use tenantui::model::job::{JobId, JobState, JobView, Outcome, TenantOutcome, Waits};
use tenantui::model::tenant::TenantState;
use tenantui::tui::dialogs::{
    Confirm, ConfirmInput, Dialog, DialogAction, DialogInput, DialogOutcome, FailureCard, FlushCache, FlushInput,
    OfferInit, Quit, Skip, SkipInput, Sql, StopJob, WriteLock,
};
use tenantui::tui::theme::{Depth, Theme};

use super::migrating::{migrate_of, plan};
use super::new_tenant::form;
use super::sample::{self, SIZES, eu1, jobs, layout, outcomes};
use super::stage::text;
use super::styles;

/// A dialog on an empty screen.
fn frame(dialog: &Dialog, size: (u16, u16), theme: &Theme) -> ratatui::buffer::Buffer {
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(size.0, size.1)).expect("a terminal");
    terminal.draw(|frame| dialog.draw(frame, frame.area(), None, theme)).expect("a frame");
    terminal.backend().buffer().clone()
}

pub fn check(name: &str, dialog: &Dialog) {
    let theme = Theme::read("default", Depth::True).expect("a theme");
    let both = SIZES.map(|size| (frame(dialog, size, &theme), frame(dialog, size, &styles::second())));
    styles::check(&format!("dialog_{name}"), &both);
    for (size, (buffer, _)) in SIZES.into_iter().zip(both) {
        let name = format!("dialog_{name}_{}x{}", size.0, size.1);
        styles::pictures(&name, |theme| frame(dialog, size, theme));
        insta::with_settings!({snapshot_path => "../snapshots"}, {
            insta::assert_snapshot!(name, text(&buffer));
        });
    }
}

pub fn press(dialog: &mut Dialog, code: KeyCode) -> DialogOutcome {
    dialog.handle(DialogInput::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

pub fn typed(dialog: &mut Dialog, text: &str) {
    for character in text.chars() {
        press(dialog, KeyCode::Char(character));
    }
}

pub fn closes(outcome: &DialogOutcome) -> bool {
    matches!(outcome, DialogOutcome::Close)
}

pub fn stays(outcome: &DialogOutcome) -> bool {
    matches!(outcome, DialogOutcome::Stay)
}

#[test]
fn the_write_lock_asks_for_the_word_on_production_only() {
    let mut dialog = Dialog::WriteLock(Box::new(WriteLock::new(("eu-1".into(), Environment::Production))));
    check("write_lock_production", &dialog);
    dialog.handle(DialogInput::Paste("production".to_owned()));
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "nothing was typed, so Enter is Cancel");
    typed(&mut dialog, "productio");
    assert!(stays(&press(&mut dialog, KeyCode::Enter)));
    check("write_lock_typing", &dialog);
    typed(&mut dialog, "n");
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it opens") };
    assert!(matches!(&actions[..], [DialogAction::OpenWrites(database, 10)] if &**database == "eu-1"));

    let mut dialog = Dialog::WriteLock(Box::new(WriteLock::new(("eu-1".into(), Environment::Staging))));
    check("write_lock_staging", &dialog);
    assert!(stays(&press(&mut dialog, KeyCode::Char('y'))));
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused");
    press(&mut dialog, KeyCode::Tab);
    assert!(matches!(press(&mut dialog, KeyCode::Enter), DialogOutcome::Do(_)));
}

/// Job 17, waiting for the operator.
fn waiting() -> JobView {
    let mut job = jobs()[0].clone();
    (job.state, job.waits) = (JobState::Paused, Some(Waits::Budget));
    job
}

fn card(job: JobView, outcome: TenantOutcome, same: usize) -> Dialog {
    let same = std::iter::once(outcome.schema.raw().to_owned()).chain((1..same).map(|n| format!("t_{n}"))).collect();
    let log = ["12:04:28 run  0040>0041   step 1 of 2".to_owned(), "12:04:30 FAIL 55P03 lock timeout".to_owned()];
    let card = FailureCard::new((job, outcome)).with_same(same).with_log(&log, Some("12:04:30".to_owned()));
    Dialog::FailureCard(Box::new(card))
}

#[test]
fn the_failure_card_retries_only_after_asking() {
    let mut dialog = card(waiting(), outcomes()[0].clone(), 41);
    check("failure_card", &dialog);
    assert!(matches!(press(&mut dialog, KeyCode::Char('y')), DialogOutcome::DoAndStay(_)));
    assert!(stays(&press(&mut dialog, KeyCode::Char('R'))));
    check("failure_card_retry", &dialog);
    assert!(stays(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused: back to the card");
    press(&mut dialog, KeyCode::Tab);
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it retries") };
    assert!(matches!(&actions[..], [DialogAction::Retry(_, JobId(17))]));
    assert!(closes(&press(&mut card(waiting(), outcomes()[0].clone(), 1), KeyCode::Esc)));
}

#[test]
fn the_failure_card_leads_to_what_can_be_done() {
    let mut dialog = card(waiting(), outcomes()[0].clone(), 41);
    let asks = |dialog: &mut Dialog, key: char| match press(dialog, KeyCode::Char(key)) {
        DialogOutcome::Do(actions) => actions,
        other => panic!("{key}: {other:?}"),
    };
    assert!(matches!(&asks(&mut dialog, 'K')[..], [DialogAction::AskSkip { job: JobId(17), .. }]));
    assert!(matches!(&asks(&mut dialog, 'T')[..], [DialogAction::AskRetryWhenFree { job: JobId(17), .. }]));
    assert!(matches!(&asks(&mut dialog, 'C')[..], [DialogAction::AskContinue(_, JobId(17))]));
    assert!(stays(&press(&mut dialog, KeyCode::Char('l'))));
    check("failure_card_log", &dialog);
    assert!(stays(&press(&mut dialog, KeyCode::Esc)), "back to the card");
    // While it runs, what failed waits for the end of the run; what is over offers nothing.
    let mut running = card(jobs()[0].clone(), outcomes()[0].clone(), 1);
    for key in ['R', 'C'] {
        assert!(stays(&press(&mut running, KeyCode::Char(key))), "{key}");
    }
    let mut over = jobs()[0].clone();
    over.state = JobState::Cancelled;
    let mut over = card(over, outcomes()[0].clone(), 1);
    for key in ['K', 'T', 'C'] {
        assert!(stays(&press(&mut over, KeyCode::Char(key))), "{key}");
    }
}

/// A step outside a transaction, of which nobody can say whether it took effect, has a way out.
#[test]
fn an_unknown_step_says_what_ran_and_what_is_not_known() {
    let mut outcome = outcomes()[0].clone();
    outcome.outcome = Outcome::Unknown;
    let failure = outcome.failure.as_mut().expect("a failure");
    (failure.sqlstate, failure.blocker, failure.tries) = (None, None, 1);
    failure.message = "the connection was lost while it ran; the file names no index to look for afterwards".into();
    failure.statement.as_mut().expect("a statement").text = "vacuum (analyze) invoices".into();
    let mut dialog = card(waiting(), outcome, 1);
    check("unknown_card", &dialog);
    assert!(matches!(press(&mut dialog.clone(), KeyCode::Char('K')), DialogOutcome::Do(_)));
    assert!(stays(&press(&mut dialog, KeyCode::Char('T'))), "it waits for no lock");
    assert!(stays(&press(&mut dialog, KeyCode::Char('R'))));
    press(&mut dialog, KeyCode::Tab);
    assert!(matches!(press(&mut dialog, KeyCode::Enter), DialogOutcome::Do(_)));
}

fn skip(same: usize) -> Dialog {
    let outcome = outcomes()[0].clone();
    let same = std::iter::once(outcome.schema.raw().to_owned()).chain((1..same).map(|n| format!("t_{n}"))).collect();
    let input = SkipInput { environment: Environment::Production, job: waiting(), outcome, same };
    Dialog::Skip(Box::new(Skip::new(input)))
}

#[test]
fn skipping_wants_a_note() {
    let mut dialog = skip(1);
    check("skip", &dialog);
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused");
    press(&mut dialog, KeyCode::Tab);
    assert!(stays(&press(&mut dialog, KeyCode::Enter)), "without a note nothing is skipped");
    check("skip_without_note", &dialog);
    typed(&mut dialog, "y their clean-up runs");
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it skips") };
    let [DialogAction::Skip { job: JobId(17), schemas, note, .. }] = &actions[..] else { panic!("one skip") };
    assert_eq!((&schemas[..], note.as_str()), (&["t_adler_labs".to_owned()][..], "y their clean-up runs"));
    let mut pasted = skip(1);
    assert!(stays(&pasted.handle(DialogInput::Paste("a note\n".to_owned()))));
    assert!(closes(&press(&mut pasted, KeyCode::Enter)), "pasted text does not move the focus");
}

#[test]
fn one_decision_serves_all_of_one_cause() {
    let mut dialog = skip(41);
    typed(&mut dialog, "known: ticket 4711");
    press(&mut dialog, KeyCode::Tab);
    check("skip_all", &dialog);
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it skips") };
    assert!(matches!(&actions[..], [DialogAction::Skip { schemas, .. }] if schemas.len() == 41));
}

#[test]
fn the_second_stop_is_another_question() {
    let mut job = jobs()[0].clone();
    (job.cancel_requested, job.mine) = (true, false);
    let mut dialog = Dialog::StopJob(Box::new(StopJob::new((job, Environment::Production))));
    check("stop_job_now", &dialog);
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "letting them finish is focused");
    assert!(stays(&press(&mut dialog, KeyCode::Char('y'))));
    press(&mut dialog, KeyCode::Tab);
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it stops") };
    assert!(matches!(&actions[..], [DialogAction::Cancel { now: true, .. }]));
}

#[test]
fn a_question_shows_its_sql() {
    let mut dialog = Dialog::Confirm(Box::new(Confirm::new(ConfirmInput {
        environment: Some(Environment::Production),
        title: "Retry job 17".to_owned(),
        lines: vec!["1 tenant runs again from the step that failed.".to_owned()],
        button: "Retry failed".to_owned(),
        action: DialogAction::Retry(eu1(), JobId(17)),
        sql: Some(("What runs".to_owned(), "alter table users add column street text;".to_owned())),
    })));
    press(&mut dialog, KeyCode::Tab);
    assert!(stays(&press(&mut dialog, KeyCode::Enter)));
    check("confirm_sql", &dialog);
    assert!(stays(&press(&mut dialog, KeyCode::Enter)), "back to the question");
    press(&mut dialog, KeyCode::Tab);
    assert!(matches!(press(&mut dialog, KeyCode::Enter), DialogOutcome::Do(_)));
}

/// While the link is lost, what a dialog would do is off, and says why.
#[test]
fn a_confirmation_that_is_off_says_why() {
    let job = jobs()[0].clone();
    for (name, dialog) in [
        ("off_stop", Dialog::StopJob(Box::new(StopJob::new((job, Environment::Production))))),
        ("off_skip", skip(41)),
        ("off_card", card(waiting(), outcomes()[0].clone(), 1)),
        ("off_migrate", migrate_of(plan(180), None, Environment::Production)),
    ] {
        let theme = Theme::read("default", Depth::True).expect("a theme");
        let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(80, 24)).expect("a terminal");
        terminal.draw(|frame| dialog.draw(frame, frame.area(), Some("no link"), &theme)).expect("a frame");
        let shown = text(terminal.backend().buffer());
        assert!(shown.contains("no link"), "{name}: {shown}");
        insta::with_settings!({snapshot_path => "../snapshots"}, {
            insta::assert_snapshot!(format!("dialog_{name}_80x24"), shown);
        });
    }
}

#[test]
fn small_dialogs_focus_cancel_and_no_letter_confirms() {
    let job = jobs()[0].clone();
    let confirm = ConfirmInput {
        environment: Some(Environment::Production),
        title: "Retry failed tenants of job 17".to_owned(),
        lines: vec!["1 tenant runs again from the step that failed.".to_owned()],
        button: "Retry".to_owned(),
        action: DialogAction::Retry(eu1(), JobId(17)),
        sql: None,
    };
    let all = [
        ("offer_init", Dialog::OfferInit(Box::new(OfferInit::new((eu1(), Environment::Production))))),
        ("stop_job", Dialog::StopJob(Box::new(StopJob::new((job.clone(), Environment::Production))))),
        ("quit", Dialog::Quit(Box::new(Quit::new((vec![job], "C".to_owned()))))),
        ("confirm", Dialog::Confirm(Box::new(Confirm::new(confirm)))),
    ];
    for (name, dialog) in all {
        check(name, &dialog);
        assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "{name}: Cancel is focused");
        assert!(closes(&press(&mut dialog.clone(), KeyCode::Esc)), "{name}");
        let mut pasted = dialog.clone();
        assert!(stays(&pasted.handle(DialogInput::Paste("y\n".to_owned()))), "{name}");
        assert!(stays(&press(&mut pasted, KeyCode::Char('y'))), "{name}");
        press(&mut pasted, KeyCode::Tab);
        assert!(matches!(press(&mut pasted, KeyCode::Enter), DialogOutcome::Do(_)), "{name}");
    }
}

#[test]
fn text_views_scroll_and_copy_safely() {
    let sql: String = (1..200).map(|line| format!("select {line}; -- \u{1b}[31m\u{202e}\n")).collect();
    let mut dialog = Dialog::Sql(Box::new(Sql::new(("0041 split_address".to_owned(), sql))));
    check("sql", &dialog);
    for _ in 0..3 {
        press(&mut dialog, KeyCode::PageDown);
    }
    check("sql_scrolled", &dialog);
    let DialogOutcome::DoAndStay(actions) = press(&mut dialog, KeyCode::Char('y')) else { panic!("it copies") };
    let [DialogAction::Copy(text)] = &actions[..] else { panic!("one text") };
    assert!(text.lines().all(|line| !line.chars().any(tenantui::text::is_unsafe)));
}

/// At 80x24 every dialog fits in 20 rows, and none is wider than 100.
#[test]
fn dialogs_fit() {
    let all = [
        form(),
        migrate_of(plan(180), None, Environment::Production),
        Dialog::FailureCard(Box::new(FailureCard::new((jobs()[0].clone(), outcomes()[0].clone())))),
        Dialog::OfferInit(Box::new(OfferInit::new((eu1(), Environment::Production)))),
    ];
    for dialog in all {
        for (size, most) in [((80, 24), 80), ((200, 50), 100)] {
            let shown = text(&frame(&dialog, size, &styles::second()));
            let rows: Vec<&str> = shown.lines().filter(|line| !line.trim().is_empty()).collect();
            assert!(rows.len() <= 20, "{shown}");
            assert!(rows.iter().all(|row| row.trim().chars().count() <= most), "{shown}");
        }
    }
}

#[test]
fn flushing_a_cache_wants_the_tenants_name() {
    let tenant = sample::tenant("acme", Some(0), TenantState::Behind);
    let order = FlushOrder {
        tenant: tenant.key.clone(),
        slug: tenant.slug.clone(),
        schema: None,
        layout: Arc::new(layout()),
        tenants: Vec::new(),
    };
    let patterns = ["tenant:{id}:*", "tenant:{slug}:*", "tenant:{schema}:*", "tenant:{slug}", "*:tenant:{id}:*"];
    let input = FlushInput {
        stops: "F".to_owned(),
        environment: Environment::Production,
        keys: Some(2_104),
        patterns: patterns.map(str::to_owned).to_vec(),
        order,
    };
    let mut dialog = Dialog::FlushCache(Box::new(FlushCache::new(input)));
    check("flush_cache", &dialog);
    typed(&mut dialog, "acm");
    assert!(stays(&press(&mut dialog, KeyCode::Enter)), "half a name removes nothing");
    check("flush_cache_half", &dialog);
    typed(&mut dialog, "e");
    check("flush_cache_typed", &dialog);
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it flushes") };
    assert!(matches!(&actions[..], [DialogAction::Flush(order)] if order.slug.raw() == "acme"));
}
