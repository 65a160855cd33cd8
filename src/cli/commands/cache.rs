//! `cache SLUG`: the keys of one tenant by prefix, a few of them with type and time, and their removal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use super::tenant::named;
use super::writing::{self, only_one};
use crate::cache::{CacheInput, Unlinked, kept_words};
use crate::cli::args::{self, Consent};
use crate::cli::ask;
use crate::cli::exit::{Failure, Outcome, Status};
use crate::cli::output::{self, Cell, Style, Table};
use crate::cli::session::{self, Session};
use crate::fleet::{ReadOptions, Reading};
use crate::jobs::flush::{self, FlushEnd, FlushOrder};
use crate::model::export::{Row, raw};
use crate::model::fleet::CacheView;
use crate::model::tenant::{KeySample, Tenant, TenantDetail, Ttl};
use crate::postgres::session::Target;
use crate::text::{self, counted, grouped};

#[derive(Serialize)]
struct Document {
    database: String,
    tenant: String,
    schema: Option<String>,
    keys: u64,
    by_prefix: BTreeMap<String, u64>,
    sample: Vec<SampleRow>,
    keys_in_all: u64,
}

#[derive(Serialize)]
struct SampleRow {
    prefix: String,
    key: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Whether it ends by itself; null where the server does not say.
    expires: Option<bool>,
    ttl_seconds: Option<u64>,
}

#[derive(Serialize)]
struct PrefixRow {
    prefix: String,
    keys: u64,
}

#[derive(Serialize)]
struct Removed {
    database: String,
    tenant: String,
    removed: u64,
    /// Keys that another row shares.
    kept: u64,
    stopped: bool,
}

impl Row for PrefixRow {
    const COLUMNS: &'static [&'static str] = &["prefix", "keys"];
}

impl Row for Removed {
    const COLUMNS: &'static [&'static str] = &["database", "tenant", "removed", "kept", "stopped"];
}

impl From<&KeySample> for SampleRow {
    fn from(sample: &KeySample) -> Self {
        Self {
            prefix: sample.prefix.raw().to_owned(),
            key: sample.key.raw().to_owned(),
            kind: raw(sample.kind.as_ref()),
            expires: sample.ttl.map(|ttl| ttl != Ttl::Never),
            ttl_seconds: sample.ttl.and_then(|ttl| match ttl {
                Ttl::Never => None,
                Ttl::Seconds(seconds) => Some(seconds),
            }),
        }
    }
}

/// Shows the cache keys of one tenant, or removes them.
///
/// # Errors
/// Exit 1 where there is none of that name or the cache does not answer, 2 where several databases have one or no cache
/// is configured, 3 without a link, 5 where the removal is not confirmed or the database is read-only.
pub async fn run(session: &Session, arguments: &args::Cache) -> Outcome<Status> {
    let options = ReadOptions { cache: true, detail_of: Some(arguments.slug.clone()), ..ReadOptions::default() };
    let reads = session.read(&options).await;
    let mut found = Vec::new();
    for (target, reading) in reads.iter().filter_map(|read| read.reading.as_ref().ok()) {
        let matches = named(&reading.snapshot.tenants, &arguments.slug);
        found.extend(matches.into_iter().map(|tenant| (tenant, target, reading)));
    }
    let down = session::tell_down(&reads);
    if found.is_empty() && down != Status::Done {
        let word = text::sanitise(&arguments.slug);
        return Err(Failure::new(down, format!("\"{word}\" was not found in the databases that answer")));
    }
    let answered = reads.iter().filter_map(|read| read.reading.as_ref().ok());
    if found.is_empty() && arguments.flush {
        return Err(nobodys(&arguments.slug, answered));
    }
    let answered = answered.map(|(_, reading)| reading);
    let (tenant, target, reading) = only_one(&arguments.slug, found, |(tenant, ..)| tenant, answered)?;
    let database = &target.config.name;
    let in_all = match reading.snapshot.databases.first().map(|view| &view.cache) {
        None | Some(CacheView::NotConfigured) => {
            let words = format!("no cache is configured for {database}; set url in its [database.cache]");
            return Err(Failure::usage(words));
        }
        Some(CacheView::Failed { why, .. }) => return Err(Failure::failed(why.raw())),
        Some(CacheView::Counting { .. }) => 0,
        Some(CacheView::Counted { keys, .. }) => *keys,
    };
    if arguments.flush {
        return remove(session, arguments, &tenant, (target, reading)).await.map(|status| down.and(status));
    }
    let detail = reading.snapshot.detail.as_ref().filter(|detail| detail.key == tenant.key);
    show(arguments, &tenant, detail.map(|detail| &**detail), in_all)?;
    Ok(down)
}

