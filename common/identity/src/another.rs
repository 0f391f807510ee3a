//! A further coordinator of a cluster that has one: an id and an issuing intermediate of its own, made with the exported root, so that no master's
//! loss takes the fleet's authority along. What it is given goes to that master by a safe way.

use std::path::Path;

use slipway_types::{Clock, IdGen, Role};

use crate::authority::{self, LEAF_VALIDITY, Root};
use crate::files;
use crate::id::PeerIdentity;
use crate::init::{
    BACKUP_PUBLIC, CLUSTER, Cluster, Error, IDENTITY, ISSUING, ROOT, ROOT_KEY_SEALED, host_of, identify,
};
use crate::sealed::{self, Passphrase};

/// What it takes.
#[derive(Debug, Clone, Copy)]
pub struct Another<'a> {
    /// The folder of a coordinator that there is.
    pub folder: &'a Path,
    /// The export of `init`.
    pub export: &'a Path,
    /// What opens it.
    pub passphrase: &'a Passphrase,
    /// Where the new one will be reached, `host:port`.
    pub address: &'a str,
    /// Where its folder is made.
    pub out: &'a Path,
}

impl Another<'_> {
    /// Makes its folder. Nothing that exists is touched.
    pub fn create(&self, clock: &dyn Clock, ids: &dyn IdGen) -> Result<Cluster, Error> {
        let host = host_of(self.address)?;
        if let Some(there) =
            [IDENTITY, ISSUING, CLUSTER].map(|name| self.out.join(name)).into_iter().find(|path| path.exists())
        {
            return Err(Error::Exists(there));
        }
        let first = Cluster::load(self.folder)?;
        let root = self.root(&first)?;
        let own = PeerIdentity::new(&first.cluster, Role::Coordinator, &ids.next())?;
        let authority = root.authority(&own.id, std::slice::from_ref(&host), clock)?;
        let cluster = Cluster {
            coordinator: own.id.clone(),
            address: self.address.to_owned(),
            created_ms: clock.now().as_millisecond(),
            ..first
        };
        files::private_folder(self.out)?;
        authority.save(&self.out.join(ISSUING))?;
        identify(&authority, &own, LEAF_VALIDITY, &[host], clock)?.save(&self.out.join(IDENTITY))?;
        files::write_private(&self.out.join(BACKUP_PUBLIC), cluster.backup_recipient.as_bytes())?;
        // Last: what has this file is complete.
        files::write_new(&self.out.join(CLUSTER), &serde_json::to_vec_pretty(&cluster)?)?;
        Ok(cluster)
    }

    /// The root in the export, which has to be this cluster's.
    fn root(&self, cluster: &Cluster) -> Result<Root, Error> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let certificate = text(files::read(&self.export.join(ROOT))?);
        let key = text(sealed::open(self.passphrase, &files::read(&self.export.join(ROOT_KEY_SEALED))?)?);
        let root = Root::from_pem(&cluster.cluster, &certificate, &key)?;
        let hash = crate::ca_hash(root.der()).map_err(authority::Error::Useless)?;
        if hash == cluster.ca_hash { Ok(root) } else { Err(Error::OtherRoot(self.export.to_owned())) }
    }
}
