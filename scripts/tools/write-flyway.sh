# Flyway's ledger as tenantui writes it: held against what the tool itself made, in tests/ledger_rows.rs.
check() { without "Flyway is in none of the registries that are used here (crates.io, npm, PyPI, Debian)"; }
