//! The password reaches the command by its environment, and nobody else by anything.

use tenantui::config::CommandPassword;
use tenantui::demo::servers::PostgresOptions;
use tenantui::model::job::JobState;

use super::stage::Stage;
use crate::support::{own_pg, pg, tcp};

const MARKER: &str = "s3cret/M@rker";
const ENCODED: &str = "s3cret%2FM%40rker";

#[tokio::test]
async fn the_password_is_in_the_environment_and_nowhere_else() {
    let hba = ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"].map(str::to_owned).to_vec();
    let pg = own_pg(PostgresOptions { hba, ..tcp() });
    pg.admin(&format!("create role ops superuser login password '{MARKER}'"));
    let db = pg.database("drive");
    let url = db.url_as(&format!("ops:{ENCODED}"));
    let mut stage = Stage::at(db, &url, 2, "tells").await;
    let job = stage.order(|_| {}).await;
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.done), (JobState::Done, 2), "{log:#?}");
    let around = stage.read("t000.environ");
    assert!(around.lines().any(|line| line == format!("PGPASSWORD={MARKER}")));
    let url = |around: &str| around.lines().find(|line| line.starts_with("DATABASE_URL=")).expect("a URL").to_owned();
    assert!(!url(&around).contains(ENCODED), "the tool reads PGPASSWORD: the URL holds none");
    let words = stage.read("t000.cmdline");
    assert!(words.contains("postgresql://ops@127.0.0.1") && !words.contains("s3cret"), "{words}");
    assert!(log.iter().any(|line| line.contains(" with ***")), "what it printed of it is taken out: {log:#?}");
    assert!(!log.iter().any(|line| line.contains("s3cret")), "{log:#?}");
    let record = stage.fleet.db.sql("select string_agg(t::text, ' ') from (select j::text as t from tenantui.job j union all select s::text from tenantui.step s union all select a::text from tenantui.audit a) q");
    assert!(!record[0][0].as_deref().unwrap_or_default().contains("s3cret"));
    // A tool that reads its URL only.
    stage.fleet.config.migrations.command_password = Some(CommandPassword::Url);
    std::fs::write(stage.fleet.folder.path().join("4_make.rb"), "class Make; end\n").expect("a file");
    let (view, log) = stage.migrate(|_| {}).await;
    assert_eq!(view.state, JobState::Done, "{log:#?}");
    assert!(url(&stage.read("t000.environ")).contains(ENCODED));
    assert!(!stage.read("t000.cmdline").contains("s3cret"));
    assert!(!log.iter().any(|line| line.contains("s3cret")), "{log:#?}");
}

#[tokio::test]
async fn of_several_hosts_the_command_is_sent_to_the_one_in_use() {
    let db = pg().database("drive");
    let url = format!("postgresql://postgres:unused@127.0.0.1:1,127.0.0.1:{}/{}?sslmode=disable", db.port, db.name);
    let port = db.port;
    let stage = Stage::at(db, &url, 1, "tells").await;
    let job = stage.order(|_| {}).await;
    let (view, log) = stage.go_on(job, false).await;
    assert_eq!((view.state, view.done), (JobState::Done, 1), "{log:#?}");
    let around = stage.read("t000.environ");
    assert!(around.lines().any(|line| line == format!("PGPORT={port}")), "{around}");
    assert!(around.lines().any(|line| line == "PGHOST=127.0.0.1"), "{around}");
    assert!(around.contains(&format!("DATABASE_URL=postgresql://postgres@127.0.0.1:{port}/")), "{around}");
}
