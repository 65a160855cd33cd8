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
fn only_what_is_read_is_written_and_a_certain_tool_alone() {
    let read: Vec<Tool> = Tool::ALL.into_iter().filter(|tool| dialect(*tool).reading.is_some()).collect();
    assert_eq!(
        read,
        [Tool::Rails, Tool::Dbmate, Tool::RailsOrDbmate, Tool::GolangMigrate, Tool::Migratus, Tool::Diesel, Tool::Sqlx]
    );
    let written: Vec<Tool> = Tool::ALL.into_iter().filter(|tool| dialect(*tool).writing.is_some()).collect();
    assert_eq!(written, [Tool::Migratus]);
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
