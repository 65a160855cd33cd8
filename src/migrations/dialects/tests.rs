use super::recognise::{matches, tool_of};
use super::*;
use crate::postgres::ledgers::{ColumnFact, TableShape};

/// A table as a tool would make it from its shape.
fn sample(shape: &Shape) -> TableShape {
    let columns = shape.columns.iter().map(|(name, kind)| {
        let type_name = match *kind {
            "int" => "int4",
            "varchar*" => "varchar(255)",
            "timestamp*" => "timestamp",
            exact => exact,
        };
        ColumnFact { name: (*name).into(), type_name: type_name.into() }
    });
    TableShape { columns: columns.collect(), primary_key: shape.primary_key.unwrap_or(true) }
}

#[test]
fn every_tool_is_recognised_by_what_it_makes_and_by_no_other() {
    for tool in Tool::ALL {
        assert_eq!(dialect(tool).tool, tool);
        assert!(!dialect(tool).shapes.is_empty(), "{tool}");
        for shape in dialect(tool).shapes {
            let table = sample(shape);
            for name in shape.tables {
                assert_eq!(tool_of(name, &table), Some(tool), "{tool}: {name}");
                let others = Tool::ALL.into_iter().filter(|other| *other != tool).filter(|other| {
                    dialect(*other).shapes.iter().any(|shape| shape.tables.contains(name) && matches(shape, &table))
                });
                assert_eq!(others.collect::<Vec<_>>(), [], "{tool}: {name} is of one tool only");
            }
        }
    }
}

#[test]
fn a_column_more_or_less_or_of_another_type_is_another_table() {
    for tool in Tool::ALL {
        for shape in dialect(tool).shapes {
            let table = sample(shape);
            for index in 0..table.columns.len() {
                let mut less = table.clone();
                less.columns.remove(index);
                assert!(!matches(shape, &less), "{tool} without {:?}", table.columns[index].name);
                let mut other = table.clone();
                other.columns[index].type_name = "point".into();
                assert!(!matches(shape, &other), "{tool} with another {:?}", table.columns[index].name);
            }
            let mut more = table.clone();
            more.columns.push(ColumnFact { name: "weather".into(), type_name: "text".into() });
            assert_eq!(matches(shape, &more), shape.open, "{tool} with a column more");
        }
    }
}

#[test]
fn a_certain_tool_alone_is_written() {
    let written: Vec<Tool> = Tool::ALL.into_iter().filter(|tool| dialect(*tool).writing.is_some()).collect();
    assert_eq!(
        written,
        [
            Tool::Dbmate,
            Tool::GolangMigrate,
            Tool::Migratus,
            Tool::Diesel,
            Tool::Sqlx,
            Tool::Refinery,
            Tool::Flyway,
            Tool::Goose,
            Tool::NodePgMigrate
        ]
    );
    assert!(written.iter().all(|tool| dialect(*tool).files.is_some()));
}

#[test]
fn the_keys_of_locks_are_those_of_the_tools() {
    let key = |tool: Tool, table: &str| {
        let place = LockPlace { database: "shop", schema: "tenant_x", table };
        match dialect(tool).lock {
            ToolLock::Schema(key) => ("schema", key(&place)),
            ToolLock::Database(key) => ("database", key(&place)),
            ToolLock::None | ToolLock::Row | ToolLock::Table(_) => ("none", 0),
        }
    };
    assert_eq!(key(Tool::Flyway, "flyway_schema_history"), ("schema", 77_433_586_117_619));
    // zlib.crc32(b'tenant_x\0schema_migrations\0/shop') * 1486364155 % 2**32, and 0x3d32ad9e * zlib.crc32(b'shop').
    assert_eq!(key(Tool::GolangMigrate, "schema_migrations"), ("schema", 2_797_750_899));
    assert_eq!(key(Tool::Sqlx, "_sqlx_migrations"), ("database", 2_969_972_169_318_647_292));
    assert_eq!(key(Tool::Prisma, "_prisma_migrations"), ("database", 72_707_369));
    assert_eq!(key(Tool::NodePgMigrate, "pgmigrations"), ("database", 7_241_865_325_823_964));
    for tool in [Tool::Goose, Tool::Diesel, Tool::Refinery, Tool::Dbmate, Tool::Migratus] {
        assert_eq!(key(tool, "x").0, "none", "{tool}");
    }
    assert!(matches!(dialect(Tool::Migratus).lock, ToolLock::Row));
}

