//! Plans that a tool's own command carries out.

use super::*;

fn command(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

fn rails(versions: &[&str]) -> LedgerState {
    LedgerState::Read(ledger_of(Tool::Rails, versions))
}

#[test]
fn a_command_takes_one_step_per_tenant_and_one_tenant_at_a_time_where_its_tool_locks_the_database() {
    let folder = folder_of(Tool::Rails, &["1", "2", "3"]);
    let tenants =
        vec![tenant("a", rails(&["1"])), tenant("b", rails(&["1", "2"])), tenant("c", rails(&["1", "2", "3"]))];
    let drive = PlanOptions { command: command(&["bin/rails", "db:migrate"]), ..options() };
    let plan = made(tenants.clone(), &folder, drive.clone());
    assert_eq!(runs(&plan), [("a".to_owned(), vec!["2", "3"]), ("b".to_owned(), vec!["3"])]);
    assert_eq!((plan.steps(), plan.up_to_date, plan.options.parallel), (2, 1, 1));
    assert!(plan.warnings.iter().any(|warning| warning.raw().contains("one tenant at a time, not 4")));
    let single = made(tenants.clone(), &folder, PlanOptions { parallel: 1, ..drive.clone() });
    assert!(single.warnings.is_empty(), "nothing is taken away from it");
    assert_ne!(plan.sha256(), made(tenants, &folder, PlanOptions { command: command(&["rake"]), ..drive }).sha256());
}

#[test]
fn what_a_command_cannot_do_is_refused_in_words_that_say_what_to_write() {
    let folder = folder_of(Tool::Rails, &["1", "2"]);
    let drive = PlanOptions { command: command(&["bin/rails", "db:migrate"]), ..options() };
    let wrong = |options| plan(&database(), &[], &folder, options).expect_err("no plan").to_string();
    assert!(wrong(PlanOptions { only: Some(Version::new("1")), ..drive.clone() }).contains("--only picks files"));
    let to = PlanOptions { to: Some(Version::new("1")), ..drive.clone() };
    assert!(wrong(to.clone()).contains("write {version} where rails takes the version"));
    let told = PlanOptions { command: command(&["bin/rails", "db:migrate", "VERSION={version}"]), ..to };
    assert_eq!(runs(&made(vec![tenant("a", rails(&[]))], &folder, told)), [("a".to_owned(), vec!["1"])]);
    let unread = folder_of(Tool::Ecto, &["1"]);
    let aimless = PlanOptions { command: command(&["mix", "ecto.migrate"]), ..options() };
    let error = plan(&database(), &[], &unread, aimless).expect_err("no plan").to_string();
    assert!(error.contains("ecto"), "{error}");
}

#[test]
fn what_the_tool_itself_refuses_or_skips_is_its_own_matter_when_it_is_driven() {
    let finding = Finding { rule: "transaction-control", refuses: true, line: 1, message: "COMMIT".into() };
    let bad = MigrationFile { findings: vec![finding], ..(*file("2")).clone() };
    let folder = Folder { files: vec![file("1"), Arc::new(bad), file("3")], ..folder_of(Tool::GolangMigrate, &[]) };
    let ledger = |versions: &[&str]| LedgerState::Read(ledger_of(Tool::GolangMigrate, versions));
    let drive = PlanOptions { command: command(&["migrate", "-database", "{url}", "up"]), ..options() };
    let plan = made(vec![tenant("a", ledger(&["1"]))], &folder, drive.clone());
    assert_eq!((plan.refusals.len(), plan.warnings.len()), (0, 1), "{:?}", plan.warnings);
    assert_eq!(runs(&plan), [("a".to_owned(), vec!["2", "3"])]);
}
