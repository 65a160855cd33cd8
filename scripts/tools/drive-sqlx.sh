# sqlx, driven by its own command instead of written. Needs cargo.
. scripts/tools/driving.bash

check() {
    cargo_tool sqlx-cli 0.9.0 --no-default-features --features postgres,native-tls
    project sqlx
    mkdir files
    echo 'create table items (id int primary key);' >files/20250101120000_items.sql
    in_each_tenant sqlx migrate run --source files
    echo 'create table prices (id int primary key);' >files/20250102120000_prices.sql
    drive sqlx ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" sqlx migrate run --source files
    caught "sqlx without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public._sqlx_migrations, public.items, public.prices'
    drive sqlx ./files sqlx migrate run --source files
    migrated sqlx
    expect_everywhere prices
}
