//! `[database.cache]`.

use secrecy::SecretString;

use super::super::Cache;
use super::super::cacheurl::{ALLOWED, CacheUrl, asks_tls};
use super::super::document::Section;
use super::super::error::ConfigError;
use super::{Literal, user_info, without_variables};

/// The section, and where a password stands in it in plain text.
pub(super) fn read(section: &mut Section<'_>) -> Result<(Option<Cache>, Literal), ConfigError> {
    if !section.is_there() {
        return Ok((None, None));
    }
    let Some(url) = section.text("url")? else {
        return Err(section.wrong("url", section.start, format!("is missing; allowed: {ALLOWED} and what follows")));
    };
    let Some(tls) = asks_tls(&url.value) else {
        return Err(section.wrong("url", url.at, format!("must start with {ALLOWED}")));
    };
    CacheUrl::parse(&url.value).map_err(|error| section.wrong("url", url.at, format!("impossible value: {error}")))?;
    let literal = cache_password(&without_variables(url.raw)).then_some(("cache.url", url.at));
    let mut cache = Cache::new(SecretString::from(url.value));
    let (ca, cert, key) = (section.path("ca")?, section.path("cert")?, section.path("key")?);
    if let (false, Some((_, at))) = (tls, ca.as_ref().or(cert.as_ref()).or(key.as_ref())) {
        return Err(section.wrong(
            "url",
            *at,
            "must start with rediss:// or rediss-sentinel:// where ca, cert or key is set",
        ));
    }
    cache.ca = ca.map(|(path, _)| path);
    cache.client = match (cert, key) {
        (None, None) => None,
        (Some((cert, _)), Some((key, _))) => Some((cert, key)),
        (Some((_, at)), None) => return Err(section.wrong("key", at, "is missing: cert needs it")),
        (None, Some((_, at))) => return Err(section.wrong("cert", at, "is missing: key needs it")),
    };
    for text in section.list("keys")?.unwrap_or_default() {
        if !["{id}", "{slug}", "{schema}"].iter().any(|name| text.value.contains(name)) {
            return Err(section.wrong("keys", text.at, "each pattern must contain {id}, {slug} or {schema}"));
        }
        cache.keys.push(text.value);
    }
    section.finish()?;
    Ok((Some(cache), literal))
}

fn cache_password(text: &str) -> bool {
    let in_login = user_info(text).and_then(|login| login.split_once(':')).is_some_and(|(_, word)| !word.is_empty());
    let in_query = text.split_once('?').is_some_and(|(_, query)| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .any(|(key, value)| key.contains("pass") && !value.is_empty())
    });
    in_login || in_query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_plain_text_is_seen() {
        for text in [
            "redis://:secret@h",
            "rediss://u:secret@h/0",
            "unix:///s?pass=secret",
            "redis-sentinel://u:secret@a,b:1/0",
            "redis-sentinel://a,b:1/0?sentinel_password=secret",
        ] {
            assert!(cache_password(text), "{text}");
        }
        for text in ["redis://h:6379/0", "redis://user@h", "redis://u:@h", "unix:///s?db=1", "redis-sentinel://a,b/0"] {
            assert!(!cache_password(text), "{text}");
        }
    }
}
