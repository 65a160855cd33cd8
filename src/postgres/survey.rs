//! Finds out which framework made a database: a few bounded questions to the catalog, then `layout::judge`.
//!
//! Asks `pg_namespace`, `pg_class` and `pg_attribute`, never `information_schema`, which hides what a role of few
//! privileges may not use. Nothing here scans `pg_attribute`: tables of a fingerprint are reached by their names.

mod words;

use std::collections::BTreeSet;

use self::words::{json_texts, listed_words};
use super::bind::{bind, text_array};
use super::hidden::hidden_rows;
use super::session::{QueryError, Reader, TextRow};
use super::{bind, questions, registry};
use crate::config::{self, LayoutChoice};
use crate::layout::file::{self, LayoutFile, LayoutFileError, RegistryKind, VariantRule};
use crate::layout::judge::{self, ColumnFacts, Facts, Fit, Missed, PointingTable, Slug, TableFacts, Undecided};
use crate::layout::{Layout, NameRule, Registry};
use crate::model::ident::QualifiedName;
use crate::text::Untrusted;

const FINGERPRINT: &str = include_str!("../../assets/sql/fingerprint.sql");
const REGISTRY_BY_COLUMN: &str = include_str!("../../assets/sql/registry_by_column.sql");
const TABLE_FACTS: &str = include_str!("../../assets/sql/table_facts.sql");
const POINTING_TABLES: &str = include_str!("../../assets/sql/pointing_tables.sql");

