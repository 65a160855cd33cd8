//! Who lives in the demo fleet: names, slugs, states and sizes, made by rule so that every demo is the same. No I/O.

use uuid::{Builder, Uuid};

use super::servers::ServerError;
use crate::model::ident::SchemaName;
use sha2::{Digest, Sha256};

/// One tenant to be made.
#[derive(Debug, Clone)]
pub struct PlannedTenant {
    /// The registry's id.
    pub id: Uuid,
    /// Boundary's slug.
    pub slug: String,
    /// The display name.
    pub name: String,
    /// `tenant_` and the slug with underscores.
    pub schema: SchemaName,
    /// What is special about it.
    pub fate: Fate,
    /// How many of the newest migrations it lacks.
    pub behind: usize,
    /// Days since it signed up.
    pub age_days: u32,
    /// Rows of its large table, of about 0.5 kB each.
    pub page_views: u32,
    /// Orders in its shop.
    pub orders: u32,
    /// Keys in the cache.
    pub cache_keys: u32,
}

/// What is special about a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: an active tenant.
    Active,
    /// A killed migration run left Migratus's `-1` row behind.
    LockLeftBehind,
    /// The registry says suspended.
    Suspended,
    /// The registry says deleted; the schema is still there.
    Deleted,
    /// A row without a schema.
    RowOnly,
    /// A schema without a row.
    SchemaOnly,
}

impl PlannedTenant {
    /// The registry's status; `None` where there is no row.
    #[must_use]
    pub fn status(&self) -> Option<&'static str> {
        match self.fate {
            Fate::Active | Fate::LockLeftBehind | Fate::RowOnly => Some("active"),
            Fate::Suspended => Some("suspended"),
            Fate::Deleted => Some("deleted"),
            Fate::SchemaOnly => None,
        }
    }

    /// Whether it has a schema.
    #[must_use]
    pub fn has_schema(&self) -> bool {
        match self.fate {
            Fate::RowOnly => false,
            Fate::Active | Fate::LockLeftBehind | Fate::Suspended | Fate::Deleted | Fate::SchemaOnly => true,
        }
    }
}

/// First words of company names.
const WORDS: [&str; 100] = [
    "Alder", "Amber", "Anchor", "Aspen", "Aurora", "Badger", "Basalt", "Beacon", "Birch", "Bluebell", "Bramble",
    "Bridge", "Brook", "Cedar", "Chestnut", "Cinder", "Clover", "Cobalt", "Compass", "Copper", "Coral", "Crane",
    "Crescent", "Cypress", "Delta", "Dove", "Dune", "Eagle", "Elder", "Elm", "Ember", "Falcon", "Fern", "Finch",
    "Fjord", "Flint", "Foxglove", "Garnet", "Ginger", "Glacier", "Granite", "Gull", "Harbour", "Hazel", "Heather",
    "Heron", "Hollow", "Indigo", "Iris", "Ivory", "Jade", "Jasper", "Juniper", "Kestrel", "Lantern", "Larch", "Laurel",
    "Lavender", "Linden", "Lotus", "Magnolia", "Maple", "Marble", "Meadow", "Mistral", "Moor", "Moss", "Nettle",
    "Nimbus", "North", "Oak", "Ochre", "Olive", "Onyx", "Orchard", "Osprey", "Otter", "Pebble", "Pine", "Plover",
    "Poppy", "Quarry", "Quartz", "Raven", "Ridge", "Rowan", "Saffron", "Sage", "Sequoia", "Slate", "Sorrel", "Sparrow",
    "Spruce", "Tamarind", "Thistle", "Tidal", "Umber", "Willow", "Wren", "Zephyr",
];

