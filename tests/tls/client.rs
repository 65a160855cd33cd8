//! Logging in with a certificate: the role of its common name, where its files may stand, who may read its key, and keys
//! that are locked. The keys in this folder were made by `openssl genpkey`, `openssl pkcs8 -topk8` and `openssl ec`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use tenantui::config::Database;
use tenantui::config::surroundings::Surroundings;
use tenantui::model::environment::Environment;
use tenantui::postgres::session::{LinkErrorKind, Patience, Reader, Target, connect_writer};

use super::{Authority, Bench, first_version};

const KEY: &str = include_str!("key.pem");
const LOCKED: &str = include_str!("key-locked.pem");
const LOCKED_THE_OLD_WAY: &str = include_str!("key-locked-old.pem");
/// By `-v2 des3 -v2prf hmacWithSHA1`, as OpenSSL 1.0 did it.
const LOCKED_BY_DES: &str = include_str!("key-locked-des3.pem");
/// By `-v1 PBE-SHA1-3DES`.
const LOCKED_BY_PBE: &str = include_str!("key-locked-pbe.pem");
const P521: &str = include_str!("key-p521.pem");

/// A server that lets `certified` in by certificate alone, and `twofold` with a password besides.
struct Door {
    bench: Bench,
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Door {
    async fn new() -> Option<Self> {
        let authority = Authority::new("clients");
        let hba = [
            "hostssl all certified 127.0.0.1/32 cert",
            "hostssl all twofold 127.0.0.1/32 scram-sha-256 clientcert=verify-ca",
        ];
        let bench = Bench::with(&Authority::new("servers").issue(&["localhost"], "server"), &hba, Some(&authority))?;
        let admin = super::target(&bench.server.socket_url("postgres", "postgres")).expect("a target");
        let admin = connect_writer(&admin, "test").await.expect("a session");
        let roles = "create role certified login; create role twofold login password 'p w'";
        admin.client.batch_execute(roles).await.expect("roles");
        Some(Self { bench, authority, folder: tempfile::TempDir::new().expect("a folder") })
    }

    fn save(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        path
    }

    /// A certificate for the key of the tests' folder.
    fn certificate(&self, authority: &Authority, common_name: &str) -> String {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("params");
        params.distinguished_name.push(DnType::CommonName, common_name);
        authority.sign(&params, &KeyPair::from_pem(KEY).expect("the key"))
    }

    /// Logs in as this role; the subject of the certificate as the server saw it.
    async fn log_in(&self, user: &str, rest: &str, home: Option<&Path>) -> Result<String, (LinkErrorKind, String)> {
        let port = self.bench.server.port();
        let url = format!("host=localhost port={port} user={user} dbname=postgres sslmode=require {rest}");
        let mut around = Surroundings::fixed([("PGTZ", "UTC")]);
        around.home = home.map(Path::to_owned);
        let database = Database::new("test".into(), Environment::Development, url.into());
        let words = |error: tenantui::postgres::session::LinkError| (error.kind, error.to_string());
        let target = Target::resolve(Arc::new(database), &around).map_err(words)?;
        let reader = Reader::open(&target, Patience::Foreground).await.map_err(words)?;
        let sql = "select client_dn from pg_catalog.pg_stat_ssl where pid = pg_backend_pid()";
        Ok(reader.rows(sql).await.expect("a row")[0].text(0).unwrap_or_default().to_owned())
    }

    async fn refused(&self, user: &str, rest: &str, words: &[&str]) {
        let (kind, text) = self.log_in(user, rest, None).await.expect_err(rest);
        assert_eq!(kind, LinkErrorKind::Refused, "{text}");
        for word in words {
            assert!(text.contains(word), "{rest}: {text}");
        }
        assert!(!text.contains("sesame"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_a_login() {
    let Some(door) = Door::new().await else { return };
    let ours = door.save("ours.crt", door.certificate(&door.authority, "certified"), 0o644);
    let key = door.save("ours.key", KEY, 0o600);
    let pair = format!("sslcert={} sslkey={}", ours.display(), key.display());
    let first =
        door.save("first.crt", first_version(&door.certificate(&door.authority, "certified"), &door.authority), 0o644);
    let of_first = format!("sslcert={} sslkey={}", first.display(), key.display());
    for (pair, version) in [(&pair, "TLSv1.2"), (&pair, "TLSv1.3"), (&of_first, "TLSv1.2"), (&of_first, "TLSv1.3")] {
        let rest = format!("{pair} ssl_min_protocol_version={version} ssl_max_protocol_version={version}");
        assert_eq!(door.log_in("certified", &rest, None).await.expect(version), "/CN=certified");
    }
    // A certificate besides a password.
    door.log_in("twofold", &format!("{pair} password='p w'"), None).await.expect("twofold");
    door.refused("twofold", "password='p w'", &["client certificate", "sslcert"]).await;

    // libpq's places.
    door.save(".postgresql/postgresql.crt", door.certificate(&door.authority, "certified"), 0o644);
    door.save(".postgresql/postgresql.key", KEY, 0o600);
    let home = Some(door.folder.path());
    assert_eq!(door.log_in("certified", "", home).await.expect("found"), "/CN=certified");
    let (_, words) = door.log_in("certified", "sslcertmode=disable", home).await.expect_err("not sent");
    assert!(words.contains("client certificate"), "{words}");

    // What the server will not have.
    door.refused("certified", "", &["client certificate", "sslcert"]).await;
    let other = door.save("other.crt", door.certificate(&door.authority, "somebody"), 0o644);
    let rest = format!("sslcert={} sslkey={}", other.display(), key.display());
    door.refused("certified", &rest, &["common name has to be certified"]).await;
    let stranger = door.save("stranger.crt", door.certificate(&Authority::new("strangers"), "certified"), 0o644);
    let rest = format!("sslcert={} sslkey={}", stranger.display(), key.display());
    door.refused("certified", &rest, &["sslcert", "ssl_ca_file"]).await;
    door.refused("certified", &format!("{rest} ssl_max_protocol_version=TLSv1.2"), &["sslcert", "ssl_ca_file"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_guarded_and_locked_ones_opened() {
    let Some(door) = Door::new().await else { return };
    let ours = door.save("ours.crt", door.certificate(&door.authority, "certified"), 0o644);
    let with = |key: &Path| format!("sslcert={} sslkey={}", ours.display(), key.display());

    let locked = door.save("locked.key", LOCKED, 0o600);
    let right = format!("{} sslpassword='open sesame'", with(&locked));
    assert_eq!(door.log_in("certified", &right, None).await.expect("unlocked"), "/CN=certified");
    door.refused("certified", &with(&locked), &["locked.key", "sslpassword"]).await;
    door.refused("certified", &format!("{} sslpassword=sesame", with(&locked)), &["locked.key", "wrong"]).await;
    let old = door.save("old.key", LOCKED_THE_OLD_WAY, 0o600);
    door.refused("certified", &format!("{} sslpassword=x", with(&old)), &["old.key", "openssl pkcs8 -topk8"]).await;

    let open = door.save("open.key", KEY, 0o644);
    door.refused("certified", &with(&open), &["open.key", "chmod 0600"]).await;
    door.refused("certified", &with(&door.folder.path().join("none.key")), &["none.key", "sslkey", "cannot be read"])
        .await;
    door.refused("certified", &with(door.folder.path()), &["not a plain file"]).await;
    door.refused("certified", &with(Path::new("engine:key")), &["engine:key", "hardware"]).await;
    let nothing = door.save("nothing.key", "nothing", 0o600);
    door.refused("certified", &with(&nothing), &["nothing.key", "no private key"]).await;
    let another = door.save("another.key", KeyPair::generate().expect("a key").serialize_pem(), 0o600);
    door.refused("certified", &with(&another), &["sslcert", "sslkey", "is for another key"]).await;
    let first =
        door.save("first.crt", first_version(&door.certificate(&door.authority, "certified"), &door.authority), 0o644);
    let rest = format!("sslcert={} sslkey={}", first.display(), another.display());
    door.refused("certified", &rest, &["first.crt", "sslkey", "is for another key"]).await;
    door.refused("certified", "sslcert=/nonexistent.crt", &["/nonexistent.crt", "sslcert"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_read_as_libpq_reads_them_or_their_kind_is_named_with_the_way_out() {
    let Some(door) = Door::new().await else { return };
    let ours = door.save("ours.crt", door.certificate(&door.authority, "certified"), 0o644);
    let with = |key: &Path| format!("sslcert={} sslkey={} sslpassword='open sesame'", ours.display(), key.display());
    // In DER, as `openssl pkcs8 -topk8 -outform DER` writes it, plain and locked; by older ciphers; behind other text.
    let der = |pem: &str| pkcs8::SecretDocument::from_pem(pem).expect("PEM").1.as_bytes().to_vec();
    for (name, bytes) in [
        ("plain.der", der(KEY)),
        ("locked.der", der(LOCKED)),
        ("des.key", LOCKED_BY_DES.as_bytes().to_vec()),
        (
            "bag.key",
            format!("Bag Attributes\n    friendlyName: k\nKey Attributes: <No Attributes>\n{LOCKED}").into_bytes(),
        ),
    ] {
        let key = door.save(name, bytes, 0o600);
        assert_eq!(door.log_in("certified", &with(&key), None).await.expect(name), "/CN=certified");
    }
    let key = door.save("des.key", LOCKED_BY_DES, 0o600);
    let wrong = with(&key).replace("open sesame", "sesame");
    door.refused("certified", &wrong, &["des.key", "the password is wrong"]).await;

    let pbe = door.save("pbe.key", LOCKED_BY_PBE, 0o600);
    let way = format!("openssl pkcs8 -topk8 -in {} -out NEW", pbe.display());
    door.refused("certified", &with(&pbe), &["PBE-SHA1-3DES", &way]).await;
    let curve = door.save("p521.key", P521, 0o600);
    door.refused("certified", &with(&curve), &["p521.key", "P-521", "P-256", "openssl req -new", "CN=certified"]).await;
    let der_certificate = door.save("der.crt", der(&door.certificate(&door.authority, "certified")), 0o644);
    let rest = with(&pbe).replace("ours.crt", "der.crt");
    let way = format!("openssl x509 -inform DER -in {} -out NEW", der_certificate.display());
    door.refused("certified", &rest, &["no certificate in PEM form", &way]).await;
    let cut = door.save("cut.der", &der(KEY)[..40], 0o600);
    door.refused("certified", &with(&cut), &["cut.der", "damaged"]).await;
    let nothing = door.save("nothing.der", [0x30, 3, 4, 1, 0], 0o600);
    door.refused("certified", &with(&nothing), &["nothing.der", "no private key"]).await;
}
