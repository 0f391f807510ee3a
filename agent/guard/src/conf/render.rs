//! Ours: VRRP v3, BACKUP everywhere with a base priority of each master's own, and what the guard says on top of it. No `nopreempt`: with it a
//! holder that is sick would keep the address, for a lowered priority alone moves nothing then.

use crate::settings::Settings;
use crate::told::Told;
use slipway_errors::Coded;

/// The line by which our own configuration is known again.
pub const MARK: &str =
    "# Written by slipway-vip-guard. Change /etc/slipway/vip-guard.d, then `slipway-vip-guard write`.";
const PROGRAM: &str = "/usr/bin/slipway-vip-guard";

/// The whole file. The script runs as root: with any other user `keepalived --config-test` of 2.2 ends by a signal of its own, and the script reads one
/// small file of root's.
pub fn render(settings: &Settings) -> Result<String, Coded> {
    Ok(format!(
        "{MARK}
global_defs {{
  vrrp_version 3
  enable_script_security
  script_user root
}}
{}{}",
        tracked(settings),
        instance(settings)?
    ))
}

/// What the guard says, and how it is weighed.
fn tracked(settings: &Settings) -> String {
    let (told, weights) = (Told::at(&settings.run_dir), settings.weights());
    format!(
        "# What the guard says of this master, weighed as soon as it changes.
track_file slipway_well {{
  file \"{well}\"
  weight {well_weight}
  init_file 0
}}
# The one that has the address keeps it from another one that is as well as it is.
track_file slipway_holds {{
  file \"{holds}\"
  weight {holder_weight}
  init_file 0
}}
# A file has no age: a guard that hangs must not vouch for its master.
vrrp_script slipway_heard {{
  script \"{PROGRAM} check --run-dir {folder}\"
  interval 1
  timeout 2
  weight -{well_weight}
  fall 1
  rise 1
  init_fail
}}
",
        well = told.well().display(),
        holds = told.holds().display(),
        well_weight = weights.well,
        holder_weight = weights.holds,
        folder = settings.run_dir.display(),
    )
}

fn instance(settings: &Settings) -> Result<String, Coded> {
    let (own, others) = settings.own()?;
    let advert = f64::from(settings.advert_ms) / 1_000.0;
    let peers = if settings.multicast {
        String::new()
    } else {
        let lines: Vec<String> =
            others.iter().map(|(name, peer)| format!("    {}   # {name}\n", peer.address)).collect();
        format!("  unicast_src_ip {}\n  unicast_peer {{\n{}  }}\n", own.address, lines.concat())
    };
    Ok(format!(
        "vrrp_instance slipway {{
  interface {interface}
  state BACKUP
  virtual_router_id {id}
  priority {base}
  advert_int {advert}
{peers}  virtual_ipaddress {{
    {vip}
  }}
  track_file {{
    slipway_well
    slipway_holds
  }}
  track_script {{
    slipway_heard
  }}
}}
",
        interface = settings.interface,
        id = settings.virtual_router_id,
        base = own.base,
        vip = settings.vip,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::three;

    #[test]
    fn each_master_names_the_others_and_its_own_base() {
        let text = render(&Settings { name: "m2".into(), ..three() }).unwrap();
        assert!(text.starts_with(MARK));
        let peers = "  unicast_src_ip 10.0.0.12\n  unicast_peer {\n    10.0.0.11   # m1\n    10.0.0.13   # m3\n  }\n";
        assert!(text.contains(peers), "{text}");
        for line in [
            "priority 35",
            "weight 102",
            "weight 51",
            "weight -102",
            "advert_int 0.2",
            "virtual_router_id 70",
            "state BACKUP",
            "vrrp_version 3",
        ] {
            assert!(text.contains(&format!("  {line}\n")), "{line}: {text}");
        }
        assert!(!text.contains("nopreempt") && !text.contains("priority 10\n"), "{text}");
    }

    #[test]
    fn a_set_that_speaks_to_the_whole_segment_goes_on_to() {
        let text = render(&Settings { multicast: true, ..three() }).unwrap();
        assert!(!text.contains("unicast"), "{text}");
    }
}
