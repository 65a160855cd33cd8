# A migration tool as the tests want it: a ledger in the first schema of its search path, one table per file. How it
# behaves is said by the file "mode", so that one command can change its ways between two runs.
#   sh tool.sh PSQL FOLDER SEEN [WORDS...]
set -eu
psql=$1 folder=$2 seen=$3
mode=$(cat "$seen/mode")
echo "$$" >> "$seen/pids"
tr '\0' '\n' < /proc/$$/cmdline > "$seen/$TENANTUI_TENANT.cmdline"
tr '\0' '\n' < /proc/$$/environ > "$seen/$TENANTUI_TENANT.environ"
pwd > "$seen/$TENANTUI_TENANT.folder"

run() { "$psql" -qXAt -v ON_ERROR_STOP=1 "$@"; }

migrate() {
    run -c "create table if not exists schema_migrations (version varchar not null)" \
        -c "create unique index if not exists unique_schema_migrations on schema_migrations (version)" 2>/dev/null
    for file in "$folder"/*.rb; do
        version=$(basename "$file" | sed 's/_.*//')
        if [ "$(run -c "select count(*) from schema_migrations where version = '$version'")" = 0 ]; then
            echo "== $version: migrating"
            run -c "create table m$version (id int); insert into schema_migrations values ('$version')"
        fi
    done
}

case $mode in
    honest) migrate ;;
    ignores) unset PGOPTIONS; migrate ;;
    both) migrate; unset PGOPTIONS; run -c "create table intruder (id int)" ;;
    neighbour) migrate; run -c "insert into tenant_t002.schema_migrations values ('7')" ;;
    idle) echo "nothing to do" ;;
    half) migrate; run -c "drop table m3; delete from schema_migrations where version = '3'" ;;
    exits) echo "on its way"; echo "boom: no such column" >&2; exit 3 ;;
    hangs) echo "waiting"; run -c "select pg_sleep(600)" ;;
    stubborn) trap '' TERM; echo "waiting"; run -c "select pg_sleep(600)"; run -c "select pg_sleep(600)" ;;
    noisy) migrate; printf '\033]52;c;AAAA\007\033[31mred\n'; head -c 10000000 /dev/zero | tr '\0' 'x' | fold -w 99; echo "last words" ;;
    forks) migrate; sleep 1000 & echo $! > "$seen/grandchild" ;;
    slow) run -c "select pg_sleep(2)"; migrate ;;
    tells) echo "connecting to $DATABASE_URL with $PGPASSWORD"; migrate ;;
    fails-once) if [ -e "$seen/$TENANTUI_TENANT.failed" ]; then migrate; else touch "$seen/$TENANTUI_TENANT.failed"; exit 1; fi ;;
    *) echo "no mode $mode" >&2; exit 9 ;;
esac
