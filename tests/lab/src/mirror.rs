//! The mirror that hosts are given their packages by: the coordinator's host serves the lab's repositories over HTTP, as one in a data centre
//! does. It can be away, and it can hand out a package whose content is not what its index says.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::build::{KEYRING, REPOSITORIES, SHARED};
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::release::Release;
use crate::shape::{COORDINATOR, HostPlan};

const UNIT: &str = "lab-mirror.service";
/// What it serves.
const FOLDER: &str = "/srv/mirror";
const PORT: u16 = 8080;

/// Starts it.
pub(crate) fn up(lab: &Lab) -> Result<()> {
    let host = lab.coordinator()?;
    let unit = format!(
        "[Unit]\nDescription=Mirror of the lab's packages\n\n[Service]\nExecStart={} {FOLDER}\n\n[Install]\n\
         WantedBy=multi-user.target\n",
        lab.built().web
    );
    host.write_file(&format!("/etc/systemd/system/{UNIT}"), "0644", unit)?;
    serve_what_is_built(lab)?;
    host.run_ok(&["systemctl", "daemon-reload"])?;
    host.run_ok(&["systemctl", "--quiet", "enable", UNIT])?;
    start(lab)
}

/// Its address for the packages of a minor, as a setting has it.
pub(crate) fn template(host: &HostPlan) -> String {
    format!("http://{}:{PORT}/core:/stable:/v{{minor}}/deb/", host.address())
}

/// Lets it serve again, after `stop`.
pub(crate) fn start(lab: &Lab) -> Result<()> {
    lab.coordinator()?.run_ok(&["systemctl", "start", UNIT])?;
    let address = template(lab.coordinator()?.plan()).replace("{minor}", "1.33");
    eventually("the mirror to answer", Duration::from_secs(10), || {
        lab.coordinator()?.run_ok(&["curl", "--silent", "--fail", "--max-time", "2", &format!("{address}Packages")])
    })
    .map(|_| ())
}

/// Nobody answers there any more.
pub(crate) fn stop(lab: &Lab) -> Result<()> {
    lab.coordinator()?.run_ok(&["systemctl", "stop", UNIT]).map(|_| ())
}

/// From now on it hands out this package of this release with a byte too many, under an index that tells of the true one.
pub(crate) fn damage(lab: &Lab, package: &str, release: Release) -> Result<()> {
    let words =
        [FOLDER, &format!("{SHARED}/{REPOSITORIES}"), &format!("{package}_{}_amd64.deb", release.package_version())];
    lab.coordinator()?.script("damage-mirror", DAMAGE, &words)?;
    Ok(())
}

/// Undoes `damage`.
pub(crate) fn serve_what_is_built(lab: &Lab) -> Result<()> {
    lab.coordinator()?.script("serve", SERVE, &[FOLDER, &format!("{SHARED}/{REPOSITORIES}")]).map(|_| ())
}

/// The key that all packages are signed with, in the form that settings take.
pub(crate) fn key(lab: &Lab) -> Result<String> {
    let file = format!("{SHARED}/{KEYRING}");
    let folder = file.replace("keyring.gpg", "core:/stable:/v1.33/deb/Release.key");
    let key = lab.host(COORDINATOR)?.read_file(&folder)?;
    ensure!(key.contains("BEGIN PGP PUBLIC KEY BLOCK"), "{folder} is no key");
    Ok(key)
}

const SERVE: &str = r#"rm -rf "$1"; mkdir -p "$1/core:"; ln -s "$2" "$1/core:/stable:""#;
const DAMAGE: &str = r#"
rm -rf "$1"; mkdir -p "$1/core:/stable:"
cp -rL "$2/." "$1/core:/stable:"
found=$(find "$1" -name "$3"); [ -n "$found" ]
printf x >> "$found"
"#;
