# A database that the real django-tenants made, a hundred tenants by its own command, opened with nothing but its URL:
# recognised by its catalog, every tenant with its version, the one that is behind its siblings. Needs python3 and PyPI.
. scripts/tools/drive-django.sh

# The same command with no configuration at all.
by_url() { HOME=$home XDG_CONFIG_HOME=$home/none XDG_STATE_HOME=$home "$TENANTUI_PROGRAM" --url "$(plain)?sslmode=disable" "$@"; }

# A value of JSON by a query of PostgreSQL's over it, `document` being the whole.
of_json() {
    psql -XAtq -v ON_ERROR_STOP=1 -d "$database" -v document="$1" <<SQL
SELECT $2 FROM (SELECT (:'document')::jsonb AS document) AS d;
SQL
}

check() {
    python_tool django==5.2.19 django-tenants==4.0.1 'psycopg[binary]'
    tenants_project
    second_migration
    python manage.py shell -c "
from customers.models import Client, Domain
for n in range(100):
    client = Client(schema_name=f'shop_{n}', name=f'Shop {n}')
    client.save()
    Domain(domain=f'shop{n}.example.org', tenant=client, is_primary=True).save()"
    # One that a deploy did not reach, one whose schema went, and one whose row did.
    python manage.py migrate_schemas -s shop_7 shop 0001 --noinput
    query 'DROP SCHEMA shop_8 CASCADE'
    query "DELETE FROM public.customers_domain WHERE domain = 'shop9.example.org'; DELETE FROM public.customers_client WHERE schema_name = 'shop_9'"
    local tenants doctor one
    tenants=$(by_url tenants --json)
    expect layout django-tenants "$(of_json "$tenants" "document #>> '{databases,0,layout}'")"
    expect tool django "$(of_json "$tenants" "document #>> '{databases,0,tool}'")"
    # public has a row of its own in no database of django-tenants that follows its documents, and is no tenant.
    expect tenants 100 "$(of_json "$tenants" "jsonb_array_length(document -> 'tenants')")"
    expect 'not well' 'shop_7:behind, shop_8:missing_schema, shop_9:orphan_schema' "$(of_json "$tenants" "(SELECT string_agg((t ->> 'slug') || ':' || (t ->> 'state'), ', ' ORDER BY t ->> 'slug')
        FROM jsonb_array_elements(document -> 'tenants') AS t WHERE t ->> 'state' <> 'ok')")"
    expect name 'Shop 1' "$(of_json "$tenants" "(SELECT t ->> 'name' FROM jsonb_array_elements(document -> 'tenants') AS t WHERE t ->> 'slug' = 'shop_1')")"
    doctor=$(by_url doctor --json)
    echo "$doctor"
    expect evidence t "$(of_json "$doctor" "document::text LIKE '%public.customers_client has the columns id, schema_name, name%'")"
    one=$(by_url tenant shop_1 --json)
    expect tables t "$(of_json "$one" "document #>> '{tables_detail}' LIKE '%shop_item%'")"
    echo "FIGURE django-tenants: 100 tenants of 4.0.1 recognised"
}
