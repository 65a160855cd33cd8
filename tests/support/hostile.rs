//! Text that means harm, or only has unusual letters: for everything that shows text from outside.

use crate::faults::Dice;

/// Pieces that drive terminals, hide, turn around, pile up, or are wide.
const PIECES: [&str; 40] = [
    "\u{1b}[31m",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]52;c;cm0gLXJm\u{7}",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}c",
    "\u{9b}31m",
    "\u{9d}0;x\u{9c}",
    "\u{1b}P+q\u{1b}\\",
    "\u{7}",
    "\u{8}\u{8}\u{8}",
    "\r",
    "\n",
    "\t",
    "\u{b}\u{c}",
    "\u{7f}",
    "\u{0085}",
    "\u{202e}",
    "\u{2067}",
    "\u{2066}",
    "\u{200e}",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{2028}",
    "\u{2029}",
    "\u{ad}",
    "\u{e000}",
    "\u{f0000}",
    "\u{e0041}\u{e0042}",
    "\u{378}",
    "日本語",
    "🇩🇪",
    "👩\u{200d}👩\u{200d}👧",
    "❤\u{fe0f}",
    "👍\u{1f3fd}",
    "ក\u{17d2}ក",
    "क\u{94d}षि",
    "\u{1112}\u{1161}\u{11ab}",
    "لا",
    "\u{301}\u{302}\u{303}\u{304}",
];

/// Any character at all, but NUL, which PostgreSQL cannot hold.
fn any(dice: &mut Dice) -> char {
    loop {
        let limit = [0x100, 0x3000, 0x2_0000, 0x11_0000][dice.below(4)];
        if let Some(found) = u32::try_from(dice.below(limit)).ok().and_then(char::from_u32).filter(|c| *c != '\0') {
            return found;
        }
    }
}

/// A text of a few pieces.
pub fn text(dice: &mut Dice) -> String {
    let mut out = String::new();
    for _ in 0..dice.below(6) {
        match dice.below(4) {
            0 => out.push_str(PIECES[dice.below(PIECES.len())]),
            1 => out.push(any(dice)),
            2 => out.push_str(["a", "corp", "-", "x y", "\\e", "'\"", "<Enter>", "é"][dice.below(8)]),
            _ => out
                .extend((0..dice.below(5)).map(|_| char::from(b'a' + u8::try_from(dice.below(26)).expect("a letter")))),
        }
    }
    out
}

/// A text of at least one character and at most so many bytes.
pub fn name(dice: &mut Dice, bytes: usize) -> String {
    loop {
        let mut name = text(dice);
        while name.len() > bytes {
            name.pop();
        }
        if !name.is_empty() {
            return name;
        }
    }
}
