//! The demo's migrations, carried inside the program and unpacked beside its servers.

use std::fs;
use std::path::Path;

use super::servers::ServerError;

/// One Migratus migration.
#[derive(Debug, Clone, Copy)]
pub struct MigrationFile {
    /// `20250114090000-create-customers`.
    pub stem: &'static str,
    /// The text of `.up.sql`.
    pub up: &'static str,
    /// The text of `.down.sql`.
    pub down: &'static str,
}

impl MigrationFile {
    /// The digits before the first hyphen, and the name after it, as Migratus splits them.
    #[must_use]
    pub fn version_and_name(&self) -> (&'static str, &'static str) {
        self.stem.split_once('-').unwrap_or((self.stem, ""))
    }
}

/// One file pair of a folder below `assets/demo`.
macro_rules! migration {
    ($folder:literal, $stem:literal) => {
        MigrationFile {
            stem: $stem,
            up: include_str!(concat!("../../assets/demo/", $folder, "/", $stem, ".up.sql")),
            down: include_str!(concat!("../../assets/demo/", $folder, "/", $stem, ".down.sql")),
        }
    };
}

/// The tenants' migrations, in order.
pub const TENANT: [MigrationFile; 12] = [
    migration!("migrations", "20250114090000-create-customers"),
    migration!("migrations", "20250114091500-create-catalogue"),
    migration!("migrations", "20250121100000-create-stock"),
    migration!("migrations", "20250203083000-create-carts"),
    migration!("migrations", "20250203090000-create-orders"),
    migration!("migrations", "20250317140000-create-discounts"),
    migration!("migrations", "20250506113000-add-marketing-consent"),
    migration!("migrations", "20250722080000-create-page-views"),
    migration!("migrations", "20250930150000-add-order-numbers"),
    migration!("migrations", "20251118093000-create-returns"),
    migration!("migrations", "20260209101500-index-products-by-title"),
    migration!("migrations", "20260504070000-add-gift-message"),
];

/// The shared schema's migrations, in order.
pub const SHARED: [MigrationFile; 3] = [
    migration!("shared", "20250110080000-create-tenants"),
    migration!("shared", "20250610120000-create-job-queue"),
    migration!("shared", "20260324000000-create-tenant-memberships"),
];

/// Writes a set of migrations into a folder of this process's user.
///
/// # Errors
/// When a file cannot be written.
pub fn unpack(files: &[MigrationFile], folder: &Path) -> Result<(), ServerError> {
    let write = |name: String, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| ServerError::io(format_args!("cannot write {}", path.display()), &error))
    };
    fs::create_dir(folder)
        .map_err(|error| ServerError::io(format_args!("cannot make {}", folder.display()), &error))?;
    for file in files {
        write(format!("{}.up.sql", file.stem), file.up)?;
        write(format!("{}.down.sql", file.stem), file.down)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::{MigrationFile, SHARED, TENANT};

    fn folder_holds_exactly(folder: &str, files: &[MigrationFile]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo").join(folder);
        let found: BTreeSet<String> = fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        let carried: BTreeSet<String> =
            files.iter().flat_map(|file| ["up", "down"].map(|way| format!("{}.{way}.sql", file.stem))).collect();
        assert_eq!(found, carried);
    }

    #[test]
    fn the_program_carries_every_file_of_the_folders() {
        folder_holds_exactly("migrations", &TENANT);
        folder_holds_exactly("shared", &SHARED);
    }

    #[test]
    fn versions_rise() {
        for files in [&TENANT[..], &SHARED[..]] {
            let versions: Vec<&str> = files.iter().map(|file| file.version_and_name().0).collect();
            assert!(versions.is_sorted_by(|a, b| a < b) && versions.iter().all(|version| version.len() == 14));
        }
    }
}
