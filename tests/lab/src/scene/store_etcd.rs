//! The etcd that the coordinators keep their state in, past them: what a test writes into it and how it takes its room.

use anyhow::{Result, bail};

use crate::command::Output;
use crate::host::Host;

const UNIT: &str = "slipway-etcd";
const DATA: &str = "/var/lib/slipway/etcd";
/// More than the disk has room for, at 900 kB each.
const MANY: u32 = 400;
/// On the small disk, beside the data.
const FILLER: &str = "/var/lib/slipway/etcd/lab-filler";
/// The data lies on a disk of its own from here on: two of the log's segments, which are 64 MB each, the database, and what a test writes.
const ON_A_SMALL_DISK: &str = "systemctl stop slipway-etcd && mv /var/lib/slipway/etcd /var/lib/slipway/etcd-before && \
    mkdir -m 0700 /var/lib/slipway/etcd && mount -t tmpfs -o size=320m,mode=0700 lab-small /var/lib/slipway/etcd && \
    cp -a /var/lib/slipway/etcd-before/. /var/lib/slipway/etcd/ && rm -r /var/lib/slipway/etcd-before && systemctl start slipway-etcd";
/// The program lies in the container of the cluster's etcd; it speaks to the store's, with the coordinator's certificate.
const ETCDCTL: &str = "S=/var/lib/slipway/coordinator/store; \
    ctl() { $(ls /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/rootfs/usr/local/bin/etcdctl | head -n 1) \
    --endpoints=https://127.0.0.1:7410 --cacert=$S/root.pem --cert=$S/chain.pem --key=$S/key.pem \"$@\"; };";

/// Writes one more value of 900 kB.
pub(crate) fn write_much(host: &Host, number: u32) -> Result<Output> {
    host.run(&["sh", "-c", &format!("{ETCDCTL} head -c 900000 /dev/zero | tr '\\0' x | ctl put /filler/{number}")])
}

/// Deletes what was written.
pub(crate) fn delete_much(host: &Host) -> Result<()> {
    host.run_ok(&["sh", "-c", &format!("{ETCDCTL} ctl del --prefix /filler/")]).map(|_| ())
}

/// A member's data on a disk that is soon full.
pub(crate) struct SmallDisk<'a> {
    host: &'a Host,
}

impl<'a> SmallDisk<'a> {
    pub(crate) fn below(host: &'a Host) -> Result<Self> {
        host.run_ok(&["sh", "-c", ON_A_SMALL_DISK])?;
        Ok(Self { host })
    }

    /// Takes all that is left of it, and has the store written to, through another member, until this one cannot go on.
    pub(crate) fn fill(&self, through: &Host) -> Result<()> {
        self.host.run_ok(&[
            "sh",
            "-c",
            &format!("head -c 1G /dev/zero > {FILLER}; [ $(df --output=avail {DATA} | tail -n 1) = 0 ]"),
        ])?;
        for number in 0..MANY {
            if self.has_failed()? {
                return Ok(());
            }
            write_much(through, number)?;
        }
        bail!("the member on {} takes everything", self.host.name())
    }

    /// Gives the room back. Nobody starts the member.
    pub(crate) fn make_room(&self) -> Result<()> {
        self.host.run_ok(&["rm", FILLER]).map(|_| ())
    }

    fn has_failed(&self) -> Result<bool> {
        let log = self.host.run_ok(&["journalctl", "--no-pager", "--unit", UNIT])?;
        Ok(log.contains("no space left on device"))
    }
}
