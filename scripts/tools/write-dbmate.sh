# dbmate's ledger as tenantui writes it. Needs npm, whose package has the program in it.
ledger=schema_migrations

prepare() { npm_tool dbmate@2.36.0; }

files() {
    { echo '-- migrate:up'; shop "$2" up; echo; echo '-- migrate:down'; shop "$2" down; } \
        >"$1/2025010${2}120000_$(name_of "$2").sql"
}

dbmate_in() {
    local schema=$1 folder=$2
    shift 2
    dbmate --url "$(address "search_path=$schema")" --migrations-dir "$folder" --no-dump-schema "$@"
}

apply() { dbmate_in "$1" "$2" migrate; }
undo() { dbmate_in "$1" "$2" rollback; }
nothing_pending() { dbmate_in "$1" "$2" status --exit-code; }

check() { check_written dbmate; }
