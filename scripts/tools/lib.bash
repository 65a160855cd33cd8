# Sourced by scripts/test-tools: a private server, the tools, and what every check of a written ledger does.
#
# A check is a file here that defines `check`. For a ledger that tenantui writes it defines these, and calls
# `check_written TOOL`:
#
#   prepare                    installs the tool; calls `without` where it cannot be had
#   files FOLDER NUMBER        writes the migration with this number (1 to 4) into a folder, in both directions
#   apply SCHEMA FOLDER        the tool itself applies what is pending
#   nothing_pending SCHEMA FOLDER   fails unless the tool says that nothing is pending and nothing is wrong
#   undo SCHEMA FOLDER         the tool itself takes back the newest; left out where it cannot

cannot_be_had=77
tools=$(cache_folder)/tools
work=
server_pid=

# Ends a check whose tool no registry that is reached here has.
without() {
    echo "$*"
    exit "$cannot_be_had"
}

# --- server ----------------------------------------------------------------------------------------------------

end_server() {
    if [ -n "$server_pid" ]; then
        # The server itself: what was started in the background is a shell that waits for it.
        kill -INT "$(head -n 1 "$work/server/data/postmaster.pid" 2>/dev/null || echo "$server_pid")" 2>/dev/null || true
        wait "$server_pid" 2>/dev/null || true
    fi
    if [ -n "$work" ]; then rm -rf -- "$work"; fi
}

# PostgreSQL refuses to run as root.
as_server_user() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

# Starts a server on a free port of this machine. psql, createdb and the tools find it by PGHOST, PGPORT and PGUSER.
start_server() {
    work=$(mktemp -d)
    trap end_server EXIT
    chmod 755 "$work"
    mkdir "$work/server"
    if [ "$(id -u)" = 0 ]; then
        id postgres >/dev/null 2>&1 || stop "as root a user named postgres is needed for the server"
        chown postgres "$work/server"
    fi
    export PATH=$TENANTUI_PG_BINDIR:$PATH
    as_server_user initdb -D "$work/server/data" -A trust -U postgres -E UTF8 --no-sync >/dev/null
    local port try
    for try in 1 2 3 4 5; do
        port=$((20000 + (RANDOM % 20000)))
        as_server_user postgres -D "$work/server/data" -p "$port" -k "$work/server" -c listen_addresses=127.0.0.1 \
            -c fsync=off >"$work/server.log" 2>&1 &
        server_pid=$!
        local end=$((SECONDS + 60))
        until pg_isready -q -h 127.0.0.1 -p "$port"; do
            if ! kill -0 "$server_pid" 2>/dev/null || [ "$SECONDS" -ge "$end" ]; then break; fi
            sleep 0.1
        done
        if pg_isready -q -h 127.0.0.1 -p "$port"; then
            export PGHOST=127.0.0.1 PGPORT=$port PGUSER=postgres
            return
        fi
        kill "$server_pid" 2>/dev/null || true
    done
    cat "$work/server.log" >&2
    stop "the private server did not start (try $try)"
}

query() { psql -XAtq -v ON_ERROR_STOP=1 -d "$database" -c "$1"; }

# The address of this check's database; what follows goes behind the question mark.
address() { printf 'postgres://%s@%s:%s/%s?sslmode=disable%s' "$PGUSER" "$PGHOST" "$PGPORT" "$database" "${1:+&$1}"; }

# --- tools -----------------------------------------------------------------------------------------------------

# Builds a program of crates.io into the cache:  cargo_tool NAME VERSION [FLAGS...]
cargo_tool() {
    local name=$1 version=$2
    shift 2
    if ! [ -e "$tools/cargo-$name-$version/bin" ]; then
        echo "building $name $version; this takes some minutes"
        cargo install "$name" --version "$version" --locked --root "$tools/cargo-$name-$version" "$@" \
            || without "$name $version could not be built"
    fi
    PATH=$tools/cargo-$name-$version/bin:$PATH
}

# Installs packages of npm into the cache:  npm_tool PACKAGE@VERSION...
npm_tool() {
    have npm || without "npm is not installed"
    local folder
    folder=$tools/npm-$(printf '%s' "$*" | tr -c 'a-zA-Z0-9.\n' '-')
    if ! [ -e "$folder/node_modules" ]; then
        mkdir -p "$folder"
        npm install --silent --no-audit --no-fund --prefix "$folder" "$@" || { rm -rf -- "$folder"; without "$* could not be installed"; }
    fi
    PATH=$folder/node_modules/.bin:$PATH
}

# --- tenantui --------------------------------------------------------------------------------------------------

tui() { HOME=$home XDG_CONFIG_HOME=$home XDG_STATE_HOME=$home "$TENANTUI_PROGRAM" --config "$home/config.toml" "$@"; }

