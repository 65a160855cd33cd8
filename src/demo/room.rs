//! Whether the disk has room for the fleet, before half of it is made.

use std::path::Path;

use rustix::fs::statvfs;

use super::servers::ServerError;
use crate::text::human_bytes;

/// A new cluster, its write-ahead log and the large tenants.
const BASE_BYTES: u64 = 700 << 20;
/// A tenant of 20 tables with a few rows, its share of the catalog included. Measured.
const TENANT_BYTES: u64 = 800 << 10;
/// Files of a cluster, and files of a tenant. Measured.
const BASE_FILES: u64 = 3_000;
const TENANT_FILES: u64 = 70;

/// Refuses a fleet that the disk of the folder cannot hold.
///
/// # Errors
/// With what it needs, what there is, and what to do.
pub fn check(folder: &Path, tenants: u32) -> Result<(), ServerError> {
    let disk = statvfs(folder).map_err(|error| ServerError(format!("{}: {error}", folder.display())))?;
    let (bytes, files) = needed(tenants);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let place = folder.parent().unwrap_or(folder).display();
    let hint = "set TMPDIR to a folder with more room, or take fewer --tenants";
    if free < bytes {
        let (needs, has) = (human_bytes(bytes), human_bytes(free));
        return Err(ServerError(format!("{tenants} tenants need about {needs}, and {place} has {has} free: {hint}")));
    }
    // Some file systems have no fixed number of files, and say 0.
    if disk.f_files > 0 && disk.f_favail < files {
        let has = disk.f_favail;
        return Err(ServerError(format!(
            "{tenants} tenants need about {files} files, and {place} has room for {has}: {hint}"
        )));
    }
    Ok(())
}

fn needed(tenants: u32) -> (u64, u64) {
    let tenants = u64::from(tenants);
    (BASE_BYTES + tenants * TENANT_BYTES, BASE_FILES + tenants * TENANT_FILES)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::check;

    #[test]
    fn a_fleet_that_no_disk_holds_is_refused_with_numbers() {
        assert_eq!(check(Path::new("/"), 1), Ok(()));
        let error = check(Path::new("/tmp"), u32::MAX).expect_err("four thousand million tenants");
        assert!(error.0.contains("4294967295 tenants need about") && error.0.contains("TMPDIR"), "{error}");
    }
}
