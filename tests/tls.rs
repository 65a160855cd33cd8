//! `sslmode` against certificates as they are met: of the right authority, of another one, for another host, without a
//! name that counts, their own authority; and a server without TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::demo::servers::{Home, PostgresOptions, PostgresPrograms, PostgresServer, find_postgres};
use tenantui::model::environment::Environment;
use tenantui::postgres::session::{LinkErrorKind, Patience, Reader, Target, connect_writer};

use crate::support::{left_out, own_pg, setting, tcp};

mod cache;
mod client;

/// Programs of a server that can TLS: the one under test, else an installed one (the wheel's is built without).
fn programs() -> Option<PostgresPrograms> {
    let mut candidates = vec![find_postgres().unwrap_or_else(|error| panic!("{error}")).bin];
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    candidates.extend(installed.map(|version| version.path().join("bin")));
    let can = |bin: &PathBuf| {
        fs::read(bin.join("postgres")).is_ok_and(|bytes| bytes.windows(9).any(|part| part == b"libssl.so"))
    };
    let bin = candidates.iter().find(|bin| can(bin)).cloned();
    assert!(
        bin.is_some() || left_out("tls"),
        "no PostgreSQL with TLS among {candidates:?} (Debian: apt-get install postgresql); \
         TENANTUI_TESTS_WITHOUT=tls leaves these tests out"
    );
    bin.map(|bin| PostgresPrograms { bin })
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Self { params, key, pem }
    }

    /// A certificate for these names (in subjectAltName) with this common name, and its key.
    fn issue(&self, names: &[&str], common_name: &str) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("params");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().expect("a key");
        (self.sign(&params, &key), key.serialize_pem())
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> String {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).expect("signed").pem()
    }
}

/// The same certificate in version 1: without extensions, signed again by its authority.
fn first_version(pem: &str, authority: &Authority) -> String {
    use rcgen::SigningKey as _;
    use x509_cert::der::{Decode as _, Encode as _, asn1::BitString};
    let (_, der) = pkcs8::Document::from_pem(pem).expect("PEM");
    let mut certificate = x509_cert::Certificate::from_der(der.as_bytes()).expect("a certificate");
    let facts = &mut certificate.tbs_certificate;
    (facts.version, facts.extensions) = (x509_cert::Version::V1, None);
    let signature = authority.key.sign(&facts.to_der().expect("DER")).expect("signed");
    certificate.signature = BitString::from_bytes(&signature).expect("bits");
    let der = pkcs8::Document::try_from(certificate.to_der().expect("DER")).expect("DER");
    der.to_pem("CERTIFICATE", pkcs8::LineEnding::LF).expect("PEM")
}

struct Bench {
    server: PostgresServer,
    folder: PathBuf,
    home: Home,
}

impl Bench {
    fn new(certificate: &(String, String)) -> Option<Self> {
        let hba = [
            "hostnossl all nossl 127.0.0.1/32 trust",
            "host all secret 127.0.0.1/32 scram-sha-256",
            "host all old 127.0.0.1/32 md5",
            "host all postgres 127.0.0.1/32 trust",
        ];
        Self::with(certificate, &hba, None)
    }

    /// With these lines for TCP in `pg_hba.conf`, and the authority whose clients' certificates are taken.
    fn with(certificate: &(String, String), hba: &[&str], clients: Option<&Authority>) -> Option<Self> {
        let programs = programs()?;
        let home = Home::new().unwrap_or_else(|error| panic!("{error}"));
        let folder = home.make_folder("tls").unwrap_or_else(|error| panic!("{error}"));
        write(&home, &folder, certificate);
        let file = |name: &str| folder.join(name).display().to_string();
        let mut settings = vec![
            setting("ssl", "on"),
            setting("ssl_cert_file", &file("server.crt")),
            setting("ssl_key_file", &file("server.key")),
        ];
        if let Some(clients) = clients {
            let path = folder.join("clients.crt");
            fs::write(&path, &clients.pem).expect("written");
            home.give(&path).unwrap_or_else(|error| panic!("{error}"));
            settings.push(setting("ssl_ca_file", &file("clients.crt")));
        }
        let hba = std::iter::once("local all all trust").chain(hba.iter().copied()).map(str::to_owned).collect();
        let options = PostgresOptions { settings, hba, ..tcp() };
        let server = PostgresServer::start(&home, "pg", &programs, &options).unwrap_or_else(|error| panic!("{error}"));
        Some(Self { server, folder, home })
    }

