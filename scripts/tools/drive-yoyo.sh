# yoyo, driven: SQL and Python with dependencies. Needs python3 and PyPI.
. scripts/tools/driving.bash

check() {
    # Its programs still ask for the old module that setuptools brought.
    python_tool yoyo-migrations==9.0.0 psycopg2-binary 'setuptools<81'
    project yoyo
    mkdir files
    echo 'CREATE TABLE items (id int PRIMARY KEY);' >files/0001.items.sql
    echo 'DROP TABLE items;' >files/0001.items.rollback.sql
    in_each_tenant bash -c 'yoyo apply --batch --no-config-file --database "$DATABASE_URL" ./files'
    printf '%s\n' 'from yoyo import step' '__depends__ = {"0001.items"}' \
        'steps = [step("CREATE TABLE prices (id int PRIMARY KEY)", "DROP TABLE prices")]' >files/0002.prices.py
    recognised yoyo ./files 0001.items 1 1
    drive yoyo ./files env -u PGOPTIONS yoyo apply --batch --no-config-file --database "$(plain)" ./files
    caught "yoyo without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.items, public.prices, public._yoyo_migration, public._yoyo_log, public._yoyo_version, public.yoyo_lock'
    drive yoyo ./files yoyo apply --batch --no-config-file --database '{url}' ./files
    migrated yoyo
    expect_everywhere prices
}
