//! Dialogs: what they look like, and what keys and pasted text do to them.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tenantui::jobs::flush::FlushOrder;
use tenantui::jobs::service::Order;
use tenantui::migrations::folder::{Finding, MigrationFile};
use tenantui::migrations::plan::{Direction, Estimate, LeftOut, Plan, PlanOptions, Refusal, TenantPlan};
use tenantui::model::environment::Environment;
use tenantui::model::ident::SchemaName;
use tenantui::model::job::{JobId, JobState, JobView, Outcome, TenantOutcome, Waits};
use tenantui::model::ledger::{Tool, Version};
use tenantui::model::tenant::{TenantKey, TenantState};
use tenantui::model::times::StepTime;
use tenantui::tui::dialogs::{
    Confirm, ConfirmInput, Credentials, Dialog, DialogAction, DialogInput, DialogOutcome, FailureCard, FleetPart,
    FlushCache, FlushInput, Migrate, MigrateFleet, MigrateFleetInput, MigrateInput, NewTenant, NewTenantInput,
    OfferInit, PartOrder, Quit, Skip, SkipInput, Sql, StopJob, WriteLock,
};
use tenantui::tui::theme::{Depth, Theme};
use uuid::Uuid;

use super::sample::{self, SIZES, eu1, folder, jobs, layout, outcomes};
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