/// Keys of one of whom nothing is left are nobody's here: without a row there is no id, and no telling whose a key is
/// that fits others too. What looks like theirs can be looked at.
fn nobodys<'a>(word: &str, readings: impl Iterator<Item = &'a (Target, Reading)> + Clone) -> Failure {
    if let Some(words) = writing::in_trash(word, readings.clone().map(|(_, reading)| reading)) {
        return Failure::failed(format!("{words}; its cache keys stay until then"));
    }
    let patterns = readings.flat_map(|(target, reading)| {
        let cache = target.config.cache.as_ref();
        let patterns = CacheInput::of(cache, &reading.context.layout.cache_keys, []).patterns;
        if cache.is_some() { patterns } else { Vec::new() }
    });
    let of_it = patterns.filter(|pattern| pattern.contains("{slug}"));
    let mut plain = String::new();
    for character in word.chars() {
        plain.extend("*?[]^\\".contains(character).then_some('\\'));
        plain.push(character);
    }
    let looks: BTreeSet<String> = of_it
        .map(|pattern| format!("redis-cli --scan --pattern {}", text::shell_word(&pattern.replace("{slug}", &plain))))
        .collect();
    let looks = match looks.is_empty() {
        true => String::new(),
        false => format!("; what may be left of it is listed by: {}", looks.into_iter().collect::<Vec<_>>().join("; ")),
    };
    Failure::failed(format!(
        "there is no tenant \"{}\"; `tenantui tenants` lists them. Of one that is gone whole, whose keys are whose is not \
         known here, and none is removed (purge removes them with the tenant){looks}",
        text::sanitise(word)
    ))
}

fn show(arguments: &args::Cache, tenant: &Tenant, detail: Option<&TenantDetail>, in_all: u64) -> Outcome<()> {
    let prefixes = detail.map(|detail| detail.cache_by_prefix.as_slice()).unwrap_or_default();
    let sample = detail.map(|detail| detail.cache_sample.as_slice()).unwrap_or_default();
    if let Some(why) = detail.and_then(|detail| detail.sample_unknown.as_ref()) {
        output::note(why.raw());
    }
    match Style::from(arguments.format) {
        Style::Json => output::json(&Document {
            database: tenant.key.database.to_string(),
            tenant: tenant.slug.raw().to_owned(),
            schema: tenant.schema.as_ref().map(|schema| schema.raw().to_owned()),
            keys: tenant.cache_keys.unwrap_or(0),
            by_prefix: prefixes.iter().map(|(prefix, keys)| (prefix.raw().to_owned(), *keys)).collect(),
            sample: sample.iter().map(SampleRow::from).collect(),
            keys_in_all: in_all,
        }),
        Style::Csv => {
            let rows = prefixes.iter().map(|(prefix, keys)| PrefixRow { prefix: prefix.raw().to_owned(), keys: *keys });
            output::data(&Table::of(rows).csv()?)
        }
        Style::Text => output::data(&page(tenant, prefixes, sample, in_all)),
    }
}

fn page(tenant: &Tenant, prefixes: &[(text::Untrusted, u64)], sample: &[KeySample], in_all: u64) -> String {
    let keys = tenant.cache_keys.unwrap_or(0);
    let mut out = format!("{}: {} of {}\n", tenant.slug.safe(), grouped(keys), counted(in_all, "key"));
    let name = |prefix: &text::Untrusted| {
        if prefix.is_empty() { Cell::from("(the key itself)") } else { Cell::from(prefix) }
    };
    let mut counts = Table::new(&["prefix", "keys"]);
    for (prefix, keys) in prefixes {
        counts.row(vec![name(prefix), (*keys).into()]);
    }
    let mut keys = Table::new(&["a few of them", "type", "lives"]).wrapping(&["a few of them"]);
    for one in sample {
        keys.row(vec![Cell::from(&one.key), one.kind.as_ref().into(), one.ttl.map(Ttl::words).into()]);
    }
    for table in [counts, keys] {
        if !table.is_empty() {
            out.push('\n');
            out.push_str(&output::fitted(&table));
        }
    }
    out
}