/// What the companies sell. As many words as make the step below go through all pairs.
const TRADES: [&str; 108] = [
    "Antiques",
    "Apparel",
    "Appliances",
    "Aquaria",
    "Art Supply",
    "Audio",
    "Bags",
    "Bakery",
    "Baskets",
    "Bath",
    "Beauty",
    "Bedding",
    "Bikes",
    "Boats",
    "Books",
    "Boots",
    "Botanics",
    "Brewing",
    "Brushes",
    "Cameras",
    "Camping",
    "Candles",
    "Carpets",
    "Ceramics",
    "Chairs",
    "Cheese",
    "Chocolate",
    "Clocks",
    "Coats",
    "Coffee",
    "Cookware",
    "Crafts",
    "Cutlery",
    "Cycles",
    "Dairy",
    "Denim",
    "Design",
    "Drums",
    "Electric",
    "Fabrics",
    "Farm Shop",
    "Fishing",
    "Flowers",
    "Foods",
    "Frames",
    "Furniture",
    "Games",
    "Garden",
    "Gifts",
    "Glass",
    "Goods",
    "Grains",
    "Guitars",
    "Hardware",
    "Hats",
    "Herbs",
    "Home",
    "Honey",
    "Instruments",
    "Jewellery",
    "Joinery",
    "Kitchens",
    "Knitwear",
    "Knives",
    "Lamps",
    "Leather",
    "Lighting",
    "Linen",
    "Luggage",
    "Maps",
    "Mattresses",
    "Metalwork",
    "Models",
    "Motors",
    "Music",
    "Notebooks",
    "Optics",
    "Outdoor",
    "Paints",
    "Paper",
    "Pastry",
    "Pens",
    "Pet Care",
    "Pianos",
    "Pottery",
    "Press",
    "Prints",
    "Records",
    "Rugs",
    "Running",
    "Sails",
    "Seeds",
    "Shoes",
    "Skates",
    "Skincare",
    "Soap",
    "Spices",
    "Sports",
    "Stationery",
    "Surf",
    "Tea",
    "Textiles",
    "Tiles",
    "Tools",
    "Toys",
    "Travel",
    "Watches",
    "Wine",
];

/// A third word for fleets with more than all pairs.
const CITIES: [&str; 40] = [
    "Aarhus",
    "Bergen",
    "Bilbao",
    "Bologna",
    "Bremen",
    "Bristol",
    "Brno",
    "Cork",
    "Dresden",
    "Dublin",
    "Gdansk",
    "Ghent",
    "Graz",
    "Haarlem",
    "Helsinki",
    "Kaunas",
    "Leeds",
    "Leipzig",
    "Lille",
    "Linz",
    "Ljubljana",
    "Lyon",
    "Malaga",
    "Malmo",
    "Nantes",
    "Oulu",
    "Padua",
    "Plovdiv",
    "Porto",
    "Riga",
    "Sibiu",
    "Split",
    "Tallinn",
    "Tampere",
    "Trieste",
    "Turin",
    "Utrecht",
    "Valencia",
    "Verona",
    "Zagreb",
];

/// Names that show how wide, accented and odd letters are drawn; slugs stay plain.
const LETTERS: [(&str, &str); 6] = [
    ("Café Olé", "cafe-ole"),
    ("Müller & Söhne", "mueller-soehne"),
    ("北斗書店", "hokuto-books"),
    ("Smørrebrød ApS", "smorrebrod"),
    ("O'Hara \"Fine\" Teas", "ohara-fine-teas"),
    ("Ζαχαροπλαστείο Ήλιος", "ilios-pastry"),
];

/// Plans a fleet of `count` tenants, rows without a schema and schemas without a row included.
///
/// # Errors
/// Never for the names above; a name that PostgreSQL refuses would be a mistake in them.
pub fn plan(count: u32) -> Result<Vec<PlannedTenant>, ServerError> {
    (0..count).map(|index| planned(index, count)).collect()
}

fn planned(index: u32, count: u32) -> Result<PlannedTenant, ServerError> {
    let (name, slug) = named(index);
    let schema = SchemaName::tenant(&format!("tenant_{}", slug.replace('-', "_")))
        .map_err(|error| ServerError(format!("the demo's slug {slug}: {error}")))?;
    let dice = Sha256::digest(format!("tenantui demo {slug}").as_bytes());
    let mut id = [0_u8; 16];
    id.copy_from_slice(&dice[..16]);
    let fate = fate(index, count);
    Ok(PlannedTenant {
        id: Builder::from_random_bytes(id).into_uuid(),
        name,
        schema,
        fate,
        behind: behind(index, fate),
        age_days: 3 + u32::from(dice[16]) * 4 + u32::from(dice[17] % 4),
        page_views: page_views(index),
        orders: 4 + u32::from(dice[18] % 9),
        cache_keys: 2 + u32::from(dice[19] % 24) + if index % 23 == 1 { 180 } else { 0 },
        slug,
    })
}

