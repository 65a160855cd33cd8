# Ecto, driven: its ledger is held against what the tool itself made, in tests/ledgers.rs.
check() { without "Ecto is in none of the registries that are used here (crates.io, npm, PyPI, Debian)"; }
