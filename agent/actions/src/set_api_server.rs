//! Moves what runs on this host to another address of the API server. The new address has to prove itself first, by the authority that the
//! kubeconfig trusts: a kubelet that is sent to a wrong address cannot be told anything any more.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use slipway_errors::{Code, Coded};
use slipway_host::{Active, Host, api_server, edit};
use slipway_proto::types::Obstacle;

use crate::kept::{LIMIT, Replacement, text, unreadable};
use crate::mask_kubelet::UNIT;
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

const FOLDER: &str = "/etc/kubernetes";
const KUBELET: &str = "/etc/kubernetes/kubelet.conf";
/// Kubeconfigs, each with the static pod that reads it once at its start.
const KNOWN: [(&str, Option<&str>); 5] = [
    (KUBELET, None),
    ("/etc/kubernetes/controller-manager.conf", Some("kube-controller-manager")),
    ("/etc/kubernetes/scheduler.conf", Some("kube-scheduler")),
    ("/etc/kubernetes/admin.conf", None),
    ("/etc/kubernetes/super-admin.conf", None),
];
const POLL: Duration = Duration::from_secs(1);
/// A kubelet that cannot live with its kubeconfig ends within seconds.
const STAYS_UP: u32 = 10;
const COMM: usize = 15;

/// Changes the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetApiServer {
    server: String,
    paths: Vec<&'static str>,
}

/// A kubeconfig that is to be changed, or one whose reader has not seen its change yet.
struct Step {
    replacement: Replacement,
    before: String,
}

impl SetApiServer {
    /// For these kubeconfigs; none: all that there are.
    pub fn new(server: &str, paths: &[String]) -> Result<Self, Coded> {
        if api_server::host_and_port(server).is_none() {
            return Err(Coded::new(Code::AGENT_BAD_ARGUMENT, format!("{server:?} is no address of an API server"))
                .do_this("name it as https://api.example:6443"));
        }
        let all = KNOWN.map(|(path, _)| path);
        let known = |path: &String| {
            all.into_iter().find(|known| known == path).ok_or_else(|| {
                Coded::new(Code::AGENT_BAD_ARGUMENT, format!("{path:?} is no kubeconfig that may be changed"))
                    .do_this(format!("name some of {}", all.join(", ")))
            })
        };
        let paths = if paths.is_empty() { all.to_vec() } else { paths.iter().map(known).collect::<Result<_, _>>()? };
        Ok(Self { server: server.to_owned(), paths })
    }

    /// What is to be changed, and what stands in the way of it.
    async fn steps(&self, host: &Host) -> Result<(Vec<Step>, Vec<Obstacle>), Error> {
        let (mut steps, mut obstacles) = (Vec::new(), Vec::new());
        for path in &self.paths {
            let Some(kubeconfig) = text(host, Path::new(path)).await? else { continue };
            let refused = |(code, why): (Code, String)| obstacle(code, *path, why);
            let planned = edit::servers(&kubeconfig).and_then(|servers| {
                let new = edit::with_server(&kubeconfig, &self.server)?;
                Ok((servers.first().cloned().unwrap_or_default(), new))
            });
            match planned {
                Err(error) => {
                    let why = format!("{path} is not changed: {error}");
                    obstacles.push(refused((Code::API_SERVER_CERTIFICATE, why)));
                }
                Ok((before, _)) if before == self.server => {}
                Ok((before, new)) => {
                    obstacles.extend(self.unproven(host, path, &kubeconfig).await?.map(refused));
                    steps.push(Step { replacement: Replacement { path: PathBuf::from(path), new }, before });
                }
            }
        }
        Ok((steps, obstacles))
    }

    /// Why the new address is not trusted by that kubeconfig.
    async fn unproven(&self, host: &Host, path: &str, kubeconfig: &str) -> Result<Option<(Code, String)>, Error> {
        let ca = match edit::authority(kubeconfig) {
            Ok(edit::Authority::Data(data)) => base64::engine::general_purpose::STANDARD.decode(data).ok(),
            Ok(edit::Authority::File(file)) => host.files.read(Path::new(&file), LIMIT).await?,
            Err(_) => None,
        };
        let Some(ca) = ca else {
            let why = format!("{path} names no authority that the new address could be judged by");
            return Ok(Some((Code::API_SERVER_CERTIFICATE, why)));
        };
        Ok(match host.api_servers.ready(&self.server, &ca).await {
            Ok(true) => None,
            Ok(false) => {
                let why = format!("the API server at {} is not ready", self.server);
                Some((Code::API_SERVER_NOT_READY, why))
            }
            Err(error) => {
                let coded = error.coded();
                Some((coded.code, coded.message))
            }
        })
    }
}

/// The mark that the reader of `path` has to be started anew: made before the change, removed after the restart.
fn mark(path: &str) -> PathBuf {
    let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Path::new(crate::kept::FOLDER).join(format!("{name}.unread"))
}

fn reader(path: &str) -> Option<&'static str> {
    if path == KUBELET {
        return Some("the kubelet");
    }
    KNOWN.iter().find(|(known, _)| *known == path).and_then(|(_, pod)| *pod)
}

