//! The trash: what `undrop` brings back and `purge` removes for good.

use serde::Serialize;

use crate::cli::args::Format;
use crate::cli::exit::{Outcome, Status};
use crate::cli::output::{self, Style, Table};
use crate::cli::session::Session;
use crate::jobs::life::trash;
use crate::model::export::TrashRow;
use crate::model::life::Trashed;

#[derive(Serialize)]
struct Document {
    trash: Vec<TrashRow>,
}

/// Lists the dropped tenants of all chosen databases, newest first in each.
///
/// # Errors
/// When the output cannot be written.
pub async fn list(session: &Session, format: Format) -> Outcome<Status> {
    let (all, status) = session.ask_all(async |reader, database| trash::list(reader, &database.name).await).await;
    match Style::from(format) {
        Style::Json => output::json(&Document { trash: all.iter().map(TrashRow::from).collect() })?,
        Style::Csv => output::data(&Table::of(all.iter().map(TrashRow::from)).csv()?)?,
        Style::Text if !all.is_empty() => output::table(&table(&all, session.has_several()))?,
        Style::Text if status == Status::Done => output::note("the trash is empty"),
        Style::Text => output::note("the trash is empty in what could be read"),
    }
    Ok(status)
}

fn table(all: &[Trashed], several: bool) -> Table {
    let mut heads = vec!["tenant", "schema", "in trash as", "dropped at", "by", "next"];
    if several {
        heads.insert(0, "database");
    }
    let mut table = Table::new(&heads).giving_way(&["schema", "by"]);
    for trashed in all {
        let drop = trashed.drop.as_ref();
        let mut cells = vec![
            drop.map(|drop| &drop.slug).into(),
            drop.map(|drop| &drop.original).into(),
            (&trashed.schema).into(),
            drop.map(|drop| drop.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).into(),
            drop.map(|drop| &drop.by).into(),
            if trashed.can_come_back() { "undrop, purge" } else { "purge" }.into(),
        ];
        if several {
            cells.insert(0, (&*trashed.database).into());
        }
        table.row(cells);
    }
    table
}
