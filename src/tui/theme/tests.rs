use super::*;

const DEPTHS: [Depth; 4] = [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True];

#[test]
fn the_embedded_themes_name_every_role() {
    for text in [DEFAULT, MONO, HIGH_CONTRAST] {
        let roles = roles(text).expect("a theme");
        assert_eq!(roles.len(), ROLES.len());
        for role in ROLES {
            assert!(roles.contains_key(role), "{role}");
        }
    }
}

#[test]
fn a_theme_uses_no_more_colours_than_there_are() {
    for (name, depth) in EMBEDDED.iter().flat_map(|name| DEPTHS.map(|depth| (name, depth))) {
        let theme = Theme::read(name, depth).expect("a theme");
        for role in ROLES {
            let style = theme.style_of(role).expect("a role");
            for colour in [style.fg, style.bg].into_iter().flatten() {
                assert!(depth.shows(colour), "{name} {depth:?} {role}: {colour:?}");
            }
        }
        if depth == Depth::None {
            assert!(theme.cursor.add_modifier.contains(Modifier::REVERSED), "{name}");
            assert!(theme.production.add_modifier.contains(Modifier::REVERSED), "{name}");
        }
    }
}

#[test]
fn mono_has_no_colours_even_where_they_are_possible() {
    let theme = Theme::read("mono", Depth::True).expect("a theme");
    for role in ROLES {
        let style = theme.style_of(role).expect("a role");
        assert_eq!((style.fg, style.bg), (None, None), "{role}");
    }
}

#[test]
fn a_users_file_changes_only_what_it_names() {
    let text = "ok = { fg = \"#00ff00\", bold = true }\nwarn = { fg = [\"#ff8800\", \"light-yellow\"] }";
    let own = Theme::parse(text, Depth::True).expect("a theme");
    let default = Theme::read("default", Depth::True).expect("a theme");
    assert_eq!(own.ok.fg, Some(Color::Rgb(0, 255, 0)));
    assert_eq!(own.warn.fg, Some(Color::Rgb(255, 0x88, 0)));
    assert_eq!(own.error, default.error);
    // Of a list the first that can be shown; a colour alone becomes the nearest.
    let few = Theme::parse(text, Depth::Sixteen).expect("a theme");
    assert_eq!((few.ok.fg, few.warn.fg), (Some(Color::Green), Some(Color::LightYellow)));
}

#[test]
fn errors_name_the_line_and_what_is_allowed() {
    let wrong = |text: &str| Theme::parse(text, Depth::True).expect_err("no theme");
    let unknown = wrong("# mine\n\nokay = {}\n");
    assert!(unknown.starts_with("line 3: \"okay\"") && unknown.contains("roles are: ok, warn"), "{unknown}");
    let colour = wrong("warn = {}\nok = { fg = \"greenish\\u001b\" }");
    assert!(
        colour.starts_with("line 2: ") && colour.contains("greenish\\e") && colour.contains("16 names"),
        "{colour}"
    );
    let listed = wrong("ok = { fg = [\"red\", \"reddish\"] }");
    assert!(listed.starts_with("line 1: ") && listed.contains("reddish"), "{listed}");
    let key = wrong("ok = { fgg = \"green\" }");
    assert!(key.starts_with("line 1: ") && key.contains("fgg"), "{key}");
    let file = Theme::read("no/such/file\u{1b}.toml", Depth::True).expect_err("no file");
    assert!(file.contains("no/such/file\\e.toml") && file.contains("mono"), "{file}");
}

/// Linear light, 0 to 1.
fn linear(colour: Color) -> [f64; 3] {
    let rgb = match colour {
        Color::Rgb(r, g, b) => [r, g, b],
        Color::White => [255; 3],
        Color::Black => [0; 3],
        other => panic!("no measured colour: {other:?}"),
    };
    rgb.map(|part| (f64::from(part) / 255.0).powf(2.2))
}

fn times(matrix: [[f64; 3]; 3], light: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(light).map(|(part, light)| part * light).sum())
}

/// OKLab, in which distances are about those that eyes see.
fn lab(light: [f64; 3]) -> [f64; 3] {
    let cones = times(
        [
            [0.412_221_47, 0.536_332_54, 0.051_445_99],
            [0.211_903_5, 0.680_699_55, 0.107_396_96],
            [0.088_302_46, 0.281_718_84, 0.629_978_7],
        ],
        light,
    );
    times(
        [
            [0.210_454_26, 0.793_617_79, -0.004_072_05],
            [1.977_998_5, -2.428_592_2, 0.450_593_7],
            [0.025_904_04, 0.782_771_77, -0.808_675_77],
        ],
        cones.map(|part| part.max(0.0).cbrt()),
    )
}

/// What eyes without one kind of cones see of it (Machado, Oliveira and Fernandes, 2009).
const EYES: [(&str, [[f64; 3]; 3]); 4] = [
    ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
    ),
    (
        "deuteranopia",
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
    ),
    (
        "tritanopia",
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ),
];

/// What a role is told by: its ground where it has one, else its text.
fn shown(style: Style) -> Color {
    style.bg.or(style.fg).expect("a colour")
}

#[test]
fn high_contrast_is_told_apart_by_every_kind_of_eye() {
    let theme = Theme::read("high-contrast", Depth::True).expect("a theme");
    let sets = [["ok", "warn", "error"], ["production", "staging", "development"]];
    for (eyes, matrix) in EYES {
        let seen = |colour: Color| lab(times(matrix, linear(colour)).map(|part| part.clamp(0.0, 1.0)));
        for (one, other) in sets.iter().flat_map(|[a, b, c]| [(a, b), (b, c), (a, c)]) {
            let (a, b) = (theme.style_of(one).expect("a role"), theme.style_of(other).expect("a role"));
            let (a, b) = (seen(shown(a)), seen(shown(b)));
            let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(distance > 0.15, "{eyes}: {one} and {other} are {distance:.3} apart");
        }
    }
}

#[test]
fn high_contrast_is_readable_on_its_own_grounds() {
    let luminance = |colour: Color| {
        let [r, g, b] = linear(colour);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let theme = Theme::read("high-contrast", Depth::True).expect("a theme");
    for role in ROLES {
        let style = theme.style_of(role).expect("a role");
        let ground = style.bg.unwrap_or(Color::Black);
        let text = style.fg.unwrap_or(Color::White);
        let (a, b) = (luminance(ground), luminance(text));
        let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
        // The highest grade of WCAG for text.
        assert!(contrast >= 7.0, "{role}: {contrast:.1}");
    }
}

#[test]
fn what_is_told_apart_has_other_colours_in_all_depths() {
    for (name, depth) in
        ["default", "high-contrast"].iter().flat_map(|name| DEPTHS[1..].iter().map(move |depth| (name, *depth)))
    {
        let theme = Theme::read(name, depth).expect("a theme");
        for set in [["ok", "warn", "error"], ["production", "staging", "development"]] {
            let [a, b, c] = set.map(|role| shown(theme.style_of(role).expect("a role")));
            assert!(a != b && b != c && a != c, "{name} {depth:?}: {set:?}");
        }
    }
}