/// `--flush`.
async fn remove(
    session: &Session,
    arguments: &args::Cache,
    tenant: &Arc<Tenant>,
    (target, reading): (&Target, &Reading),
) -> Outcome<Status> {
    let slug = tenant.slug.raw();
    if !tenant.is_listed() {
        let why = tenant.state_words();
        return Err(Failure::failed(format!(
            "no row of the registry is {slug}: no key of the cache is its own ({why})"
        )));
    }
    plan(tenant, target, reading);
    if arguments.dry_run {
        writing::note_server(target, reading);
        return match &reading.context.layout.about.hidden_rows {
            Some(hidden) => Err(Failure::refused(format!(
                "it would be refused: which keys are another tenant's is not known: {}",
                text::sanitise(&hidden.words())
            ))),
            None => Ok(Status::Done),
        };
    }
    writing::check_server(target, reading)?;
    writing::check_not_read_only(target, reading)?;
    meant(session, arguments, tenant).await?;
    let consent = Consent { yes: arguments.yes, dry_run: false };
    let question = format!("Remove the cache keys of {}?", tenant.slug.safe());
    ask::confirm(&question, &target.config, consent, &session.signals).await?;
    let order = FlushOrder {
        tenant: tenant.key.clone(),
        slug: tenant.slug.clone(),
        schema: tenant.schema.as_ref().map(|schema| schema.raw().into()),
        layout: Arc::clone(&reading.context.layout),
        tenants: reading.snapshot.tenants.clone(),
    };
    let (stop, stopped) = watch::channel(false);
    let (mut told, mut followed) = (0, 0);
    let work = flush::run(target, &order, stopped, |now: Unlinked| {
        if now.followed > followed {
            followed = now.followed;
            let removed = counted(now.deleted, "key");
            output::note(format!("the cache went away after {removed}; its sentinels are asked for the next master"));
        }
        if now.deleted >= told + PROGRESS {
            told = now.deleted;
            output::note(format!("{} keys removed", grouped(now.deleted)));
        }
    });
    tokio::pin!(work);
    let (ended, signal) = tokio::select! {
        ended = &mut work => (ended, None),
        number = session.signals.wait(1) => {
            stop.send_replace(true);
            (work.await, Some(number))
        }
    };
    let (done, stopped) = match ended? {
        FlushEnd::Done(done) => (done, false),
        FlushEnd::Stopped(done) => (done, true),
    };
    let row = Removed {
        database: target.config.name.to_string(),
        tenant: slug.to_owned(),
        removed: done.deleted,
        kept: done.shared,
        stopped,
    };
    match Style::from(arguments.format) {
        Style::Json => output::json(&row)?,
        Style::Csv => output::data(&Table::of([row]).csv()?)?,
        Style::Text => output::data(&format!("{}\n", words(&row)))?,
    }
    Ok(signal.filter(|_| stopped).map_or(Status::Done, Status::Signal))
}

/// The tenant's slug: on the command line, or asked. `--yes` does not answer it.
async fn meant(session: &Session, arguments: &args::Cache, tenant: &Tenant) -> Outcome<()> {
    let slug = text::shell_word(tenant.slug.raw());
    let typed = match &arguments.confirm {
        Some(word) => word.clone(),
        None => ask::word("Type the slug of the tenant to go on: ", &session.signals).await?.ok_or_else(|| {
            Failure::refused(format!("nothing was removed: add --confirm {slug} to say that this tenant is meant"))
        })?,
    };
    if tenant.slug.is_written(&typed) {
        return Ok(());
    }
    let typed = text::sanitise(&typed);
    Err(Failure::refused(format!("nothing was removed: \"{typed}\" is not the tenant's slug; --confirm {slug} is")))
}

/// A line of progress for so many keys.
const PROGRESS: u64 = 10_000;

fn words(row: &Removed) -> String {
    let kept = kept_words(row.kept);
    let stopped = if row.stopped { ", stopped: the same command removes the rest" } else { "" };
    format!("{}: {} removed{kept}{stopped}", text::sanitise(&row.tenant), counted(row.removed, "key"))
}

fn plan(tenant: &Tenant, target: &Target, reading: &Reading) {
    let patterns = CacheInput::of(target.config.cache.as_ref(), &reading.context.layout.cache_keys, []).patterns;
    output::note(format!(
        "flush: removes {} of {} in {} ({}), but for those that another tenant has a claim to",
        counted(tenant.cache_keys.unwrap_or(0), "cache key"),
        tenant.slug.safe(),
        target.config.name,
        patterns.join(" ")
    ));
}
