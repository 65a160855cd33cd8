//! Groups by filter, the canary that an operator chooses, rehearsals, the shared schema first, the Migrations screen.

use std::sync::Arc;

use tenantui::jobs::life::plan::Subject;
use tenantui::jobs::service::{Order, ServiceCommand};
use tenantui::migrations::plan::SharedTarget;
use tenantui::model::environment::Environment;
use tenantui::model::fleet::SharedSchema;
use tenantui::model::ident::SchemaName;
use tenantui::model::job::{JobEvent, JobKind, JobState};
use tenantui::model::ledger::{LedgerReading, LedgerState, Tool, Version};
use tenantui::model::life::{LifeKind, Repair};
use tenantui::model::others_code::{CodeOfPlan, OthersCode};
use tenantui::model::tenant::{FailedStep, TenantState};
use tenantui::tui::app::command::Command;
use tenantui::tui::app::event::Event;
use tenantui::tui::app::state::{QuickFilter, Screen};
use tenantui::tui::dialogs::Dialog;

use super::desk::{Desk, FILES, context, job, snapshot};

fn order(commands: &[ServiceCommand]) -> &Order {
    let Some(ServiceCommand::Order { order, .. }) = commands.first() else { panic!("no order: {commands:?}") };
    order
}

fn slugs(commands: &[ServiceCommand]) -> (Vec<String>, usize) {
    let (Order::Migrate(of) | Order::Rehearse(of)) = order(commands) else { panic!("no migration") };
    (of.plan.tenants.iter().map(|tenant| tenant.slug.raw().to_owned()).collect(), of.plan.canary)
}

/// While the fleet is being read, whoever is not read yet is in no group and fits no state: a set may lack them.
#[test]
fn a_plan_says_how_many_were_not_read_when_it_was_made() {
    let mut desk = Desk::new(Environment::Development);
    let mut picture = snapshot(Environment::Development);
    picture.revision += 1;
    picture.databases[0].progress = Some("ledgers 4/6".into());
    for tenant in &mut picture.tenants[3..5] {
        let tenant = Arc::make_mut(tenant);
        (tenant.state, tenant.ledger) = (TenantState::Unknown, LedgerState::Unread);
        (tenant.applied, tenant.pending, tenant.ahead) = (None, None, None);
    }
    desk.event(Event::Snapshot(Arc::new(picture)));
    let words = "2 tenants are not read yet: who of them belongs to this set is not known";
    let says = |desk: &mut Desk| {
        desk.draw();
        desk.text().split_whitespace().collect::<Vec<_>>().join(" ").replace(" | | ", " ").contains(words)
    };
    desk.keys("/state:behind<Enter>aM");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))), "{}", desk.text());
    assert!(says(&mut desk), "{}", desk.text());
    // One tenant is a whole set.
    desk.keys("<Esc>u<Esc>gg");
    assert_eq!(desk.cursor(), "abacus");
    desk.keys("/'acme<Enter>M");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))), "{}", desk.text());
    assert!(!says(&mut desk), "{}", desk.text());
}

#[test]
fn fields_and_words_filter_together() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("/behind>1 ac<Enter>");
    assert_eq!(desk.shown(), ["acme"]);
    desk.keys("<Esc><Esc>/!state:ok !version:none<Enter>");
    assert_eq!(desk.shown(), ["acme", "acorn"]);
    desk.keys("<Esc>/!acme behind>0<Enter>");
    assert_eq!(desk.shown(), ["acorn", "alba"]);
    desk.keys("<Esc>");
    assert_eq!(desk.shown().len(), 6);
}

#[test]
fn a_filter_that_is_not_understood_shows_nobody_and_stays_open() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("/state:happy");
    assert!(desk.shown().is_empty(), "a part of a filter is another set");
    assert!(desk.text().contains("there is no state happy"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.text().contains("there is no state happy"), "it is there to be corrected: {}", desk.text());
    for _ in 0.."happy".len() {
        desk.keys("<BS>");
    }
    desk.keys("behind<Enter>");
    assert_eq!(desk.shown(), ["acme", "acorn"]);
}

#[test]
fn a_filtered_group_is_migrated_as_one() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("/behind>0<Enter>aM");
    assert!(desk.text().contains("filter /behind>0"), "the set is named by its filter: {}", desk.text());
    desk.keys("migrate 3<Enter>");
    // The smallest goes first.
    assert_eq!(slugs(&desk.writes()), (vec!["acme".into(), "acorn".into(), "alba".into()], 1));
}

