# Diesel, driven by its own command instead of written. Needs cargo and libpq.
. scripts/tools/driving.bash

diesel_folder() {
    mkdir -p "files/$1_$2"
    echo "$3" >"files/$1_$2/up.sql"
    echo '' >"files/$1_$2/down.sql"
}

check() {
    if ! have pg_config && can_apt; then apt_install libpq-dev; fi
    cargo_tool diesel_cli 2.3.14 --no-default-features --features postgres
    project diesel
    diesel_folder 2025-01-01-120000 items 'create table items (id int primary key);'
    in_each_tenant diesel migration run --migration-dir files
    diesel_folder 2025-01-02-120000 prices 'create table prices (id int primary key);'
    drive diesel ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" diesel migration run --migration-dir files
    caught "diesel without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.__diesel_schema_migrations, public.items, public.prices'
    drive diesel ./files diesel migration run --migration-dir files
    migrated diesel
    expect_everywhere prices
}
