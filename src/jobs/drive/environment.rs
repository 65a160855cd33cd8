//! What a command is started with: its words, its folder, and an environment in which everything that a tool may read
//! leads to one tenant's schema and nowhere else.

use secrecy::ExposeSecret;

use super::child::Order;
use super::ready::Drive;
use crate::config::conninfo::{Host, RootCert, SslMode};
use crate::jobs::orders::OrderError;
use crate::jobs::steps::TenantSteps;
use crate::migrations::aim::{self, Address, Fill, PasswordPlace, UrlAim, Variable};
use crate::model::ident::SchemaName;

/// For which tenant.
pub(super) struct Place<'p, 'a> {
    pub(super) drive: &'p Drive<'a>,
    pub(super) tenant: &'p TenantSteps,
    /// The newest version that it is to get.
    pub(super) version: &'p str,
    /// Schemas behind the tenant's in the search path.
    pub(super) extra: &'p [SchemaName],
    pub(super) application_name: &'p str,
    /// Which of the connection string's hosts our own session is at: the command has to go to the same one.
    pub(super) host: usize,
    /// Our own session to that server is encrypted.
    pub(super) encrypted: bool,
}

/// The order of the command. The password is asked for only now: it may be one that does not live long.
pub(super) async fn order(place: &Place<'_, '_>) -> Result<Order, OrderError> {
    let Place { drive, tenant, .. } = place;
    let conninfo = drive.target.conninfo_of(place.host);
    let password = drive.target.password(place.host).await?;
    let password = password.as_ref().map(|secret| secret.expose_secret());
    // `public` in the path makes several tools take its ledger for the tenant's.
    let extra = place.extra.iter().filter(|schema| schema.raw() != "public");
    let schemas: Vec<&SchemaName> = std::iter::once(&tenant.schema).chain(extra).collect();
    let path = aim::search_path(&schemas);
    let address = Address {
        conninfo,
        sslmode: sslmode(conninfo.sslmode, place.encrypted),
        schema: tenant.schema.raw(),
        path: &path,
    };
    let in_url = password.filter(|_| drive.password == PasswordPlace::Url);
    let words = aim::filled(
        drive.command,
        &Fill {
            schema: tenant.schema.raw(),
            slug: &tenant.slug,
            id: tenant.id.as_deref(),
            version: place.version,
            url: &argument(&address, drive.aim.url),
        },
    );
    let mut variables = libpq(place, &address);
    variables.push(("TENANTUI_SCHEMA".into(), tenant.schema.raw().into()));
    variables.push(("TENANTUI_TENANT".into(), tenant.slug.clone()));
    variables.push(("DATABASE_URL".into(), address.url(drive.aim.url, in_url)));
    if drive.aim.url == UrlAim::CurrentSchema {
        variables.push(("JDBC_DATABASE_URL".into(), address.jdbc(true, in_url)));
    }
    variables.extend(password.map(|password| ("PGPASSWORD".into(), password.to_owned())));
    for (name, what) in drive.aim.variables {
        let value = match what {
            Variable::Url => Some(address.url(drive.aim.url, in_url)),
            Variable::Jdbc => Some(address.jdbc(false, None)),
            Variable::User => Some(conninfo.user.clone()),
            Variable::Password => password.map(str::to_owned),
            Variable::Word(word) => Some((*word).to_owned()),
        };
        variables.extend(value.map(|value| ((*name).to_owned(), value)));
    }
    Ok(Order {
        words,
        folder: drive.target.config.migrations.command_folder.clone(),
        variables,
        limit: drive.limit,
        secret: password.map(str::to_owned),
    })
}

/// The URL as an argument: without the password, which everybody on the machine could read there.
fn argument(address: &Address<'_>, url: UrlAim) -> String {
    match url {
        UrlAim::CurrentSchema => address.jdbc(true, None),
        UrlAim::Nothing | UrlAim::Options | UrlAim::Schema => address.url(url, None),
    }
}

/// `prefer` is a word that some drivers lack and others take for `require`: they are told what it came to.
const fn sslmode(configured: SslMode, encrypted: bool) -> &'static str {
    match (configured, encrypted) {
        (SslMode::Prefer, false) => SslMode::Disable.word(),
        (SslMode::Prefer, true) => SslMode::Require.word(),
        (other, _) => other.word(),
    }
}

/// libpq's own variables.
fn libpq(place: &Place<'_, '_>, address: &Address<'_>) -> Vec<(String, String)> {
    let conninfo = address.conninfo;
    let mut variables: Vec<(&str, String)> = vec![
        ("PGPORT", conninfo.port.to_string()),
        ("PGUSER", conninfo.user.clone()),
        ("PGDATABASE", conninfo.dbname.clone()),
        ("PGOPTIONS", aim::pgoptions(address.path)),
        ("PGAPPNAME", place.application_name.to_owned()),
    ];
    match &conninfo.host {
        Host::Tcp(host) => {
            variables.push(("PGHOST", host.clone()));
            variables.push(("PGSSLMODE", address.sslmode.to_owned()));
        }
        Host::Unix(folder) => variables.push(("PGHOST", folder.display().to_string())),
        Host::DefaultSocket => {}
    }
    variables.extend(conninfo.hostaddr.map(|address| ("PGHOSTADDR", address.to_string())));
    match &conninfo.sslrootcert {
        Some(RootCert::File(path)) => variables.push(("PGSSLROOTCERT", path.display().to_string())),
        Some(RootCert::System) => variables.push(("PGSSLROOTCERT", "system".to_owned())),
        None => {}
    }
    let files = [("PGSSLCERT", &conninfo.sslcert), ("PGSSLKEY", &conninfo.sslkey)];
    variables.extend(files.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?.display().to_string()))));
    variables.extend(conninfo.connect_timeout.map(|limit| ("PGCONNECT_TIMEOUT", limit.as_secs().max(2).to_string())));
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