#[test]
fn the_operator_chooses_the_canary() {
    let mut desk = Desk::new(Environment::Development);
    // From Cancel back over `wait for me` to the canary.
    desk.keys("/behind>0<Enter>aM<S-Tab><S-Tab>");
    desk.keys("<C-u>nobody<Enter>");
    assert!(desk.text().contains("nobody cannot be a canary"), "{}", desk.text());
    desk.keys("<C-u>alba, acorn<Enter>");
    assert!(desk.text().contains("alba, acorn (chosen)"), "{}", desk.text());
    desk.keys("migrate 3<Enter>");
    assert_eq!(slugs(&desk.writes()), (vec!["alba".into(), "acorn".into(), "acme".into()], 2));
}

#[test]
fn a_canary_that_was_not_entered_is_given_up_with_esc() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("/behind>0<Enter>aM<S-Tab><S-Tab><C-u>alba<Esc>");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))), "only the field is left");
    desk.keys("migrate 3<Enter>");
    assert_eq!(slugs(&desk.writes()).0[0], "acme");
}

#[test]
fn a_rehearsal_is_ordered_without_words() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes().keys("/behind>0<Enter>aM<Tab><Enter>");
    let writes = desk.writes();
    assert!(matches!(order(&writes), Order::Rehearse(_)), "{writes:?}");
    assert_eq!(slugs(&writes).0.len(), 3);
    desk.job(job(31, JobKind::Rehearse, JobState::Running, [1, 0, 0, 1]));
    desk.job(job(31, JobKind::Rehearse, JobState::Done, [1, 1, 0, 0]));
    assert!(desk.message().contains("all of it was taken back"), "{}", desk.message());
}

/// A dashboard whose `public` lacks two files.
fn with_shared(environment: Environment) -> Desk {
    let mut desk = Desk::new(environment);
    let mut context = context();
    context.shared = Some(Arc::new(SharedTarget {
        schema: SchemaName::public(),
        oid: 2_200,
        ledger: LedgerState::Absent,
        folder: context.folder.clone(),
        folder_error: None,
        unlock: "tenantui repair public --by unlock".to_owned(),
    }));
    desk.event(Event::Contexts(Arc::new(vec![context])));
    desk.draw();
    desk
}

#[test]
fn the_shared_schema_goes_first_and_the_tenants_follow() {
    let mut desk = with_shared(Environment::Development);
    desk.keys("jM");
    assert!(desk.text().contains("public is 4 behind: it is migrated first"), "{}", desk.text());
    desk.keys("<Tab><Tab><Tab><Tab><Enter>");
    let writes = desk.writes();
    let Order::Migrate(first) = order(&writes) else { panic!("no migration") };
    assert!(first.plan.shared && writes.len() == 1, "{writes:?}");
    desk.job(job(40, JobKind::Migrate, JobState::Running, [1, 0, 0, 1]));
    assert!(desk.writes().is_empty(), "the tenants wait");
    desk.job(job(40, JobKind::Migrate, JobState::Done, [1, 1, 0, 0]));
    let writes = desk.writes();
    assert_eq!(slugs(&writes).0, ["acme"]);
    desk.job(job(41, JobKind::Migrate, JobState::Done, [1, 1, 0, 0]));
    assert!(desk.writes().is_empty(), "and once only");
}

