#!/usr/bin/env python3
"""tenantui against what people use today, on the same tables, in one run.

    cargo build --release && benches/peers.py [--tenants 200] [--rounds 5] [--parallel 4] [--link tls]

Makes a private PostgreSQL (fsync on) in a temporary folder, reached as production is, by TCP with TLS and a password
(--link socket: by a Unix socket, with neither), on this machine alone; an application of ten tables with
django-tenants from PyPI (in an environment of its own below .cache/), and that many tenants. Then, in turn, round after
round, each way adds one nullable column and one index to one table of every tenant, and then runs with nothing to do:

    tenantui     `migrate --all --yes`: durable job, audit, fence, lock and ledger row for each tenant
    psql         a shell loop: one psql for each tenant, one transaction, with a look into the ledger and its row
    django       `manage.py migrate_schemas`, the standard executor; with --multiprocessing that one as well

Whole commands are timed. Who opens a session for each tenant pays for its handshakes, so say by which link. Django does more for a tenant than the others (signals, checks, its state of models), and a
shell loop starts a process for each: say so where a ratio is quoted, with the number of tenants and of sessions.
"""

import argparse
import os
import pwd
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DJANGO = ["Django==5.2.*", "django-tenants==4.0.1", "psycopg[binary]==3.*"]
TABLES = ["customer", "product", "category", "stock", "cart", "orders", "order_line", "invoice", "payment", "page_view"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def postgres_programs():
    """The folder of PostgreSQL's server programs: the one that is asked for, or the newest that is installed."""
    asked = os.environ.get("TENANTUI_PG_BINDIR")
    found = [Path(asked)] if asked else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists():
            return folder
    raise SystemExit("no PostgreSQL server programs found: set TENANTUI_PG_BINDIR to their folder")


class Server:
    """A private server. PostgreSQL refuses root, so for root it runs as another user."""

    def __init__(self, room, link="socket"):
        self.bin, self.room, self.data, self.port = postgres_programs(), room, room / "data", 5432
        self.as_user = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(room, user.pw_uid, user.pw_gid)
            self.as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chmod(room, 0o755)
        environment = {**os.environ, "HOME": str(room), "LC_ALL": "C.UTF-8"}
        run([self.bin / "initdb", "-D", self.data, "-U", "bench", "-A", "trust", "-E", "UTF8"], cwd=room, env=environment,
            **self.as_user)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={room}", "-c", "max_connections=100",
                   "-c", "shared_buffers=256MB", "-c", "autovacuum=off", "-c", "fsync=on"]
        self.password = None
        if link == "tls":
            options += self.tls(environment)
        self.process = subprocess.Popen([self.bin / "postgres", "-D", self.data, *options], cwd=room, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(room / "log", "w", encoding="utf-8"), **self.as_user)
        limit = time.monotonic() + 60
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", room, "-p", str(self.port)], check=False).returncode != 0:
            if time.monotonic() > limit or self.process.poll() is not None:
                raise SystemExit((room / "log").read_text())
            time.sleep(0.1)

    def tls(self, environment):
        """Encrypted links with a password, as operators have them; the certificate is nobody's."""
        run(["openssl", "req", "-new", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey", "rsa:2048",
             "-keyout", self.data / "server.key", "-out", self.data / "server.crt"], cwd=self.room, env=environment,
            **self.as_user)
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        self.password = secrets.token_hex(16)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        return ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", "ssl=on"]

    def secure(self):
        """Once it runs: the role gets its password."""
        if self.password:
            self.sql(f"alter role bench password '{self.password}'", database="postgres")

    def url(self):
        if self.password:
            return f"postgresql://bench:{self.password}@127.0.0.1:{self.port}/bench?sslmode=require"
        return f"postgresql://bench@/bench?host={self.room}"

    def sql(self, text, database="bench"):
        return run([self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.room, "-p", str(self.port), "-U", "bench", "-d", database,
                    "-c", text]).strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


