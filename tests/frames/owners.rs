//! Files that run with the rights of the schemas' owners: the plan, the form and their SQL say so.

use crossterm::event::KeyCode;
use tenantui::config::RunAs;
use tenantui::jobs::granted::Granted;
use tenantui::model::environment::Environment;
use tenantui::model::ident::Ident;
use tenantui::tui::dialogs::{Dialog, NewTenant, NewTenantInput};

use super::dialogs::{check, press, typed};
use super::migrating::{migrate_of, plan};
use super::new_tenant::form;

#[test]
fn a_plan_says_whose_rights_its_files_run_with() {
    let mut as_owner = plan(3);
    as_owner.options.run_as = RunAs::Owner;
    let mut dialog = migrate_of(as_owner, None, Environment::Production);
    check("migrate_as_owner", &dialog);
    press(&mut dialog, KeyCode::Tab);
    press(&mut dialog, KeyCode::Tab);
    press(&mut dialog, KeyCode::Enter);
    check("migrate_as_owner_sql", &dialog);
}

#[test]
fn a_new_tenants_sql_says_whose_it_will_be() {
    let Dialog::NewTenant(form) = form() else { panic!("a form") };
    let owner = Some(Ident::new("Shop App").expect("a name"));
    let granted = Granted::of(&form.input.layout, &[Ident::new("app_user").expect("a name")]);
    let input = NewTenantInput { owner, granted, run_as: RunAs::Owner, ..form.input.clone() };
    let mut dialog = Dialog::NewTenant(Box::new(NewTenant::new(input)));
    typed(&mut dialog, "Blue Fox");
    for _ in 0..4 {
        press(&mut dialog, KeyCode::Tab);
    }
    press(&mut dialog, KeyCode::Enter);
    check("new_tenant_as_owner_sql", &dialog);
}
