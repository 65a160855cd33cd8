# golang-migrate's ledger as tenantui writes it: held against what the tool itself made, in tests/ledger_rows.rs.
check() { without "golang-migrate is in none of the registries that are used here (crates.io, npm, PyPI, Debian)"; }
