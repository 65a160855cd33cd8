# Sequel, driven by its own program. Needs Debian's ruby-sequel and ruby-pg.
. scripts/tools/driving.bash

sequel_file() {
    printf 'Sequel.migration do\n  change do\n    create_table(:%s) { primary_key :id }\n  end\nend\n' "$2" >"files/$1_$2.rb"
}

check() {
    if ! { have sequel && ruby -e 'require "pg"' 2>/dev/null; } && can_apt; then apt_install ruby-sequel ruby-pg; fi
    have sequel || without "Sequel is not installed"
    project sequel
    mkdir files
    sequel_file 20250101000000 items
    in_each_tenant bash -c 'sequel -m files "$DATABASE_URL"'
    sequel_file 20250102000000 prices
    recognised sequel ./files 20250101000000_items.rb 1 1
    drive sequel ./files env -u PGOPTIONS sequel -m files "$(plain)"
    caught "sequel without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.schema_migrations, public.items, public.prices'
    drive sequel ./files sequel -m files '{url}'
    migrated sequel
    expect_everywhere prices
}
