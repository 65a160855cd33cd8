//! What plan time says of migration files, held against a real server: whatever ends a step's transaction on the server
//! is refused before it is sent.

use tenantui::migrations::checks::check;
use tenantui::migrations::split::whole;
use tokio_postgres::Client;

use crate::support::pg;

/// A small generator of its own, so that a failure names the seed that repeats it.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("small")
    }
}

const FRAGMENTS: &[&str] = &[
    "commit",
    "rollback",
    "begin",
    "end",
    "select 1",
    "select ",
    "; ",
    "; commit; ",
    "'",
    "''",
    "E'",
    "e'",
    "U&'",
    "x'",
    "\\",
    "\\'",
    "\"",
    "$$",
    "$a$",
    "$a",
    "--",
    "-- '\n",
    "\n",
    "\r",
    "/*",
    "*/",
    "/*/",
    "(",
    ")",
    "a",
    "1",
    "1e",
    "E",
    "$1",
    " ",
    "create function pg_temp.f() returns int language sql begin atomic ",
    " return 1; end",
];

async fn still_in_its_transaction(client: &Client) -> bool {
    let marker = "select current_setting('my.step', true)";
    match client.simple_query(marker).await {
        // A failed statement: the transaction is there, and can only be rolled back.
        Err(error) => error.code().is_some_and(|code| code.code() == "25P02"),
        Ok(messages) => messages.iter().any(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
            _ => false,
        }),
    }
}

#[tokio::test]
async fn no_text_ends_the_transaction_unless_it_is_refused() {
    let database = pg().database("escape");
    let client = database.connect().await;
    let seed = std::env::var("TENANTUI_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_1234_u64);
    let mut random = Random(seed);
    let (mut escaped, mut inside) = (0, 0);
    for round in 0..4_000 {
        let mut text: String = (0..random.below(7)).map(|_| FRAGMENTS[random.below(FRAGMENTS.len())]).collect();
        // Most random texts are errors before anything happens: half of them end in what would do harm.
        if random.below(2) == 0 {
            text.push_str("; commit");
        }
        client.batch_execute("begin; set local my.step = 'on'").await.expect("a transaction");
        let _ = client.simple_query(&text).await;
        let still = still_in_its_transaction(&client).await;
        client.batch_execute("rollback").await.expect("the end");
        let refused = check(&text, &whole(&text), true).iter().any(|finding| finding.refuses);
        if still {
            inside += 1;
        } else {
            escaped += 1;
            assert!(refused, "round {round} of seed {seed}: {text:?} ended the transaction and was not refused");
        }
    }
    assert!(escaped > 100 && inside > 100, "the fragments reach both sides: {escaped} escaped, {inside} did not");
}

#[tokio::test]
async fn what_is_not_refused_as_transaction_control_runs_in_one() {
    let database = pg().database("inside");
    database.sql("create table t (id int, a text); create schema x");
    let client = database.connect().await;
    for text in [
        "create function f() returns int language sql begin atomic select case when true then 1 else 2 end; end; select f()",
        "do $do$ begin perform 1; exception when others then null; end $do$",
        "insert into t (id, a) values (1, E'it\\'s; commit;'), (2, 'a''; commit; --')",
        "/* commit; /* nested */ */ select 1; -- commit",
        "create rule r as on insert to t do also (select 1; select 2)",
        "select $tag$ commit; $$ $tag$, 'x' 'y' is null",
        "select 1 as \"commit;\", U&'d\\0061t' as \"a\"\"b\"",
    ] {
        let findings = check(text, &whole(text), true);
        assert!(findings.iter().all(|finding| !finding.refuses), "{text}: {findings:?}");
        client.batch_execute("begin; set local my.step = 'on'").await.expect("a transaction");
        let outcome = client.simple_query(text).await;
        assert!(still_in_its_transaction(&client).await, "{text}: {outcome:?}");
        client.batch_execute("rollback").await.expect("the end");
    }
}
