//! Where passwords come from, and what is said when one is wrong.

use super::*;

/// A server that wants passwords over TCP, with a role for each test.
fn guarded() -> PgHandle {
    own_pg(PostgresOptions {
        settings: vec![setting("log_connections", "on")],
        hba: vec!["local all all trust".to_owned(), "host all all 127.0.0.1/32 scram-sha-256".to_owned()],
        ..tcp()
    })
}

fn failures(pg: &PgHandle, role: &str) -> usize {
    let log = std::fs::read_to_string(pg.server.socket_folder().join("log")).expect("the server's log");
    log.matches(&format!("password authentication failed for user \"{role}\"")).count()
}

const MARKER: &str = "s3cr3t:mark\\er";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_the_first_place_that_has_one() {
    let pg = guarded();
    pg.admin(&format!("create role ops login password '{MARKER}'"));
    let folder = tempfile::TempDir::new().expect("a folder");
    let port = pg.server.port();
    let base = format!("host=127.0.0.1 port={port} user=ops dbname=postgres");
    let quoted = MARKER.replace('\\', "\\\\");
    let wrong = ("PGPASSWORD", "wrong");

    // The connection string before PGPASSWORD.
    let around = Surroundings::fixed([wrong]);
    open(&format!("{base} password='{quoted}'"), &around).await.expect("the connection string");
    open(&base, &Surroundings::fixed([("PGPASSWORD", MARKER)])).await.expect("PGPASSWORD");

    // The pass file, with libpq's escapes; what others may read is not used, and the error says so.
    let passfile = folder.path().join("pass");
    let line = MARKER.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(&passfile, format!("# a comment\nother:*:*:*:x\n127.0.0.1:*:postgres:ops:{line}\n"))
        .expect("written");
    let with_file = format!("{base} passfile={}", passfile.display());
    for mode in [0o600, 0o400, 0o640, 0o604, 0o666] {
        std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(mode)).expect("mode");
        let result = open(&with_file, &nobody()).await;
        if mode & 0o077 == 0 {
            result.expect("the pass file");
        } else {
            let (kind, shown) = words(result);
            assert_eq!(kind, LinkErrorKind::Refused);
            assert!(
                shown.contains("was ignored") && shown.contains("chmod 0600") && shown.contains("asks for a password"),
                "{shown}"
            );
        }
    }

    // The command before all of them.
    let mut config = database(&format!("{base} password=wrong"));
    config.password_command = Some(["printf", "%s\\nsecond line", MARKER].map(str::to_owned).to_vec());
    let target = Target::resolve(Arc::new(config), &around).expect("a target");
    Reader::open(&target, Patience::Foreground).await.expect("the command");
    assert_eq!(failures(&pg, "ops"), 0);
}