/// A lock left behind in `public` keeps all tenants from being migrated: the banner says so, the dialog of migrating says
/// what takes it away, and `:repair` does.
#[test]
fn a_lock_in_the_shared_schema_is_told_and_repaired() {
    let ledger = LedgerState::Read(LedgerReading {
        tool: Tool::Migratus,
        table: "schema_migrations".into(),
        applied: Arc::default(),
        dirty: false,
        locked: Some("row id = -1 is in the ledger".into()),
    });
    let shared = SharedSchema {
        database: "eu-1".into(),
        schema: "public".into(),
        schema_oid: 2_200,
        state: TenantState::Locked,
        ledger: ledger.clone(),
        version: None,
        applied: Some(0),
        pending: Some(4),
        among_several: false,
        page: None,
        problems: vec!["row id = -1 is in the ledger".into()],
    };
    let mut desk = Desk::new(Environment::Development);
    let mut context = context();
    let folder = context.folder.clone();
    let (schema, oid) = (SchemaName::public(), 2_200);
    context.shared =
        Some(Arc::new(SharedTarget { schema, oid, ledger, folder, folder_error: None, unlock: String::new() }));
    let mut picture = snapshot(Environment::Development);
    picture.databases[0].warnings = shared.trouble().map(|trouble| trouble.line()).into_iter().collect();
    picture.shared = vec![shared];
    picture.revision = 2;
    desk.event(Event::Contexts(Arc::new(vec![context])));
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.draw();
    let unlock = "`tenantui repair public --by unlock`";
    let words = |desk: &Desk| desk.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words(&desk).contains("public, the shared schema, is locked") && words(&desk).contains(unlock),
        "{}",
        desk.text()
    );
    desk.keys("jM");
    let said = words(&desk).replace("| |", "").replace("│ │", "").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("public cannot be migrated: locked") && said.contains("repair public --by unlock"),
        "{}",
        desk.text()
    );
    desk.keys("<Esc>:repair<Enter>");
    let asked = desk.commands.iter().find_map(|command| match command {
        Command::Service { command: ServiceCommand::PlanLife(request), .. } => Some(request.clone()),
        _ => None,
    });
    let request = asked.expect("a plan is asked for");
    assert_eq!((request.kind, request.repair), (LifeKind::Repair, Some(Repair::Unlock)));
    assert!(matches!(&request.subject, Subject::Shared(shared) if shared.schema.raw() == "public"), "{request:?}");
}

/// The tenants lack nothing, and what they share does: `M` offers that by itself.
#[test]
fn the_shared_schema_is_offered_where_nothing_else_is_pending() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("/state:ok<Enter>M");
    assert!(desk.app.state().dialog.is_none(), "{}", desk.text());
    assert!(desk.message().contains("nothing is pending: 1 of 1 up to date"), "{}", desk.message());
    let mut desk = with_shared(Environment::Production);
    desk.open_writes().keys("/state:ok<Enter>M");
    let text = desk.text();
    assert!(text.contains("public, shared by all") && text.contains("1 of 1 up to date"), "{text}");
    assert!(!text.contains("Canary"), "it is one target: {text}");
    assert!(desk.writes().is_empty());
    desk.keys("migrate 1<Enter>");
    let writes = desk.writes();
    let Order::Migrate(of) = order(&writes) else { panic!("no migration") };
    assert!(of.plan.shared && !of.wait_after_canary && writes.len() == 1, "{writes:?}");
    assert_eq!(of.plan.tenants.iter().map(|target| target.files.len()).collect::<Vec<_>>(), [4]);
    desk.job(job(40, JobKind::Migrate, JobState::Done, [1, 1, 0, 0]));
    assert!(desk.writes().is_empty(), "no tenant's job follows");
}

#[test]
fn no_tenant_is_touched_where_the_shared_schema_failed() {
    let mut desk = with_shared(Environment::Development);
    desk.keys("jM<Tab><Tab><Tab><Tab><Enter>");
    desk.writes();
    desk.job(job(40, JobKind::Migrate, JobState::Running, [1, 0, 0, 1]));
    desk.job(job(40, JobKind::Migrate, JobState::Failed, [1, 0, 1, 0]));
    assert!(desk.writes().is_empty());
    assert!(desk.message().contains("the shared schema was not migrated (job 40)"), "{}", desk.message());
    desk.job(job(40, JobKind::Migrate, JobState::Done, [1, 1, 0, 0]));
    assert!(desk.writes().is_empty(), "what was given up does not come back");
}

