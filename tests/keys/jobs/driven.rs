//! Where the tool's own command migrates, the dialogs speak of that command.

use super::*;

#[test]
fn the_configured_command_is_what_the_plan_shows() {
    let mut desk = Desk::driven(&["lein", "migratus", "migrate", "{schema}"]);
    desk.keys(":acme<Enter>M");
    let text = desk.text();
    assert!(text.contains("Command    lein migratus migrate {schema}"), "{text}");
    assert!(text.contains("Limits     10 min for each tenant") && !text.contains("Timeouts"), "{text}");
    desk.keys("<Tab><Tab><Enter>");
    let text = desk.text();
    assert!(text.contains("lein migratus migrate tenant_acme") && text.contains("JDBC_DATABASE_URL"), "{text}");
    assert!(!text.contains("create table"), "{text}");
    // So does the form of a new one.
    desk.keys("<Esc><Esc>1NBlue Fox<Tab><Tab><Tab><Enter>");
    let text = desk.text();
    assert!(text.contains("lein migratus migrate tenant_blue_fox") && !text.contains("create table"), "{text}");
}
