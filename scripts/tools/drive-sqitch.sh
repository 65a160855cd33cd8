# Sqitch, driven with a registry in each tenant. Needs Debian's sqitch.
. scripts/tools/driving.bash

check() {
    if ! have sqitch && can_apt; then apt_install sqitch libdbd-pg-perl; fi
    have sqitch || without "sqitch is not installed"
    project sqitch
    export SQITCH_FULLNAME=Shop SQITCH_EMAIL=shop@example.org
    local target="db:pg://$PGUSER@$PGHOST:$PGPORT/$database"
    sqitch init shop --engine pg
    sqitch add items -n 'Items'
    echo 'CREATE TABLE items (id int PRIMARY KEY);' >deploy/items.sql
    in_each_tenant bash -c "sqitch deploy --registry \"\$TENANTUI_SCHEMA\" $target"
    sqitch add prices --requires items -n 'Prices'
    echo 'CREATE TABLE prices (id int PRIMARY KEY);' >deploy/prices.sql
    sqitch add notes -n 'Notes'
    echo 'CREATE TABLE notes (id int PRIMARY KEY);' >deploy/notes.sql
    recognised sqitch . items 1 2
    drive sqitch . sqitch deploy "$target"
    local said
    if said=$(tui migrate --all --yes 2>&1); then echo "$said"; echo "without its argument it was run"; exit 1; fi
    grep -q 'does not say which schema' <<<"$said" || { echo "$said"; exit 1; }
    drive sqitch . env -u PGOPTIONS sqitch deploy --registry '{schema}' "$target"
    caught "sqitch with its registry alone" 'table public.prices appeared'
    PGOPTIONS='-c search_path=public' sqitch revert -y --registry tenant_acme --to items "$target" || true
    query 'DROP TABLE IF EXISTS public.prices, public.notes'
    expect "acme, taken back by sqitch" 2 "$(field acme pending)"
    drive sqitch . sqitch deploy --registry '{schema}' --to-change '{version}' "$target"
    tui migrate acme --yes --to prices
    expect "acme with --to" 1 "$(field acme pending)"
    migrated sqitch
    expect_everywhere notes
}
