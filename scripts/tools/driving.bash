# What the checks of driven tools share: three tenants, a command, and what must have come of it. Sourced by
# scripts/tools/drive-*.sh after lib.bash of the same folder.

slugs=(acme globex initech)

# A database with the three tenants; the project's folder becomes the current one, and is where the command runs.
project() {
    make_fleet "$1" "${slugs[@]}"
    export PGDATABASE=$database
    cd "$home"
}

# In each tenant: a command of the tool itself, as an operator ran it before tenantui came.
in_each_tenant() {
    local slug
    for slug in "${slugs[@]}"; do
        PGOPTIONS="-c search_path=tenant_$slug" TENANTUI_SCHEMA=tenant_$slug \
            DATABASE_URL=$(plain)"?sslmode=disable&options=-c%20search_path%3Dtenant_$slug" "$@"
    done
}

# recognised TOOL FOLDER VERSION APPLIED PENDING: what the tool made is told by its catalog and the folder's names, with
# no word of the tool in the configuration.
recognised() {
    local tool=$1 folder=$2 slug
    printf '[[database]]\nname = "test"\nurl = "%s?sslmode=disable"\n[database.migrations]\npath = "%s"\n%s\n' \
        "$(plain)" "$folder" "${more:-}" >"$home/config.toml"
    chmod 600 "$home/config.toml"
    expect "the tool" "$tool" "$(psql -XAtq -d "$database" -v document="$(tui tenants --json)" <<<"SELECT (:'document')::json #>> '{databases,0,tool}'")"
    for slug in "${slugs[@]}"; do
        expect "$slug, by $tool" behind "$(field "$slug" state)"
        expect "$slug, its version by $tool" "$3" "$(field "$slug" version)"
        expect "$slug, applied by $tool" "$4" "$(field "$slug" applied)"
        expect "$slug, pending for $tool" "$5" "$(field "$slug" pending)"
    done
}

# Where node looks for the packages of the program NAME: beside the project's files.
node_modules_of() {
    local program
    program=$(command -v "$1")
    ln -s "${program%/.bin/"$1"}" node_modules
}

# The database's address without any aim.
plain() { printf 'postgresql://%s@%s:%s/%s' "$PGUSER" "$PGHOST" "$PGPORT" "$database"; }

# drive TOOL FOLDER COMMAND...: writes the configuration anew. `more` holds further lines of [database.migrations].
drive() {
    local tool=$1 folder=$2 words='' word
    shift 2
    for word in "$@"; do words+="${words:+, }\"$word\""; done
    printf '[[database]]\nname = "test"\nurl = "%s?sslmode=disable"\n%s\n[database.migrations]\npath = "%s"\ntool = "%s"\n%s\ncommand = [%s]\n' \
        "$(plain)" "${layout:-}" "$folder" "$tool" "${more:-}" "$words" >"$home/config.toml"
    chmod 600 "$home/config.toml"
}

# Migrates all: each tenant is up to date then, and nothing is new in public.
migrated() {
    local before started=$SECONDS slug
    before=$(in_public)
    tui migrate --all --yes --canary 0
    expect "$1: public" "$before" "$(in_public)"
    for slug in "${slugs[@]}"; do expect "$1: $slug" ok "$(field "$slug" state)"; done
    echo "FIGURE $1: three tenants in $((SECONDS - started)) s"
}

# Migrates all with a command that ignores its aim: it is caught at the first tenant, in these words.
caught() {
    local said status=0
    said=$(tui migrate --all --yes --canary 0 2>&1) || status=$?
    echo "$said"
    [ "$status" != 0 ] || { echo "$1: it was not caught"; exit 1; }
    grep -q "$2" <<<"$said" || { echo "$1: caught, but not in these words: $2"; exit 1; }
    expect "$1: tenants that were tried" 1 "$(query "SELECT count(*) FROM tenantui.step
        WHERE state NOT IN ('pending', 'done') AND job_id = (SELECT max(id) FROM tenantui.job)")"
    expect "$1: the job" paused "$(query 'SELECT state FROM tenantui.job ORDER BY id DESC LIMIT 1')"
    # Its place is needed for the next.
    tui job "$(query 'SELECT max(id) FROM tenantui.job')" cancel --yes
}

# What stands in public, less the registry.
in_public() {
    query "SELECT coalesce(string_agg(relname, ',' ORDER BY relname), '') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'tenants'"
}

# So many schemas have a table, an index or a column of this name.
expect_everywhere() {
    expect "$1 is everywhere" "${#slugs[@]}" "$(query "SELECT count(*) FROM (SELECT relnamespace FROM pg_class WHERE relname = '$1' AND relkind IN ('r', 'i')
        UNION ALL SELECT c.relnamespace FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE a.attname = '$1' AND c.relkind = 'r') AS q")"
}

# Packages of PyPI in an environment of their own:  python_tool PACKAGE==VERSION...
python_tool() {
    have python3 || without "python3 is not installed"
    local folder
    folder=$tools/python-$(printf '%s' "$*" | tr -c 'a-zA-Z0-9.\n' '-')
    # An environment that was moved names its old place in each of its programs.
    if ! [ -e "$folder/ready" ] || ! "$folder/bin/pip" --version >/dev/null 2>&1; then
        rm -rf -- "$folder"
        python3 -m venv "$folder" || without "python3 has no venv"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" || without "$* could not be installed"
        touch "$folder/ready"
    fi
    PATH=$folder/bin:$PATH
}