async fn unread(host: &Host, paths: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if host.files.entry(&mark(path)).await?.is_some() {
            found.push(*path);
        }
    }
    Ok(found)
}

/// Starts anew what reads `path`, and sees that it stays up.
async fn reread(host: &Host, operation: &OperationContext, path: &str) -> Result<(), Error> {
    let pod = KNOWN.iter().find(|(known, _)| *known == path).and_then(|(_, pod)| *pod);
    if let Some(pod) = pod {
        let comm: String = pod.chars().take(COMM).collect();
        for process in host.processes.list().await?.iter().filter(|process| process.comm == comm) {
            operation.progress.say(format!("ending {pod}, which the kubelet starts again"));
            host.processes.end(process, false).await?;
        }
    } else if path == KUBELET && !host.services.state(UNIT).await?.active.is_down() {
        operation.progress.say("restarting the kubelet");
        host.services.restart(UNIT).await?;
        let pid = host.services.state(UNIT).await?.main_pid;
        for _ in 0..STAYS_UP {
            let now = host.services.state(UNIT).await?;
            if now.active != Active::Active || now.main_pid != pid {
                let what = format!("the kubelet did not stay up: it is {}", now.active.as_str());
                return Err(Error::NotReached { action: "set-api-server", code: Code::API_SERVER_NOT_READY, what });
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

#[async_trait]
impl Perform for SetApiServer {
    fn name(&self) -> &'static str {
        "set-api-server"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!(
                "curl --cacert {FOLDER}/pki/ca.crt {}/readyz   # must say ok: the certificate has to carry that name",
                self.server
            ),
            format!("sed -i 's|server: https://.*|server: {}|' {}", self.server, self.paths.join(" ")),
            "systemctl restart kubelet; crictl stop $(crictl ps -q --name 'kube-(controller-manager|scheduler)')"
                .into(),
        ]
    }

    fn failure(&self) -> Code {
        Code::API_SERVER_NOT_READY
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let (steps, obstacles) = self.steps(host).await?;
        let mut changes: Vec<_> = steps
            .iter()
            .map(|step| {
                let path = step.replacement.path.display().to_string();
                change("file", path, "change", format!("server: {} instead of {}", self.server, step.before))
            })
            .collect();
        for path in unread(host, &self.paths).await? {
            changes.push(change("process", reader(path).unwrap_or(path), "restart", format!("{path} was changed")));
        }
        let satisfied = changes.is_empty() && obstacles.is_empty();
        Ok(Check { satisfied, changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let (steps, _) = self.steps(host).await?;
        let mut record = Vec::new();
        for step in &steps {
            operation.go_on(self.name())?;
            let path = step.replacement.path.display().to_string();
            host.files.make_folder(Path::new(crate::kept::FOLDER), 0o700).await?;
            if reader(&path).is_some() {
                let before = step.replacement.kept().display().to_string();
                host.files.write(&mark(&path), before.as_bytes(), 0o600).await?;
            }
            step.replacement.put(host).await?;
            record.push(format!("{path}: {} instead of {}", self.server, step.before));
        }
        for path in unread(host, &self.paths).await? {
            if let Err(error) = reread(host, operation, path).await {
                put_back(host, operation, path).await?;
                return Err(error);
            }
            host.files.remove(Path::new(crate::kept::FOLDER), &[mark(path)]).await?;
        }
        Ok(Done { changes: found.changes.clone(), record })
    }
}

/// Gives the kubeconfig back what its mark says that was kept, and its reader the time to read it.
async fn put_back(host: &Host, operation: &OperationContext, path: &str) -> Result<(), Error> {
    operation.progress.say(format!("putting {path} back"));
    let Some(kept) = text(host, &mark(path)).await? else { return Ok(()) };
    let Some(old) = text(host, Path::new(&kept)).await? else {
        return Err(unreadable(Path::new(&kept), "what was kept is gone"));
    };
    host.files.write(Path::new(path), old.as_bytes(), 0o600).await?;
    if path == KUBELET {
        host.services.restart(UNIT).await?;
    }
    host.files.remove(Path::new(crate::kept::FOLDER), &[mark(path)]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kubeconfigs_of_kubernetes_are_changed_and_only_to_an_address() {
        for bad in ["http://a:1", "https://a", "https://a:1/x", ""] {
            assert_eq!(SetApiServer::new(bad, &[]).unwrap_err().code, Code::AGENT_BAD_ARGUMENT, "{bad}");
        }
        for bad in ["/etc/shadow", "/etc/kubernetes/../shadow", "kubelet.conf"] {
            let refused = SetApiServer::new("https://a:1", &[bad.to_owned()]).unwrap_err();
            assert_eq!(refused.code, Code::AGENT_BAD_ARGUMENT, "{bad}");
        }
        assert_eq!(SetApiServer::new("https://a:1", &[KUBELET.to_owned()]).unwrap().paths, [KUBELET]);
        assert_eq!(SetApiServer::new("https://a:1", &[]).unwrap().paths.len(), KNOWN.len());
    }
}
