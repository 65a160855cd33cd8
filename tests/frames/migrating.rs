//! The migrate dialogs: what they look like, and what keys do to them.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::KeyCode;
use tenantui::jobs::service::Order;
use tenantui::migrations::aim::Driven;
use tenantui::migrations::folder::{Finding, MigrationFile};
use tenantui::migrations::plan::{Direction, Estimate, LeftOut, Plan, PlanOptions, Refusal, TenantPlan};
use tenantui::model::environment::Environment;
use tenantui::model::ident::SchemaName;
use tenantui::model::ledger::{Tool, Version};
use tenantui::model::others_code::{CodeOfPlan, OthersCode};
use tenantui::model::tenant::TenantKey;
use tenantui::text::Untrusted;
use tenantui::tui::dialogs::{
    Dialog, DialogAction, DialogInput, DialogOutcome, FleetPart, Migrate, MigrateFleet, MigrateFleetInput,
    MigrateInput, PartOrder,
};
use uuid::Uuid;

use super::dialogs::{check, closes, press, stays, typed};
use super::sample::{self, eu1, folder, layout};

pub fn plan(count: usize) -> Plan {
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
            run_as: tenantui::config::RunAs::Login,
        },
        times: Arc::default(),
        estimate: Estimate::default(),
    }
    .with_times(&sample::times())
}

/// Of a plan whose schemas hold no code with other rights.
pub fn migrate_of(plan: Plan, shown: Option<Plan>, environment: Environment) -> Dialog {
    let mut dialog = asking(plan, shown, environment);
    let Dialog::Migrate(migrate) = &mut dialog else { panic!("migrate") };
    migrate.told(&code(Ok(Vec::new())));
    dialog
}

fn code(found: Result<Vec<OthersCode>, Untrusted>) -> CodeOfPlan {
    CodeOfPlan { database: eu1(), plan: Uuid::nil(), found }
}

/// Of a plan whose schemas are still looked through.
pub fn asking(plan: Plan, shown: Option<Plan>, environment: Environment) -> Dialog {
    Dialog::Migrate(Box::new(Migrate::new(MigrateInput {
        database: eu1(),
        environment,
        set: "filter behind".to_owned(),
        plan: Arc::new(plan),
        shown: shown.map(Arc::new),
        shared: None,
        layout: Arc::new(layout()),
        jobs: tenantui::config::Jobs::default(),
        driven: None,
        key: Uuid::nil(),
    })))
}

/// The command of a tool, as somebody configured it.
pub fn driven(tool: Tool, words: &[&str]) -> Driven {
    let url = String::from("postgresql://saas@db1/app");
    let mut config = tenantui::config::Database::new(eu1(), Environment::Production, url.into());
    config.migrations.command = Some(words.iter().map(|word| (*word).to_owned()).collect());
    config.migrations.command_folder = Some(PathBuf::from("/srv/shop"));
    config.migrations.command_timeout = Some(std::time::Duration::from_secs(900));
    Driven::of(tool, &config, &[SchemaName::public()]).expect("a command")
}

/// A plan whose tenants the tool migrates itself.
fn driven_plan(count: usize, words: &[&str]) -> Plan {
    let mut driven = Plan { tool: Tool::Rails, ..plan(count) };
    driven.options.command = Some(words.iter().map(|word| (*word).to_owned()).collect());
    driven
}