fn named(index: u32) -> (String, String) {
    // One in 31 of the first tenants; the others walk through all pairs of words in a scattered order.
    if let Some((name, slug)) = (index % 31 == 12).then(|| LETTERS.get((index / 31) as usize)).flatten() {
        return ((*name).to_owned(), (*slug).to_owned());
    }
    let (words, trades) = (WORDS.len() as u32, TRADES.len() as u32);
    let pair = (u64::from(index) * 7919 % u64::from(words * trades)) as u32;
    let mut name = format!("{} {}", WORDS[(pair / trades) as usize], TRADES[(pair % trades) as usize]);
    let round = index / (words * trades);
    if round > 0 {
        name = format!("{name} {}", CITIES[((round - 1) as usize) % CITIES.len()]);
    }
    if round as usize > CITIES.len() {
        name = format!("{name} {}", 2 + (round as usize - 1) / CITIES.len());
    }
    let slug = name.to_lowercase().replace(' ', "-");
    (name, slug)
}

/// The special ones stand at fixed places, as long as the fleet is large enough to have ordinary ones too.
fn fate(index: u32, count: u32) -> Fate {
    if count < 20 {
        return Fate::Active;
    }
    match index {
        5 => Fate::LockLeftBehind,
        8 => Fate::Suspended,
        11 => Fate::RowOnly,
        15 => Fate::SchemaOnly,
        18 => Fate::Deleted,
        _ => Fate::Active,
    }
}

/// About one in eight lacks the newest migration, some of them two or three. A lock is left behind by a run that died.
fn behind(index: u32, fate: Fate) -> usize {
    match fate {
        Fate::LockLeftBehind => 1,
        Fate::RowOnly | Fate::SchemaOnly | Fate::Deleted => 0,
        Fate::Active | Fate::Suspended => match (index % 50, index % 14) {
            (7 | 31, _) => 3,
            (22 | 45, _) => 2,
            (_, 3) => 1,
            _ => 0,
        },
    }
}

/// Most shops are small; of the first two hundred a few have up to tens of megabytes. Larger fleets add no larger
/// ones, so that ten thousand tenants still fit on a laptop.
fn page_views(index: u32) -> u32 {
    match index {
        2 => 60_000,
        37 => 32_000,
        64 => 21_000,
        101 => 12_000,
        150 => 9_000,
        0..200 if index % 17 == 4 => 2_000,
        0..200 if index % 5 == 1 => 200,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Fate, plan};

    #[test]
    fn slugs_and_ids_are_unique_and_fit_boundary() {
        let fleet = plan(25_000).expect("a plan");
        let slugs: HashSet<&str> = fleet.iter().map(|tenant| tenant.slug.as_str()).collect();
        let ids: HashSet<_> = fleet.iter().map(|tenant| tenant.id).collect();
        assert_eq!((slugs.len(), ids.len()), (25_000, 25_000));
        for slug in slugs {
            let plain = slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            assert!(plain && (2..=56).contains(&slug.len()), "{slug}");
        }
    }

    #[test]
    fn a_fleet_of_two_hundred_has_one_of_each_kind() {
        let fleet = plan(200).expect("a plan");
        let count = |fate: Fate| fleet.iter().filter(|tenant| tenant.fate == fate).count();
        for fate in [Fate::LockLeftBehind, Fate::Suspended, Fate::Deleted, Fate::RowOnly, Fate::SchemaOnly] {
            assert_eq!(count(fate), 1, "{fate:?}");
        }
        let behind = |by: usize| fleet.iter().filter(|tenant| tenant.behind == by).count();
        assert!(behind(1) >= 10 && behind(2) >= 3 && behind(3) >= 3 && behind(0) > 150);
    }

    #[test]
    fn a_small_fleet_is_possible() {
        assert_eq!(plan(1).expect("a plan").len(), 1);
        assert!(plan(19).expect("a plan").iter().all(|tenant| tenant.fate == Fate::Active));
    }
}
