//! What makes it comfortable, as it looks: the first help, the column chooser, columns that were chosen, ASCII only.

use tenantui::model::environment::Environment;
use tenantui::tui::theme::{Depth, Theme};

use super::sample::{self, SIZES};
use super::stage::{Stage, text};
use super::{check, scene};

#[test]
fn a_first_run_begins_with_five_lines() {
    for size in SIZES {
        let mut stage = Stage::first(size);
        check("welcome", &stage);
        stage.keys("j");
        assert!(!text(&stage.frame()).contains("Welcome"), "any key closes it");
        assert_eq!(stage.app.state().tenants.list.at, 1, "and does its work");
    }
}

#[test]
fn columns_are_chosen() {
    scene("columns", |stage| stage.keys("c j j"));
    scene("columns_chosen", |stage| {
        // Schema and keys away, plan and owner there.
        stage.keys("c j Space j j j j j Space j j j j Space j Space Esc");
    });
}

#[test]
fn without_utf8_every_cell_is_ascii() {
    for size in SIZES {
        let stage = Stage::without_utf8(size, sample::hostile());
        let frame = stage.frame();
        assert!(frame.content.iter().all(|cell| cell.symbol().is_ascii()), "{}", text(&frame));
        check("ascii", &stage);
    }
}

/// Protected environments: a word, a colour and a border of their own, in every theme and without colours.
#[test]
fn protected_environments_are_unmistakable() {
    for (name, depth) in
        ["default", "mono", "high-contrast"].iter().flat_map(|n| [Depth::True, Depth::None].map(|d| (n, d)))
    {
        let theme = Theme::read(name, depth).expect("a theme");
        let looks = [Environment::Production, Environment::Staging, Environment::Development].map(|environment| {
            let mut stage = Stage::with((80, 24), environment, sample::tenants(20));
            stage.keys("W");
            let frame = stage.frame_in(&theme);
            let words = text(&frame);
            assert!(words.contains(environment.badge()), "{words}");
            // The corner of the dialog, where one is needed to write at all.
            let corner = (0..frame.area.height)
                .flat_map(|y| (0..frame.area.width).map(move |x| (x, y)))
                .find(|at| frame[*at].symbol() == "+" && environment.is_protected());
            corner.map(|at| (frame[at].fg, frame[at].bg, frame[at].modifier))
        });
        let plain =
            (theme.border.fg.unwrap_or_default(), theme.border.bg.unwrap_or_default(), theme.border.add_modifier);
        assert!(looks[0].is_some_and(|look| look != plain), "{name} {depth:?}: production's border is its own");
        assert!(looks[1].is_some_and(|look| look != plain), "{name} {depth:?}: staging's border is its own");
    }
}
