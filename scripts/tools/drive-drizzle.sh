# Drizzle, driven with a ledger in each tenant. Needs npm.
. scripts/tools/driving.bash

# drizzle_file NUMBER MILLISECONDS TABLE: the file, and its entry at the end of the journal.
drizzle_file() {
    local tag entry
    tag=$(printf '%04d_%s' "$1" "$3")
    echo "CREATE TABLE \"$3\" (\"id\" integer PRIMARY KEY);" >"files/$tag.sql"
    entry=$(printf '{"idx": %d, "version": "7", "when": %s, "tag": "%s", "breakpoints": true}' "$1" "$2" "$tag")
    entries="${entries:+$entries, }$entry"
    echo "{\"version\": \"7\", \"dialect\": \"postgresql\", \"entries\": [$entries]}" >files/meta/_journal.json
}

check() {
    local entries=''
    npm_tool drizzle-kit@0.31.11 drizzle-orm@0.45.4 pg@8.23.1
    project drizzle
    mkdir -p files/meta
    node_modules_of drizzle-kit
    cat >drizzle.config.js <<'JS'
module.exports = { dialect: 'postgresql', out: './files', dbCredentials: { url: process.env.DATABASE_URL },
    migrations: { schema: process.env.TENANTUI_SCHEMA } }
JS
    drizzle_file 0 1735732800000 items
    in_each_tenant drizzle-kit migrate
    drizzle_file 1 1735819200000 prices
    recognised drizzle ./files 0000_items 1 1
    # The schema of the ledger alone.
    drive drizzle ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" drizzle-kit migrate
    caught "drizzle with migrations.schema alone" 'table public.prices appeared'
    query 'DROP TABLE public.prices; DELETE FROM tenant_acme.__drizzle_migrations WHERE created_at = 1735819200000'
    drive drizzle ./files drizzle-kit migrate
    migrated drizzle
    expect_everywhere prices
}
