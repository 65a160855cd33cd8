//! The form of a new tenant, and the passwords that come of it.

use std::sync::Arc;

use crossterm::event::KeyCode;
use tenantui::config::RunAs;
use tenantui::jobs::service::Order;
use tenantui::layout::Registry;
use tenantui::migrations::folder::{Finding, MigrationFile};
use tenantui::model::environment::Environment;
use tenantui::model::job::JobId;
use tenantui::model::life::{DropRecord, Trashed};
use tenantui::model::tenant::TenantKey;
use tenantui::model::times::StepTime;
use tenantui::tui::dialogs::{
    Credentials, Dialog, DialogAction, DialogInput, DialogOutcome, NewTenant, NewTenantInput,
};
use uuid::Uuid;

use super::dialogs::{check, closes, press, stays, typed};
use super::sample::{eu1, folder, layout};

/// The form of a new tenant.
pub fn form() -> Dialog {
    Dialog::NewTenant(Box::new(NewTenant::new(NewTenantInput {
        database: eu1(),
        environment: Environment::Production,
        layout: Arc::new(layout()),
        taken: Arc::new(tenantui::layout::TakenNames {
            slugs: vec!["acme".into()],
            schemas: vec!["public".into(), "tenant_acme".into()],
            owners: Default::default(),
            rows_hidden: false,
        }),
        trash: Arc::default(),
        folder: Some(Arc::new(folder())),
        plans: vec!["pro".into(), "basic".into()],
        siblings: Vec::new(),
        times: Arc::default(),
        owner: None,
        granted: None,
        run_as: RunAs::Login,
        drives: Ok(None),
        key: Uuid::nil(),
    })))
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
fn the_key_can_be_emptied_and_typed_anew() {
    let mut dialog = form();
    typed(&mut dialog, "T1");
    press(&mut dialog, KeyCode::Tab);
    press(&mut dialog, KeyCode::Tab);
    press(&mut dialog, KeyCode::Backspace);
    press(&mut dialog, KeyCode::Backspace);
    check("new_tenant_no_key", &dialog);
    let key = |dialog: &Dialog| {
        let mut dialog = dialog.clone();
        for _ in 0..3 {
            press(&mut dialog, KeyCode::Tab);
        }
        let DialogOutcome::Do(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it creates") };
        let [DialogAction::Order { order, .. }] = &actions[..] else { panic!("one order") };
        let Order::Provision(order) = &**order else { panic!("of a provisioning") };
        order.tenants[0].name.slug.clone()
    };
    assert_eq!(key(&dialog), "t1", "left empty, it is the name's again");
    typed(&mut dialog, "t-2");
    assert_eq!(key(&dialog), "t-2");
}

#[test]
fn a_refusal_stands_in_full_below_what_it_is_about() {
    let Dialog::NewTenant(form) = form_with_role("boundary") else { panic!("a form") };
    let taken = tenantui::layout::TakenNames { schemas: vec!["tenant_stray".into()], ..Default::default() };
    let mut dialog =
        Dialog::NewTenant(Box::new(NewTenant::new(NewTenantInput { taken: Arc::new(taken), ..form.input.clone() })));
    typed(&mut dialog, "Stray");
    check("new_tenant_refused", &dialog);
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

/// What the files would do beyond the new tenant is counted, and read in full where its SQL is.
#[test]
fn the_form_says_what_its_files_do_to_others() {
    let Dialog::NewTenant(form) = form() else { panic!("a form") };
    let mut files = folder();
    if let Some(first) = files.files.first_mut() {
        let finding = |rule: &'static str, line: u32, message: &str| Finding {
            rule,
            refuses: false,
            line,
            message: message.into(),
        };
        let findings = vec![
            finding("drop-schema", 3, "drops a schema with all that is in it"),
            finding("rewrite", 4, "writes the whole table anew"),
        ];
        *first = Arc::new(MigrationFile { findings, ..(**first).clone() });
    }
    let input = NewTenantInput { folder: Some(Arc::new(files)), ..form.input.clone() };
    let mut dialog = Dialog::NewTenant(Box::new(NewTenant::new(input)));
    typed(&mut dialog, "Blue Fox");
    check("new_tenant_warnings", &dialog);
    for _ in 0..4 {
        press(&mut dialog, KeyCode::Tab);
    }
    press(&mut dialog, KeyCode::Enter);
    check("new_tenant_warnings_sql", &dialog);
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
    // Some were never on the screen: one Esc does not discard them, and whatever else is pressed takes it back.
    assert!(stays(&press(&mut many, KeyCode::Esc)));
    check("credentials_unseen", &many);
    press(&mut many, KeyCode::Char('k'));
    assert!(stays(&press(&mut many, KeyCode::Esc)));
    assert!(closes(&press(&mut many, KeyCode::Esc)));
    // Who has copied them, or went to their end, is asked nothing.
    let mut copied = Dialog::Credentials(Box::new(Credentials::new((1..60).map(made).collect())));
    press(&mut copied, KeyCode::Char('y'));
    assert!(closes(&press(&mut copied, KeyCode::Esc)));
    let mut read = Dialog::Credentials(Box::new(Credentials::new((1..60).map(made).collect())));
    press(&mut read, KeyCode::Char('G'));
    check("credentials_end", &read);
    assert!(closes(&press(&mut read, KeyCode::Esc)));
}

#[test]
fn a_name_in_the_trash_says_so_and_what_the_ways_are() {
    let Dialog::NewTenant(form) = form() else { panic!("a form") };
    let trashed = |expired: bool| -> Arc<[Trashed]> {
        let drop = DropRecord {
            job: JobId(5),
            slug: "acme".into(),
            original: "tenant_acme".into(),
            key: TenantKey::row(&eu1(), "1"),
            at: jiff::Timestamp::UNIX_EPOCH,
            by: "ops".into(),
            row: Vec::new(),
            id: None,
            expired,
            begun: false,
            taken: false,
        };
        vec![Trashed { database: eu1(), schema: "zz_dropped_5_tenant_acme".into(), schema_oid: 7, drop: Some(drop) }]
            .into()
    };
    let of = |expired: bool| NewTenantInput { trash: trashed(expired), ..form.input.clone() };
    let mut dialog = Dialog::NewTenant(Box::new(NewTenant::new(of(false))));
    typed(&mut dialog, "ACME");
    check("new_tenant_in_trash", &dialog);
    let mut dialog = Dialog::NewTenant(Box::new(NewTenant::new(of(true))));
    typed(&mut dialog, "ACME");
    check("new_tenant_in_trash_for_good", &dialog);
    // Where no row keeps its place, the name only looks free.
    let mut layout = (*form.input.layout).clone();
    layout.registry = Registry::Scan { pattern: None, requires: Vec::new() };
    let input = NewTenantInput { layout: Arc::new(layout), taken: Arc::default(), ..of(false) };
    let mut dialog = Dialog::NewTenant(Box::new(NewTenant::new(input)));
    typed(&mut dialog, "ACME");
    check("new_tenant_in_trash_of_no_registry", &dialog);
}

/// What the row gets and no default fills is in the statement, as it is in the one that is sent.
#[test]
fn the_sql_of_the_row_has_every_column_that_is_written() {
    let Dialog::NewTenant(form) = form() else { panic!("a form") };
    let mut layout = (*form.input.layout).clone();
    let Registry::Table { columns, .. } = &mut layout.registry else { panic!("a table") };
    for (column, name) in [(&mut columns.id, "uuid"), (&mut columns.created_at, "timestamp with time zone")] {
        let column = column.as_mut().expect("a column");
        (column.type_name, column.has_default) = (name.to_owned(), false);
    }
    let input = NewTenantInput { layout: Arc::new(layout), ..form.input.clone() };
    let mut dialog = Dialog::NewTenant(Box::new(NewTenant::new(input)));
    typed(&mut dialog, "Blue Fox");
    for _ in 0..4 {
        press(&mut dialog, KeyCode::Tab);
    }
    press(&mut dialog, KeyCode::Enter);
    let DialogOutcome::DoAndStay(actions) = press(&mut dialog, KeyCode::Char('y')) else { panic!("it copies") };
    let [DialogAction::Copy(sql)] = &actions[..] else { panic!("{actions:?}") };
    let row = sql.lines().find(|line| line.starts_with("INSERT INTO")).expect("the row");
    assert_eq!(
        row,
        "INSERT INTO \"public\".\"tenants\" (\"id\", \"slug\", \"name\", \"schema_name\", \"status\", \"plan\", \
         \"created_at\") VALUES ('00000000-0000-0000-0000-000000000000', 'blue-fox', 'Blue Fox', 'tenant_blue_fox', \
         'active', 'pro', pg_catalog.now()) RETURNING \"id\"::text;"
    );
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

/// The migrations are the command's: the text says which, and not a statement of them.
#[test]
fn the_sql_of_a_driven_tenant_names_the_command() {
    let Dialog::NewTenant(form) = form() else { panic!("a form") };
    let words = ["bin/rails", "db:migrate", "TENANT={schema}"];
    let drives = Ok(Some(super::migrating::driven(tenantui::model::ledger::Tool::Rails, &words)));
    let mut dialog = Dialog::NewTenant(Box::new(NewTenant::new(NewTenantInput { drives, ..form.input.clone() })));
    typed(&mut dialog, "Blue Fox");
    for _ in 0..4 {
        press(&mut dialog, KeyCode::Tab);
    }
    press(&mut dialog, KeyCode::Enter);
    check("new_tenant_driven_sql", &dialog);
    let DialogOutcome::DoAndStay(actions) = press(&mut dialog, KeyCode::Char('y')) else { panic!("it copies") };
    let [DialogAction::Copy(sql)] = &actions[..] else { panic!("{actions:?}") };
    assert!(sql.contains("-- such as     bin/rails db:migrate TENANT=tenant_blue_fox\n"), "{sql}");
    assert!(sql.contains("15 min for each tenant") && !sql.contains("search_path = "), "{sql}");
}