class Django:
    """A project of django-tenants with one application in the tenants."""

    def __init__(self, room, server):
        self.room, self.server = room / "django", server
        self.host = "127.0.0.1" if server.password else str(server.room)
        self.options = {"sslmode": "require"} if server.password else {}
        self.python = self.environment()
        self.files()

    def environment(self):
        folder = PROJECT / ".cache" / "peers-python"
        python = folder / "bin" / "python"
        if not python.exists() or subprocess.run([python, "-c", "import django_tenants, psycopg"], check=False,
                                                 capture_output=True).returncode != 0:
            say("installing django-tenants into an environment of its own")
            run([sys.executable, "-m", "venv", folder])
            run([python, "-m", "pip", "install", "--quiet", *DJANGO])
        return python

    def files(self):
        shop, customers = self.room / "shop", self.room / "customers"
        for folder in (shop / "migrations", customers / "migrations"):
            folder.mkdir(parents=True)
            (folder / "__init__.py").touch()
            (folder.parent / "__init__.py").touch()
        (self.room / "settings.py").write_text(f"""
SECRET_KEY = "bench"
USE_TZ = True
DATABASES = {{"default": {{"ENGINE": "django_tenants.postgresql_backend", "NAME": "bench", "USER": "bench",
                          "HOST": {self.host!r}, "PORT": {self.server.port}, "PASSWORD": {(self.server.password or "")!r},
                          "OPTIONS": {self.options!r}}}}}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "django.contrib.contenttypes", "customers"]
TENANT_APPS = ["shop"]
INSTALLED_APPS = ["django_tenants", "django.contrib.contenttypes", "customers", "shop"]
TENANT_MODEL, TENANT_DOMAIN_MODEL = "customers.Client", "customers.Domain"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""")
        (customers / "models.py").write_text("""
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):
    name = models.CharField(max_length=100)
    auto_create_schema = False


class Domain(DomainMixin):
    pass
""")
        models = ["from django.db import models\n"]
        for table in TABLES:
            name = table.title().replace("_", "")
            models.append(f"\n\nclass {name}(models.Model):\n    title = models.CharField(max_length=200)\n"
                          "    amount = models.IntegerField(default=0)\n    made_at = models.DateTimeField(null=True)\n"
                          "    note = models.TextField(blank=True, db_index=True)\n")
        (shop / "models.py").write_text("".join(models))
        self.manage("makemigrations", "customers", "shop")

    def manage(self, *arguments):
        return run([self.python, "-m", "django", *arguments],
                   env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(self.room)}, cwd=self.room)

    def tenants(self, count):
        self.manage("migrate_schemas", "--shared")
        self.server.sql(f"insert into customers_client (schema_name, name) select 't_' || i, 'Tenant ' || i "
                        f"from generate_series(1, {count}) i")
        self.server.sql(";".join(f"create schema t_{i}" for i in range(1, count + 1)))
        say(f"migrating {count} tenants with django-tenants for the first time")
        self.manage("migrate_schemas", "--tenant", "--executor", "multiprocessing")

    def add(self, number):
        before = sorted((self.room / "shop" / "migrations").glob("0*.py"))[-1].stem
        column = f"django_{number}"
        (self.room / "shop" / "migrations" / f"{int(before[:4]) + 1:04}_{column}.py").write_text(f"""
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "{before}")]
    operations = [
        migrations.AddField("product", "{column}", models.IntegerField(null=True)),
        migrations.AddIndex("product", models.Index(fields=["{column}"], name="{column}_index")),
    ]
""")
        return column

    def migrate(self, executor):
        self.manage("migrate_schemas", "--tenant", "--executor", executor)


class Ours:
    """tenantui on the same schemas, with a ledger of Migratus beside Django's."""

    def __init__(self, room, server, tenants, parallel):
        ledger = "create table t_{0}.schema_migrations (id bigint unique not null, applied timestamp, description varchar(1024))"
        server.sql(";".join(ledger.format(number) for number in range(1, tenants + 1)))
        self.program, self.folder = PROJECT / "target" / "release" / "tenantui", room / "migrations"
        if not self.program.exists():
            raise SystemExit("build the program first: cargo build --release")
        self.folder.mkdir()
        (self.folder / "1-start.up.sql").write_text("select 1")
        self.config = room / "tenantui.toml"
        self.config.write_text(f"""
[[database]]
name = "bench"
url = "{server.url()}"
environment = "development"
layout = "django-tenants"
[database.migrations]
tool = "migratus"
path = "{self.folder}"
[database.jobs]
parallel = {parallel}
canary = 0
batches = []
""")
        self.config.chmod(0o600)
        self.call("init", "--yes")
        self.migrate()

    def call(self, *arguments):
        return run([self.program, "--config", self.config, *arguments])

    def add(self, number):
        (self.folder / f"{number + 2}-ours.up.sql").write_text(
            f"ALTER TABLE shop_product ADD COLUMN ours_{number} integer;\n--;;\n"
            f"CREATE INDEX ours_{number}_index ON shop_product (ours_{number});\n")
        return f"ours_{number}"

    def migrate(self):
        self.call("migrate", "--all", "--yes", "--canary", "0")


