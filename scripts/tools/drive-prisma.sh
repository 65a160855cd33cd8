# Prisma, driven. Its native engine is in no registry that is used here; the one in its npm package (engine: 'js', over
# the pg adapter) is, so it is that one that runs. Needs npm.
. scripts/tools/driving.bash

prisma_file() {
    mkdir -p "files/$1_$2"
    echo "$3" >"files/$1_$2/migration.sql"
}

check() {
    npm_tool prisma@6.19.3 @prisma/adapter-pg@6.19.3 pg@8.23.1
    project prisma
    mkdir files
    node_modules_of prisma
    # It looks for native programs though it starts none of them.
    printf '#!/bin/sh\nexit 1\n' >none
    chmod +x none
    export PRISMA_SCHEMA_ENGINE_BINARY=$PWD/none PRISMA_QUERY_ENGINE_LIBRARY=$PWD/none CHECKPOINT_DISABLE=1
    printf 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n' >schema.prisma
    cat >prisma.config.ts <<'TS'
import { defineConfig } from 'prisma/config'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
// The adapter does not know the catalog's type `name` (19), which its engine asks for: it is taken for a text (25).
for (const made of [pg.Pool, pg.Client]) {
  const query = made.prototype.query
  made.prototype.query = function (...words) {
    const result = query.apply(this, words)
    return result?.then?.((rows) => {
      for (const field of rows.fields ?? []) if (field.dataTypeID === 19) field.dataTypeID = 25
      return rows
    }) ?? result
  }
}
export default defineConfig({ schema: 'schema.prisma', migrations: { path: './files' }, engine: 'js',
  experimental: { adapter: true }, adapter: async () => 
    new PrismaPg({ connectionString: process.env.DATABASE_URL }, { schema: process.env.TENANTUI_SCHEMA }) })
TS
    echo 'provider = "postgresql"' >files/migration_lock.toml
    prisma_file 20250101000000 items 'CREATE TABLE items (id int PRIMARY KEY);'
    in_each_tenant prisma migrate deploy
    prisma_file 20250102000000 prices 'CREATE TABLE prices (id int PRIMARY KEY);'
    recognised prisma ./files 20250101000000_items 1 1
    # Without the search path this engine stops by itself, and has touched nothing.
    local said
    drive prisma ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" prisma migrate deploy
    if said=$(tui migrate --all --yes --canary 1 2>&1); then echo "$said"; echo "without its aim it went through"; exit 1; fi
    echo "$said"
    grep -q 'migration persistence is not initialized' <<<"$said" || { echo "it failed for another reason"; exit 1; }
    expect "prisma without its aim: public" '' "$(in_public)"
    tui job "$(query 'SELECT max(id) FROM tenantui.job')" cancel --yes
    # A failure that it recorded keeps the tenant out, until it is resolved as Prisma resolves it.
    drive prisma ./files prisma migrate deploy
    prisma_file 20250102000000 prices 'CREATE TABLE prices (id int PRIMARY KEY); SELECT 1/0;'
    if tui migrate acme --yes; then echo "a migration that fails went through"; exit 1; fi
    expect "acme, failed" dirty "$(field acme state)"
    expect "its failure is the ledger's" t "$(query "SELECT bool_or(finished_at IS NULL AND logs LIKE '%division by zero%') FROM tenant_acme._prisma_migrations")"
    prisma_file 20250102000000 prices 'CREATE TABLE prices (id int PRIMARY KEY);'
    query 'DROP TABLE IF EXISTS tenant_acme.prices'
    # What `migrate resolve --rolled-back` writes, which asks the native engine first.
    query 'UPDATE tenant_acme._prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL'
    expect "acme, resolved" behind "$(field acme state)"
    expect "acme, resolved" 1 "$(field acme pending)"
    migrated prisma
    expect_everywhere prices
}
