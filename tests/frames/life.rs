//! The dialog of a tenant's life: what it looks like in each of its phases, and what keys do there.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tenantui::jobs::life::plan::LifeRequest;
use tenantui::jobs::service::Order;
use tenantui::model::environment::Environment;
use tenantui::model::job::JobId;
use tenantui::model::life::{
    CacheFact, DropRecord, LeftRole, LifeKind, LifePlan, LifeStep, LifeTenant, Repair, TenantRole, Trashed,
};
use tenantui::model::tenant::TenantKey;
use tenantui::tui::dialogs::{Dialog, DialogAction, DialogInput, DialogOutcome, Life, LifeInput};
use uuid::Uuid;

use super::dialogs::check;
use super::sample::{at, eu1, layout, tenants};

fn request(kind: LifeKind) -> LifeRequest {
    LifeRequest::of(kind, Arc::new(tenants(1).remove(0)), Arc::new(layout()))
}

fn input(kind: LifeKind) -> LifeInput {
    LifeInput {
        database: eu1(),
        environment: Environment::Production,
        kind,
        choices: vec![("aeon".to_owned(), request(kind))],
        key: Uuid::nil(),
    }
}

/// The plan of the drawing.
fn plan(kind: LifeKind) -> LifePlan {
    LifePlan {
        database: eu1(),
        kind,
        repair: None,
        tenant: LifeTenant {
            key: TenantKey::row(&eu1(), "7"),
            id: Some("7".into()),
            slug: "aeon".into(),
            name: Some("Aeon \u{202e}Ltd".into()),
            status: Some("suspended".into()),
            status_since: Some(at(-14 * 86_400)),
        },
        schema: Some("t_aeon".into()),
        schema_oid: Some(16_400),
        original: Some("t_aeon".into()),
        becomes: None,
        tables: Some(38),
        size_bytes: Some(12 << 20),
        rows_estimate: Some(61_000),
        dependants: Vec::new(),
        sessions: Some(Vec::new()),
        owner: None,
        grant_to: Vec::new(),
        role: None,
        domains: 0,
        lock: Vec::new(),
        last_backup: None,
        cache: CacheFact::Keys(Some(0)),
        steps: vec![(LifeStep::Trash, "rename the schema to zz_dropped_<job>_t_aeon".to_owned())],
        sql: vec!["ALTER SCHEMA \"t_aeon\" RENAME TO \"zz_dropped_<job>_t_aeon\";".to_owned()],
        notes: vec!["it can be brought back for 7 days; purge removes it for good".into()],
        nothing: None,
        refusal: None,
    }
}

fn dialog(plan: LifePlan) -> Dialog {
    let (mut life, actions) = Life::new(input(plan.kind));
    assert!(matches!(actions.as_slice(), [DialogAction::PlanLife(_)]), "it asks for its plan");
    assert!(life.planned(plan));
    Dialog::Life(Box::new(life))
}

