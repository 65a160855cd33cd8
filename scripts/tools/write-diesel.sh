# Diesel's ledger as tenantui writes it. Needs cargo and libpq.
ledger=__diesel_schema_migrations

prepare() {
    if ! have pg_config && can_apt; then apt_install libpq-dev; fi
    cargo_tool diesel_cli 2.3.14 --no-default-features --features postgres
}

files() {
    local folder
    folder=$1/2025-01-0${2}-120000_$(name_of "$2")
    mkdir -p "$folder"
    shop "$2" up >"$folder/up.sql"
    shop "$2" down >"$folder/down.sql"
}

tool_in() {
    local schema=$1 folder=$2
    shift 2
    (cd "$home" && PGOPTIONS="-c search_path=$schema" diesel migration "$@" --migration-dir "$folder" --database-url "$(address)")
}

apply() { tool_in "$1" "$2" run; }
undo() { tool_in "$1" "$2" revert; }

nothing_pending() {
    local said
    said=$(tool_in "$1" "$2" pending)
    echo "$said"
    grep -qx false <<<"$said"
}

check() { check_written diesel; }
