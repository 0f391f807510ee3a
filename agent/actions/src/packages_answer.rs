//! The answer to what a repository has and what is installed. It changes nothing.

use slipway_errors::Coded;
use slipway_host::{Error as HostError, Host, Repository, Trouble};
use slipway_proto::agent::PackagesQuery;
use slipway_proto::types::{BegunUpgrade, InstalledPackage, OfferedPackage, PackageSource, Packages};
use slipway_types::without_credentials;

use crate::set_repository::{keyring_of, repository};
use crate::upgrade_kept;

/// What is installed on the host, and, with a URL, what that repository has.
pub async fn packages(host: &Host, query: PackagesQuery) -> Result<Packages, Coded> {
    let (url, key, keyring) = repository(query.url, query.key, query.keyring)?;
    let told = |error: HostError| error.coded();
    let manager = host.package_manager().map_err(told)?;
    let mut answer = Packages::default();
    for package in manager.installed().await.map_err(told)? {
        answer.installed.push(InstalledPackage { name: package.name, version: package.version, held: package.held });
    }
    for source in manager.sources(&url).await.map_err(told)? {
        let path = source.path.display().to_string();
        answer.sources.push(PackageSource { path, url: source.url, alone: source.alone });
    }
    answer.locked_by = manager.holder().await.map_err(told)?.map(|holder| holder.to_string()).unwrap_or_default();
    let begun = upgrade_kept::all(host).await.map_err(|error| error.coded())?;
    // What was taken back is over; where all of it was, the latest says what the host went back to.
    let last = begun.iter().find(|record| !record.taken_back).or_else(|| begun.first()).cloned();
    answer.last_upgrade = last.map(|record| BegunUpgrade { to: record.release, from: record.from.unwrap_or_default() });
    if answer.locked_by.is_empty() {
        answer.broken = manager.broken().await.map_err(told)?;
    }
    if url.is_empty() {
        return Ok(answer);
    }
    let keyring = if key.is_empty() {
        keyring_of(host, manager, &keyring).await.map_err(|error| error.coded())?
    } else {
        Some(String::new())
    };
    let Some(keyring) = keyring else {
        let told = without_credentials(&url);
        let what = format!("no key was given for {told}, and none of the usual keyrings is on the host");
        return Err(HostError::Package { trouble: Trouble::Unsigned, what }.coded());
    };
    let offer = manager.offered(&Repository { url, key, keyring }).await.map_err(told)?;
    answer.offered = offer.into_iter().map(|(name, versions)| OfferedPackage { name, versions }).collect();
    Ok(answer)
}
