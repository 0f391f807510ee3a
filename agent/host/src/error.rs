//! What a host can refuse, said as the thing that was being done, so that a person sees the cause and the code's page the way out.

use std::path::PathBuf;

use slipway_errors::{Code, Coded};

use crate::Trouble;
use crate::etcd::Refusal;

/// Why a host did not do, or did not tell, what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, a socket or the kernel refused.
    #[error("{doing}")]
    Io {
        /// What was being done, such as `reading /etc/hostname`.
        doing: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// Something that was read makes no sense, or a limit was passed.
    #[error("{doing}: {why}")]
    Unreadable {
        /// What was being read.
        doing: String,
        /// What was wrong with it.
        why: String,
    },
    /// systemd refused, or a job of ours did not end well.
    #[error("{doing} {unit}: {why}")]
    Service {
        /// The unit.
        unit: String,
        /// What was being done, such as `stopping`.
        doing: &'static str,
        /// What systemd said.
        why: String,
    },
    /// A unit file of the administrator's own stands where the mask would go.
    #[error("{unit} cannot be masked: {path} is a file of this host's own")]
    OwnUnitFile {
        /// The unit.
        unit: String,
        /// The file in the way.
        path: PathBuf,
    },
    /// A program failed, was cut off, or said too much.
    #[error("{program} {why}")]
    Command {
        /// The program, by its path.
        program: String,
        /// Its exit, its last words, or the limit that it passed.
        why: String,
    },
    /// Something is mounted where files would be removed.
    #[error("{mount_point} is mounted below {root}")]
    MountedBelow {
        /// What would have been emptied.
        root: PathBuf,
        /// What is mounted there.
        mount_point: PathBuf,
    },
    /// A symbolic link stands where a folder was expected.
    #[error("{path} is or passes a symbolic link")]
    Symlink {
        /// The path that was not followed.
        path: PathBuf,
    },
    /// The container runtime does not answer: nothing is known about its containers.
    #[error("the container runtime at {socket} does not answer: {why}")]
    Runtime {
        /// The socket.
        socket: String,
        /// What the attempt ended with.
        why: String,
    },
    /// The container runtime could not get an image.
    #[error("the image {image} cannot be pulled: {why}")]
    Image {
        /// Its full name.
        image: String,
        /// What the runtime said.
        why: String,
    },
    /// A member of etcd did not do, or did not tell, what it was asked.
    #[error("{doing} at {url}: {why}")]
    Etcd {
        /// What was being done, such as `listing the members of etcd`.
        doing: String,
        /// The member's client URL.
        url: String,
        /// Whether it answered, and how.
        refusal: Refusal,
        /// What it said, or what the attempt ended with.
        why: String,
    },
    /// The certificates for etcd cannot be used.
    #[error("{path} cannot be used as a certificate for etcd: {why}")]
    EtcdCertificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An API server does not answer, or does not prove that it is the cluster's.
    #[error("the API server at {server}: {why}")]
    ApiServer {
        /// Its address.
        server: String,
        /// It answered, but its certificate proves nothing.
        certificate: bool,
        /// Nobody listens there.
        refused: bool,
        /// What the attempt ended with.
        why: String,
    },
    /// There is no etcd on this host.
    #[error("no etcd is set up on this host")]
    NoEtcd,
    /// Packages cannot be brought into the wanted state, or a repository cannot be read.
    #[error("{what}")]
    Package {
        /// What kind of trouble it is.
        trouble: Trouble,
        /// A sentence.
        what: String,
    },
    /// A profile cannot be used.
    #[error("cleanup profile {profile}: {why}")]
    Profile {
        /// Its name or file.
        profile: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// For `map_err`: an I/O error with what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing: doing.into(), source }
    }

    /// How etcd refused, if it is etcd that did.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Etcd { refusal, .. } => Some(*refusal),
            _ => None,
        }
    }

    /// For `map_err` of nix calls.
    pub fn os(doing: impl Into<String>) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| Self::Io { doing: doing.into(), source: errno.into() }
    }

    /// As people and the wire see it.
    pub fn coded(&self) -> Coded {
        match self {
            Self::Io { source, .. } => Coded::new(Code::HOST_IO, format!("{self}: {source}")),
            Self::Unreadable { .. } => Coded::new(Code::HOST_IO, self.to_string()),
            Self::Service { unit, .. } => Coded::new(Code::HOST_SERVICE, self.to_string())
                .do_this(format!("look at `systemctl status {unit}`, then resume")),
            Self::OwnUnitFile { path, .. } => Coded::new(Code::HOST_SERVICE, self.to_string())
                .do_this(format!("move {} away (a drop-in folder beside it may stay), then resume", path.display())),
            Self::Command { .. } => Coded::new(Code::HOST_COMMAND, self.to_string()),
            Self::MountedBelow { mount_point, .. } => Coded::new(Code::HOST_MOUNTED_BELOW, self.to_string())
                .do_this(format!("save what it holds, `umount {}`, then resume", mount_point.display())),
            Self::Symlink { path } => Coded::new(Code::HOST_SYMLINK, self.to_string())
                .do_this(format!("see where {} leads and remove the link yourself, then resume", path.display())),
            Self::Runtime { .. } => Coded::new(Code::HOST_IO, self.to_string())
                .do_this("start the container runtime, so that it can say what still runs, then resume"),
            Self::Image { image, .. } => Coded::new(Code::IMAGE_PULL, self.to_string())
                .do_this(format!("see on the host why with `crictl pull {image}`, or load it there, then resume")),
            Self::Etcd { refusal: Refusal::Silent, .. } => Coded::new(Code::ETCD_SILENT, self.to_string()),
            Self::Etcd { refusal: Refusal::Absent, .. } => Coded::new(Code::ETCD_OTHER_MEMBER, self.to_string()),
            Self::Etcd { refusal: Refusal::Refused, .. } => Coded::new(Code::ETCD_REFUSED, self.to_string()),
            Self::EtcdCertificates { .. } => Coded::new(Code::ETCD_CERTIFICATES, self.to_string()),
            Self::ApiServer { certificate: true, .. } => Coded::new(Code::API_SERVER_CERTIFICATE, self.to_string()),
            Self::ApiServer { .. } => Coded::new(Code::API_SERVER_NOT_READY, self.to_string()),
            Self::NoEtcd => Coded::new(Code::ETCD_NONE, self.to_string())
                .do_this("ask a host that has a member: `slipway node list` shows the masters"),
            Self::Package { trouble, .. } => Coded::new(trouble.code(), self.to_string()).do_this(trouble.way_out()),
            Self::Profile { .. } => Coded::new(Code::HOST_PROFILE, self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_told_once() {
        let error = Error::io("reading /etc/machine-id")(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        assert_eq!(error.to_string(), "reading /etc/machine-id");
        assert_eq!(error.coded().message, "reading /etc/machine-id: permission denied");
    }

    #[test]
    fn a_mount_below_names_itself_and_the_way_out() {
        let coded =
            Error::MountedBelow { root: "/var/lib/kubelet".into(), mount_point: "/var/lib/kubelet/data".into() }
                .coded();
        assert_eq!(coded.code, Code::HOST_MOUNTED_BELOW);
        assert!(coded.message.contains("/var/lib/kubelet/data"));
        assert!(coded.way_out.is_some_and(|way| way.contains("umount /var/lib/kubelet/data")));
    }
}
