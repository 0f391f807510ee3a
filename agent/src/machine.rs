//! Which host the agent works on: the real one, or a simulated one that is kept in a folder and says so loudly.

use std::path::Path;
use std::sync::Arc;

use slipway_errors::Coded;
use slipway_host::fake::{FakeHost, preset};
use slipway_host::{Host, OWN_PROFILES, Profiles};
use slipway_types::Clock;

/// The host of this process. A simulated one that is new begins as a joined worker called `name`.
pub fn machine(simulated: Option<&Path>, name: &str, clock: &Arc<dyn Clock>) -> Result<Host, Coded> {
    match simulated {
        None => {
            let profiles = Profiles::with_own(Path::new(OWN_PROFILES)).map_err(|error| error.coded())?;
            Ok(Host::linux(profiles))
        }
        Some(folder) => {
            let (host, _) =
                FakeHost::open(folder, || preset::worker(name), clock.clone()).map_err(|error| error.coded())?;
            tracing::warn!(folder = %folder.display(), name, "SIMULATED HOST: nothing happens to this machine");
            Ok(host)
        }
    }
}
