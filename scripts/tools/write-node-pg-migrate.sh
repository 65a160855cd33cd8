# node-pg-migrate's ledger as tenantui writes it. Needs npm.
ledger=pgmigrations

prepare() { npm_tool node-pg-migrate@9.0.0 pg@8; }

files() {
    { echo '-- Up Migration'; shop "$2" up; echo; echo '-- Down Migration'; shop "$2" down; } \
        >"$1/173573280000${2}_$(name_of "$2").sql"
}

tool_in() {
    local schema=$1 folder=$2
    shift 2
    DATABASE_URL=$(address) node-pg-migrate "$@" -m "$folder" -s "$schema"
}

apply() { tool_in "$1" "$2" up; }
undo() { tool_in "$1" "$2" down; }

nothing_pending() {
    local said
    said=$(tool_in "$1" "$2" up --dry-run)
    echo "$said"
    grep -q 'No migrations to run' <<<"$said"
}

check() { check_written node-pg-migrate; }
