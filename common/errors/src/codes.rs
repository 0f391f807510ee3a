//! Every code there is, in one list: a code stands for one cause and one way out, and keeps its number for ever.
//!
//! To add one: a line here and a page `pages/CODE.md` (meaning, likely cause, what to do, what not to do).

use crate::Code;

macro_rules! codes {
    ($($name:ident: $code:literal, $title:literal;)*) => {
        impl Code {
            $(
                #[doc = $title]
                pub const $name: Self = Self { code: $code, title: $title, page: include_str!(concat!("../pages/", $code, ".md")) };
            )*

            /// Every code, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

codes! {
    AUTH_NO_CERTIFICATE: "SLIP-AUTH-001", "The caller showed no client certificate";
    AUTH_FOREIGN_CA: "SLIP-AUTH-002", "The certificate was not issued by this cluster's authority";
    AUTH_ROLE: "SLIP-AUTH-003", "The caller's role may not do this";
    AUTH_EXPIRED: "SLIP-AUTH-004", "The certificate has expired";
    AUTH_REVOKED: "SLIP-AUTH-005", "The identity was revoked";
    AUTH_IDENTITY: "SLIP-AUTH-006", "The certificate names no identity that Slipway knows";
    AUTH_NOT_SELF: "SLIP-AUTH-007", "An agent may speak for its own host alone";
    AUDIT_LOST: "SLIP-AUDIT-001", "The audit record cannot be written";
    ENROL_UNKNOWN_TOKEN: "SLIP-ENROL-001", "The enrolment token is unknown";
    ENROL_TOKEN_USED: "SLIP-ENROL-002", "The enrolment token was used already";
    ENROL_TOKEN_EXPIRED: "SLIP-ENROL-003", "The enrolment token has expired";
    ENROL_OTHER_HOST: "SLIP-ENROL-004", "The enrolment token is for another host";
    ENROL_BAD_CSR: "SLIP-ENROL-005", "The certificate request cannot be used";
    ENROL_CA_PIN: "SLIP-ENROL-006", "The coordinator's authority is not the pinned one";
    FENCE_OLD_TERM: "SLIP-FENCE-001", "The command carries the term of a leadership that has ended";
    FENCE_OTHER_HOLDER: "SLIP-FENCE-002", "Another coordinator holds the same term";
    FENCE_OTHER_LINEAGE: "SLIP-FENCE-003", "The command comes from another lineage of the store";
    FENCE_OTHER_HOST: "SLIP-FENCE-004", "The command was meant for another host";
    FENCE_OTHER_BOOT: "SLIP-FENCE-005", "The host has restarted since the command was made";
    FENCE_PAST_TIME: "SLIP-FENCE-006", "The command came after its time";
    FENCE_BUSY: "SLIP-FENCE-007", "The agent runs another operation";
    AGENT_UNKNOWN_OPERATION: "SLIP-AGENT-001", "The agent does not know that operation";
    AGENT_BAD_ARGUMENT: "SLIP-AGENT-002", "An argument of the action is not allowed";
    AGENT_JOURNAL: "SLIP-AGENT-003", "The agent cannot write its journal";
    AGENT_OUTCOME_UNKNOWN: "SLIP-AGENT-004", "It is not known whether the operation took effect";
    AGENT_OBSERVES: "SLIP-AGENT-005", "The agent only looks and changes nothing";
    HOST_MOUNTED_BELOW: "SLIP-HOST-001", "Something is mounted below a folder that would be emptied";
    HOST_SYMLINK: "SLIP-HOST-002", "A symbolic link leads out of the tree that would be emptied";
    HOST_STILL_RUNNING: "SLIP-HOST-003", "Containers or network agents of Kubernetes still run on the host";
    HOST_SERVICE: "SLIP-HOST-004", "systemd could not bring the unit into the wanted state";
    HOST_KUBEADM: "SLIP-HOST-005", "kubeadm did not reach the state it was run for";
    HOST_LEFTOVERS: "SLIP-HOST-006", "Traces of Kubernetes are left on the host";
    HOST_NETFILTER_CHANGED: "SLIP-HOST-007", "Firewall rules changed that are not ours";
    HOST_IO: "SLIP-HOST-008", "The host refused a read or a write";
    HOST_COMMAND: "SLIP-HOST-009", "A program of the host failed or took too long";
    HOST_PROFILE: "SLIP-HOST-010", "A cleanup profile cannot be used";
    HOST_TWIN: "SLIP-HOST-011", "Two machines call themselves the same";
    HOST_SPACE: "SLIP-HOST-012", "The host has not enough room for a node";
    HOST_PORT: "SLIP-HOST-013", "A port that a node needs is taken";
    HOST_RUNTIME: "SLIP-HOST-014", "The container runtime does not answer";
    HOST_OTHER_CLUSTER: "SLIP-HOST-015", "The host belongs to another cluster";
    HOST_CLOCK: "SLIP-HOST-016", "The host's clock is wrong";
    HOST_CGROUPS: "SLIP-HOST-017", "The kubelet does not start on cgroups of version 1";
    HOST_SWAP: "SLIP-HOST-018", "Swap is on";
    HOST_KERNEL: "SLIP-HOST-019", "The kernel lacks what pods need";
    HOST_PREPARE: "SLIP-HOST-020", "The host could not be prepared";
    ETCD_NONE: "SLIP-ETCD-001", "No etcd is set up on the host";
    ETCD_SILENT: "SLIP-ETCD-002", "etcd does not answer, or has no quorum";
    ETCD_OTHER_MEMBER: "SLIP-ETCD-003", "The member of etcd is not the one that was named";
    ETCD_REFUSED: "SLIP-ETCD-004", "etcd refused the change";
    ETCD_CERTIFICATES: "SLIP-ETCD-005", "The certificates for etcd cannot be used";
    ETCD_DATA: "SLIP-ETCD-006", "The folder may not be emptied as a data folder of etcd";
    ETCD_UNIT: "SLIP-ETCD-007", "etcd cannot be installed on the host as it is";
    BACKUP_DAMAGED: "SLIP-BACKUP-001", "The snapshot is incomplete or damaged";
    BACKUP_TARGET: "SLIP-BACKUP-002", "The snapshot cannot be kept";
    BACKUP_BUSY: "SLIP-BACKUP-003", "Another snapshot is under way";
    API_SERVER_NOT_READY: "SLIP-API-001", "The API server did not get ready with the change";
    API_SERVER_CERTIFICATE: "SLIP-API-002", "The address does not show a certificate of this cluster's API server";
    NODE_UNKNOWN: "SLIP-NODE-001", "No node of that name";
    NODE_ALREADY_REMOVED: "SLIP-NODE-002", "The node was removed already";
    NODE_NAMED_TWICE: "SLIP-NODE-003", "A node is named twice";
    NODE_LAST_MASTER: "SLIP-NODE-004", "The node is the last control-plane node";
    NODE_OF_COORDINATOR: "SLIP-NODE-005", "The coordinator runs on that host";
    NODE_NO_AGENT: "SLIP-NODE-006", "No agent is enrolled for that node";
    NODE_UNREACHABLE: "SLIP-NODE-007", "The node's agent does not answer";
    NODE_IDENTITY: "SLIP-NODE-008", "The host is not the one that was recorded for the node";
    NODE_FOREIGN_CORDON: "SLIP-NODE-009", "The node was cordoned by somebody else";
    NODE_ANSWERS: "SLIP-NODE-011", "The node is not unreachable";
    NODE_CANARY: "SLIP-NODE-010", "The run stands still after its first node";
    API_SERVER_ADDRESS: "SLIP-API-003", "Somebody reaches the API by an address that only this node has";
    VIP_HOLDER: "SLIP-VIP-001", "The virtual address is not where it should be";
    VIP_OTHER_CONFIGURATION: "SLIP-VIP-002", "keepalived is configured in another way than ours";
    DRAIN_NEEDS_FLAG: "SLIP-DRAIN-001", "Pods need a flag before they may be evicted";
    DRAIN_BLOCKED: "SLIP-DRAIN-002", "A PodDisruptionBudget blocks the drain";
    DRAIN_DEADLINE: "SLIP-DRAIN-003", "The drain did not end in its time";
    VOLUMES_ATTACHED: "SLIP-DRAIN-004", "Volumes are still attached to the node";
    DRAIN_NEVER: "SLIP-DRAIN-005", "A PodDisruptionBudget can never let these pods go";
    DRAIN_UNDONE: "SLIP-DRAIN-006", "The node was drained and is in use again";
    CAPACITY_LACKING: "SLIP-CAPACITY-001", "Pods of the leaving nodes find no other node";
    QUORUM_LOST: "SLIP-QUORUM-001", "etcd would not keep its quorum";
    QUORUM_WORD: "SLIP-QUORUM-002", "The change of etcd's membership needs the operator's word";
    MEMBER_MISMATCH: "SLIP-MEMBER-001", "The etcd member and the node do not agree";
    MEMBER_OWNERLESS: "SLIP-MEMBER-002", "An etcd member belongs to no node";
    MEMBER_STATIC_POD: "SLIP-MEMBER-003", "The member of etcd is kubeadm's";
    FENCING_UNPROVED: "SLIP-FENCING-001", "It is not proved that the host is powered off";
    DENIAL_FOREIGN: "SLIP-DENIAL-001", "The policy that denies old kubelet credentials is not ours";
    UPGRADE_VERSIONS: "SLIP-UPGRADE-002", "The versions do not fit the upgrade";
    UPGRADE_ETCD: "SLIP-UPGRADE-003", "etcd does not fit the upgrade";
    UPGRADE_HOST: "SLIP-UPGRADE-004", "A host does not fit the upgrade";
    UPGRADE_CLUSTER: "SLIP-UPGRADE-005", "The cluster is in no state for the upgrade";
    JOIN_NAME_TAKEN: "SLIP-JOIN-001", "A node has the name that the host would join with";
    JOIN_VERSION: "SLIP-JOIN-002", "The version does not fit the join";
    JOIN_TOKEN: "SLIP-JOIN-003", "The bootstrap token cannot be used";
    JOIN_CERTIFICATE: "SLIP-JOIN-004", "The kubelet's certificate did not come from the cluster itself";
    JOIN_AUTHORITY: "SLIP-JOIN-005", "The published authority is not the cluster's";
    JOIN_MASTER: "SLIP-JOIN-006", "The host cannot become a master as things are";
    JOIN_CANARY: "SLIP-JOIN-007", "A pod on the new node does not run or does not answer";
    JOIN_DNS: "SLIP-JOIN-008", "The cluster's DNS does not answer on the new node";
    PACKAGE_LOCKED: "SLIP-PACKAGE-001", "Another process holds the package manager's lock";
    PACKAGE_BROKEN: "SLIP-PACKAGE-002", "Packages are half installed";
    PACKAGE_REPOSITORY: "SLIP-PACKAGE-003", "The package repository cannot be read";
    PACKAGE_SIGNATURE: "SLIP-PACKAGE-004", "The package repository is not signed by a key that is trusted";
    PACKAGE_VERSION: "SLIP-PACKAGE-005", "The repository does not have that version";
    PACKAGE_CORRUPT: "SLIP-PACKAGE-006", "A package is not what the repository says that it is";
    PACKAGE_NO_ROOM: "SLIP-PACKAGE-007", "There is no room for the packages";
    PACKAGE_STATE: "SLIP-PACKAGE-008", "The packages were not brought into the wanted state";
    PACKAGE_OTHER_SOURCE: "SLIP-PACKAGE-009", "A file of the operator's names a Kubernetes repository among others";
    PACKAGE_NEEDED: "SLIP-PACKAGE-010", "Other packages would be removed with those of Kubernetes";
    PACKAGE_UNSUPPORTED: "SLIP-PACKAGE-011", "No package manager that Slipway knows";
    IMAGE_PULL: "SLIP-IMAGE-001", "The image cannot be pulled";
    UPGRADE_KUBEADM: "SLIP-UPGRADE-006", "kubeadm upgrade did not reach the state it was run for";
    UPGRADE_ROLLED_BACK: "SLIP-UPGRADE-007", "kubeadm upgrade put the control plane back";
    UPGRADE_HALF_DONE: "SLIP-UPGRADE-008", "The control plane of the host is upgraded in part";
    UPGRADE_PROGRAM: "SLIP-UPGRADE-009", "A program of another version is installed";
    UPGRADE_UNDER_WAY: "SLIP-UPGRADE-010", "kubeadm upgrade runs already";
    UPGRADE_KUBELET: "SLIP-UPGRADE-011", "The kubelet does not run in the new version";
    UPGRADE_NOTHING_KEPT: "SLIP-UPGRADE-012", "Nothing is kept that the kubelet could be rolled back to";
    UPGRADE_ETCD_IMAGE: "SLIP-UPGRADE-013", "etcd is not brought to that image";
    UPGRADE_BLOCKED: "SLIP-UPGRADE-001", "The upgrade cannot begin as things are";
    UPGRADE_TARGET: "SLIP-UPGRADE-014", "There is no such version to upgrade to";
    UPGRADE_NOT_SETTLED: "SLIP-UPGRADE-015", "A node has not come to rest after its upgrade";
    UPGRADE_ROLL_BACK: "SLIP-UPGRADE-016", "The node cannot be rolled back";
    BUDGET_EXCEEDED: "SLIP-BUDGET-001", "The pool's disruption budget is used up";
    RUN_UNKNOWN: "SLIP-RUN-001", "No run of that id";
    RUN_CONFLICT: "SLIP-RUN-002", "Another run works on the same nodes";
    RUN_PLAN_CHANGED: "SLIP-RUN-003", "The plan would be another one today";
    RUN_STATE: "SLIP-RUN-004", "The run is in no state for that";
    RUN_PAST_NO_RETURN: "SLIP-RUN-005", "The run is past its point of no return";
    RUN_FLOW_UNKNOWN: "SLIP-RUN-006", "No flow of that name";
    RUN_BAD_PARAMETER: "SLIP-RUN-007", "A parameter of the flow is not allowed";
    RUN_NO_EFFECT: "SLIP-RUN-008", "A step acted without effect";
    LEADER_ELSEWHERE: "SLIP-LEADER-001", "Another coordinator leads";
    STORE_FULL: "SLIP-STORE-001", "The store's disk is full";
    STORE_CORRUPT: "SLIP-STORE-002", "The store is damaged";
    STORE_STALE_TERM: "SLIP-STORE-003", "This coordinator no longer leads";
    STORE_OLD_COPY: "SLIP-STORE-004", "The store is older than what the agents have seen";
    STORE_IN_USE: "SLIP-STORE-005", "Another process uses the store";
    STORE_SCHEMA: "SLIP-STORE-006", "The store was written by a newer Slipway";
    STORE_CONFLICT: "SLIP-STORE-007", "The record was changed meanwhile";
    STORE_IO: "SLIP-STORE-008", "The store cannot be read or written";
    STORE_AWAY: "SLIP-STORE-009", "No majority of the store's etcd answers";
    STORE_MOVED: "SLIP-STORE-010", "The store was moved, or has not arrived in full";
    KUBE_KUBECONFIG: "SLIP-KUBE-001", "The kubeconfig cannot be used";
    KUBE_UNREACHABLE: "SLIP-KUBE-002", "The API server does not answer";
    KUBE_CONFLICT: "SLIP-KUBE-003", "The object was changed or replaced meanwhile";
    KUBE_FORBIDDEN: "SLIP-KUBE-004", "The API server forbids it";
    KUBE_REFUSED: "SLIP-KUBE-005", "The API server refused the request";
    CONF_UNKNOWN_KEY: "SLIP-CONF-001", "The configuration has an unknown key";
    CONF_BAD_VALUE: "SLIP-CONF-002", "A value of the configuration is not allowed";
    CONF_UNREADABLE: "SLIP-CONF-003", "The configuration cannot be read";
    WIRE_TOO_LARGE: "SLIP-WIRE-001", "The message is larger than allowed";
    WIRE_BAD_REQUEST: "SLIP-WIRE-002", "The request lacks something or cannot be understood";
    WIRE_UNREACHABLE: "SLIP-WIRE-003", "The other side cannot be reached";
    WIRE_DEADLINE: "SLIP-WIRE-004", "The answer did not come in time";
    INIT_EXISTS: "SLIP-INIT-001", "There is an identity here already";
    INTERNAL: "SLIP-INTERNAL-001", "Slipway met a state that should be impossible";
}