fn press(dialog: &mut Dialog, code: KeyCode) -> DialogOutcome {
    dialog.handle(DialogInput::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn typed(dialog: &mut Dialog, text: &str) {
    for character in text.chars() {
        press(dialog, KeyCode::Char(character));
    }
}

fn closes(outcome: &DialogOutcome) -> bool {
    matches!(outcome, DialogOutcome::Close)
}

fn stays(outcome: &DialogOutcome) -> bool {
    matches!(outcome, DialogOutcome::Stay)
}

fn plan(count: usize) -> Plan {
    let files = folder().files;
    let tenants = (0..count).map(|number| TenantPlan {
        key: TenantKey::row(&eu1(), &number.to_string()),
        id: Some(number.to_string().into()),
        slug: if number == 0 { "amber".into() } else { format!("shop-{number:04}").into() },
        schema: SchemaName::tenant(&format!("t_shop_{number:04}")).expect("a name"),
        schema_oid: 16_400,
        from: Some(Version::new("0039")),
        size_bytes: Some(1_000 + number as u64),
        files: files[1 + number % 3..].to_vec(),
        stays: None,
        warnings: Vec::new(),
    });
    let left = |slug: &str, why: &str| LeftOut {
        key: TenantKey::row(&eu1(), slug),
        slug: slug.into(),
        schema: None,
        version: None,
        why: why.into(),
    };
    Plan {
        database: eu1(),
        tool: Tool::Migratus,
        direction: Direction::Up,
        ledger: None,
        shared: false,
        shared_behind: None,
        target: Some(Version::new("0042")),
        tenants: tenants.collect(),
        canary: usize::from(count > 1),
        up_to_date: 23,
        left_out: vec![
            left("albion", "locked: row -1 in its ledger"),
            left("alcove", "no access"),
            left("zeta", "dirty"),
        ],
        refusals: Vec::new(),
        warnings: vec!["0040 line 2: drops a column".into()],
        options: PlanOptions {
            to: None,
            only: None,
            canary: 1,
            canary_tenants: Vec::new(),
            parallel: 4,
            batches: vec![5, 25],
            pause: std::time::Duration::ZERO,
            max_failures: 3,
            accept_changed: Vec::new(),
            allow: Vec::new(),
            command: None,
        },
        times: Arc::default(),
        estimate: Estimate::default(),
    }
    .with_times(&sample::times())
}

fn migrate_of(plan: Plan, shown: Option<Plan>, environment: Environment) -> Dialog {
    Dialog::Migrate(Box::new(Migrate::new(MigrateInput {
        database: eu1(),
        environment,
        set: "filter behind".to_owned(),
        plan: Arc::new(plan),
        shown: shown.map(Arc::new),
        shared: None,
        layout: Arc::new(layout()),
        jobs: tenantui::config::Jobs::default(),
        key: Uuid::nil(),
    })))
}

fn form() -> Dialog {
    Dialog::NewTenant(Box::new(NewTenant::new(NewTenantInput {
        database: eu1(),
        environment: Environment::Production,
        layout: Arc::new(layout()),
        taken: Arc::new(tenantui::layout::TakenNames {
            slugs: vec!["acme".into()],
            schemas: vec!["public".into(), "tenant_acme".into()],
        }),
        folder: Some(Arc::new(folder())),
        plans: vec!["pro".into(), "basic".into()],
        siblings: Vec::new(),
        times: Arc::default(),
        drives: Ok(false),
        key: Uuid::nil(),
    })))
}

#[test]
fn the_write_lock_asks_for_the_word_on_production_only() {
    let mut dialog = Dialog::WriteLock(Box::new(WriteLock::new(Environment::Production)));
    check("write_lock_production", &dialog);
    dialog.handle(DialogInput::Paste("production".to_owned()));
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "nothing was typed, so Enter is Cancel");
    typed(&mut dialog, "productio");
    assert!(stays(&press(&mut dialog, KeyCode::Enter)));
    check("write_lock_typing", &dialog);
    typed(&mut dialog, "n");
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it opens") };
    assert!(matches!(actions[..], [DialogAction::OpenWrites(10)]));

    let mut dialog = Dialog::WriteLock(Box::new(WriteLock::new(Environment::Staging)));
    check("write_lock_staging", &dialog);
    assert!(stays(&press(&mut dialog, KeyCode::Char('y'))));
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused");
    press(&mut dialog, KeyCode::Tab);
    assert!(matches!(press(&mut dialog, KeyCode::Enter), DialogOutcome::Do(_)));
}

#[test]
fn the_form_proposes_a_key_and_judges_it() {
    let mut dialog = form();
    check("new_tenant_empty", &dialog);
    typed(&mut dialog, "Blue Fox Ltd");
    check("new_tenant", &dialog);
    let mut taken = form();
    typed(&mut taken, "ACME");
    check("new_tenant_taken", &taken);
    // Enter in fields goes on; only Create creates, and not what is refused.
    for _ in 0..3 {
        assert!(stays(&press(&mut taken, KeyCode::Enter)));
    }
    press(&mut taken, KeyCode::Tab);
    press(&mut taken, KeyCode::Tab);
    assert!(stays(&press(&mut taken, KeyCode::Enter)));
}

#[test]
fn the_form_orders_what_it_shows() {
    let mut dialog = form();
    dialog.handle(DialogInput::Paste("Blue Fox\r\n".to_owned()));
    for _ in 0..5 {
        press(&mut dialog, KeyCode::Tab);
    }
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it creates") };
    let [DialogAction::Order { order, .. }] = &actions[..] else { panic!("one order") };
    let Order::Provision(order) = &**order else { panic!("of a provisioning") };
    assert_eq!(
        (order.tenants[0].name.slug.as_str(), order.tenants[0].name.schema.raw()),
        ("blue-fox", "tenant_blue_fox")
    );
    assert_eq!(order.tenants[0].display_name.raw(), "Blue Fox");
    assert_eq!(order.tenants[0].plan.as_deref(), Some("pro"));
}

/// The form of a layout with a role: asked for, or always made.
fn form_with_role(name: &str) -> Dialog {
    let file = tenantui::layout::file::embedded().expect("layouts").into_iter().find(|file| file.name == name);
    let role = file.and_then(|file| file.role());
    let Dialog::NewTenant(form) = form() else { panic!("a form") };
    let layout = tenantui::layout::Layout { role, ..(*form.input.layout).clone() };
    let files = folder().files;
    let times = files.iter().map(|file| {
        let time = StepTime { mean_ms: 2_100, longest_ms: 3_000, runs: 5, last_at: jiff::Timestamp::UNIX_EPOCH };
        (file.version.clone(), time)
    });
    let times = Arc::new(times.collect());
    Dialog::NewTenant(Box::new(NewTenant::new(NewTenantInput {
        layout: Arc::new(layout),
        times,
        ..form.input.clone()
    })))
}

#[test]
fn the_form_makes_a_role_where_the_layout_has_one() {
    let mut asked = form_with_role("boundary");
    typed(&mut asked, "Blue Fox");
    check("new_tenant_role_off", &asked);
    for _ in 0..3 {
        press(&mut asked, KeyCode::Tab);
    }
    press(&mut asked, KeyCode::Char(' '));
    check("new_tenant_role", &asked);
    for _ in 0..3 {
        press(&mut asked, KeyCode::Tab);
    }
    let DialogOutcome::Do(actions) = press(&mut asked, KeyCode::Enter) else { panic!("it creates") };
    let [DialogAction::Order { order, .. }] = &actions[..] else { panic!("one order") };
    let Order::Provision(order) = &**order else { panic!("of a provisioning") };
    assert!(order.role);
    let mut always = form_with_role("cloacina");
    typed(&mut always, "Blue Fox");
    check("new_tenant_role_always", &always);
    // Its SQL names what the role gets, and no password.
    for _ in 0..4 {
        press(&mut always, KeyCode::Tab);
    }
    press(&mut always, KeyCode::Enter);
    check("new_tenant_role_sql", &always);
}

#[test]
fn passwords_are_shown_until_somebody_says_that_they_are_noted() {
    let made = |number: usize| tenantui::model::secret::Credentials {
        tenant: format!("shop-{number}"),
        role: format!("tenant_shop_{number}"),
        password: tenantui::model::secret::Secret::new(format!("{number:032}")),
    };
    let mut one = Dialog::Credentials(Box::new(Credentials::new(vec![made(1)])));
    check("credentials", &one);
    // It opens by itself: what was being typed does not close it.
    for code in [KeyCode::Enter, KeyCode::Char('q'), KeyCode::Char(' '), KeyCode::Tab] {
        assert!(stays(&press(&mut one, code)), "{code:?}");
    }
    let DialogOutcome::DoAndStay(actions) = press(&mut one, KeyCode::Char('y')) else { panic!("it copies") };
    assert!(matches!(&actions[..], [DialogAction::Copy(text)] if text.starts_with("tenant_shop_1\t0")));
    assert!(closes(&press(&mut one, KeyCode::Esc)));
    let mut many = Dialog::Credentials(Box::new(Credentials::new((1..60).map(made).collect())));
    for _ in 0..12 {
        press(&mut many, KeyCode::Char('j'));
    }
    check("credentials_many", &many);
}

#[test]
fn the_form_shows_its_sql_with_quoted_names() {
    let mut dialog = form();
    typed(&mut dialog, "O'Brien");
    for _ in 0..4 {
        press(&mut dialog, KeyCode::Tab);
    }
    press(&mut dialog, KeyCode::Enter);
    check("new_tenant_sql", &dialog);
    assert!(stays(&press(&mut dialog, KeyCode::Esc)), "Esc goes back to the form");
    assert!(closes(&press(&mut dialog, KeyCode::Esc)));
}

#[test]
fn migrating_in_bulk_asks_for_typed_words() {
    let mut dialog = migrate_of(plan(180), None, Environment::Production);
    check("migrate", &dialog);
    dialog.handle(DialogInput::Paste("migrate 180\n".to_owned()));
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "pasted words count for nothing");
    typed(&mut dialog, "migrate 18");
    assert!(stays(&press(&mut dialog, KeyCode::Enter)));
    check("migrate_typing", &dialog);
    typed(&mut dialog, "0");
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it starts") };
    let [DialogAction::Order { order, .. }] = &actions[..] else { panic!("one order") };
    let Order::Migrate(order) = &**order else { panic!("of a migration") };
    assert_eq!(order.plan.tenants.len(), 180);
    assert!(order.wait_after_canary);
}

