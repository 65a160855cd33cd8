//! Changelogs in XML. Entities of a document's own are not resolved.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{ChangeSet, Item};

/// What a changelog holds; `Ok(None)` where the file is none.
pub(super) fn items(text: &str) -> Result<Option<Vec<Item>>, String> {
    if !text.contains("databaseChangeLog") {
        return Ok(None);
    }
    let mut reader = Reader::from_str(text);
    let mut items = Vec::new();
    let mut log: Option<Option<String>> = None;
    // An open changeset, and where it starts.
    let mut open: Option<(ChangeSet, usize)> = None;
    loop {
        let start = position(&reader);
        let event = reader.read_event().map_err(|error| format!("at byte {}: {error}", reader.error_position()))?;
        match event {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element)
                if local(&element) == "databaseChangeLog" && log.is_none() =>
            {
                log = Some(attribute(&element, "logicalFilePath"));
            }
            Event::Start(element) if local(&element) == "changeSet" && open.is_none() => {
                open = changeset(&element, log.as_ref()).map(|set| (set, start));
            }
            Event::Empty(element) if local(&element) == "changeSet" && open.is_none() => {
                items.extend(changeset(&element, log.as_ref()).map(Item::Set));
            }
            Event::End(element) if element.local_name().into_inner() == "changeSet" => {
                if let Some((mut set, from)) = open.take() {
                    text.get(from..position(&reader)).unwrap_or_default().clone_into(&mut set.text);
                    items.push(Item::Set(set));
                }
            }
            Event::Start(element) | Event::Empty(element) if open.is_none() => items.extend(include(&element)),
            _ => {}
        }
    }
    Ok(log.map(|_| items))
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn local<'e>(element: &'e BytesStart<'_>) -> &'e str {
    element.local_name().into_inner()
}

fn changeset(element: &BytesStart<'_>, log: Option<&Option<String>>) -> Option<ChangeSet> {
    Some(ChangeSet {
        id: attribute(element, "id")?,
        author: attribute(element, "author")?,
        path: attribute(element, "logicalFilePath").or_else(|| log.cloned().flatten()),
        text: String::new(),
        is_sql: false,
        transactional: attribute(element, "runInTransaction").as_deref() != Some("false"),
    })
}

fn include(element: &BytesStart<'_>) -> Option<Item> {
    let is_relative = attribute(element, "relativeToChangelogFile").as_deref() == Some("true");
    match local(element) {
        "include" => Some(Item::File { path: attribute(element, "file")?, is_relative }),
        "includeAll" => Some(Item::Folder { path: attribute(element, "path")?, is_relative }),
        _ => None,
    }
}

/// An attribute's value, its standard entities resolved.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
}
