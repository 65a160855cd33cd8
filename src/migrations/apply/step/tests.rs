use super::*;

#[test]
fn what_may_pass_is_tried_again_and_nothing_else() {
    let end = |sqlstate: &str, message: &str, in_catalog: bool| {
        let fault = Fault { sqlstate: Some(sqlstate.to_owned()), in_catalog, ..Fault::ours(message) };
        classify(fault)
    };
    assert!(matches!(end("55P03", "canceling statement due to lock timeout", false), StepEnd::Locked(_)));
    for (sqlstate, message, in_catalog) in [
        ("40P01", "deadlock detected", false),
        ("40001", "could not serialize access", false),
        ("25006", "cannot execute CREATE TABLE in a read-only transaction", false),
        ("XX000", "tuple concurrently updated", false),
        ("23505", "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"", true),
    ] {
        assert!(matches!(end(sqlstate, message, in_catalog), StepEnd::Again(_)), "{sqlstate}");
    }
    for (sqlstate, message) in [
        ("23505", "duplicate key value violates unique constraint \"users_email_key\""),
        ("XX000", "unexpected data beyond EOF"),
        ("57014", "canceling statement due to statement timeout"),
        ("42P07", "relation exists"),
    ] {
        assert!(matches!(end(sqlstate, message, false), StepEnd::Failed(_)), "{sqlstate}");
    }
}
