use proptest::prelude::*;

use super::*;

fn sets(kind: Kind, text: &str) -> Vec<(String, String)> {
    let items = items(kind, text).expect("a changelog").expect("one");
    let set = |item: Item| match item {
        Item::Set(set) => Some((set.id, set.author)),
        Item::File { .. } | Item::Folder { .. } => None,
    };
    items.into_iter().filter_map(set).collect()
}

fn pairs(known: &[(&str, &str)]) -> Vec<(String, String)> {
    known.iter().map(|(id, author)| ((*id).to_owned(), (*author).to_owned())).collect()
}

#[test]
fn one_changelog_in_four_forms() {
    let sql = "-- liquibase formatted sql\n\n--changeset ann:1 runInTransaction:false\ncreate index i on t (a);\n--rollback drop index i;\n\
               --CHANGESET \"bob smith\":\"two words\"\nselect 2;\n";
    let xml = "<?xml version=\"1.0\"?><databaseChangeLog xmlns=\"http://www.liquibase.org/xml/ns/dbchangelog\">\
               <changeSet id=\"1\" author=\"ann\"><sql>select 1</sql></changeSet><include file=\"x.sql\" relativeToChangelogFile=\"true\"/>\
               <changeSet author=\"bob smith\" id=\"two words\"/></databaseChangeLog>";
    let yaml = "databaseChangeLog:\n- changeSet:\n    id: 1\n    author: ann\n    changes: []\n- includeAll:\n    path: more\n\
                - changeSet: {id: two words, author: bob smith}\n";
    let json = r#"{"databaseChangeLog": [{"changeSet": {"id": 1, "author": "ann"}}, {"changeSet": {"id": "two words", "author": "bob smith"}}]}"#;
    let wanted = pairs(&[("1", "ann"), ("two words", "bob smith")]);
    assert_eq!(sets(Kind::Sql, sql), wanted);
    assert_eq!(sets(Kind::Xml, xml), wanted);
    assert_eq!(sets(Kind::Yaml, yaml), wanted);
    assert_eq!(sets(Kind::Json, json), wanted);
    match &items(Kind::Sql, sql).expect("read").expect("one")[0] {
        Item::Set(set) => assert!(!set.transactional && set.text.starts_with("create index"), "{set:?}"),
        other => panic!("{other:?}"),
    }
    match &items(Kind::Xml, xml).expect("read").expect("one")[..] {
        [Item::Set(set), Item::File { path, is_relative: true }, Item::Set(_)] => {
            assert_eq!(path, "x.sql");
            assert!(set.text.starts_with("<changeSet id=\"1\"") && set.text.ends_with("</changeSet>"), "{set:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_changelog_is_passed_over_and_a_broken_one_is_told() {
    assert_eq!(items(Kind::Sql, "select 1"), Ok(None));
    assert_eq!(items(Kind::Xml, "<project/>"), Ok(None));
    assert_eq!(items(Kind::Yaml, "a: 1"), Ok(None));
    assert!(items(Kind::Xml, "<databaseChangeLog><changeSet").is_err());
    assert!(items(Kind::Yaml, "databaseChangeLog: [").is_err());
    assert!(items(Kind::Json, "{\"databaseChangeLog\": 1}").is_err());
}

#[test]
fn paths_are_one_where_one_is_the_end_of_the_other() {
    assert!(is_same_end("db/changelog/x.sql", "x.sql"));
    assert!(is_same_end("classpath:db/x.sql", "src/main/resources/db/x.sql"));
    assert!(is_same_end("./a/../x.sql", "x.sql"));
    assert!(!is_same_end("ax.sql", "x.sql"));
    assert!(!is_same_end("a/x.sql", "b/x.sql"));
    assert!(!is_same_end("", "x.sql"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "(--liquibase formatted sql|--changeset |a:1|\"|:|é|\n|databaseChangeLog|<|>|/|changeSet| id='1'| author='a'|- |\\{|\\}|\\[|\\]){0,40}") {
        for kind in [Kind::Sql, Kind::Xml, Kind::Yaml, Kind::Json] {
            let _items = items(kind, &text);
        }
    }
}
