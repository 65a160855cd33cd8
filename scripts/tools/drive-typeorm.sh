# TypeORM, driven: its migrations are classes. Needs npm.
. scripts/tools/driving.bash

# typeorm_file MILLISECONDS TABLE
typeorm_file() {
    cat >"files/$1-$2.js" <<JS
module.exports = class $2$1 {
    name = '$2$1'
    async up(runner) { await runner.query('CREATE TABLE ${2,,} (id int PRIMARY KEY)') }
    async down(runner) { await runner.query('DROP TABLE ${2,,}') }
}
JS
}

# source_file NAME [MORE]
source_file() {
    printf "const { DataSource } = require('typeorm')\nmodule.exports = new DataSource({ type: 'postgres', url: process.env.DATABASE_URL,\n    migrations: ['./files/*.js']%s })\n" \
        "${2:-}" >"$1.js"
}

check() {
    npm_tool typeorm@1.1.1 pg@8.23.1
    project typeorm
    mkdir files
    node_modules_of typeorm
    source_file source
    # `schema` moves the ledger alone.
    source_file astray ', schema: process.env.TENANTUI_SCHEMA'
    typeorm_file 1735732800000 Items
    in_each_tenant typeorm migration:run -d source.js
    typeorm_file 1735819200000 Prices
    recognised typeorm ./files Items1735732800000 1 1
    drive typeorm ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" typeorm migration:run -d astray.js
    caught "typeorm with schema alone" 'table public.prices appeared.*has all that was planned'
    query "DROP TABLE public.prices; DELETE FROM tenant_acme.migrations WHERE name LIKE 'Prices%'"
    drive typeorm ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" typeorm migration:run -d source.js
    caught "typeorm without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.migrations, public.items, public.prices'
    drive typeorm ./files typeorm migration:run -d source.js
    migrated typeorm
    expect_everywhere prices
}
