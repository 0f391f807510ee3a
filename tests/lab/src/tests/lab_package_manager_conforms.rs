//! What the quick tests believe of apt is true of a real one: what it offers, installs, holds, refuses and removes, on a host that is bare.

use anyhow::Result;

use crate::conformance::suite;
use crate::lab::Lab;
use crate::mirror;
use crate::registry::{Set, TestCase};
use crate::release::Release;
use crate::scene::make_bare;
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_package_manager_conforms", cost: 30, set: Set::Full, shape: Shape::JOINABLE, run };

const KEY: &str = "/root/mirror.asc";

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("b1")?;
    host.write_file(KEY, "0644", mirror::key(lab)?)?;
    let url = mirror::template(lab.coordinator()?.plan()).replace("{minor}", "1.33");
    let releases = format!("{},{}", Release::V1_33.version(), Release::V1_33Next.version());
    let there = [
        ("SLIPWAY_PACKAGES_CONFORMANCE", url.as_str()),
        ("SLIPWAY_PACKAGES_KEY", KEY),
        ("SLIPWAY_PACKAGES_RELEASES", &releases),
    ];
    suite(host, "host", &["the_real_package_manager_conforms"], &there)?;
    host.run_ok(&["rm", KEY])?;
    make_bare(host)
}