# One field of one tenant, as `tenants --json` has it.
field() {
    psql -XAtq -d "$database" -v document="$(tui tenants --json)" -v slug="$1" -v field="$2" <<'SQL'
SELECT tenant ->> :'field' FROM json_array_elements((:'document'::json) -> 'tenants') AS tenant WHERE tenant ->> 'slug' = :'slug';
SQL
}

expect() {
    local what=$1 wanted=$2 is=$3
    if [ "$wanted" != "$is" ]; then
        echo "$what: expected $wanted, and it is $is"
        exit 1
    fi
}

# The shop's three tables and one column more: migration NUMBER, `up` or `down`.
shop() {
    case $1-$2 in
        1-up) echo 'CREATE TABLE users (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, email TEXT NOT NULL UNIQUE);' ;;
        1-down) echo 'DROP TABLE users;' ;;
        2-up) echo 'CREATE TABLE products (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, sku TEXT NOT NULL);' ;;
        2-down) echo 'DROP TABLE products;' ;;
        3-up) printf '%s\n' 'CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL REFERENCES users (id));' \
            'CREATE INDEX orders_user_id_idx ON orders (user_id);' ;;
        3-down) echo 'DROP TABLE orders;' ;;
        4-up) echo 'ALTER TABLE users ADD COLUMN note TEXT;' ;;
        4-down) echo 'ALTER TABLE users DROP COLUMN note;' ;;
    esac
}

name_of() { case $1 in 1) echo create_users ;; 2) echo create_products ;; 3) echo create_orders ;; 4) echo add_note ;; esac; }

# A database with a registry and tenants without a ledger, and a configuration for it.
make_fleet() {
    local tool=$1 slug
    shift
    home=$work/$check
    database=${check//-/_}
    folder=$home/migrations
    mkdir -p "$folder"
    createdb "$database"
    query 'CREATE TABLE public.tenants (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, slug text NOT NULL UNIQUE,
        schema_name text NOT NULL UNIQUE, name text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())'
    for slug in "$@"; do
        query "CREATE SCHEMA tenant_$slug"
        query "INSERT INTO public.tenants (slug, schema_name, name) VALUES ('$slug', 'tenant_$slug', '$slug')"
    done
    printf '[[database]]\nname = "test"\nurl = "postgres://%s@%s:%s/%s?sslmode=disable"\n[database.migrations]\npath = "%s"\ntool = "%s"\n' \
        "$PGUSER" "$PGHOST" "$PGPORT" "$database" "$folder" "$tool" >"$home/config.toml"
    chmod 600 "$home/config.toml"
    tui init --yes
}

# What tenantui writes the tool takes for its own, and the other way round.
check_written() {
    local tool=$1 slug
    prepare
    make_fleet "$tool" ours theirs late
    files "$folder" 1
    files "$folder" 2
    # A schema that the tool has begun, one that it has not, and one that comes later.
    apply tenant_theirs "$folder"
    expect "theirs, migrated by $tool" ok "$(field theirs state)"
    expect "theirs, applied by $tool" 2 "$(field theirs applied)"
    files "$folder" 3
    expect "theirs, with a new file" 1 "$(field theirs pending)"
    tui migrate --all --yes
    for slug in ours theirs late; do
        expect "$slug, migrated here" ok "$(field $slug state)"
        nothing_pending "tenant_$slug" "$folder"
        expect "$slug, its tables" orders,products,users "$(query "SELECT string_agg(tablename, ',' ORDER BY tablename)
            FROM pg_tables WHERE schemaname = 'tenant_$slug' AND tablename IN ('orders', 'products', 'users')")"
    done
    # The tool goes on from rows that were written here.
    files "$folder" 4
    apply tenant_ours "$folder"
    expect "ours, gone on by $tool" ok "$(field ours state)"
    expect "ours, gone on by $tool" 4 "$(field ours applied)"
    if declare -F undo >/dev/null; then
        undo tenant_late "$folder"
        expect "late, taken back by $tool" 2 "$(field late pending)"
    fi
    tui migrate --all --yes
    for slug in ours theirs late; do
        nothing_pending "tenant_$slug" "$folder"
        expect "$slug" "$(field ours version)" "$(field $slug version)"
        expect "$slug, its rows" "$(ledger_rows tenant_ours)" "$(ledger_rows "tenant_$slug")"
    done
    expect "nothing fell into public" tenants "$(query "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'")"
}

# The rows of a ledger without what differs from run to run.
ledger_rows() {
    query "SELECT string_agg(row::text, ' ' ORDER BY row::text) FROM (SELECT to_jsonb(l) - '{id,run_on,applied_on,
        installed_on,tstamp,applied,execution_time,installed_by}'::text[] AS row FROM $1.$ledger AS l) AS rows"
}