#[test]
fn the_migrations_screen_says_what_blocks_a_group() {
    let mut desk = Desk::new(Environment::Development);
    let mut picture = snapshot(Environment::Development);
    let mut failed = (*picture.tenants[1]).clone();
    failed.failed_step = Some(Arc::new(FailedStep {
        job: tenantui::model::job::JobId(9),
        version: None,
        sqlstate: None,
        message: "x".into(),
    }));
    // It skipped the third file although it has the fourth.
    let mut gap = (*picture.tenants[0]).clone();
    gap.pending = Some(Arc::new([Version::new(FILES[2])]));
    picture.tenants[1] = Arc::new(failed);
    picture.tenants[0] = Arc::new(gap);
    picture.revision = 2;
    let view = &mut picture.databases[0];
    let mut files = view.files.as_deref().expect("files").to_vec();
    files[0].notes = vec!["refused: transaction-control line 3".into()];
    files[0].has_down = false;
    view.files = Some(files.into());
    desk.event(Event::Snapshot(Arc::new(picture)));
    desk.keys("2");
    let notes = |version: &str| -> Vec<String> {
        let groups = &desk.app.state().migrations.groups;
        let group = groups.iter().find(|group| group.version.as_ref().is_some_and(|v| v.raw() == version));
        group.expect("a group").notes.iter().map(|note| note.raw().to_owned()).collect()
    };
    assert_eq!(notes(FILES[3]), ["newest"]);
    assert_eq!(notes(FILES[2]), ["missing from 1"]);
    assert_eq!(notes(FILES[1]), ["1 failed"]);
    assert_eq!(notes(FILES[0]), ["refused: transaction-control line 3", "no down"]);
    desk.keys("jjt");
    let target = desk.app.state().migrations.groups.iter().find(|group| group.is_target).expect("a target");
    assert_eq!(target.notes.first().map(|note| note.raw().to_owned()), Some("target".to_owned()));
    desk.keys("<Enter>");
    assert_eq!(desk.app.state().screen, Screen::Tenants);
    assert_eq!(desk.app.state().tenants.quick, Some(QuickFilter::Version(Some(Version::new(FILES[1])))));
    assert_eq!(desk.shown(), ["acme"]);
}

/// The plan says what its files would run unawares, as soon as the schemas were looked through.
#[test]
fn a_plan_asks_for_code_with_other_rights() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("/behind>0<Enter>aM");
    let asked = desk.commands.drain(..).find_map(|command| match command {
        Command::Service { database, command: ServiceCommand::ReadCode { plan, schemas } } => {
            Some((database, plan, schemas))
        }
        _ => None,
    });
    let (database, plan, schemas) = asked.expect("it asks");
    let all = &desk.app.state().snapshot.tenants;
    let mut meant: Vec<u32> =
        all.iter().filter(|tenant| tenant.pending_count() > Some(0)).filter_map(|tenant| tenant.schema_oid).collect();
    meant.sort_unstable();
    let mut schemas = schemas;
    schemas.sort_unstable();
    assert_eq!(schemas, meant);
    assert!(desk.text().contains("looking for code"), "{}", desk.text());
    let found = OthersCode { words: "function wide() runs".into(), schemas: 3, first: "tenant_acme".into() };
    let code = CodeOfPlan { database, plan, found: Ok(vec![found]) };
    desk.event(Event::Job(JobEvent::Code(Box::new(code.clone()))));
    desk.draw();
    assert!(desk.text().contains("in tenant_acme and 2 more: function wide() runs"), "{}", desk.text());
    // It keeps nobody from anything, and the words that are typed meanwhile stay.
    desk.keys("migrate 3<Enter>");
    assert_eq!(slugs(&desk.writes()).0.len(), 3);
    // The answer to a dialog that is closed is nobody's.
    desk.event(Event::Job(JobEvent::Code(Box::new(code))));
    assert!(desk.app.state().dialog.is_none());
}

/// Apartment's `public` gets the tenants' files by its own tool: that it lacks some is said even where no tenant does.
#[test]
fn what_a_shared_sibling_lacks_is_said_where_nothing_else_is_pending() {
    let mut desk = Desk::new(Environment::Development);
    let mut context = context();
    Arc::make_mut(&mut context.layout).about.shared_is_sibling = true;
    context.shared = Some(Arc::new(SharedTarget {
        schema: SchemaName::public(),
        oid: 2_200,
        ledger: LedgerState::Read(LedgerReading {
            tool: Tool::Migratus,
            table: "schema_migrations".into(),
            applied: Arc::default(),
            dirty: false,
            locked: None,
        }),
        folder: None,
        folder_error: None,
        unlock: "tenantui repair public --by unlock".to_owned(),
    }));
    desk.event(Event::Contexts(Arc::new(vec![context])));
    desk.draw();
    desk.keys("/state:ok<Enter>M");
    let words = desk.message();
    assert!(words.contains("nothing is pending: 1 of 1 up to date; public, the shared schema"), "{words}");
}
