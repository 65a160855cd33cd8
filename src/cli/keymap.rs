//! The dashboard's keys as text. The table itself belongs to the dashboard: `main` hands it in, because the two faces
//! do not import each other.

use super::output::Table;

/// One action of the dashboard, for `keys`, the man page and the README.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    /// Its keys as the operator presses them; none: only by name.
    pub keys: Vec<String>,
    /// The section of the help in which it stands.
    pub section: &'static str,
    /// Its name, for `:` and for key maps.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Whether it writes.
    pub writes: bool,
}

/// The keys as a table.
#[must_use]
pub fn table(lines: &[KeyLine]) -> Table {
    let mut table = Table::new(&["keys", "action", "does", "writes", "section"]);
    for line in lines {
        let writes = if line.writes { "yes" } else { "" };
        // What has no key is reached by its name.
        let keys = if line.keys.is_empty() { format!(":{}", line.name) } else { line.keys.join(", ") };
        table.row(vec![keys.into(), line.name.into(), line.help.into(), writes.into(), line.section.into()]);
    }
    table
}

/// The keys as a section of the man page.
#[must_use]
pub fn roff(lines: &[KeyLine]) -> String {
    let escape = |text: &str| text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('.', "\\&.");
    let mut out = String::from(".SH KEYS\nThe keys of the dashboard; the same list is in its help (?).\n");
    let mut section = "";
    for line in lines.iter().filter(|line| !line.keys.is_empty()) {
        if line.section != section {
            section = line.section;
            out.push_str(&format!(".SS {}\n", escape(section)));
        }
        let writes = if line.writes { " Writes: it opens a dialog first." } else { "" };
        out.push_str(&format!(".TP\n\\fB{}\\fR\n{}{writes}\n", escape(&line.keys.join(", ")), escape(line.help)));
    }
    out
}