/// Cloacina's rule: what is special in a URL survives in user, password, database and parameters; so it does in keywords.
#[tokio::test(flavor = "multi_thread")]
async fn special_characters_of_a_connection_string_survive() {
    let pg = guarded();
    let (role, password, database) = ("o'ps \"x\"@é", "p@ss:w/o?r#d %41&=\\'", "my db/№?#&");
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let secret = password.replace('\'', "''");
    pg.admin(&format!("create role {} login password '{secret}'", quote(role)));
    pg.admin(&format!("create database {}", quote(database)));
    let coded =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let port = pg.server.port();
    // Plain text only: the server itself masks any other letter of it.
    let name = "it's \"x\" \\ 50%41 a=b&c #?/@:";
    let url = format!(
        "postgresql://{}:{}@127.0.0.1:{port}/{}?connect_timeout=9&application_name={}&sslmode={}",
        coded(role),
        coded(password),
        coded(database),
        coded(name),
        coded("disable")
    );
    let word = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let words = format!(
        "host=127.0.0.1 port={port} user={} password={} dbname={} application_name={} sslmode='disable'",
        word(role),
        word(password),
        word(database),
        word(name)
    );
    for string in [url, words] {
        let reader = open(&string, &nobody()).await.expect(&string);
        assert_eq!((reader.facts().user.raw(), reader.facts().database.raw()), (role, database));
        let seen = reader.rows("select pg_catalog.current_setting('application_name')").await.expect("an answer");
        assert_eq!(seen[0].text(0), Some(name), "{string}");
    }
    // A wrong password is told by its parts, none of which is the secret.
    let wrong = format!("postgresql://{}:x{}@127.0.0.1:{port}/{}", coded(role), coded(password), coded(database));
    let (kind, shown) = self::words(open(&wrong, &nobody()).await);
    assert_eq!(kind, LinkErrorKind::Refused);
    assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_and_never_shown() {
    let pg = guarded();
    pg.admin("create role ops login password 'right'");
    let url = format!("host=127.0.0.1 port={} user=ops dbname=postgres", pg.server.port());
    for (number, origin) in ["connection string", "PGPASSWORD", "password_command"].into_iter().enumerate() {
        let mut config = database(&url);
        let mut around = nobody();
        match origin {
            "connection string" => config.url = format!("{url} password={MARKER}").into(),
            "PGPASSWORD" => around = Surroundings::fixed([("PGPASSWORD", MARKER)]),
            _ => config.password_command = Some(vec!["echo".to_owned(), MARKER.to_owned()]),
        }
        let target = Target::resolve(Arc::new(config), &around).expect("a target");
        let (kind, shown) = words(Reader::open(&target, Patience::Foreground).await);
        assert_eq!(kind, LinkErrorKind::Refused);
        assert!(shown.contains("28P01") && shown.contains(origin), "{shown}");
        assert!(!format!("{shown} {target:?}").contains("s3cr3t"), "{shown}");
        assert_eq!(failures(&pg, "ops"), number + 1, "one try for each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_rotates_its_password_is_asked_again() {
    let pg = guarded();
    pg.admin("create role ops login password 'one'");
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "one\n").expect("written");
    let mut config = database(&format!("host=127.0.0.1 port={} user=ops dbname=postgres", pg.server.port()));
    config.password_command = Some(vec!["cat".to_owned(), file.display().to_string()]);
    let target = Target::resolve(Arc::new(config), &nobody()).expect("a target");
    Reader::open(&target, Patience::Foreground).await.expect("the first");
    pg.admin("alter role ops password 'two'");
    std::fs::write(&file, "two\n").expect("written");
    Reader::open(&target, Patience::Foreground).await.expect("the second");
    assert_eq!(failures(&pg, "ops"), 1, "the stale one was tried once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_says_why_and_not_what_it_printed() {
    let run = async |script: &str| {
        let mut config = database("host=127.0.0.1 port=1 user=ops");
        config.password_command = Some(vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()]);
        let target = Target::resolve(Arc::new(config), &nobody()).expect("a target");
        let (kind, shown) = words(Reader::open(&target, Patience::Foreground).await);
        assert_eq!(kind, LinkErrorKind::Refused);
        assert!(!shown.contains("s3cr3t"), "{shown}");
        shown
    };
    let shown = run("echo s3cr3t; echo the store is locked s3cr3t >&2; exit 3").await;
    assert!(shown.contains("exit status: 3") && shown.contains("the store is locked ***"), "{shown}");
    assert!(run("exit 0").await.contains("printed no password"));
    assert!(run("printf 's3cr3t\\377'").await.contains("not UTF-8"));
    let mut config = database("host=127.0.0.1 port=1 user=ops");
    config.password_command = Some(vec!["/nonexistent/program".to_owned()]);
    let target = Target::resolve(Arc::new(config), &nobody()).expect("a target");
    let (_, shown) = words(Reader::open(&target, Patience::Foreground).await);
    assert!(shown.contains("/nonexistent/program could not be started"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_asked_once_and_only_when_the_server_wants_a_password() {
    let pg = guarded();
    pg.admin("create role ops login password 'right'; create role other login password 'right'");
    let asked = Arc::new(AtomicU32::new(0));
    let prompting = |url: &str, answer: Option<&'static str>| {
        let asked = Arc::clone(&asked);
        let prompt: Prompt = Arc::new(move |question| {
            assert!(
                question.starts_with("Password for ops@") || question.starts_with("Password for other@"),
                "{question}"
            );
            asked.fetch_add(1, Ordering::SeqCst);
            answer.map(|answer| answer.to_owned().into())
        });
        Target::resolve_with_prompt(Arc::new(database(url)), &nobody(), Some(prompt)).expect("a target")
    };
    let url = |user: &str| format!("host=127.0.0.1 port={} user={user} dbname=postgres", pg.server.port());
    // Trust on the socket: nobody is asked.
    prompting(&pg.server.socket_url("ops", "postgres"), Some("x")).log_in().await.expect("no password needed");
    assert_eq!(asked.swap(0, Ordering::SeqCst), 0);
    // Several sessions at once: one question.
    let target = prompting(&url("ops"), Some("right"));
    let sessions = (0..4).map(|_| Reader::open(&target, Patience::Foreground));
    for session in futures_util::future::join_all(sessions).await {
        session.expect("the answer serves all");
    }
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    // A wrong answer is not asked for again.
    let target = prompting(&url("other"), Some("wrong"));
    for _ in 0..3 {
        assert_eq!(target.log_in().await.expect_err("wrong").kind, LinkErrorKind::Refused);
    }
    assert_eq!(asked.swap(0, Ordering::SeqCst), 1);
    // Nobody to ask.
    let target = prompting(&url("other"), None);
    assert!(target.log_in().await.expect_err("none").to_string().contains("asks for a password"));
    assert_eq!(failures(&pg, "ops"), 0);
}