/// What the tool's own command does is neither our SQL nor within our timeouts: neither is shown.
#[test]
fn what_a_command_does_is_told_as_the_command() {
    let words = ["bin/rails", "db:migrate", "TENANT={schema}"];
    let mut dialog = asking(driven_plan(180, &words), None, Environment::Production);
    let Dialog::Migrate(migrate) = &mut dialog else { panic!("migrate") };
    migrate.input.driven = Some(driven(Tool::Rails, &words));
    migrate.told(&code(Ok(Vec::new())));
    check("migrate_driven", &dialog);
    press(&mut dialog, KeyCode::Tab);
    press(&mut dialog, KeyCode::Tab);
    press(&mut dialog, KeyCode::Enter);
    check("migrate_driven_command", &dialog);
    let DialogOutcome::DoAndStay(actions) = press(&mut dialog, KeyCode::Char('y')) else { panic!("it copies") };
    let [DialogAction::Copy(text)] = &actions[..] else { panic!("{actions:?}") };
    for told in [
        "bin/rails db:migrate TENANT={schema}",
        "bin/rails db:migrate TENANT=t_shop_0000",
        "/srv/shop",
        "15 min for each tenant",
        "do not hold",
        "PGOPTIONS: -c search_path=t_shop_0000\n",
        "DATABASE_URL: ",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let sql = folder().files.iter().map(|file| file.sql.trim().to_owned()).collect::<Vec<_>>();
    assert!(sql.iter().all(|sql| !text.contains(sql.as_str())), "{text}");
    assert!(!text.contains("the job's step"), "{text}");
    press(&mut dialog, KeyCode::Esc);
    press(&mut dialog, KeyCode::Tab);
    press(&mut dialog, KeyCode::Enter);
    check("migrate_driven_dry_run", &dialog);
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
    let mut dialog = asking(plan(12), Some(plan(2)), Environment::Production);
    check("migrate_which_set", &dialog);
    assert!(closes(&press(&mut dialog.clone(), KeyCode::Enter)), "Cancel is focused");
    press(&mut dialog, KeyCode::Tab);
    // Only now it is known whose schemas to look through.
    let DialogOutcome::DoAndStay(actions) = press(&mut dialog, KeyCode::Enter) else { panic!("it asks") };
    assert!(matches!(&actions[..], [DialogAction::ReadCode { schemas, .. }] if schemas.len() == 2), "{actions:?}");
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

#[test]
fn code_with_other_rights_is_listed_like_warnings() {
    let found = |words: &str, schemas: u64| OthersCode {
        words: words.into(),
        schemas,
        first: if schemas > 1 { "t_acme".into() } else { "t_\u{202e}evil".into() },
    };
    let many = vec![
        found(
            "function touch() runs with the rights of postgres (SECURITY DEFINER) and has no search_path of its own: \
             whoever calls it decides which tables it means",
            180,
        ),
        found("function audit(text) belongs to intern, the schema to shop", 1),
        found("trigger keep on users runs public.keep of intern", 42),
        found("event trigger stamp runs stamp of this schema on what anybody changes in the whole database", 1),
    ];
    let mut dialog = asking(plan(180), None, Environment::Production);
    check("migrate_looking", &dialog);
    let Dialog::Migrate(migrate) = &mut dialog else { panic!("migrate") };
    let asked = migrate.asks();
    assert!(matches!(&asked[..], [DialogAction::ReadCode { schemas, .. }] if schemas.len() == 180), "{asked:?}");
    let others = CodeOfPlan { plan: Uuid::max(), ..code(Ok(many.clone())) };
    assert!(!migrate.told(&others), "the answer to another question");
    assert!(migrate.told(&code(Ok(many.clone()))));
    assert!(!migrate.told(&code(Ok(many))), "once is enough");
    check("migrate_code", &dialog);
    // The canary makes another plan, and what was found stays with it.
    press(&mut dialog, KeyCode::BackTab);
    press(&mut dialog, KeyCode::BackTab);
    press(&mut dialog, KeyCode::Backspace);
    typed(&mut dialog, "3");
    press(&mut dialog, KeyCode::Enter);
    for _ in 0..3 {
        press(&mut dialog, KeyCode::Tab);
    }
    press(&mut dialog, KeyCode::Enter);
    check("migrate_code_plan", &dialog);
    let mut unknown = asking(plan(180), None, Environment::Production);
    let Dialog::Migrate(migrate) = &mut unknown else { panic!("migrate") };
    assert!(migrate.told(&code(Err("permission denied for table pg_proc".into()))));
    check("migrate_code_unknown", &unknown);
}

#[test]
fn migrating_in_several_databases_names_each() {
    let part = |name: &str, environment, order| FleetPart { database: name.into(), environment, order };
    let order = |tenants: usize, shared: bool, key: u128| {
        Ok(PartOrder {
            plan: Arc::new(plan(tenants)),
            shared: shared.then(|| (Arc::new(plan(1)), Uuid::nil())),
            layout: Arc::new(layout()),
            driven: None,
            key: Uuid::from_u128(key),
        })
    };
    let words = ["bin/rails", "db:migrate"];
    let mut by_command = order(3, false, 3);
    if let Ok(order) = &mut by_command {
        order.plan = Arc::new(driven_plan(3, &words));
        order.driven = Some(driven(Tool::Rails, &words));
    }
    let commands = MigrateFleet::new(MigrateFleetInput {
        set: "3 marked".to_owned(),
        parts: vec![part("rails", Environment::Production, by_command)],
        shown: None,
        continues: "C".to_owned(),
    });
    let mut commands = Dialog::MigrateFleet(Box::new(commands));
    press(&mut commands, KeyCode::Tab);
    press(&mut commands, KeyCode::Enter);
    let DialogOutcome::DoAndStay(actions) = press(&mut commands, KeyCode::Char('y')) else { panic!("it copies") };
    let [DialogAction::Copy(text)] = &actions[..] else { panic!("{actions:?}") };
    assert!(
        text.contains("command  bin/rails db:migrate  (once per tenant)\nlimits   15 min for each tenant"),
        "{text}"
    );
    let parts = vec![
        part("eu-1", Environment::Production, order(120, true, 1)),
        part("a-long-name-of-a-database", Environment::Staging, order(60, false, 2)),
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
    let Dialog::MigrateFleet(fleet) = &mut dialog else { panic!("several") };
    let asked: Vec<_> = fleet
        .asks()
        .into_iter()
        .map(|ask| match ask {
            DialogAction::ReadCode { database, plan, schemas } => (database.to_string(), plan.as_u128(), schemas.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    // The shared schema is looked through with its tenants.
    assert_eq!(asked, [("eu-1".to_owned(), 1, 121), ("a-long-name-of-a-database".to_owned(), 2, 60)]);
    let found = |key: u128, found| CodeOfPlan { plan: Uuid::from_u128(key), ..code(found) };
    let keeps = OthersCode {
        words: "trigger keep on users runs public.keep of intern".into(),
        schemas: 42,
        first: "t_acme".into(),
    };
    assert!(!fleet.told(&found(3, Ok(Vec::new()))), "the answer to another question");
    assert!(fleet.told(&found(1, Ok(Vec::new()))));
    assert!(!fleet.told(&found(1, Ok(vec![keeps.clone()]))), "once is enough");
    assert!(fleet.told(&found(2, Ok(vec![keeps]))));
    check("migrate_fleet_code", &dialog);
    press(&mut dialog, KeyCode::Tab);
    assert!(matches!(press(&mut dialog, KeyCode::Enter), DialogOutcome::Stay), "Plan is focused");
    check("migrate_fleet_plan", &dialog);
    let DialogOutcome::DoAndStay(actions) = press(&mut dialog, KeyCode::Char('y')) else { panic!("it copies") };
    let [DialogAction::Copy(text)] = &actions[..] else { panic!("{actions:?}") };
    let lines_of = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
    assert_eq!((lines_of("canary"), lines_of("migrate"), lines_of("warning")), (2, 178, 4), "{text}");
    press(&mut dialog, KeyCode::Esc);
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