#[test]
fn migrating_one_in_development_is_two_buttons() {
    let mut dialog = migrate_of(plan(1), None, Environment::Development);
    check("migrate_one", &dialog);
    assert!(stays(&press(&mut dialog, KeyCode::Char('y'))));
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused");
    for _ in 0..4 {
        press(&mut dialog, KeyCode::Tab);
    }
    assert!(matches!(press(&mut dialog, KeyCode::Enter), DialogOutcome::Do(_)));
}

#[test]
fn a_refused_file_keeps_start_off() {
    let mut refused = plan(180);
    let file: Arc<MigrationFile> = Arc::new(MigrationFile { path: PathBuf::from("x"), ..(*folder().files[1]).clone() });
    refused.refusals = vec![Refusal {
        file,
        finding: Finding {
            rule: "transaction-control",
            refuses: true,
            line: 4,
            message: "COMMIT would end the transaction of its step".into(),
        },
    }];
    let mut dialog = migrate_of(refused, None, Environment::Production);
    check("migrate_refused", &dialog);
    typed(&mut dialog, "migrate 180");
    let mut rehearse = dialog.clone();
    press(&mut rehearse, KeyCode::Tab);
    assert!(stays(&press(&mut rehearse, KeyCode::Enter)), "what is refused is not rehearsed either");
    for _ in 0..4 {
        press(&mut dialog, KeyCode::Tab);
    }
    assert!(stays(&press(&mut dialog, KeyCode::Enter)));
}

