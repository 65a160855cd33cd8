# ActiveRecord's migrations, driven as `rake db:migrate` runs them. Needs Debian's ruby-activerecord and ruby-pg.
. scripts/tools/driving.bash

rails_file() {
    printf 'class %s < ActiveRecord::Migration[6.0]\n  def change\n    create_table :%s\n  end\nend\n' \
        "${2^}" "$2" >"files/$1_$2.rb"
}

check() {
    if ! { have ruby && ruby -e 'require "active_record"; require "pg"' 2>/dev/null; } && can_apt; then
        apt_install ruby-activerecord ruby-pg
    fi
    ruby -e 'require "active_record"; require "pg"' || without "ActiveRecord is not installed"
    project rails
    mkdir files
    # What db:migrate does, less the application around it.
    cat >migrate.rb <<'RUBY'
require "active_record"
require "pg"
ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL"))
to = ARGV.first&.to_i
ActiveRecord::MigrationContext.new("files", ActiveRecord::SchemaMigration).migrate(to)
RUBY
    rails_file 20250101000000 items
    in_each_tenant ruby migrate.rb
    rails_file 20250102000000 prices
    rails_file 20250103000000 notes
    recognised rails ./files 20250101000000 1 2
    drive rails ./files env -u PGOPTIONS "DATABASE_URL=$(plain)" ruby migrate.rb
    caught "rails without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.schema_migrations, public.ar_internal_metadata, public.items, public.prices, public.notes'
    drive rails ./files ruby migrate.rb '{version}'
    tui migrate acme --yes --to 20250102000000
    expect "acme with --to" 20250102000000 "$(field acme version)"
    migrated rails
    expect_everywhere notes
}
