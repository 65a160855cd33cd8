# refinery's ledger as tenantui writes it. Needs cargo. It hears neither PGOPTIONS nor options= of an address, so the role
# is named like the schema, which the search path "$user", public resolves.
ledger=refinery_schema_history

prepare() { cargo_tool refinery_cli 0.10.0 --no-default-features --features postgresql; }

files() { shop "$2" up >"$1/V${2}__$(name_of "$2").sql"; }

tool_in() {
    local schema=$1 folder=$2
    query "DO \$\$ BEGIN IF to_regrole('$schema') IS NULL THEN CREATE ROLE $schema LOGIN SUPERUSER; END IF; END \$\$"
    DATABASE_URL="postgres://$schema@$PGHOST:$PGPORT/$database" refinery migrate -e DATABASE_URL -p "$folder" -d -m
}

apply() { tool_in "$1" "$2"; }

nothing_pending() {
    local said
    said=$(tool_in "$1" "$2" 2>&1)
    echo "$said"
    grep -qi 'no migrations to apply' <<<"$said"
}

check() { check_written refinery; }
