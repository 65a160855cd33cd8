//! `doctor` on the cache: what was counted, and what its user may do.

use super::doctor::{Examination, Verdict};
use crate::cache::CacheInput;
use crate::cache::rights::{self, CacheCommand, CacheRights};
use crate::config;
use crate::fleet::Reading;
use crate::model::fleet::CacheView;
use crate::text;

/// Says how the cache is, and what its user lacks.
pub async fn examine(database: &config::Database, reading: &Reading, view: &CacheView, found: &mut Examination) {
    match view {
        CacheView::NotConfigured => found.add("cache", Verdict::Off, "not configured", None),
        CacheView::Counting { .. } => found.add("cache", Verdict::Ok, "being counted", None),
        CacheView::Failed { why, .. } => {
            let advice = database.cache.as_ref().map(|_| "everything else works without it");
            found.add("cache", Verdict::Warn, why.raw(), advice);
        }
        CacheView::Counted { keys, .. } => {
            let keys = text::counted(*keys, "key");
            let Some(cache) = &database.cache else { return };
            let patterns = CacheInput::of(Some(cache), &reading.context.layout.cache_keys, []).patterns;
            match rights::rights(cache, &patterns).await {
                Ok(rights) => told(database, &keys, &rights, found),
                Err(error) => found.add("cache", Verdict::Warn, format!("{keys}; {}", error.message.raw()), None),
            }
        }
    }
}

fn told(database: &config::Database, keys: &str, rights: &CacheRights, found: &mut Examination) {
    let words = |commands: &[CacheCommand]| {
        let each = commands.iter().map(|command| command.word());
        each.collect::<Vec<_>>().join(", ")
    };
    let without = |commands: &[CacheCommand]| {
        let each = commands.iter().map(|command| command.serves());
        each.collect::<Vec<_>>().join("; ")
    };
    if !rights.unknown.is_empty() {
        let line = format!(
            "{keys}; whether its user may {} is not told by the server: {}",
            words(&rights.unknown),
            without(&rights.unknown)
        );
        found.add("cache", Verdict::Ok, line, None);
    }
    let Some(rule) = &rights.rule else {
        if rights.unknown.is_empty() {
            found.add("cache", Verdict::Ok, keys, None);
        }
        return;
    };
    let lacking = &rights.lacking;
    let line = format!("{keys}; its user may not {}, so there is not: {}", words(lacking), without(lacking));
    // Who only reads needs no right to remove.
    let is_right = database.read_only && lacking.as_slice() == [CacheCommand::Unlink];
    let advice = format!("an administrator of the cache may run: {}", rule.raw());
    let (verdict, advice) = if is_right { (Verdict::Ok, None) } else { (Verdict::Warn, Some(advice)) };
    found.add("cache", verdict, line, advice.as_deref());
}
