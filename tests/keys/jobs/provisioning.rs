//! New tenants from their form, and the first order in a database.

use super::*;

#[test]
fn a_tenant_is_provisioned_and_the_cursor_goes_to_it() {
    let mut desk = Desk::new(Environment::Production);
    desk.open_writes().keys("NBlue Fox Ltd<Tab><Tab><Tab><Tab><Enter>");
    let commands = desk.writes();
    let Some(ServiceCommand::Order { order, .. }) = commands.first() else { panic!("no order:\n{}", desk.text()) };
    let Order::Provision(order) = &**order else { panic!("no provisioning") };
    assert_eq!(order.tenants[0].name.slug, "blue-fox-ltd");
    assert_eq!(order.tenants[0].name.schema.raw(), "tenant_blue_fox_ltd");
    assert_eq!(order.tenants[0].display_name.raw(), "Blue Fox Ltd");
    desk.keys("/zebra<Enter><Esc>");
    desk.job(job(18, JobKind::Provision, JobState::Running, [1, 0, 0, 1]));
    desk.job(job(18, JobKind::Provision, JobState::Done, [1, 1, 0, 0]));
    let refreshed = |command: &Command| matches!(command, Command::Fleet(FleetCommand::Refresh));
    assert!(desk.commands.iter().any(refreshed), "{:?}", desk.commands);
    let mut later = snapshot(Environment::Production);
    let name: DatabaseName = "eu-1".into();
    later.tenants.insert(5, Arc::new(tenant(&name, "blue-fox-ltd", 77, 4)));
    later.revision += 1;
    desk.event(Event::Snapshot(Arc::new(later)));
    assert_eq!(desk.cursor(), "blue-fox-ltd", "and the filter that hid it is gone");
}

#[test]
fn a_taken_or_wrong_name_cannot_be_ordered() {
    for name in ["ACME", "zebra_corp", "Zebra Corp", "!", "日本"] {
        let mut desk = Desk::new(Environment::Development);
        desk.keys(&format!("N{name}<Tab><Tab><Tab><Tab><Enter>"));
        assert!(desk.writes().is_empty(), "{name}");
        assert!(matches!(desk.app.state().dialog, Some(Dialog::NewTenant(_))), "{name}");
    }
}

#[test]
fn the_first_order_in_a_database_offers_init_and_is_sent_after_it() {
    let mut desk = Desk::new(Environment::Development);
    let mut bare = snapshot(Environment::Development);
    bare.databases[0].initialised = Some(false);
    desk.event(Event::Snapshot(Arc::new(bare)));
    desk.keys("jM<Tab><Tab><Tab><Tab><Enter>");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::OfferInit(_))), "{}", desk.text());
    assert!(desk.writes().is_empty());
    desk.keys("<Enter>");
    assert!(desk.message().contains("nothing was ordered"), "{}", desk.message());
    desk.keys("M<Tab><Tab><Tab><Tab><Enter><Tab><Enter>");
    while matches!(desk.app.state().dialog, Some(Dialog::OfferInit(_))) {
        desk.keys("<Tab><Enter>");
    }
    assert!(matches!(desk.writes().as_slice(), [ServiceCommand::Init]));
    desk.event(Event::Job(JobEvent::Initialised { database: "eu-1".into() }));
    assert_eq!(migrate_order(&desk.writes()).0, ["acme"]);
}

#[test]
fn a_worker_that_misses_init_brings_the_offer_too() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys("jM<Tab><Tab><Tab><Tab><Enter>");
    assert_eq!(desk.writes().len(), 1);
    desk.event(Event::Job(JobEvent::Rejected {
        database: "eu-1".into(),
        message: "eu-1 has no tenantui schema".into(),
        needs_init: true,
    }));
    desk.draw();
    assert!(matches!(desk.app.state().dialog, Some(Dialog::OfferInit(_))));
}