/// Why a database's layout is not known. Its `Display` says what was tried, what each layout missed, and what to
/// write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// The catalog could not be read.
    #[error("the catalog could not be read: {0}")]
    Query(#[from] QueryError),
    /// A layout file is wrong.
    #[error(transparent)]
    File(#[from] LayoutFileError),
    /// `layout` names none.
    #[error("layout = \"{}\" is none of {known}, and no file", name.safe())]
    UnknownLayout {
        /// What was named.
        name: Untrusted,
        /// The embedded ones.
        known: String,
    },
    /// No layout fits.
    #[error("{}", tried(missed))]
    NoLayout {
        /// The layouts that were tried and what each missed.
        missed: Vec<Missed>,
    },
    /// Several fit.
    #[error("{}", several(fits))]
    Ambiguous {
        /// Their names, and the marks of each.
        fits: Vec<(String, Vec<Untrusted>)>,
    },
    /// The configuration's overrides do not fit the database.
    #[error("{}", .0.safe())]
    Unfit(Untrusted),
    /// The role may read nothing of the registry.
    #[error("{}", .0.safe())]
    NoAccess(Untrusted),
}

fn several(fits: &[(String, Vec<Untrusted>)]) -> String {
    let each = |(name, marks): &(String, Vec<Untrusted>)| {
        let marks: Vec<String> = marks.iter().map(|mark| mark.safe().into()).collect();
        format!("{name} ({})", marks.join("; "))
    };
    let all: Vec<String> = fits.iter().map(each).collect();
    let first = fits.first().map_or("plain", |(name, _)| name.as_str());
    format!(
        "{} layouts fit this database: {}. Which one is meant cannot be told from it: name it in the configuration, \
         layout = \"{first}\" in its [[database]]",
        fits.len(),
        all.join(" and ")
    )
}

fn tried(missed: &[Missed]) -> String {
    let each: Vec<String> = missed.iter().map(|missed| format!("{}: {}", missed.layout, missed.what.safe())).collect();
    format!(
        "no layout fits this database ({}). Tell tenantui where the tenants are listed, in [database.tenants]: \
         table = \"public.customers\", or query = \"select id, subdomain as slug, schema_name from customers\", \
         or scan = \"tenant_%\"; and schema = \"tenant_{{slug}}\" where no column names the schema. Or name the layout, \
         layout = \"...\" in its [[database]]: a framework that lists its tenants nowhere is not told while there is none",
        each.join("; ")
    )
}

/// Finds the layout of a database: the configured one, else the first that fits, with the configuration's
/// overrides and the registry's real columns.
///
/// # Errors
/// When no layout fits, the overrides do not fit the database, a layout file is wrong, or the catalog cannot be read.
pub async fn survey(reader: &Reader, database: &config::Database) -> Result<Layout, SurveyError> {
    let overrides = &database.tenants;
    if let Some(query) = &overrides.query {
        registry::check_query(query).map_err(SurveyError::Unfit)?;
    }
    let files = files(&database.layout, overrides.table.as_ref())?;
    let mut facts = facts(reader, &files, overrides.table.as_ref()).await?;
    if matches!(choose(&files, &facts, database), Err(SurveyError::NoLayout { .. })) {
        // The last tenant may be in the trash, and has to be found to come back.
        facts.dropped = dropped(reader, &files).await?;
    }
    let fit = choose(&files, &facts, database)?;
    let table = overrides.table.as_ref().and_then(|name| {
        facts.tables.iter().find(|table| table.schema == name.schema.raw() && table.name == name.name.raw())
    });
    // Where not one column of what could be the registry may be read, the privilege is what is missing.
    let nothing_readable = facts.tables.iter().all(|table| table.columns.iter().all(|column| !column.readable));
    let mut layout = judge::apply(fit, overrides, table, &facts.user).map_err(|unfit| {
        if nothing_readable && !facts.tables.is_empty() {
            SurveyError::NoAccess(unfit.0)
        } else {
            SurveyError::Unfit(unfit.0)
        }
    })?;
    let variants = files.iter().find(|file| file.name == *layout.name).map(|file| file.variant.as_slice());
    tell_variant(reader, variants.unwrap_or_default(), &mut layout).await?;
    if overrides.schema.is_none() && layout.naming.rule == NameRule::Plain {
        learn_schema_rule(reader, &mut layout).await?;
    }
    layout.about.hidden_rows = hidden_rows(reader, &layout).await?;
    layout.found_on = Some(reader.facts().identity());
    Ok(layout)
}

/// The layouts to try. A configured table takes the place of the tenants table of the layouts that have one.
fn files(choice: &LayoutChoice, table: Option<&QualifiedName>) -> Result<Vec<LayoutFile>, SurveyError> {
    let mut files = match choice {
        LayoutChoice::Auto => file::embedded()?,
        LayoutChoice::File(path) => vec![file::load(path)?],
        LayoutChoice::Named(name) => {
            let file = file::embedded()?.into_iter().find(|file| file.name == *name);
            vec![file.ok_or_else(|| SurveyError::UnknownLayout {
                name: Untrusted::new(name),
                known: file::names().collect::<Vec<_>>().join(", "),
            })?]
        }
    };
    if let Some(table) = table {
        for file in files.iter_mut().filter(|file| file.registry.table.is_some()) {
            file.registry.table = Some(table.quoted());
        }
    }
    Ok(files)
}

fn choose<'a>(files: &'a [LayoutFile], facts: &'a Facts, database: &config::Database) -> Result<Fit<'a>, SurveyError> {
    let tenants = &database.tenants;
    let overridden = tenants.table.is_some() || tenants.query.is_some() || tenants.scan.is_some();
    match (&database.layout, overridden) {
        (LayoutChoice::Auto, false) => judge::judge(files, facts).map_err(undecided),
        (LayoutChoice::Auto, true) => judge::base(files, facts).map_err(undecided),
        (LayoutChoice::Named(_) | LayoutChoice::File(_), _) => {
            let file = files.first().ok_or_else(|| SurveyError::Unfit(Untrusted::new("no layout is named")))?;
            let need = if overridden { Slug::NotNeeded } else { Slug::AnyName };
            judge::named(file, facts, need).map_err(|what| SurveyError::NoLayout {
                missed: vec![Missed { layout: file.name.clone(), what: Untrusted::new(what) }],
            })
        }
    }
}

fn undecided(why: Undecided) -> SurveyError {
    match why {
        Undecided::None(missed) => SurveyError::NoLayout { missed },
        Undecided::Several(fits) => SurveyError::Ambiguous { fits },
    }
}

/// Asks the catalog for what the layouts' fingerprints and registries need to be judged: three messages at most.
async fn facts(reader: &Reader, files: &[LayoutFile], table: Option<&QualifiedName>) -> Result<Facts, QueryError> {
    let mut schemas = BTreeSet::from(["public".to_owned()]);
    let mut names = BTreeSet::new();
    if let Some(table) = table {
        schemas.insert(table.schema.raw().to_owned());
        names.insert(table.name.raw().to_owned());
    }
    let mut questions = String::new();
    let mut asks_for_schemas = Vec::new();
    for file in files {
        if let Ok(Some(table)) = file.table() {
            schemas.insert(table.schema.raw().to_owned());
            names.insert(table.name.raw().to_owned());
        }
        names.extend(file.fingerprint.tables.iter().map(|mark| mark.table.clone()));
        if let Some(question) = fingerprint(file, false) {
            questions.push_str(&question);
            asks_for_schemas.push(true);
        }
        if let (RegistryKind::Table, Some(find)) = (file.registry.kind, &file.registry.find) {
            let values = [("column", find.column.as_str()), ("type", find.type_name.as_str())];
            questions.push_str(&bind(REGISTRY_BY_COLUMN, &values));
            asks_for_schemas.push(false);
        }
    }
    if !questions.is_empty() {
        for (rows, is_schema) in reader.read(&questions).await?.into_iter().zip(asks_for_schemas) {
            let into = if is_schema { &mut schemas } else { &mut names };
            into.extend(rows.iter().filter_map(|row| row.text(0)).map(str::to_owned));
        }
    }
    let tables = table_facts(reader, &schemas, &names).await?;
    let mut facts = Facts { tables, dropped: Vec::new(), user: reader.facts().user.clone() };
    point(reader, files, &mut facts).await?;
    Ok(facts)
}

/// The same of schemas in the trash.
async fn dropped(reader: &Reader, files: &[LayoutFile]) -> Result<Vec<TableFacts>, QueryError> {
    let questions: String = files.iter().filter_map(|file| fingerprint(file, true)).collect();
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let answers = reader.read(&questions).await?;
    let schemas: BTreeSet<&str> = answers.iter().flatten().filter_map(|row| row.text(0)).collect();
    if schemas.is_empty() {
        return Ok(Vec::new());
    }
    let marks = files.iter().flat_map(|file| &file.fingerprint.tables);
    table_facts(reader, schemas, marks.map(|mark| mark.table.as_str())).await
}

/// The columns of the tables of these names in these schemas.
pub(super) async fn table_facts<S: AsRef<str>, N: AsRef<str>>(
    reader: &Reader,
    schemas: impl IntoIterator<Item = S>,
    names: impl IntoIterator<Item = N>,
) -> Result<Vec<TableFacts>, QueryError> {
    let (schemas, names) = (text_array(schemas), text_array(names));
    let rows = reader.rows(&bind(TABLE_FACTS, &[("schemas", &schemas), ("names", &names)])).await?;
    tables(&rows)
}

/// The question for schemas that hold a fingerprint, in the trash or not. Of its tables the first with columns is looked at
/// closely.
fn fingerprint(file: &LayoutFile, dropped: bool) -> Option<String> {
    let marks = &file.fingerprint.tables;
    let anchor = marks.iter().find(|mark| !mark.columns.is_empty()).or(marks.first())?;
    let (columns, types): (Vec<&str>, Vec<&str>) = anchor.columns().unzip();
    let tables = text_array(marks.iter().map(|mark| mark.table.as_str()));
    let (columns, types) = (text_array(columns), text_array(types));
    let dropped = dropped.to_string();
    let values = [
        ("anchor", anchor.table.as_str()),
        ("columns", &columns),
        ("types", &types),
        ("tables", &tables),
        ("dropped", &dropped),
    ];
    Some(bind(FINGERPRINT, &values))
}

/// Foreign keys that decide between several candidates for a registry whose name is the application's own.
async fn point(reader: &Reader, files: &[LayoutFile], facts: &mut Facts) -> Result<(), QueryError> {
    let asks = |file: &LayoutFile| {
        file.registry.domains.is_some()
            || file.registry.find.as_ref().is_some_and(|find| !find.pointed_at_by.is_empty())
    };
    if !files.iter().any(asks) {
        return Ok(());
    }
    let oids: Vec<u32> = facts.tables.iter().filter(|table| table.schema == "public").map(|table| table.oid).collect();
    let rows = reader.rows(&bind(POINTING_TABLES, &[("oids", &bind::oid_array(&oids))])).await?;
    for row in rows {
        let oid: Option<u32> = row.parse(0)?;
        let text = |index| row.text(index).unwrap_or_default().to_owned();
        let names = |index| json_texts(row.text(index)).into_iter().collect();
        let pointing = PointingTable { schema: text(1), name: text(2), columns: names(3), readable: names(4) };
        if let Some(table) = facts.tables.iter_mut().find(|table| Some(table.oid) == oid) {
            table.pointed_at_by.push(pointing);
        }
    }
    Ok(())
}

fn tables(rows: &[TextRow]) -> Result<Vec<TableFacts>, QueryError> {
    let mut tables: Vec<TableFacts> = Vec::new();
    for row in rows {
        let oid = row.parse(0)?.unwrap_or_default();
        let text = |index| row.text(index).unwrap_or_default().to_owned();
        if tables.last().is_none_or(|table| table.oid != oid) {
            tables.push(TableFacts {
                oid,
                schema: text(1),
                name: text(2),
                usage: row.is_true(3),
                columns: Vec::new(),
                pointed_at_by: Vec::new(),
                rows_hidden: row.is_true(11),
            });
        }
        let mut words = json_texts(row.text(9));
        if words.is_empty() {
            words = json_texts(row.text(10)).iter().flat_map(|check| listed_words(check)).collect();
        }
        let column = ColumnFacts {
            name: text(4),
            type_name: text(5),
            not_null: row.is_true(6),
            has_default: row.is_true(7),
            is_generated: row.is_true(12),
            readable: row.is_true(8),
            words,
        };
        if let Some(table) = tables.last_mut() {
            table.columns.push(column);
        }
    }
    Ok(tables)
}

/// Asks for the versions of the framework that the database may tell. Marks of several tell none.
async fn tell_variant(reader: &Reader, variants: &[VariantRule], layout: &mut Layout) -> Result<(), SurveyError> {
    let mut told = Vec::new();
    for variant in variants {
        if let Some(mark) = questions::variant(reader, &variant.query).await? {
            told.push((variant, mark));
        }
    }
    let names = |list: &[&str]| list.join(" or ");
    match told.as_slice() {
        [] if variants.is_empty() => {}
        [] => {
            let all: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
            layout
                .evidence
                .push(Untrusted::new(format!("nothing in the database tells whether it is {}", names(&all))));
        }
        [(variant, mark)] => {
            layout.evidence.push(Untrusted::new(format!("it is {}: {}", variant.name, mark.raw())));
            layout.about.variant = Some(variant.name.clone());
            if let Some(rule) = variant.rule {
                layout.naming.rule = rule.rule();
            }
        }
        several => {
            let marks: Vec<String> =
                several.iter().map(|(variant, mark)| format!("{} ({})", variant.name, mark.raw())).collect();
            layout.evidence.push(Untrusted::new(format!("marks of several versions: {}", marks.join(" and "))));
        }
    }
    Ok(())
}

/// Where the configuration says nothing of schema names and the registry has a column of them, the rule for new
/// tenants is read off the existing ones: `t_{slug}` where they are all `t_...`.
async fn learn_schema_rule(reader: &Reader, layout: &mut Layout) -> Result<(), SurveyError> {
    let Registry::Table { table, columns, .. } = &layout.registry else { return Ok(()) };
    let Some(schema) = columns.schema_name.as_ref().filter(|schema| schema.name != columns.slug.name) else {
        return Ok(());
    };
    let sql = format!(
        "select {slug}::pg_catalog.text, {schema}::pg_catalog.text from {table} where {slug} is not null and {schema} is not null limit 200",
        slug = columns.slug.name.quoted(),
        schema = schema.name.quoted(),
        table = table.quoted()
    );
    let rows = match reader.rows(&sql).await {
        Ok(rows) => rows,
        // Reading the registry itself will say so, with the grant that would help.
        Err(QueryError::Server { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let pairs: Vec<(&str, &str)> = rows.iter().filter_map(|row| Some((row.text(0)?, row.text(1)?))).collect();
    if let Some((template, hyphens)) = judge::learn_template(&pairs) {
        if template != layout.naming.schema_template || hyphens != layout.naming.hyphens_become_underscores {
            layout.evidence.push(Untrusted::new(format!("the schemas of the registry are named {template}")));
        }
        layout.naming.schema_template = template;
        layout.naming.hyphens_become_underscores = hyphens;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_check_are_those_it_lists() {
        let check = "CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'closed'::character varying])::text[])))";
        assert_eq!(listed_words(check), ["active", "closed"]);
        assert!(listed_words("CHECK ((status <> 'x'::text))").is_empty());
        assert!(listed_words("CHECK ((NOT (status = ANY (ARRAY['x'::text]))))").is_empty());
        assert!(listed_words("CHECK ((length(status) > 0))").is_empty());
    }

    #[test]
    fn the_error_says_what_was_tried_and_what_to_write() {
        let missed = vec![Missed { layout: "plain".to_owned(), what: "public.tenants is absent".into() }];
        let text = SurveyError::NoLayout { missed }.to_string();
        assert!(text.contains("plain: public.tenants is absent"), "{text}");
        assert!(text.contains("layout = "), "{text}");
        assert!(text.contains("table = ") && text.contains("query = ") && text.contains("scan = "), "{text}");
    }
}
