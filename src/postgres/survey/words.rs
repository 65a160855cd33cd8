//! Lists of words as the catalog prints them.

pub(super) fn json_texts(json: Option<&str>) -> Vec<String> {
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// The words that a CHECK lists, as the server prints it: `CHECK (((status)::text = ANY (ARRAY['a'::text, ...])))`.
/// Any other form says nothing that could be relied on.
pub(super) fn listed_words(check: &str) -> Vec<String> {
    let Some((_, list)) = check.split_once("= ANY (") else { return Vec::new() };
    if !list.contains("ARRAY[") || check.contains(" AND ") || check.contains(" OR ") || check.contains("NOT ") {
        return Vec::new();
    }
    // A quote inside a word is doubled, so the odd pieces are the words where no word holds one.
    if list.contains("''") {
        return Vec::new();
    }
    list.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}
