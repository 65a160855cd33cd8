# Django and django-tenants, driven: their migrations are Python. Needs python3 and PyPI.
. scripts/tools/driving.bash

# A project with an app of one migration; a second one comes later.
shop_app() {
    mkdir -p shop/migrations
    touch shop/__init__.py shop/migrations/__init__.py
    cat >manage.py <<'PY'
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
PY
    cat >shop/models.py <<'PY'
from django.db import models
class Item(models.Model):
    name = models.CharField(max_length=50)
    price = models.IntegerField(default=0)
PY
    cat >shop/migrations/0001_initial.py <<'PY'
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.CreateModel("Item", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=50))])]
PY
}

second_migration() {
    cat >shop/migrations/0002_price.py <<'PY'
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("Item", "price", models.IntegerField(default=0))]
PY
}

# settings ENGINE LINES: the database is the environment's.
settings() {
    cat >settings.py <<PY
import os
SECRET_KEY = "x"
$2
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "$1", "NAME": os.environ["PGDATABASE"], "HOST": os.environ["PGHOST"],
    "PORT": os.environ["PGPORT"], "USER": os.environ["PGUSER"]}}
PY
}

plain_django() {
    local more='apps = ["shop"]'
    project django
    shop_app
    settings django.db.backends.postgresql 'INSTALLED_APPS = ["shop"]'
    in_each_tenant python manage.py migrate --no-input
    second_migration
    drive django . env -u PGOPTIONS python manage.py migrate --no-input
    caught "django without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.django_migrations, public.shop_item'
    drive django . python manage.py migrate --no-input
    migrated django
    expect_everywhere price
}

# A project of django-tenants in a database of its own, with the shared schema migrated and no tenant yet.
tenants_project() {
    home=$work/$check-tenants
    database=${check//-/_}_tenants
    mkdir -p "$home"
    createdb "$database"
    export PGDATABASE=$database
    cd "$home"
    shop_app
    mkdir -p customers/migrations
    touch customers/__init__.py customers/migrations/__init__.py
    settings django_tenants.postgresql_backend 'SHARED_APPS = ["django_tenants", "django.contrib.contenttypes", "customers"]
TENANT_APPS = ["shop"]
INSTALLED_APPS = SHARED_APPS + TENANT_APPS
TENANT_MODEL = "customers.Client"
TENANT_DOMAIN_MODEL = "customers.Domain"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]'
    cat >customers/models.py <<'PY'
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin
class Client(TenantMixin):
    name = models.CharField(max_length=100)
class Domain(DomainMixin):
    pass
PY
    python manage.py makemigrations customers
    python manage.py migrate_schemas --shared
}

django_tenants() {
    local more='apps = ["shop"]' layout='layout = "django-tenants"' said
    tenants_project
    python manage.py shell -c "
from customers.models import Client
for slug in '${slugs[*]}'.split(): Client(schema_name=slug, name=slug).save()"
    second_migration
    drive django . python manage.py migrate_schemas --noinput
    tui init --yes
    if said=$(tui migrate --all --yes 2>&1); then echo "$said"; echo "without its argument it was run"; exit 1; fi
    grep -q 'does not say which schema' <<<"$said" || { echo "$said"; exit 1; }
    drive django . python manage.py migrate_schemas -s '{schema}' --noinput
    migrated django-tenants
    expect_everywhere price
}

check() {
    python_tool django==5.2.19 django-tenants==4.0.1 'psycopg[binary]'
    # One spoils nothing of the other: each has a database and a folder.
    (plain_django)
    (django_tenants)
}