class Shell:
    """One psql for each tenant, as people do it today; its ledger is Migratus' too, by ids of its own."""

    def __init__(self, server):
        self.server, self.number = server, None

    def add(self, number):
        self.number = number
        return f"shell_{number}"

    def migrate(self):
        number = self.number
        script = f"""
set -eu
psql -XAtq -d "$URL" -c "select schema_name from public.customers_client where schema_name <> 'public'" |
while read -r schema; do
psql -Xq1 -v ON_ERROR_STOP=1 -d "$URL" <<SQL >/dev/null
set local search_path to "$schema";
select not exists (select from schema_migrations where id in ({9000 + number}, -1)) as todo \\gset
\\if :todo
alter table shop_product add column shell_{number} integer;
create index shell_{number}_index on shop_product (shell_{number});
insert into schema_migrations values ({9000 + number}, now(), 'shell');
\\endif
SQL
done
"""
        path = f"{self.server.bin}:{os.environ['PATH']}"
        run(["sh", "-c", script], env={**os.environ, "URL": self.server.url(), "PATH": path})


def timed(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def compare(server, ways, tenants, rounds):
    """Each way in turn, first with one migration, then with nothing to do."""
    seen = {name: ([], []) for name in ways}
    for number in range(rounds):
        order = list(ways)
        for name in order[number % len(order):] + order[:number % len(order)]:
            add, migrate = ways[name]
            column = add(number)
            seen[name][0].append(timed(migrate))
            seen[name][1].append(timed(migrate))
            done = int(server.sql(f"select count(*) from pg_attribute where attname = '{column}' and attnum > 0"
                                  f" and attrelid in (select oid from pg_class where relkind = 'r')"))
            if done != tenants:
                raise SystemExit(f"{name}: {done} of {tenants} tenants have the column")
        say("  round %d: %s" % (number, ", ".join(f"{name} {seen[name][0][-1]:.2f} s" for name in ways)))
    return seen


def tell(seen, tenants, parallel, link):
    print(f"{tenants} tenants of {len(TABLES)} tables, one column and one index, link: {link}; tenantui with {parallel} "
          "sessions; seconds, median (least to most)")
    ours = seen["tenantui"]
    for name, parts in seen.items():
        for what, times, own in zip(("one migration", "nothing to do"), parts, ours):
            ratios = [theirs / mine for theirs, mine in zip(times, own)]
            against = "" if name == "tenantui" else (
                f"   {statistics.median(ratios):.1f} times tenantui's ({min(ratios):.1f} to {max(ratios):.1f})")
            print(f"  {name:22} {what:14} {statistics.median(times):7.3f} ({min(times):.3f} to {max(times):.3f}){against}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--link", choices=["tls", "socket"], default="tls", help="TCP with TLS and a password, or neither")
    parser.add_argument("--multiprocessing", action="store_true", help="time Django's second executor as well")
    asked = parser.parse_args()
    room = Path(tempfile.mkdtemp(prefix="tenantui-peers-", dir="/tmp"))
    server = None
    try:
        os.chmod(room, 0o755)
        (room / "server").mkdir()
        server = Server(room / "server", asked.link)
        server.secure()
        server.sql("create database bench", database="postgres")
        django = Django(room, server)
        django.tenants(asked.tenants)
        ours, shell = Ours(room, server, asked.tenants, asked.parallel), Shell(server)
        ways = {
            "tenantui": (ours.add, ours.migrate),
            "psql, a shell loop": (shell.add, shell.migrate),
            "django-tenants": (django.add, lambda: django.migrate("standard")),
        }
        if asked.multiprocessing:
            ways["django, multiprocessing"] = (
                lambda number: django.add(1000 + number), lambda: django.migrate("multiprocessing"))
        tell(compare(server, ways, asked.tenants, asked.rounds), asked.tenants, asked.parallel, asked.link)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(room, ignore_errors=True)


if __name__ == "__main__":
    main()