fn press(dialog: &mut Dialog, code: KeyCode) -> DialogOutcome {
    dialog.handle(DialogInput::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn typed(dialog: &mut Dialog, text: &str) {
    for character in text.chars() {
        press(dialog, KeyCode::Char(character));
    }
}

#[test]
fn drop_as_drawn() {
    let mut drop = dialog(plan(LifeKind::Drop));
    check("drop", &drop);
    typed(&mut drop, "t_ae");
    check("drop_typing", &drop);
    assert!(matches!(press(&mut drop, KeyCode::Enter), DialogOutcome::Stay), "Enter throws nothing away");
    typed(&mut drop, "on");
    let DialogOutcome::Do(actions) = press(&mut drop, KeyCode::Enter) else { panic!("the right name goes on") };
    let [DialogAction::Order { order, .. }] = actions.as_slice() else { panic!("{actions:?}") };
    let Order::Life(order) = &**order else { panic!("{order:?}") };
    assert_eq!(order.typed.as_deref(), Some("t_aeon"));
}

#[test]
fn a_name_that_nobody_can_type_is_typed_as_it_is_shown() {
    let name = Some("t_\u{1b}[31m\u{202e}eon".into());
    let mut drop = dialog(LifePlan { schema: name.clone(), original: name, ..plan(LifeKind::Drop) });
    typed(&mut drop, r"t_\e[31m\u{202e}eon");
    assert!(matches!(press(&mut drop, KeyCode::Enter), DialogOutcome::Do(_)));
}

#[test]
fn drop_with_objects_outside() {
    let dependants: Vec<_> = (0..7).map(|n| format!("view reports.users_{n}").into()).collect();
    let mut drop = dialog(LifePlan { dependants, ..plan(LifeKind::Drop) });
    // The list has Space from the first, and the field the letters.
    press(&mut drop, KeyCode::Char(' '));
    typed(&mut drop, "t_ae");
    check("drop_dependants_typing", &drop);
    typed(&mut drop, "on");
    assert!(matches!(press(&mut drop, KeyCode::Enter), DialogOutcome::Stay), "six are not marked");
    press(&mut drop, KeyCode::BackTab);
    press(&mut drop, KeyCode::Char(' '));
    check("drop_dependants", &drop);
    for _ in 0..5 {
        press(&mut drop, KeyCode::Char(' '));
    }
    let orders = |drop: &Dialog, keys: &[KeyCode]| {
        let mut drop = drop.clone();
        let outcome = keys.iter().map(|key| press(&mut drop, *key)).last();
        let Some(DialogOutcome::Do(actions)) = outcome else { panic!("all are marked: {outcome:?}") };
        let [DialogAction::Order { order, .. }] = actions.as_slice() else { panic!("{actions:?}") };
        assert!(matches!(&**order, Order::Life(order) if order.dependants.len() == 7));
    };
    orders(&drop, &[KeyCode::Enter]);
    orders(&drop, &[KeyCode::Tab, KeyCode::Enter]);
    // Who goes to Cancel cancels.
    for key in [KeyCode::BackTab, KeyCode::BackTab, KeyCode::BackTab] {
        press(&mut drop, key);
    }
    assert!(matches!(press(&mut drop, KeyCode::Enter), DialogOutcome::Close));
}

#[test]
fn objects_outside_are_read_in_full() {
    let long = "publication of table \"t_aeon\".\"measurements_of_a_rather_long_name_for_a_table\" in publication \
                \"a_rather_long_name_of_a_publication_too\"";
    let dependants: Vec<_> =
        (0..6).map(|n| if n % 2 == 0 { long.into() } else { format!("view reports.users_{n}").into() }).collect();
    let mut purge = dialog(LifePlan { dependants, ..plan(LifeKind::Purge) });
    check("purge_long_dependants", &purge);
    for _ in 0..5 {
        press(&mut purge, KeyCode::Down);
    }
    check("purge_long_dependants_end", &purge);
}

#[test]
fn what_can_be_repaired_names_its_tenant() {
    let left = LeftRole {
        database: eu1(),
        name: "tenant_ghost".into(),
        schema: "tenant_ghost".into(),
        why: "job 4 made it".into(),
        kept: None,
    };
    let of_tenant = [("forget: removes the registry row", Repair::Forget), ("make: creates the schema", Repair::Make)]
        .map(|(words, repair)| (words.to_owned(), LifeRequest { repair: Some(repair), ..request(LifeKind::Repair) }));
    let of_role = ("role: tenant_ghost".to_owned(), LifeRequest::of_role(left, Arc::new(layout())));
    let opened = |choices: &[(String, LifeRequest)]| {
        let (life, _) = Life::new(LifeInput { choices: choices.to_vec(), ..input(LifeKind::Repair) });
        Dialog::Life(Box::new(life))
    };
    check("repair_choose", &opened(&of_tenant));
    check("repair_choose_several", &opened(&[&of_tenant[..], &[of_role]].concat()));
}

#[test]
fn drop_refused_and_suspend_and_purge() {
    let refusal = "2 sessions use it now (pid 4411 app@10.0.0.5 (web-3) idle in transaction, transaction open 00:03:12): \
                   wait for the end, or suspend the tenant and end the sessions of its role";
    let refused =
        LifePlan { refusal: Some(refusal.into()), steps: Vec::new(), sql: Vec::new(), ..plan(LifeKind::Drop) };
    check("drop_refused", &dialog(refused.clone()));
    // Those of its own role may be all that is in the way: their end can be asked for.
    let own = LifePlan {
        role: Some(TenantRole { name: "aeon_app".into(), kept: None }),
        sessions: Some(vec!["pid 4411 aeon_app@10.0.0.5 (web-3) idle".into()]),
        refusal: Some("1 session uses it now: wait for the end, or end the sessions of its role with it".into()),
        ..refused
    };
    let mut own = dialog(own);
    check("drop_in_use", &own);
    press(&mut own, KeyCode::BackTab);
    let DialogOutcome::DoAndStay(actions) = press(&mut own, KeyCode::Char(' ')) else { panic!("planned anew") };
    assert!(matches!(actions.as_slice(), [DialogAction::PlanLife(request)] if request.end_sessions));
    let Dialog::Life(life) = &mut own else { panic!("it is") };
    let steps = vec![
        (LifeStep::Sessions, "end the sessions of the role aeon_app in this database: 1 session now".to_owned()),
        (LifeStep::Trash, "rename the schema to zz_dropped_<job>_t_aeon".to_owned()),
    ];
    let role = Some(TenantRole { name: "aeon_app".into(), kept: None });
    assert!(life.planned(LifePlan { role, steps, ..plan(LifeKind::Drop) }));
    typed(&mut own, "t_aeon");
    check("drop_end_sessions", &own);
    assert!(matches!(press(&mut own, KeyCode::Enter), DialogOutcome::Do(_)));
    let role = Some(TenantRole { name: "aeon_app".into(), kept: None });
    let suspend = LifePlan {
        role,
        tables: None,
        steps: vec![(LifeStep::Status, "write the status: suspended".to_owned())],
        notes: vec!["whether the application heeds the status is its own affair".into()],
        ..plan(LifeKind::Suspend)
    };
    let mut suspend = dialog(suspend);
    check("suspend", &suspend);
    // With the end of the sessions the plan is made anew.
    press(&mut suspend, KeyCode::BackTab);
    let DialogOutcome::DoAndStay(actions) = press(&mut suspend, KeyCode::Char(' ')) else { panic!("planned anew") };
    assert!(matches!(actions.as_slice(), [DialogAction::PlanLife(request)] if request.end_sessions));
    let purge = LifePlan {
        schema: Some("zz_dropped_31_t_aeon".into()),
        role: Some(TenantRole { name: "aeon_app".into(), kept: None }),
        steps: vec![
            (LifeStep::Objects, "remove zz_dropped_31_t_aeon with all that is in it, a little at a time".to_owned()),
            (
                LifeStep::Role,
                "end the sessions of the role aeon_app, remove what was granted to it, and the role".to_owned(),
            ),
            (LifeStep::Keys, "remove its cache keys".to_owned()),
            (LifeStep::Forget, "remove its registry row".to_owned()),
        ],
        notes: Vec::new(),
        ..plan(LifeKind::Purge)
    };
    check("purge", &dialog(purge));
}

#[test]
fn choosing_waiting_and_failing() {
    let trashed = |job: i32, slug: &str, expired: bool| Trashed {
        database: eu1(),
        schema: format!("zz_dropped_{job}_t_{slug}").into(),
        schema_oid: 16_400,
        drop: Some(DropRecord {
            job: JobId(job),
            original: format!("t_{slug}").into(),
            slug: slug.into(),
            key: TenantKey::row(&eu1(), slug),
            id: None,
            at: at(-3 * 86_400),
            by: "ana".into(),
            expired,
            begun: false,
            taken: false,
            row: Vec::new(),
        }),
    };
    let choices = [trashed(31, "aeon", false), trashed(12, "alba", true)].map(|trashed| {
        let words = format!("{} ({})", trashed.slug().safe(), trashed.schema.safe());
        (words, LifeRequest::of_trash(LifeKind::Undrop, trashed, Arc::new(layout())))
    });
    let (life, actions) = Life::new(LifeInput { choices: choices.to_vec(), ..input(LifeKind::Undrop) });
    assert!(actions.is_empty(), "one is chosen first");
    let mut choose = Dialog::Life(Box::new(life));
    check("undrop_choose", &choose);
    press(&mut choose, KeyCode::Down);
    let DialogOutcome::DoAndStay(actions) = press(&mut choose, KeyCode::Enter) else { panic!("planned") };
    assert!(matches!(actions.as_slice(), [DialogAction::PlanLife(_)]));
    check("life_planning", &choose);
    let Dialog::Life(life) = &mut choose else { panic!("it is") };
    // A plan of another kind is not taken for the one that is waited for.
    assert!(!life.planned(plan(LifeKind::Drop)));
    assert!(life.failed(&"server closed the connection (57P01)".into()));
    check("life_failed", &choose);
    assert!(matches!(press(&mut choose, KeyCode::Enter), DialogOutcome::Close));
    let (life, actions) = Life::new(input(LifeKind::Rename));
    assert!(actions.is_empty(), "a name is typed first");
    check("rename", &Dialog::Life(Box::new(life)));
}
