//! The table of actions: one line each, in the order of the help. What is shown of it is made in `action`.

use super::action::{Action, ActionInfo};
use super::state::Screen::{self, Audit, JobResult, Jobs, Messages, Migrations, Server, Tenant, Tenants};

const fn reads(action: Action, name: &'static str, title: &'static str, help: &'static str) -> ActionInfo {
    ActionInfo { action, name, title, help, writes: false, screens: &[], footer: &[] }
}

impl ActionInfo {
    const fn writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Means something only there.
    const fn on(mut self, screens: &'static [Screen]) -> Self {
        self.screens = screens;
        self
    }

    /// Named in the footer of these screens: place and words.
    const fn footer(mut self, footer: &'static [(Screen, u8, &'static str)]) -> Self {
        self.footer = footer;
        self
    }
}

/// The table.
pub const ACTIONS: &[ActionInfo] = &[
    reads(Action::Down, "down", "down", "The next row."),
    reads(Action::Up, "up", "up", "The row before."),
    reads(
        Action::HalfPageDown,
        "half-page-down",
        "half a page down",
        "Half a page down; in the log of Jobs, where it does not follow, towards its end.",
    ),
    reads(
        Action::HalfPageUp,
        "half-page-up",
        "half a page up",
        "Half a page up; in the log of Jobs, where it does not follow, back in time.",
    ),
    reads(Action::PageDown, "page-down", "page down", "One page down."),
    reads(Action::PageUp, "page-up", "page up", "One page up."),
    reads(Action::First, "first", "first row", "The first row."),
    reads(Action::Last, "last", "last row", "The last row."),
    reads(Action::NextTab, "next-tab", "next tab", "The next tab of a tenant, or list of the server.")
        .on(&[Tenant, Server])
        .footer(&[(Tenant, 5, "next tab"), (Server, 1, "next list")]),
    reads(Action::PreviousTab, "previous-tab", "previous tab", "The tab before.").on(&[Tenant, Server]),
    reads(Action::Open, "open", "open", "Opens what the cursor is on.")
        .on(&[Tenants, Tenant, Migrations, Jobs, JobResult, Messages, Audit, Server])
        .footer(&[
            (Tenants, 0, "open"),
            (Migrations, 0, "list them"),
            (Jobs, 0, "result"),
            (JobResult, 0, "why"),
            (Messages, 0, "in full"),
            (Audit, 0, "before and after"),
            (Server, 0, "in full"),
        ]),
    reads(Action::Back, "back", "back", "Back, close, clear the filter.").footer(&[
        (Tenant, 0, "back"),
        (JobResult, 1, "back"),
        (Messages, 1, "back"),
        (Audit, 1, "back"),
    ]),
    reads(Action::Tenants, "tenants", "Tenants", "Who is in which state?"),
    reads(Action::Migrations, "migrations", "Migrations", "How far is the fleet?"),
    reads(Action::Jobs, "jobs", "Jobs", "What runs, what failed?"),
    reads(Action::Server, "server", "Server", "Is the database well? Sessions, locks, long transactions, autovacuum."),
    reads(
        Action::Filter,
        "filter",
        "filter",
        "Filters the tenants while you type: name, slug, schema, id, domain, database, and fields: plan:pro behind>2 \
         !state:dirty. Enter keeps it and opens the only one left, Esc clears it. On Server: words of the rows, !word.",
    )
    .on(&[Tenants, Server])
    .footer(&[(Tenants, 1, "filter"), (Server, 2, "filter")]),
    reads(
        Action::Palette,
        "palette",
        "all",
        "All actions, views and saved filters by name; `:tenant NAME`, `:job NUMBER`, `:filter TEXT`, `:sort COLUMN`.",
    )
    .footer(&[
        (Tenants, 20, "all"),
        (Tenant, 20, "all"),
        (Migrations, 20, "all"),
        (Jobs, 20, "all"),
        (JobResult, 20, "all"),
        (Messages, 20, "all"),
        (Audit, 20, "all"),
        (Server, 20, "all"),
    ]),
    reads(
        Action::Help,
        "help",
        "help",
        "What can be done on this screen, searched while you type; Enter does it. With the mouse on, Shift selects text.",
    ),
    reads(Action::Mark, "mark", "mark", "Marks the tenant, or unmarks it.")
        .on(&[Tenants])
        .footer(&[(Tenants, 2, "mark")]),
    reads(Action::MarkRange, "mark-range", "mark range", "Marks from here to where it is pressed again.")
        .on(&[Tenants]),
    reads(Action::MarkAll, "mark-all", "mark all shown", "Marks all tenants that are shown.").on(&[Tenants]),
    reads(Action::UnmarkAll, "unmark-all", "unmark all", "Takes all marks away, hidden ones too.").on(&[Tenants]),
    reads(Action::Sort, "sort", "sort", "Sorts by the next column; a list of the server is in the end as it was read.")
        .on(&[Tenants, Tenant, Server])
        .footer(&[(Tenants, 3, "sort"), (Tenant, 7, "sort"), (Server, 3, "sort")]),
    reads(Action::ReverseSort, "reverse-sort", "reverse order", "Turns the order round.")
        .on(&[Tenants, Tenant, Server]),
    reads(Action::Columns, "columns", "columns", "Chooses the columns of the tenants; kept between runs.")
        .on(&[Tenants]),
    reads(
        Action::Refresh,
        "refresh",
        "refresh",
        "Reads everything again now; all sizes in a tenant; tries a lost link.",
    )
    .footer(&[
        (Tenants, 4, "refresh"),
        (Tenant, 6, "measure again"),
        (Audit, 2, "read again"),
        (Server, 4, "read again"),
    ]),
    reads(Action::Freeze, "freeze", "freeze", "Keeps the rows as they are until it is pressed again.")
        .footer(&[(Jobs, 3, "freeze"), (Server, 5, "freeze")]),
    reads(Action::Slower, "slower", "refresh slower", "More time between two readings."),
    reads(Action::Faster, "faster", "refresh faster", "Less time between two readings."),
    reads(Action::CopyName, "copy-name", "copy name", "Sends the name to the terminal's clipboard.").footer(&[
        (Tenant, 2, "copy"),
        (Jobs, 4, "copy"),
        (Server, 6, "copy"),
    ]),
    reads(Action::CopyRow, "copy-row", "copy row", "Sends the row to the terminal's clipboard, columns apart by tabs."),
    reads(
        Action::CopyError,
        "copy-error",
        "copy error",
        "Sends the error of the row, or the message, to the terminal's clipboard.",
    ),
    reads(Action::ExportCsv, "export-csv", "export CSV", "Writes the list into a CSV file in the working directory.")
        .footer(&[(Tenant, 3, "export"), (Audit, 3, "export"), (Server, 7, "export")]),
    reads(
        Action::ExportJson,
        "export-json",
        "export JSON",
        "Writes the list into a JSON file in the working directory.",
    ),
    reads(
        Action::ExportText,
        "export-text",
        "export text",
        "Writes the list into a text file in the working directory, as a table.",
    ),
    reads(
        Action::DumpScreen,
        "dump-screen",
        "screen to a file",
        "Writes what the screen shows, as text, into a file of the state folder, and says which.",
    ),
    reads(Action::Follow, "follow", "follow log", "The log follows its end, or stays.")
        .on(&[Jobs])
        .footer(&[(Jobs, 6, "follow")]),
    reads(Action::Wrap, "wrap", "wrap log", "Long lines of the log go on below, or are cut.").on(&[Jobs]),
    reads(Action::Zoom, "zoom", "zoom pane", "The pane in use fills the screen; again: all panes.")
        .on(&[Tenants, Tenant, Migrations, Jobs, Server]),
    reads(
        Action::Inspect,
        "inspect",
        "inspect",
        "The SQL of a migration; why a step failed; every value of a row in full; what is wrong with a server.",
    )
    .footer(&[(Migrations, 2, "SQL"), (Server, 2, "what is wrong")]),
    reads(Action::NextDatabase, "next-database", "next database", "The server of the next database.")
        .on(&[Server])
        .footer(&[(Server, 2, "next database")]),
    reads(
        Action::SetTarget,
        "set-target",
        "set target",
        "Migrates up to this version instead of the newest; again: the newest.",
    )
    .on(&[Migrations])
    .footer(&[(Migrations, 3, "set target")]),
    reads(Action::HistoryBack, "history-back", "previous view", "The view before."),
    reads(Action::HistoryForward, "history-forward", "next view", "The next view."),
    reads(Action::Messages, "messages", "messages", "What was told, with times."),
    reads(
        Action::Audit,
        "audit",
        "audit",
        "What operators did, in the whole fleet; a line that is opened shows before and after.",
    ),
    reads(Action::AuditHere, "audit-here", "audit of this", "What operators did with this job, or to this tenant.")
        .on(&[Tenant, Jobs, JobResult])
        .footer(&[(Jobs, 8, "audit"), (JobResult, 6, "audit")]),
    reads(Action::WriteLock, "write-lock", "write lock", "Opens the header's database for 10 minutes, or closes it."),
    reads(Action::NewTenant, "new-tenant", "new tenant", "Makes a tenant: registry row, schema, migrations.")
        .writes()
        .footer(&[(Tenants, 6, "new tenant")]),
    reads(
        Action::Migrate,
        "migrate",
        "migrate",
        "Plans pending migrations: of the marked tenants, of the cursor's, or of the group.",
    )
    .writes()
    .on(&[Tenants, Tenant, Migrations])
    .footer(&[(Tenants, 5, "migrate"), (Tenant, 1, "migrate this tenant"), (Migrations, 1, "migrate this group")]),
    reads(Action::Rename, "rename", "rename", "Gives the tenant another display name.").writes().on(&[Tenants, Tenant]),
    reads(
        Action::Suspend,
        "suspend",
        "suspend",
        "Marks the tenant as suspended in the registry; on request ends the sessions of its role.",
    )
    .writes()
    .on(&[Tenants, Tenant]),
    reads(Action::Activate, "activate", "activate", "Marks a suspended or archived tenant as active again.")
        .writes()
        .on(&[Tenants, Tenant]),
    reads(Action::Archive, "archive", "archive", "Marks the tenant as deleted in the registry; its schema stays.")
        .writes()
        .on(&[Tenants, Tenant]),
    reads(Action::Drop, "drop", "drop", "Moves one tenant's schema into the trash; asks for its name.")
        .writes()
        .on(&[Tenants, Tenant])
        .footer(&[(Tenant, 4, "drop...")]),
    reads(Action::Undrop, "undrop", "restore", "Brings a dropped tenant back from the trash, within seven days.")
        .writes()
        .on(&[Tenants, Tenant])
        .footer(&[(Tenant, 1, "restore")]),
    reads(
        Action::Purge,
        "purge",
        "purge",
        "Removes a dropped tenant for good: schema, role, cache keys, registry row; asks for its name.",
    )
    .writes()
    .on(&[Tenants, Tenant]),
    reads(
        Action::Repair,
        "repair",
        "repair",
        "Mends the tenant: a schema without a row, a row without a schema, a lock left behind; or a role that one left.",
    )
    .writes()
    .on(&[Tenants, Tenant]),
    reads(
        Action::Import,
        "import",
        "import",
        "Copies single-tenant data from the shared schema into the tenant: by the command `tenantui import SLUG`.",
    )
    .writes()
    .on(&[Tenants, Tenant]),
    reads(
        Action::Seed,
        "seed",
        "seed",
        "Runs SQL in a new tenant: by the command `tenantui provision SLUG --name NAME --seed FILE`.",
    )
    .writes()
    .on(&[Tenants, Tenant]),
    reads(
        Action::FlushCache,
        "flush-cache",
        "flush cache",
        "Removes the cache keys of the open tenant; again: stops that.",
    )
    .writes()
    .on(&[Tenant]),
    reads(Action::Retry, "retry", "retry failed", "Runs the failed steps of the job again.")
        .writes()
        .on(&[Tenant, Jobs, JobResult])
        .footer(&[(Jobs, 1, "retry failed"), (JobResult, 2, "retry failed")]),
    reads(
        Action::RetryWhenFree,
        "retry-when-free",
        "retry when free",
        "Runs a blocked tenant's steps again as soon as nobody is in its way.",
    )
    .writes()
    .on(&[Tenant, JobResult])
    .footer(&[(JobResult, 3, "retry when free")]),
    reads(
        Action::Skip,
        "skip",
        "skip tenant",
        "Leaves a tenant out of the rest of its job, with a note; also all that have the same cause.",
    )
    .writes()
    .on(&[Tenant, JobResult])
    .footer(&[(JobResult, 4, "skip")]),
    reads(Action::Continue, "continue", "continue job", "Goes on with a job that waits or that lost its worker.")
        .writes()
        .footer(&[(Jobs, 5, "continue"), (JobResult, 5, "continue")]),
    reads(
        Action::PauseJob,
        "pause-job",
        "pause job",
        "Pauses the job after its current steps; `continue job` goes on with it.",
    )
    .writes()
    .on(&[Tenant, Jobs, JobResult])
    .footer(&[(Jobs, 7, "pause")]),
    reads(
        Action::StopJob,
        "stop-job",
        "stop job",
        "Stops the job after its current tenants; again: cancels the statements that run now.",
    )
    .writes()
    .on(&[Tenant, Jobs, JobResult])
    .footer(&[(Jobs, 2, "stop")]),
    reads(Action::ToShell, "to-shell", "to the shell", "Back to the shell; `fg` comes back."),
    reads(Action::Quit, "quit", "quit", "Leaves; asks only if a job runs here."),
];

/// The sections of the help: the action that begins each, and its title.
pub const SECTIONS: &[(Action, &str)] = &[
    (Action::Down, "Moving"),
    (Action::Tenants, "Views and finding"),
    (Action::Mark, "Marks and order"),
    (Action::Refresh, "Reading"),
    (Action::CopyName, "Taking with you"),
    (Action::Follow, "Looking closer"),
    (Action::WriteLock, "Tenants"),
    (Action::Retry, "Jobs"),
    (Action::ToShell, "Leaving"),
];