#[test]
fn equal_texts_are_one_set_and_the_newest_is_the_tools_own() {
    let mut interner = Interner::default();
    let text = format!("9{SEPARATOR}10{SEPARATOR}{SEPARATOR}8");
    let numbers = interner.set(Order::Number, Some(&text));
    assert!(Arc::ptr_eq(&numbers, &interner.set(Order::Number, Some(&text))));
    assert_eq!(numbers.current.as_ref().map(Version::raw), Some("10"));
    let texts = interner.set(Order::Text, Some(&text));
    assert_eq!(texts.current.as_ref().map(Version::raw), Some("9"), "as text, 9 is newer than 10");
    assert_eq!(interner.set(Order::Number, None).current, None);
    drop(texts);
    interner.forget_unused();
    assert!(Arc::ptr_eq(&numbers, &interner.set(Order::Number, Some(&text))), "held sets stay");
}

#[test]
fn zeros_in_front_are_nothing_for_rails_alone() {
    let version = Version::new("0010");
    assert_eq!(dialect(Tool::Rails).key(&version), "10");
    assert_eq!(dialect(Tool::Diesel).key(&version), "0010");
    assert_eq!(dialect(Tool::Rails).key(&Version::new("000")), "0");
    assert_eq!(dialect(Tool::Rails).key(&Version::new("0x1")), "0x1");
}

#[test]
fn checksums_stand_with_their_versions_and_make_another_set() {
    let mut interner = Interner::default();
    let text = format!("2{PAIR}b{SEPARATOR}1{PAIR}a{SEPARATOR}3{PAIR}");
    let listing = Listing { versions: Some(&text), checksums: true, ..Listing::default() };
    let set = interner.listed(Order::Number, &listing);
    let raw: Vec<&str> = set.versions.iter().map(Version::raw).collect();
    assert_eq!(raw, ["1", "2", "3"]);
    let checksums: Vec<(&str, &str)> = set.checksums.iter().map(|(version, sum)| (version.raw(), &**sum)).collect();
    assert_eq!(checksums, [("1", "a"), ("2", "b")]);
    assert!(Arc::ptr_eq(&set, &interner.listed(Order::Number, &listing)));
    let changed = text.replace('b', "c");
    let other = interner.listed(Order::Number, &Listing { versions: Some(&changed), ..listing });
    assert_ne!(set, other);
    let plain = interner.set(Order::Number, Some(&text));
    assert_eq!(plain.versions.len(), 3);
    assert!(plain.checksums.is_empty() && plain.versions[0].raw().contains(PAIR), "a text is read as it is said");
}

#[test]
fn what_the_ledger_calls_current_and_its_baseline_are_part_of_the_set() {
    let mut interner = Interner::default();
    let text = format!("1{SEPARATOR}2");
    let listing = Listing { versions: Some(&text), ..Listing::default() };
    let plain = interner.listed(Order::Parts, &listing);
    let back = interner.listed(Order::Parts, &Listing { current: Some("1"), ..listing });
    let based = interner.listed(Order::Parts, &Listing { baseline: Some("1"), ..listing });
    assert_eq!(plain.current.as_ref().map(Version::raw), Some("2"));
    assert_eq!(back.current.as_ref().map(Version::raw), Some("1"));
    assert_eq!(based.baseline.as_ref().map(Version::raw), Some("1"));
    let other_order = format!("2{SEPARATOR}1");
    let same = Listing { versions: Some(&other_order), baseline: Some("1"), ..Listing::default() };
    assert!(Arc::ptr_eq(&based, &interner.listed(Order::Parts, &same)), "the order of rows does not matter");
}

#[test]
fn flyways_versions_have_one_key_for_one_number() {
    let key = |text: &str| dialect(Tool::Flyway).key(&Version::new(text)).to_owned();
    assert_eq!([key("1"), key("1.0"), key("01"), key("1.00.0")], ["1", "1", "1", "1"]);
    assert_eq!([key("0"), key("0.0"), key("0.1"), key("00.1"), key("10")], ["0", "0", "0.1", "0.1", "10"]);
}