    fn present(&mut self, certificate: &(String, String)) {
        write(&self.home, &self.folder, certificate);
        self.server.restart(&self.home, false).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Opens a session; how it is encrypted, or the error.
    async fn open(&self, host: &str, rest: &str) -> Result<(bool, Vec<String>), (LinkErrorKind, String)> {
        let url = format!("host={host} port={} user=postgres dbname=postgres {rest}", self.server.port());
        let target = target(&url).map_err(|error| (error.kind, error.to_string()))?;
        let reader = Reader::open(&target, Patience::Foreground).await;
        let reader = reader.map_err(|error| (error.kind, error.to_string()))?;
        let rows = reader.rows("select ssl from pg_catalog.pg_stat_ssl where pid = pg_backend_pid()").await;
        assert_eq!(rows.expect("a row")[0].is_true(0), reader.facts().tls, "the server sees what we say");
        let warnings = reader.facts().warnings.iter().map(|words| words.raw().to_owned()).collect();
        Ok((reader.facts().tls, warnings))
    }

    async fn refused(&self, host: &str, rest: &str) -> String {
        match self.open(host, rest).await {
            Err((LinkErrorKind::Refused, words)) => words,
            other => panic!("{host} {rest}: {other:?}"),
        }
    }

    async fn encrypted(&self, host: &str, rest: &str) {
        match self.open(host, rest).await {
            Ok((true, _)) => {}
            other => panic!("{host} {rest}: {other:?}"),
        }
    }
}

fn write(home: &Home, folder: &Path, (certificate, key): &(String, String)) {
    for (name, text) in [("server.crt", certificate), ("server.key", key)] {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        home.give(&path).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn target(url: &str) -> Result<Target, tenantui::postgres::session::LinkError> {
    let database = Database::new("test".into(), Environment::Development, url.to_owned().into());
    Target::resolve(Arc::new(database), &Surroundings::fixed([("PGTZ", "UTC")]))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_takes_what_libpq_takes() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let Some(mut bench) = Bench::new(&ours.issue(&["localhost"], "server")) else { return };
    let folder = tempfile::TempDir::new().expect("a folder");
    let save = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).expect("written");
        format!("sslrootcert={}", path.display())
    };
    let (trusted, untrusted) = (save("ours.pem", &ours.pem), save("other.pem", &other.pem));

    // The right authority, the right name.
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        bench.encrypted("localhost", &format!("sslmode={mode} {trusted}")).await;
    }
    assert!(!bench.open("localhost", "sslmode=disable").await.expect("plain").0);
    bench.encrypted("localhost", "").await;
    bench.encrypted("localhost", "sslmode=require").await;
    bench.encrypted("localhost", &format!("sslmode=verify-full ssl_min_protocol_version=TLSv1.3 {trusted}")).await;
    bench.encrypted("localhost", &format!("sslmode=verify-full ssl_max_protocol_version=TLSv1.2 {trusted}")).await;

