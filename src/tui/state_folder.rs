//! The files of the state folder: what is kept between runs, and dumps of the screen. Written whole or not at all, and
//! readable by the user alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr as _;

use super::kept::{Kept, KeptView};
use crate::text::sanitise;

/// The most bytes of a file that is read.
const LARGEST: u64 = 1 << 20;

/// The folder, where there is a home for it.
#[derive(Debug, Clone)]
pub struct StateFolder {
    folder: PathBuf,
}

impl StateFolder {
    /// In this folder, which is made when something is written.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("dashboard.toml")
    }

    /// What was kept; nothing where there is no file yet.
    ///
    /// # Errors
    /// What is wrong with the file, in a sentence for the operator.
    pub fn read(&self) -> Result<Kept, String> {
        let path = self.file();
        let broken = |why: String| {
            format!("{} is ignored: {why}; it is written anew when you leave", sanitise(&path.display().to_string()))
        };
        let text = match read_file(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(broken(error.to_string())),
        };
        Kept::parse(&text).map_err(broken)
    }

    /// Keeps how a fleet was looked at. What another dashboard has written meanwhile of other fleets stays.
    ///
    /// # Errors
    /// When the file cannot be written: which and why.
    pub fn keep(&self, fleet: &str, view: KeptView) -> Result<(), String> {
        // A broken file was told at the start.
        let mut kept = self.read().unwrap_or_default();
        kept.put(fleet, view);
        let path = self.file();
        let failed = |why: String| format!("{} could not be written: {why}", sanitise(&path.display().to_string()));
        let text = kept.text().map_err(|error| failed(error.to_string()))?;
        self.make().and_then(|()| replace(&path, &text)).map_err(|error| failed(error.to_string()))
    }

    /// Writes a new file with what a frame shows; returns its path.
    ///
    /// # Errors
    /// When it cannot be written: which and why.
    pub fn dump(&self, name: &str, frame: &Buffer) -> Result<PathBuf, String> {
        let path = self.folder.join(name);
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        self.make().map_err(failed)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(text(frame).as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
            // Half a screen would look like a whole one.
            let _ = fs::remove_file(&path);
            failed(error)
        })?;
        Ok(path)
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }
}

/// A plain file's text; a pipe would be waited for.
fn read_file(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Puts a whole file in the place of another.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of a failed try is of no use to anybody.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// The rows of a frame as text that has passed the choke point, blanks at the right cut.
fn text(frame: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..frame.area.height {
        let mut row = String::new();
        let mut x = 0;
        while x < frame.area.width {
            let symbol = frame[(x, y)].symbol();
            row.push_str(symbol);
            // The second half of a wide character holds a blank of its own.
            x += if symbol.width() > 1 { 2 } else { 1 };
        }
        out.push_str(sanitise(row.trim_end()).as_str());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn view(used: i64) -> KeptView {
        KeptView { used, ..KeptView::default() }
    }

    #[test]
    fn two_dashboards_keep_their_own_fleets_and_leave_nothing_beside() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = StateFolder::new(home.path().join("deep/tenantui"));
        assert_eq!(folder.read(), Ok(Kept::default()));
        folder.keep("eu", view(1)).expect("kept");
        folder.keep("us", view(2)).expect("kept");
        folder.keep("eu", view(3)).expect("kept");
        let kept = folder.read().expect("readable");
        assert_eq!((kept.fleet["eu"].used, kept.fleet["us"].used), (3, 2));
        let files: Vec<_> =
            fs::read_dir(&folder.folder).expect("a folder").map(|file| file.expect("one").path()).collect();
        assert_eq!(files, [folder.file()]);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder.folder), mode(&folder.file())), (0o700, 0o600));
    }

    #[test]
    fn a_broken_file_is_said_and_replaced() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = StateFolder::new(home.path().to_owned());
        fs::write(folder.file(), "welcomed = \u{1b}[31m").expect("written");
        let why = folder.read().expect_err("broken");
        assert!(why.contains("dashboard.toml is ignored: line 1: ") && !why.contains('\u{1b}'), "{why}");
        folder.keep("eu", view(1)).expect("kept");
        assert!(folder.read().is_ok_and(|kept| kept.welcomed));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_said() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("file");
        fs::write(&file, "").expect("written");
        let folder = StateFolder::new(file.join("tenantui"));
        let why = folder.keep("eu", view(1)).expect_err("no folder");
        assert!(why.contains("dashboard.toml could not be written: "), "{why}");
    }

    #[test]
    fn a_dump_is_what_the_frame_shows() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = StateFolder::new(home.path().to_owned());
        let mut frame = Buffer::empty(ratatui::layout::Rect::new(0, 0, 8, 2));
        let area = frame.area;
        super::super::widgets::put(&mut frame, area, 0, 0, "日x本", ratatui::style::Style::new());
        frame[(0, 1)].set_symbol("\u{1b}");
        let path = folder.dump("screen.txt", &frame).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "日x本\n\\e\n");
        assert!(folder.dump("screen.txt", &frame).is_err(), "an existing file is not touched");
    }
}
