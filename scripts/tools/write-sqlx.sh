# sqlx's ledger as tenantui writes it. Needs cargo.
ledger=_sqlx_migrations

prepare() { cargo_tool sqlx-cli 0.9.0 --no-default-features --features postgres,native-tls; }

files() {
    local file
    file=$1/2025010${2}120000_$(name_of "$2")
    shop "$2" up >"$file.up.sql"
    shop "$2" down >"$file.down.sql"
}

tool_in() {
    local schema=$1 folder=$2
    shift 2
    PGOPTIONS="-c search_path=$schema" sqlx migrate "$@" --source "$folder" --database-url "$(address)"
}

apply() { tool_in "$1" "$2" run; }
undo() { tool_in "$1" "$2" revert; }

nothing_pending() {
    local said
    said=$(tool_in "$1" "$2" info)
    echo "$said"
    if grep -Eq 'pending|different' <<<"$said"; then exit 1; fi
    # It stops here where a file is not what was applied.
    tool_in "$1" "$2" run
}

check() { check_written sqlx; }
