//! Any size and any data: no panic, nothing unsafe in a cell, borders where they belong.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use tenantui::model::environment::Environment;
use tenantui::model::tenant::TenantState;
use tenantui::text::is_unsafe;
use tenantui::tui::app::event::Event;

use super::sample::{hostile, tenant, tenants};
use super::stage::Stage;

fn harmless(buffer: &Buffer) {
    for cell in &buffer.content {
        assert!(!cell.symbol().chars().any(is_unsafe), "{:?}", cell.symbol());
    }
}

/// Every way into a screen, a menu or a dialog.
const WAYS: [&str; 16] = [
    "",
    "j j Enter",
    "j Enter Tab",
    "j Enter Tab Tab",
    "j Enter Tab Tab Tab",
    "2",
    "3",
    "3 Enter",
    ": m",
    "?",
    "y",
    "W",
    "N",
    "2 M",
    "/ a",
    "q",
];

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z]{1,70}",
        "[\u{300}-\u{310}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{1b}日本語é]{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn any_size_and_any_name_is_drawn(
        size in (0_u16..250, 0_u16..80),
        resized in (0_u16..250, 0_u16..80),
        names in prop::collection::vec(anything(), 0..30),
        way in prop::sample::select(WAYS.to_vec()),
        environment in prop::sample::select(vec![Environment::Production, Environment::Staging, Environment::Development]),
    ) {
        let mut list: Vec<_> = names.iter().enumerate().map(|(index, name)| {
            tenant(name, Some(index % 4), TenantState::ALL[index % 12])
        }).collect();
        list.extend(hostile());
        let mut stage = Stage::with(size, environment, list);
        stage.keys(way);
        harmless(&stage.frame());
        stage.event(Event::Resize { columns: resized.0, rows: resized.1 });
        harmless(&stage.frame());
    }
}

#[test]
fn every_size_is_drawn_on_every_screen() {
    for way in WAYS {
        let mut stage = Stage::with((80, 24), Environment::Production, tenants(40));
        stage.keys(way);
        for size in [
            (0, 0),
            (1, 1),
            (80, 1),
            (1, 200),
            (59, 16),
            (60, 15),
            (60, 16),
            (61, 17),
            (79, 24),
            (110, 20),
            (160, 30),
            (250, 80),
        ] {
            stage.event(Event::Resize { columns: size.0, rows: size.1 });
            harmless(&stage.frame());
        }
    }
}

/// The box of a dialog: each row between its corners begins and ends with a bar, whatever stands in it.
#[test]
fn boxes_are_closed_around_hostile_text() {
    for size in [(80, 24), (100, 30), (60, 16)] {
        for way in ["?", "W", "N", ": m"] {
            let mut stage = Stage::with(size, Environment::Development, hostile());
            stage.keys(way);
            let buffer = stage.frame();
            let symbol = |x: u16, y: u16| buffer[(x, y)].symbol().to_owned();
            let corners: Vec<(u16, u16)> = (0..size.1)
                .flat_map(|y| (0..size.0).map(move |x| (x, y)))
                .filter(|(x, y)| symbol(*x, *y) == "+" && *x + 1 < size.0 && symbol(*x + 1, *y) == "-")
                .collect();
            let Some((left, top)) = corners.first().copied() else { continue };
            let right = (left + 1..size.0).rev().find(|x| symbol(*x, top) == "+").expect("a corner");
            let bottom = corners.iter().rev().find(|(x, _)| *x == left).expect("a corner").1;
            assert!(bottom > top, "{way} at {size:?}");
            for y in top + 1..bottom {
                assert_eq!((symbol(left, y), symbol(right, y)), ("|".into(), "|".into()), "{way} at {size:?}, row {y}");
            }
        }
    }
}
