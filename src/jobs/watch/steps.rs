//! The newest ended steps of a job that another process runs, as lines of its log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::jobs::record;
use crate::jobs::report::seconds;
use crate::model::job::{JobId, LogLine, LogMark, StepAction};
use crate::model::tenant::DatabaseName;
use crate::postgres::session::{QueryError, TextRow};
use crate::text::Untrusted;

/// Lines told when a job is first seen: what went before is in its results.
const AT_FIRST: u32 = 10;
/// Lines told of one look; the rest is counted.
const AT_ONCE: u32 = 100;
/// A step that ended earlier than one that was told may have committed later: so far is looked back.
const OVERLAP_MS: i64 = 3_000;

/// Which ended steps of a job were told.
#[derive(Debug, Default)]
pub(super) struct EndedSteps {
    /// The newest end that was told, in milliseconds.
    newest: Option<i64>,
    /// Those within the overlap: end and number.
    told: BTreeSet<(i64, i32)>,
}

/// What is new of them.
#[derive(Debug, Default)]
pub(super) struct NewLines {
    /// Oldest first.
    pub(super) lines: Vec<LogLine>,
    /// Ended steps that were not told.
    pub(super) left_out: u64,
}

impl EndedSteps {
    /// The statement that reads them.
    pub(super) fn sql(&self, job: JobId) -> String {
        let (since, limit) = match self.newest {
            Some(newest) => (
                format!(" AND s.ended_at >= pg_catalog.to_timestamp({}::float8 / 1000)", newest - OVERLAP_MS),
                AT_ONCE + u32::try_from(self.told.len()).unwrap_or(AT_ONCE),
            ),
            None => (String::new(), AT_FIRST),
        };
        format!(
            "SELECT s.seq, {ended}, s.state, s.slug, s.from_version, s.version, s.duration_ms, s.sqlstate, s.message, \
             pg_catalog.count(*) OVER (), s.action FROM tenantui.step AS s WHERE s.job_id = {job} AND s.ended_at IS NOT NULL \
             AND s.state IN ('done', 'skipped', 'blocked', 'failed', 'unknown'){since} \
             ORDER BY s.ended_at DESC, s.seq DESC LIMIT {limit};",
            ended = record::epoch("s.ended_at"),
        )
    }

    /// The lines of those rows that were not told yet.
    pub(super) fn take(
        &mut self,
        rows: &[TextRow],
        database: &DatabaseName,
        job: JobId,
    ) -> Result<NewLines, QueryError> {
        let first = self.newest.is_none();
        let mut new = NewLines::default();
        for row in rows.iter().rev() {
            let (Some(seq), Some(at)) = (row.parse::<i32>(0)?, row.parse::<i64>(1)?) else { continue };
            self.newest = self.newest.max(Some(at));
            if self.told.insert((at, seq)) {
                new.lines.push(line(row, at, database, job)?);
            }
        }
        if !first && let Some(all) = rows.first().map(|row| row.parse::<u64>(9)).transpose()?.flatten() {
            new.left_out = all.saturating_sub(rows.len() as u64);
        }
        // A job without an ended step has told everything there was.
        let newest = *self.newest.get_or_insert(0);
        self.told.retain(|(at, _)| *at >= newest - OVERLAP_MS);
        Ok(new)
    }
}

fn line(row: &TextRow, at: i64, database: &DatabaseName, job: JobId) -> Result<LogLine, QueryError> {
    let mark = match row.text(2) {
        Some("done") => LogMark::Ok,
        Some("skipped") => LogMark::Note,
        Some(_) | None => LogMark::Fail,
    };
    let way = match (row.text(4), row.text(5)) {
        (to, Some(version)) if row.text(10) == Some(StepAction::Rollback.word()) => {
            format!("{version}>{}", to.unwrap_or("-"))
        }
        (from, Some(version)) => format!("{}>{version}", from.unwrap_or("-")),
        (_, None) if matches!(row.text(10).and_then(StepAction::from_word), Some(StepAction::Life(_))) => {
            row.text(10).unwrap_or_default().to_owned()
        }
        (_, None) => row.text(2).unwrap_or_default().to_owned(),
    };
    let end = match mark {
        LogMark::Ok => row.parse::<u64>(6)?.map_or_else(String::new, |spent| seconds(Duration::from_millis(spent))),
        LogMark::Note => "skipped".to_owned(),
        LogMark::Fail | LogMark::Run => {
            let code = row.text(7).map(|code| format!("{code} ")).unwrap_or_default();
            format!("{code}{}", row.text(8).unwrap_or_default())
        }
    };
    Ok(LogLine {
        database: Arc::clone(database),
        job,
        at: jiff::Timestamp::from_millisecond(at)
            .map_err(|error| QueryError::Unexpected { what: Untrusted::new(error.to_string()) })?,
        mark,
        tenant: row.text(3).map(Untrusted::new),
        text: Untrusted::new(format!("{way}   {end}").trim_end()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i32, at: i64, state: &str, total: u64) -> TextRow {
        let cells = [
            Some(seq.to_string()),
            Some(at.to_string()),
            Some(state.to_owned()),
            Some(format!("t{seq}")),
            Some("1".to_owned()),
            Some("2".to_owned()),
            Some("1800".to_owned()),
            (state == "failed").then(|| "42P07".to_owned()),
            (state == "failed").then(|| "it exists".to_owned()),
            Some(total.to_string()),
        ];
        TextRow::new(cells.map(|cell| cell.map(String::into_boxed_str)).into())
    }

    fn texts(steps: &mut EndedSteps, rows: &[TextRow]) -> (Vec<String>, u64) {
        let new = steps.take(rows, &"eu-1".into(), JobId(7)).expect("rows");
        let text = |line: &LogLine| {
            format!("{:?} {} {}", line.mark, line.tenant.as_ref().map_or("", |t| t.raw()), line.text.raw())
        };
        (new.lines.iter().map(text).collect(), new.left_out)
    }

    #[test]
    fn each_step_is_told_once_oldest_first_even_where_it_committed_late() {
        let mut steps = EndedSteps::default();
        // At first nothing counts as left out.
        let (lines, left) = texts(&mut steps, &[row(3, 9_000, "done", 3), row(1, 8_000, "failed", 3)]);
        assert_eq!(lines, ["Fail t1 1>2   42P07 it exists", "Ok t3 1>2   1.8s"]);
        assert_eq!(left, 0);
        assert!(steps.sql(JobId(7)).contains("to_timestamp(6000::float8 / 1000)"));
        // Number 2 ended before 3 and shows only now.
        let again = [row(4, 9_500, "skipped", 4), row(3, 9_000, "done", 4), row(2, 8_500, "done", 4)];
        let (lines, left) = texts(&mut steps, &again);
        assert_eq!(lines, ["Ok t2 1>2   1.8s", "Note t4 1>2   skipped"]);
        assert_eq!(left, 1);
        assert_eq!(texts(&mut steps, &again).0, Vec::<String>::new());
        // What is old is forgotten.
        texts(&mut steps, &[row(5, 90_000, "done", 1)]);
        assert_eq!(steps.told.len(), 1);
    }

    #[test]
    fn after_a_first_look_without_an_end_nothing_is_missed() {
        let mut steps = EndedSteps::default();
        assert!(texts(&mut steps, &[]).0.is_empty());
        let rows: Vec<TextRow> = (0..20).rev().map(|seq| row(seq, 1_000, "done", 20)).collect();
        assert_eq!(texts(&mut steps, &rows).0.len(), 20);
    }
}
