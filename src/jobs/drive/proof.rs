//! The judgement over a command that ended: by what is there now, not by what it says of itself.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::child::End;
use super::look::Look;
use super::output::Output;
use crate::migrations::folder::Folder;
use crate::model::ledger::Version;
use crate::text::Untrusted;

/// Names in a message before it says how many more there are.
const SHOWN: usize = 5;

/// What is known.
pub(super) struct Case<'c> {
    pub(super) schema: &'c str,
    pub(super) end: &'c End,
    pub(super) limit: Duration,
    pub(super) output: &'c Output,
    /// Its sessions that are still there.
    pub(super) still: Option<String>,
    pub(super) before: &'c Look,
    pub(super) after: &'c Look,
    pub(super) folder: &'c Folder,
    pub(super) planned: &'c [Version],
}

/// What it came to.
#[derive(Debug)]
pub(super) enum Judged {
    /// Every planned version is in the tenant's ledger, and nothing else moved.
    Done,
    /// It was ended before it was through.
    Stopped,
    /// It failed, in its own schema.
    Failed {
        /// What, in one line.
        words: Untrusted,
        /// What else an operator needs.
        details: Vec<String>,
    },
    /// It worked where it must not, or nobody knows where: nothing further may run.
    Astray {
        /// What, in one line.
        words: Untrusted,
        /// What else an operator needs.
        details: Vec<String>,
    },
    /// It never ran; no other would.
    NotStarted(Untrusted),
}

/// Judges.
pub(super) fn judge(case: &Case<'_>) -> Judged {
    if let End::NotStarted(why) = case.end {
        return Judged::NotStarted(format!("{why}. Correct command in [database.migrations]").into());
    }
    let missing = case.after.missing(case.folder, case.planned);
    let public = case.before.changes_in_public(case.after);
    let others = case.before.other_ledgers(case.after);
    if !public.is_empty() || !others.is_empty() {
        return astray(case, &public, &others, missing.as_deref());
    }
    let unfit = case.after.unfit(case.folder.tool);
    let good = matches!(case.end, End::Exited(status) if status.success());
    match (good, missing, unfit) {
        (_, Some(missing), None) if missing.is_empty() && (good || *case.end == End::Stopped) => ended(case),
        (false, _, _) if *case.end == End::Stopped => Judged::Stopped,
        (false, missing, _) => failed(case, missing.as_deref()),
        (true, _, Some(why)) => Judged::Failed {
            words: format!("the command ended well, and it is not proved: {}", why.raw()).into(),
            details: Vec::new(),
        },
        (true, missing, None) => not_moved(case, missing.as_deref()),
    }
}

/// Everything is there; unless somebody of its own is still at work.
fn ended(case: &Case<'_>) -> Judged {
    match &case.still {
        None => Judged::Done,
        Some(pids) => Judged::Failed {
            words: format!("the command ended and left sessions open that still work (pid {pids})").into(),
            details: vec!["look at them, then retry: the ledger has all that was planned".to_owned()],
        },
    }
}

fn astray(case: &Case<'_>, public: &[String], others: &[String], missing: Option<&[Version]>) -> Judged {
    let mut what = listed(public);
    if !others.is_empty() {
        let moved = format!("ledgers of other schemas moved: {}", listed(others));
        what = if what.is_empty() { moved } else { format!("{what}; {moved}") };
    }
    let place = match (public.is_empty(), others.is_empty()) {
        (true, _) => "other schemas",
        (false, true) => "public",
        (false, false) => "public and other schemas",
    };
    let tenant = match missing {
        Some([]) => format!("{} has all that was planned", case.schema),
        Some(_) if case.after.version() == case.before.version() => {
            format!("the ledger of {} did not move (it is at {})", case.schema, case.after.version())
        }
        Some(missing) => format!("{} still lacks {}", case.schema, versions(missing)),
        None => format!("where {} stands is not known", case.schema),
    };
    Judged::Astray {
        words: format!("the command ignored its aim and migrated {place}: {what}; {tenant}").into(),
        details: vec![
            format!(
                "to repair: undo by hand what it did in {place} (or, where another program did that meanwhile, nothing), \
                 correct the aim of command as the README says, then retry the job"
            ),
            told(case),
        ],
    }
}

fn not_moved(case: &Case<'_>, missing: Option<&[Version]>) -> Judged {
    let (before, after) = (case.before.version(), case.after.version());
    let lacks =
        missing.map_or_else(|| "and cannot be read".to_owned(), |missing| format!("and lacks {}", versions(missing)));
    let words = if before == after {
        format!("the command ended well and the ledger of {} did not move: it is at {after}, {lacks}", case.schema)
    } else {
        format!("the command ended well and did not do all: {} went from {before} to {after}, {lacks}", case.schema)
    };
    let new = case.before.new_schemas(case.after);
    let mut details = Vec::new();
    if !new.is_empty() {
        details.push(format!("schemas that appeared meanwhile: {}", new.join(", ")));
    }
    details.push(
        "nothing changed in public; it worked elsewhere, or found nothing to do: look at what it printed, correct command \
         or its files, then retry the job"
            .to_owned(),
    );
    details.push(told(case));
    Judged::Astray { words: words.into(), details }
}

fn failed(case: &Case<'_>, missing: Option<&[Version]>) -> Judged {
    let how = match case.end {
        End::Exited(status) => in_words(*status),
        End::TooLong => format!("the command did not end within {} s and was ended", case.limit.as_secs()),
        End::Stopped | End::Fenced | End::NotStarted(_) => "the command was ended".to_owned(),
    };
    let last = case.output.tail().next_back().unwrap_or("it printed nothing");
    let stands = match missing {
        Some([]) => "its ledger has all that was planned all the same".to_owned(),
        Some(_) => format!("the schema is at {}", case.after.version()),
        None => "where the schema stands is not known".to_owned(),
    };
    // What it printed, but for what is said already.
    let more = (case.output.tail().count() > 1).then(|| told(case));
    Judged::Failed { words: format!("{how}: {last}").into(), details: std::iter::once(stands).chain(more).collect() }
}

/// `exit status 3`, `ended by signal 9`.
fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                1 => " (SIGHUP)",
                2 => " (SIGINT)",
                6 => " (SIGABRT)",
                9 => " (SIGKILL)",
                11 => " (SIGSEGV)",
                15 => " (SIGTERM)",
                _ => "",
            };
            format!("ended by signal {signal}{name}")
        }
        (None, None) => status.to_string(),
    }
}

/// The end of what it printed, on one line.
fn told(case: &Case<'_>) -> String {
    let tail: Vec<&str> = case.output.tail().collect();
    if tail.is_empty() { "it printed nothing".to_owned() } else { format!("it printed: {}", tail.join(" | ")) }
}

/// What changed and is no trouble by itself.
pub(super) fn notes(before: &Look, after: &Look) -> Vec<String> {
    let new = before.new_schemas(after);
    if new.is_empty() {
        return Vec::new();
    }
    vec![format!("schemas appeared while the command ran: {} (new tenants?)", new.join(", "))]
}

fn versions(versions: &[Version]) -> String {
    listed(&versions.iter().map(|version| version.raw().to_owned()).collect::<Vec<_>>())
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
