# Liquibase, driven: changesets in SQL and YAML, by its own JDBC URL. Needs npm, whose package has the program in it, and Java.
. scripts/tools/driving.bash

check() {
    have java || without "java is not installed"
    npm_tool liquibase@4.28.1
    local liquibase=${PATH%%:*}/../liquibase/dist/liquibase/liquibase slug
    [ -x "$liquibase" ] || without "the npm package has no program in it"
    project liquibase
    mkdir -p files/changes
    cat >files/changelog.xml <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://www.liquibase.org/xml/ns/dbchangelog http://www.liquibase.org/xml/ns/dbchangelog/dbchangelog-latest.xsd">
    <includeAll path="changes" relativeToChangelogFile="true"/>
</databaseChangeLog>
XML
    printf '%s\n' '--liquibase formatted sql' '--changeset ann:items' 'CREATE TABLE items (id int PRIMARY KEY);' >files/changes/1-items.sql
    for slug in "${slugs[@]}"; do
        "$liquibase" update --changelog-file=files/changelog.xml --username="$PGUSER" \
            --url="jdbc:postgresql://$PGHOST:$PGPORT/$database?currentSchema=tenant_$slug"
    done
    printf '%s\n' databaseChangeLog: '  - changeSet:' '      id: prices' '      author: bob' '      changes:' \
        '        - sql:' '            sql: CREATE TABLE prices (id int PRIMARY KEY)' >files/changes/2-prices.yaml
    query "SELECT * FROM tenant_acme.databasechangelog"
    recognised liquibase ./files items 1 1
    drive liquibase ./files env "LIQUIBASE_COMMAND_URL=jdbc:postgresql://$PGHOST:$PGPORT/$database" \
        "$liquibase" update --changelog-file=files/changelog.xml
    caught "liquibase without its aim" 'ignored its aim and migrated public'
    query 'DROP TABLE public.databasechangelog, public.databasechangeloglock, public.items, public.prices'
    drive liquibase ./files "$liquibase" update --changelog-file=files/changelog.xml
    migrated liquibase
    expect_everywhere prices
}
