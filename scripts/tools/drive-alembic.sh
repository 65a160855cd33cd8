# Alembic, driven: its migrations are Python. Needs python3 and PyPI.
. scripts/tools/driving.bash

# revision NUMBER BEHIND NAME WHAT
revision() {
    cat >"alembic/versions/$1_$3.py" <<PY
from alembic import op
import sqlalchemy as sa
revision = "$1"
down_revision = $2
branch_labels = None
depends_on = None
def upgrade():
    $4
def downgrade():
    pass
PY
}

check() {
    python_tool alembic 'psycopg[binary]'
    project alembic
    mkdir -p alembic/versions
    printf '[alembic]\nscript_location = alembic\n' >alembic.ini
    # As `alembic init` writes it, less its comments; the URL is the environment's.
    cat >alembic/env.py <<'PY'
import os
from alembic import context
from sqlalchemy import create_engine, pool
engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
PY
    revision 1a2b3c None first 'op.create_table("items", sa.Column("id", sa.Integer, primary_key=True))'
    in_each_tenant alembic upgrade head
    revision 4d5e6f '"1a2b3c"' price 'op.add_column("items", sa.Column("price", sa.Integer))'
    revision 7a8b9c '"4d5e6f"' index 'op.create_index("items_price", "items", ["price"])'
    drive alembic ./alembic/versions env -u PGOPTIONS "DATABASE_URL=$(plain)" alembic upgrade head
    caught "alembic without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.alembic_version, public.items'
    # One step first, then all: the command can be told how far to go.
    drive alembic ./alembic/versions alembic upgrade '{version}'
    tui migrate acme --yes --to 4d5e6f
    expect "acme with --to" 4d5e6f "$(query 'SELECT version_num FROM tenant_acme.alembic_version')"
    migrated alembic
    expect_everywhere items_price
}