#[test]
fn hidden_marks_are_asked_for_first() {
    let mut dialog = migrate_of(plan(12), Some(plan(2)), Environment::Production);
    check("migrate_which_set", &dialog);
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused");
    press(&mut dialog, KeyCode::Tab);
    assert!(stays(&press(&mut dialog, KeyCode::Enter)));
    typed(&mut dialog, "migrate 2");
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it starts") };
    let [DialogAction::Order { order, .. }] = &actions[..] else { panic!("one order") };
    assert!(matches!(&**order, Order::Migrate(order) if order.plan.tenants.len() == 2));
}

#[test]
fn the_canary_is_a_field_and_the_shared_schema_a_line() {
    let mut dialog = migrate_of(plan(180), None, Environment::Production);
    press(&mut dialog, KeyCode::BackTab);
    press(&mut dialog, KeyCode::BackTab);
    check("migrate_canary", &dialog);
    press(&mut dialog, KeyCode::Backspace);
    typed(&mut dialog, "shop-0003, nobody");
    assert!(stays(&press(&mut dialog, KeyCode::Tab)));
    check("migrate_canary_wrong", &dialog);
    for _ in 0..", nobody".len() {
        press(&mut dialog, KeyCode::Backspace);
    }
    press(&mut dialog, KeyCode::Enter);
    check("migrate_canary_chosen", &dialog);
    let mut paused = plan(180);
    paused.options.pause = std::time::Duration::from_secs(30);
    let mut shared = Plan { shared: true, ..plan(1) };
    shared.tenants[0].slug = "public".into();
    let Dialog::Migrate(mut opened) = migrate_of(paused, None, Environment::Staging) else { panic!("migrate") };
    opened.input.shared = Some((Arc::new(shared), Uuid::nil()));
    check("migrate_shared", &Dialog::Migrate(opened));
}

#[test]
fn the_dry_run_and_the_sql_are_views() {
    let mut dialog = migrate_of(plan(180), None, Environment::Production);
    for _ in 0..3 {
        press(&mut dialog, KeyCode::Tab);
    }
    press(&mut dialog, KeyCode::Enter);
    check("migrate_dry_run", &dialog);
    let DialogOutcome::DoAndStay(actions) = press(&mut dialog, KeyCode::Char('y')) else { panic!("it copies") };
    assert!(matches!(&actions[..], [DialogAction::Copy(text)] if text.lines().count() == 184));
    press(&mut dialog, KeyCode::End);
    check("migrate_dry_run_end", &dialog);
    press(&mut dialog, KeyCode::Esc);
    press(&mut dialog, KeyCode::BackTab);
    press(&mut dialog, KeyCode::Enter);
    check("migrate_sql", &dialog);
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

#[test]
fn migrating_in_several_databases_names_each() {
    let part = |name: &str, environment, order| FleetPart { database: name.into(), environment, order };
    let order = |tenants: usize, shared: bool| {
        Ok(PartOrder {
            plan: Arc::new(plan(tenants)),
            shared: shared.then(|| (Arc::new(plan(1)), Uuid::nil())),
            layout: Arc::new(layout()),
            key: Uuid::nil(),
        })
    };
    let parts = vec![
        part("eu-1", Environment::Production, order(120, true)),
        part("a-long-name-of-a-database", Environment::Staging, order(60, false)),
        part("asia", Environment::Production, Err("there is no link to asia; r tries again now".to_owned())),
    ];
    let mut dialog = Dialog::MigrateFleet(Box::new(MigrateFleet::new(MigrateFleetInput {
        set: "182 marked".to_owned(),
        parts,
        shown: None,
        continues: "C".to_owned(),
    })));
    check("migrate_fleet", &dialog);
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused");
    typed(&mut dialog, "migrate 180 production");
    check("migrate_fleet_typed", &dialog);
    let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it starts") };
    let of = |action: &DialogAction| match action {
        DialogAction::Order { database, first, .. } => (database.to_string(), first.is_some()),
        other => panic!("{other:?}"),
    };
    let orders: Vec<_> = actions.iter().map(of).collect();
    assert_eq!(orders, [("eu-1".to_owned(), true), ("a-long-name-of-a-database".to_owned(), false)]);
}
