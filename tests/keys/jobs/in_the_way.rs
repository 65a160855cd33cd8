//! A job goes through the tenants: another that would is told so before and while it is planned, and not ordered.

use super::*;

/// The question which tenants are meant, and the plan behind it, say that a job is in the way, and order nothing beside
/// it; once it is over they do.
#[test]
fn hidden_marks_are_asked_about_while_a_job_runs() {
    let mut desk = Desk::new(Environment::Development);
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    desk.keys(":behind<Enter>a:everything<Enter>/acme<Enter><Esc>M<Tab>");
    let blocked = "job 17 is running: until it is over no other migrates eu-1";
    assert!(desk.text().contains("Which tenants?") && desk.text().contains(blocked), "{}", desk.text());
    desk.keys("<Enter>");
    let text = desk.text();
    assert!(text.contains(&format!("Blocked    {blocked}")) && text.contains("(off: job 17)"), "{text}");
    // Neither started nor rehearsed.
    desk.keys("<Tab><Enter><Tab><Tab><Tab><Enter>");
    assert!(desk.writes().is_empty() && desk.app.state().dialog.is_some(), "{}", desk.text());
    desk.job(job(17, JobKind::Migrate, JobState::Done, [3, 3, 0, 0]));
    assert!(!desk.text().contains("job 17 is running"), "{}", desk.text());
    desk.keys("<Enter>");
    assert_eq!(migrate_order(&desk.writes()).0, ["acme"]);
}

/// A job that is through with a tenant takes it out of the filter, not out of the marks: who is hidden so has nothing
/// pending, and there is nothing to choose.
#[test]
fn marks_that_a_job_is_through_with_are_no_question() {
    let mut desk = Desk::new(Environment::Development);
    desk.keys(":behind<Enter>a");
    let mut later = snapshot(Environment::Development);
    later.revision += 1;
    let name: DatabaseName = "eu-1".into();
    for known in &mut later.tenants {
        if known.slug.raw() == "acme" {
            *known = Arc::new(tenant(&name, "acme", 1, 4));
        }
    }
    desk.event(Event::Snapshot(Arc::new(later)));
    desk.draw();
    assert_eq!(desk.shown(), ["acorn"]);
    desk.keys("M");
    assert!(desk.text().contains("2 marked, 1 hidden"), "{}", desk.text());
    assert!(!desk.text().contains("Which tenants?") && desk.text().contains("Tenants    1"), "{}", desk.text());
    // Of those that are shown nobody has anything pending: that is no choice either.
    desk.keys("<Esc>:everything<Enter>/acme<Enter><Esc>M<Tab>");
    assert!(desk.text().contains("0 shown") && desk.text().contains("nothing is pending in them"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.text().contains("Which tenants?"), "{}", desk.text());
}

#[test]
fn a_job_that_is_in_the_way_is_told_before_anything_is_typed() {
    let mut desk = Desk::new(Environment::Development);
    desk.job(job(9, JobKind::Provision, JobState::Running, [1, 0, 0, 1]));
    desk.keys(":behind<Enter>aM");
    assert_eq!(desk.message(), "", "one tenant that is made is in nobody's way");
    desk.keys("<Esc>");
    desk.job(job(17, JobKind::Migrate, JobState::Running, [3, 1, 0, 2]));
    desk.keys("M");
    assert!(matches!(desk.app.state().dialog, Some(Dialog::Migrate(_))), "{}", desk.message());
    assert!(
        desk.message().contains("job 17 is running: until it is over no other migrates eu-1"),
        "{}",
        desk.message()
    );
}