    // The wrong authority: named, `require` checks it too; `prefer` never does.
    bench.encrypted("localhost", &format!("sslmode=prefer {untrusted}")).await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let words = bench.refused("localhost", &format!("sslmode={mode} {untrusted}")).await;
        assert!(words.contains("authority that is not trusted") && words.contains("sslrootcert"), "{words}");
        assert!(words.contains("postgres@localhost:"), "{words}");
    }
    let words = bench.refused("localhost", "sslmode=verify-full").await;
    assert!(words.contains("not trusted"), "the system's store does not know it: {words}");

    // The right authority, another name: only verify-full minds.
    for mode in ["prefer", "require", "verify-ca"] {
        bench.encrypted("127.0.0.1", &format!("sslmode={mode} {trusted}")).await;
    }
    let words = bench.refused("127.0.0.1", &format!("sslmode=verify-full {trusted}")).await;
    assert!(words.contains("is for") && words.contains("localhost") && words.contains("127.0.0.1"), "{words}");
    // hostaddr says where, host says who.
    bench.encrypted("localhost", &format!("hostaddr=127.0.0.1 sslmode=verify-full {trusted}")).await;

    // A name in the common name alone.
    bench.present(&ours.issue(&[], "localhost"));
    bench.encrypted("localhost", &format!("sslmode=verify-ca {trusted}")).await;
    let words = bench.refused("localhost", &format!("sslmode=verify-full {trusted}")).await;
    assert!(words.contains("subjectAltName") && words.contains("CN"), "{words}");

    // Of version 1, as PostgreSQL's documentation makes it: it has no place for a host's name.
    let (third, key) = ours.issue(&[], "localhost");
    bench.present(&(first_version(&third, &ours), key));
    for version in ["TLSv1.2", "TLSv1.3"] {
        let version = format!("ssl_min_protocol_version={version} ssl_max_protocol_version={version}");
        bench.encrypted("localhost", &format!("sslmode=require {version}")).await;
        bench.encrypted("localhost", &format!("sslmode=verify-ca {trusted} {version}")).await;
    }
    let words = bench.refused("localhost", &format!("sslmode=verify-full {trusted}")).await;
    assert!(words.contains("subjectAltName") && words.contains("CN"), "{words}");
    let words = bench.refused("localhost", &format!("sslmode=verify-ca {untrusted}")).await;
    assert!(words.contains("authority that is not trusted"), "{words}");
    // An authority of the same name with another key.
    let words = bench
        .refused("localhost", &format!("sslmode=verify-ca {}", save("twin.pem", &Authority::new("ours").pem)))
        .await;
    assert!(words.contains("authority that is not trusted"), "{words}");

    // Its own authority, as `openssl req -x509` makes it: trusted when it is named itself.
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let own = (params.self_signed(&key).expect("signed").pem(), key.serialize_pem());
    bench.present(&own);
    let named = save("own.pem", &own.0);
    bench.encrypted("localhost", &format!("sslmode=verify-full {named}")).await;
    let words = bench.refused("127.0.0.1", &format!("sslmode=verify-full {named}")).await;
    assert!(words.contains("is for"), "{words}");
    let words = bench.refused("localhost", &format!("sslmode=verify-full {trusted}")).await;
    assert!(words.contains("not trusted") && words.contains("sslrootcert"), "{words}");

    // Expired, although its authority is trusted.
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("params");
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let issuer = Issuer::from_params(&ours.params, &ours.key);
    let expired = (params.signed_by(&key, &issuer).expect("signed").pem(), key.serialize_pem());
    bench.present(&expired);
    let words = bench.refused("localhost", &format!("sslmode=verify-ca {trusted}")).await;
    assert!(words.contains("expired"), "{words}");

    // A key that we cannot check.
    bench.present(&(include_str!("tls/p521.pem").to_owned(), include_str!("tls/key-p521.pem").to_owned()));
    let words = bench.refused("localhost", "sslmode=require").await;
    assert!(words.contains("nothing in common") && words.contains("P-521") && words.contains("P-256"), "{words}");

    // Files that are none.
    let words = bench.refused("localhost", "sslmode=verify-ca sslrootcert=/nonexistent.pem").await;
    assert!(words.contains("/nonexistent.pem"), "{words}");
    let words = bench.refused("localhost", &format!("sslmode=verify-ca {}", save("none.pem", "hello"))).await;
    assert!(words.contains("no certificate"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_bound_to_the_channel_and_fall_back_as_libpq_does() {
    let ours = Authority::new("ours");
    let Some(bench) = Bench::new(&ours.issue(&["localhost"], "server")) else { return };
    let admin = target(&bench.server.socket_url("postgres", "postgres")).expect("a target");
    let admin = connect_writer(&admin, "test").await.expect("a session");
    admin
        .client
        .batch_execute(
            "create role secret login password 'p w'; create role nossl login; \
             set password_encryption = 'md5'; create role old login password 'p w'",
        )
        .await
        .expect("roles");
    let url = |user: &str, rest: &str| {
        format!("host=localhost port={} user={user} password='p w' dbname=postgres {rest}", bench.server.port())
    };
    let open = async |user: &str, rest: &str| {
        Reader::open(&target(&url(user, rest)).expect("a target"), Patience::Foreground).await
    };
    for mode in ["disable", "require"] {
        for binding in ["disable", "prefer"] {
            open("secret", &format!("sslmode={mode} channel_binding={binding}")).await.expect("scram");
        }
    }
    open("secret", "sslmode=require channel_binding=require").await.expect("bound");
    let words = open("secret", "sslmode=disable channel_binding=require").await.expect_err("nothing to bind to");
    assert!(words.to_string().contains("channel binding"), "{words}");
    assert_eq!(words.kind, LinkErrorKind::Refused);
    open("old", "sslmode=require").await.expect("md5");
    let words = open("old", "sslmode=require channel_binding=require").await.expect_err("md5 is not bound");
    assert!(words.to_string().contains("channel binding"), "{words}");

    // A role that pg_hba.conf lets in only without TLS: prefer finds out, require does not.
    assert!(!open("nossl", "sslmode=prefer").await.expect("fell back").facts().tls);
    assert_eq!(open("nossl", "sslmode=require").await.expect_err("TLS").kind, LinkErrorKind::Refused);

    // A cancel over TLS.
    let writer = connect_writer(&target(&url("secret", "sslmode=require")).expect("a target"), "test").await;
    let writer = writer.expect("a session");
    let (slept, cancelled) = tokio::join!(writer.client.batch_execute("select pg_sleep(60)"), async {
        crate::support::wait_until_async(std::time::Duration::from_secs(10), "the sleeper", || async {
            let sql = "select from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
            admin.client.query(sql, &[]).await.is_ok_and(|rows| rows.len() == 1)
        })
        .await;
        writer.cancel.cancel().await
    });
    cancelled.expect("reached the server");
    assert_eq!(slept.expect_err("cancelled").code().map(|code| code.code().to_owned()), Some("57014".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_used_only_where_that_is_allowed() {
    let pg = own_pg(tcp());
    let url = |rest: &str| format!("host=127.0.0.1 port={} user=postgres dbname=postgres {rest}", pg.server.port());
    for rest in ["", "sslmode=prefer", "sslmode=disable"] {
        let target = target(&url(rest)).expect("a target");
        assert!(!Reader::open(&target, Patience::Foreground).await.expect(rest).facts().tls);
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let target = target(&url(&format!("sslmode={mode}"))).expect("a target");
        let error = Reader::open(&target, Patience::Foreground).await.expect_err(mode);
        assert_eq!(error.kind, LinkErrorKind::Refused);
        assert!(error.to_string().contains("does not offer TLS"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weak_protection_of_a_host_elsewhere_is_a_warning() {
    let ours = Authority::new("ours");
    let Some(bench) = Bench::new(&ours.issue(&["db.example"], "server")) else { return };
    let folder = tempfile::TempDir::new().expect("a folder");
    let pem = folder.path().join("ours.pem");
    fs::write(&pem, &ours.pem).expect("written");
    let root = format!("sslrootcert={}", pem.display());
    // The name is of another machine; where it leads is this one.
    let warned = async |rest: String| {
        let (_, warnings) = bench.open("db.example", &format!("hostaddr=127.0.0.1 {rest}")).await.expect("opens");
        warnings.into_iter().filter(|words| words.contains("sslmode=")).collect::<Vec<_>>()
    };
    assert_eq!(warned(root.clone()).await, Vec::<String>::new(), "verify-full is the default");
    assert_eq!(
        warned(format!("sslmode=verify-ca {root}")).await,
        ["TLS without checking the certificate's name (sslmode=verify-ca)"]
    );
    assert_eq!(
        warned("sslmode=require".to_owned()).await,
        ["TLS without checking the server's certificate (sslmode=require)"]
    );
    assert_eq!(warned("sslmode=disable".to_owned()).await, ["the connection is not encrypted (sslmode=disable)"]);
}
