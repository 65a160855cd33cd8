# Knex, driven: its migrations are JavaScript. Needs npm.
. scripts/tools/driving.bash

knex_file() {
    printf "exports.up = (knex) => knex.schema.createTable('%s', (t) => { t.increments() })\nexports.down = (knex) => knex.schema.dropTable('%s')\n" \
        "$2" "$2" >"files/$1_$2.js"
}

check() {
    npm_tool knex@3.3.0 pg
    project knex
    mkdir files
    knex=$(command -v knex)
    # Where Knex looks for the driver.
    ln -s "${knex%/.bin/knex}" node_modules
    echo "module.exports = { client: 'pg', connection: process.env.DATABASE_URL, migrations: { directory: './files' } }" >knexfile.js
    knex_file 20250101000000 items
    in_each_tenant knex migrate:latest
    knex_file 20250102000000 prices
    # schemaName moves the ledger alone: the tables land in public, and the ledger looks as if all were well.
    echo "module.exports = { client: 'pg', connection: process.env.DATABASE_URL,
        migrations: { directory: './files', schemaName: process.env.TENANTUI_SCHEMA } }" >astray.js
    drive knex ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" knex --knexfile astray.js migrate:latest
    caught "knex with schemaName alone" 'table public.prices appeared.*has all that was planned'
    query "DROP TABLE public.prices; DELETE FROM tenant_acme.knex_migrations WHERE name LIKE '20250102%'"
    drive knex ./files knex migrate:latest
    migrated knex
    expect_everywhere prices
}
