//! Worlds in which a part is upgraded already.

use slipway_host::fake::State;

use crate::sites::Sites;

/// The release that worlds are upgraded to.
pub const NEW: &str = "1.34.4";
const OLD: &str = "v1.33.13";
/// Where an agent keeps what a kubelet was configured with.
const KEPT: &str = "/var/lib/slipway/agent/upgrade";

/// As if these masters had been upgraded long ago.
pub fn masters_done(sites: &Sites, names: &[&str]) {
    for site in sites.agents.sites.values().filter(|site| names.contains(&site.name.as_str())) {
        site.machine.change(upgraded);
    }
    sites.agents.keep_in_step();
}

/// As if an agent had upgraded that worker: what it kept lies there.
pub fn worker_done(sites: &Sites, name: &str) {
    for site in sites.agents.sites.values().filter(|site| site.name == name) {
        site.machine.change(upgraded_by_agent);
    }
    sites.agents.keep_in_step();
}

/// As if an agent had upgraded that worker's machine.
pub fn upgraded_by_agent(state: &mut State) {
    for file in ["config.yaml", "kubeadm-flags.env"] {
        let text = state.text(&format!("/var/lib/kubelet/{file}")).unwrap_or_default().to_owned();
        state.write(&format!("{KEPT}/v{NEW}/{file}"), &text);
    }
    let record =
        format!(r#"{{"release":"v{NEW}","from":"{OLD}","begun_ms":1,"stamps":{{}},"result":"0","taken_back":false}}"#);
    state.write(&format!("{KEPT}/v{NEW}/record.json"), &record);
    state.write("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nmaxParallelImagePulls: 34\n");
    upgraded(state);
}

/// As if the machine had been upgraded long ago.
pub fn upgraded(state: &mut State) {
    state.packaging.install(NEW, "1.7.1", true);
    (state.kubeadm, state.kubelet) = (Some(format!("v{NEW}")), Some(format!("v{NEW}")));
    for component in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        let path = format!("/etc/kubernetes/manifests/{component}.yaml");
        if let Some(text) = state.text(&path).map(str::to_owned) {
            state.write(&path, &text.replace(OLD, &format!("v{NEW}")));
        }
    }
    state.stop_unit("kubelet.service");
    state.start_unit("kubelet.service");
}
