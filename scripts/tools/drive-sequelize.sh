# Sequelize, driven: its migrations are JavaScript, and it drops what its URL says of the schema. Needs npm.
. scripts/tools/driving.bash

sequelize_file() {
    printf "module.exports = {\n  up: (q, S) => q.createTable('%s', { id: { type: S.INTEGER, primaryKey: true } }),\n  down: (q) => q.dropTable('%s'),\n}\n" \
        "$2" "$2" >"files/$1-$2.js"
}

check() {
    npm_tool sequelize-cli@6.6.5 sequelize@6.37.8 pg@8.23.1
    project sequelize
    mkdir files config
    node_modules_of sequelize-cli
    echo "module.exports = { development: { use_env_variable: 'DATABASE_URL', dialect: 'postgres' } }" >config/config.js
    sequelize_file 20250101000000 items
    in_each_tenant sequelize-cli db:migrate --migrations-path ./files
    sequelize_file 20250102000000 prices
    recognised sequelize ./files 20250101000000-items.js 1 1
    # umzug, which does the work, keeps times in the ledger where a program asks it to.
    cat >times.js <<'JS'
const { Sequelize } = require('sequelize')
const Umzug = require('umzug')
const sequelize = new Sequelize(process.env.DATABASE_URL)
const umzug = new Umzug({ storage: 'sequelize', storageOptions: { sequelize, timestamps: true },
  migrations: { path: './files', params: [sequelize.getQueryInterface(), Sequelize] } })
umzug.up({ to: '20250101000000-items.js' }).then(() => sequelize.close())
JS
    query 'DROP TABLE tenant_globex."SequelizeMeta", tenant_globex.items'
    PGOPTIONS='-c search_path=tenant_globex' DATABASE_URL=$(plain) node times.js
    expect "globex has times" 2 "$(query "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'tenant_globex' AND column_name IN ('createdAt', 'updatedAt') AND table_name = 'SequelizeMeta'")"
    recognised sequelize ./files 20250101000000-items.js 1 1
    query 'DROP TABLE tenant_globex."SequelizeMeta", tenant_globex.items'
    PGOPTIONS='-c search_path=tenant_globex' DATABASE_URL=$(plain) sequelize-cli db:migrate --migrations-path ./files --to 20250101000000-items.js
    # All that the URL says is not enough.
    drive sequelize ./files env -u PGOPTIONS "DATABASE_URL=$(plain)?options=-c%20search_path%3Dtenant_acme" \
        sequelize-cli db:migrate --migrations-path ./files
    caught "sequelize without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public."SequelizeMeta", public.items, public.prices'
    drive sequelize ./files sequelize-cli db:migrate --migrations-path ./files
    migrated sequelize
    expect_everywhere prices
}
