//! One suite over the fake and the real machine, so that the fake cannot promise what a machine does not keep. Each check lays its own things
//! down through a [`Stage`], looks through the traits, and says in a sentence what is wrong.

pub mod etcd;
pub mod packages;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::plan::nft;
use crate::{Active, Enablement, EntryKind, Error, Host, Iptables, Transient, TransientStatus};

/// What a check found wrong.
pub type Verdict = Result<(), String>;

/// Lays things down behind the traits' back. Every failure is a sentence.
#[async_trait]
pub trait Stage: Send + Sync {
    /// An empty folder for files.
    fn folder(&self) -> PathBuf;
    /// Writes a file and the folders above it.
    async fn file(&self, path: &Path, content: &str) -> Verdict;
    /// Makes a symbolic link.
    async fn symlink(&self, path: &Path, to: &Path) -> Verdict;
    /// Mounts a tmpfs on a new folder.
    async fn mount(&self, path: &Path) -> Verdict;
    /// Makes a link of the kind `bridge`.
    async fn bridge(&self, name: &str) -> Verdict;
    /// Gives a link an address.
    async fn address(&self, link: &str, address: &str) -> Verdict;
    /// Makes the nftables table `ip slipway-test`, and in the table `nat` of iptables-nft a chain `SLIPWAY-TEST` with a rule, and a rule in
    /// `PREROUTING` that leads to it.
    async fn firewall(&self) -> Verdict;
    /// Starts a process that runs until it is ended, and gives its number.
    async fn process(&self) -> Result<u32, String>;
}

fn ensure(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn ok<T>(doing: &str, result: Result<T, Error>) -> Result<T, String> {
    result.map_err(|error| format!("{doing}: {}", error.coded()))
}

/// Files are listed in order, and removal is as narrow as it promises.
pub async fn files(host: &Host, stage: &dyn Stage) -> Verdict {
    let root = stage.folder().join("files");
    let outside = stage.folder().join("outside");
    stage.file(&outside.join("kept"), "kept").await?;
    stage.file(&root.join("a/b/c"), "x").await?;
    stage.file(&root.join("top"), "0123456789").await?;
    stage.symlink(&root.join("a/link"), &outside).await?;

    let tree = ok("listing a tree", host.files.tree(&root).await)?;
    let names: Vec<String> = tree
        .iter()
        .filter_map(|entry| entry.path.strip_prefix(&root).ok())
        .map(|path| path.display().to_string())
        .collect();
    ensure(names == ["a", "a/b", "a/b/c", "a/link", "top"], &format!("a tree is listed as {names:?}"))?;
    let link = tree.iter().find(|entry| entry.path.ends_with("link")).map(|entry| entry.kind);
    ensure(link == Some(EntryKind::Symlink), "a link is not told from what it leads to")?;
    ensure(ok("listing", host.files.list(&root).await)?.len() == 2, "a list goes deeper than its folder")?;
    ensure(ok("listing", host.files.tree(&root.join("none")).await)?.is_empty(), "an absent folder is not empty")?;

    ensure(
        ok("reading", host.files.read(&root.join("top"), 10).await)?.as_deref() == Some(b"0123456789"),
        "a file is read otherwise than written",
    )?;
    ensure(host.files.read(&root.join("top"), 9).await.is_err(), "a file over the limit is read")?;
    ensure(ok("reading", host.files.read(&root.join("none"), 9).await)?.is_none(), "an absent file has content")?;

    ensure(host.files.remove(&root, &[root.join("a")]).await.is_err(), "a folder with something in it was removed")?;
    ensure(host.files.remove(&root, &[outside.join("kept")]).await.is_err(), "something outside the root was removed")?;
    ensure(host.files.remove(&root, &[root.join("a/link/kept")]).await.is_err(), "a link was followed")?;
    ensure(ok("looking", host.files.entry(&outside.join("kept")).await)?.is_some(), "what a link leads to is gone")?;
    let all: Vec<PathBuf> = tree.iter().rev().map(|entry| entry.path.clone()).chain([root.clone()]).collect();
    ok("removing", host.files.remove(&root, &all).await)?;
    ensure(ok("looking", host.files.entry(&root).await)?.is_none(), "the root is still there")?;
    ok("removing what is gone", host.files.remove(&root, &all).await)?;
    ensure(ok("looking", host.files.entry(&outside.join("kept")).await)?.is_some(), "what a link leads to is gone")
}

/// A file is written whole and with its mode, and never through a link.
pub async fn writing(host: &Host, stage: &dyn Stage) -> Verdict {
    let root = stage.folder().join("written");
    let path = root.join("deeper/conf");
    ensure(host.files.write(&path, b"x", 0o600).await.is_err(), "a file was written into a folder that is not there")?;
    ok("making a folder", host.files.make_folder(&root.join("deeper"), 0o700).await)?;
    ok("making it again", host.files.make_folder(&root.join("deeper"), 0o700).await)?;
    for content in ["first", "second, and longer", ""] {
        ok("writing", host.files.write(&path, content.as_bytes(), 0o640).await)?;
        let read = ok("reading", host.files.read(&path, 100).await)?;
        ensure(read.as_deref() == Some(content.as_bytes()), "a file is read otherwise than written")?;
    }
    let mode = ok("asking for a mode", host.files.mode(&path).await)?;
    ensure(mode == Some(0o640), &format!("a file that was written with 640 has {mode:?}"))?;
    ensure(ok("asking for a mode", host.files.mode(&root.join("none")).await)?.is_none(), "an absent file has a mode")?;
    ensure(ok("listing", host.files.list(&root.join("deeper")).await)?.len() == 1, "a part of a file was left")?;
    ensure(host.files.write(&root.join("deeper"), b"x", 0o600).await.is_err(), "a folder was written over")?;
    stage.file(&stage.folder().join("elsewhere"), "kept").await?;
    stage.symlink(&root.join("link"), &stage.folder().join("elsewhere")).await?;
    let refused = host.files.write(&root.join("link"), b"x", 0o600).await;
    ensure(matches!(refused, Err(Error::Symlink { .. })), "a link was written through, or over")?;
    stage.symlink(&stage.folder().join("way"), &root).await?;
    let refused = host.files.write(&stage.folder().join("way/deeper/conf"), b"x", 0o600).await;
    ensure(refused.is_err(), "a link on the way was followed")?;
    let kept = ok("reading", host.files.read(&stage.folder().join("elsewhere"), 100).await)?;
    ensure(kept.as_deref() == Some(b"kept"), "what a link leads to was changed")
}

/// A link in place of a folder is refused, wherever it stands.
pub async fn links_in_place_of_folders(host: &Host, stage: &dyn Stage) -> Verdict {
    let real = stage.folder().join("real");
    let link = stage.folder().join("in-place");
    stage.file(&real.join("kept"), "kept").await?;
    stage.symlink(&link, &real).await?;
    ensure(
        matches!(host.files.tree(&link).await, Err(Error::Symlink { .. })),
        "a link was taken for the root of a tree",
    )?;
    ensure(host.files.remove(&link, &[link.join("kept")]).await.is_err(), "a root that is a link was emptied")?;
    ensure(ok("looking", host.files.entry(&real.join("kept")).await)?.is_some(), "a file behind a link is gone")
}

/// Nothing is removed while something is mounted below; a root that is a mount point is emptied and stays.
pub async fn mounts(host: &Host, stage: &dyn Stage) -> Verdict {
    let root = stage.folder().join("mounted");
    let below = root.join("data");
    stage.file(&root.join("first"), "x").await?;
    stage.mount(&below).await?;
    stage.file(&below.join("precious"), "x").await?;
    let tree = ok("listing a tree", host.files.tree(&root).await)?;
    ensure(!tree.iter().any(|entry| entry.path.ends_with("precious")), "a mount was entered")?;
    ensure(tree.iter().any(|entry| entry.path == below && entry.mount_point), "a mount point is not told")?;
    let refused = host.files.remove(&root, &[root.join("first")]).await;
    ensure(
        matches!(refused, Err(Error::MountedBelow { ref mount_point, .. }) if *mount_point == below),
        "something was mounted below, and removal went on",
    )?;
    ensure(
        ok("looking", host.files.entry(&root.join("first")).await)?.is_some(),
        "a refused removal removed something",
    )?;
    ensure(
        ok("listing mounts", host.mounts.list().await)?.iter().any(|mount| mount.mount_point == below),
        "a mount is not listed",
    )?;

    ok("emptying a mount point", host.files.remove(&below, &[below.join("precious"), below.clone()]).await)?;
    ensure(ok("looking", host.files.entry(&below).await)?.is_some(), "a mount point was removed")?;
    ok("unmounting", host.mounts.unmount(&below).await)?;
    ensure(host.mounts.unmount(&below).await.is_err(), "what is not mounted was unmounted")
}

/// A link goes under its own kind alone.
pub async fn network(host: &Host, stage: &dyn Stage) -> Verdict {
    stage.bridge("slipway-br0").await?;
    let listed = ok("listing links", host.links.list().await)?;
    let kind = listed.iter().find(|link| link.name == "slipway-br0").map(|link| link.kind.clone());
    ensure(kind.as_deref() == Some("bridge"), &format!("a bridge is listed as {kind:?}"))?;
    for address in ["10.99.0.7/24", "10.99.0.10/32"] {
        stage.address("slipway-br0", address).await?;
    }
    ok("taking an address away", host.links.delete_address("slipway-br0", "10.99.0.10/32").await)?;
    ok("taking an address away that is gone", host.links.delete_address("slipway-br0", "10.99.0.10/32").await)?;
    ok("taking an address off a link that is not there", host.links.delete_address("none", "10.99.0.10/32").await)?;
    let listed = ok("listing links", host.links.list().await)?;
    let left = listed.iter().find(|link| link.name == "slipway-br0").map(|link| link.addresses.clone());
    let only = left.as_deref().is_some_and(|left| left == ["10.99.0.7/24"]);
    ensure(only, &format!("one address of two was taken away, and it has {left:?}"))?;
    ensure(host.links.delete("slipway-br0", "vxlan").await.is_err(), "a bridge was deleted as a vxlan")?;
    ok("deleting a link", host.links.delete("slipway-br0", "bridge").await)?;
    ensure(
        !ok("listing links", host.links.list().await)?.iter().any(|link| link.name == "slipway-br0"),
        "a deleted link is still there",
    )?;
    ok("deleting a link that is gone", host.links.delete("slipway-br0", "bridge").await)?;
    ok("listing routes", host.links.routes().await)?;
    ok("listing namespaces", host.links.namespaces().await)?;
    ok("deleting a namespace that is gone", host.links.delete_namespace("slipway-none").await)
}

/// Transactions take effect as a whole, by handle and by rule.
pub async fn firewall(host: &Host, stage: &dyn Stage) -> Verdict {
    stage.firewall().await?;
    let key = ("ip".to_owned(), "slipway-test".to_owned());
    let before = ok("reading the firewall", host.netfilter.ruleset().await)?;
    let handle = nft::tables(&before.nft).into_iter().find(|(table, _)| *table == key).map(|(_, handle)| handle);
    let Some(handle) = handle else { return Err("a table of nftables is not listed".into()) };
    let delete = nft::delete_table(&key, handle);
    let twice = host.netfilter.apply_nft(&[delete.clone(), delete.clone()]).await;
    ensure(twice.is_err(), "a transaction with a failing command succeeded")?;
    let table = |ruleset: &crate::Ruleset| nft::tables(&ruleset.nft).into_iter().any(|(table, _)| table == key);
    ensure(table(&ok("reading the firewall", host.netfilter.ruleset().await)?), "a failed transaction took effect")?;
    ok("deleting a table by handle", host.netfilter.apply_nft(std::slice::from_ref(&delete)).await)?;
    ensure(!table(&ok("reading the firewall", host.netfilter.ruleset().await)?), "a deleted table is still there")?;
    ensure(host.netfilter.apply_nft(&[delete]).await.is_err(), "a table was deleted twice")?;

    let premature = "*nat\n-F SLIPWAY-TEST\n-X SLIPWAY-TEST\nCOMMIT\n";
    ensure(host.netfilter.restore(Iptables::NftV4, premature).await.is_err(), "a chain went while a rule led to it")?;
    let saved = |ruleset: &crate::Ruleset| ruleset.iptables.get(&Iptables::NftV4).cloned().unwrap_or_default();
    ensure(
        saved(&ok("reading", host.netfilter.ruleset().await)?).contains("-A SLIPWAY-TEST"),
        "a failed restore emptied a chain",
    )?;
    let whole = "*nat\n-D PREROUTING -j SLIPWAY-TEST\n-F SLIPWAY-TEST\n-X SLIPWAY-TEST\nCOMMIT\n";
    ok("removing a chain", host.netfilter.restore(Iptables::NftV4, whole).await)?;
    ensure(
        !saved(&ok("reading", host.netfilter.ruleset().await)?).contains("SLIPWAY-TEST"),
        "a removed chain is still there",
    )?;
    ok("destroying an absent ipset", host.netfilter.destroy_ipset("slipway-none").await)
}

/// A sysctl is read as it was set, what there is none of is told so, and ports, swap and room can be told.
pub async fn kernel(host: &Host, stage: &dyn Stage) -> Verdict {
    let name = "net.ipv4.ip_forward";
    let forward = async || ok("reading a sysctl", host.kernel.sysctl(name).await);
    for value in ["1", "0", "1"] {
        ok("setting a sysctl", host.kernel.set_sysctl(name, value).await)?;
        let read = forward().await?;
        ensure(read.as_deref() == Some(value), &format!("a sysctl that was set to {value} is {read:?}"))?;
    }
    let none = ok("reading a sysctl", host.kernel.sysctl("net.slipway.none").await)?;
    ensure(none.is_none(), "a sysctl that is not there has a value")?;
    ensure(host.kernel.set_sysctl("net.slipway.none", "1").await.is_err(), "a sysctl that is not there was set")?;
    let module = ok("looking at a module", host.kernel.module("slipway_none").await)?;
    ensure(module == crate::kernel::Module::Absent, &format!("a module that is nowhere is {module:?}"))?;
    let free = ok("asking what is free", host.kernel.free_bytes(&stage.folder().join("to/be/made")).await)?;
    ensure(free > 0, "nothing is free where a file was just written")?;
    let version = ok("asking for cgroups", host.kernel.cgroup_version().await)?;
    ensure(version <= 2, &format!("cgroups are of version {version}"))?;
    ok("listing swap", host.kernel.swaps().await)?;
    ok("listing ports", host.kernel.listening_ports().await)?;
    ok("reading hardware addresses", host.kernel.macs().await)?;
    ok("reading the firmware's id", host.kernel.product_uuid().await).map(drop)
}

/// A process is ended only if it is still the same one.
pub async fn processes(host: &Host, stage: &dyn Stage) -> Verdict {
    let pid = stage.process().await?;
    let find = async || {
        ok("listing processes", host.processes.list().await)
            .map(|all| all.into_iter().find(|process| process.pid == pid))
    };
    let Some(process) = find().await? else { return Err("a process is not listed".into()) };
    let mut later = process.clone();
    later.start_time += 1;
    ok("ending another process", host.processes.end(&later, true).await)?;
    ensure(find().await?.is_some(), "a process was ended for one with another start")?;
    ok("ending a process", host.processes.end(&process, true).await)?;
    for _ in 0..200 {
        if find().await?.is_none() {
            return ok("ending a process that is gone", host.processes.end(&process, true).await);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("an ended process is still there".into())
}

fn transient(name: &str, argv: &[&str], output: &Path) -> Transient {
    Transient {
        name: name.to_owned(),
        description: "a check of Slipway's".into(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        environment: vec![],
        output: output.join(format!("{name}.log")),
        max_runtime: Duration::from_mins(1),
    }
}

async fn ended(host: &Host, name: &str) -> Result<TransientStatus, String> {
    for _ in 0..500 {
        let status = ok("looking at a transient service", host.services.transient_status(name).await)?;
        if status != TransientStatus::Running {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("{name} did not end"))
}

/// Transient services keep their result until they are forgotten, and there is one of a name at a time.
pub async fn transients(host: &Host, stage: &dyn Stage) -> Verdict {
    let output = stage.folder();
    for (name, program, code) in
        [("slipway-check-true.service", "/bin/true", 0), ("slipway-check-false.service", "/bin/false", 1)]
    {
        ok("starting", host.services.run_transient(&transient(name, &[program], &output)).await)?;
        let status = ended(host, name).await?;
        ensure(status == TransientStatus::Exited { code }, &format!("{program} ended as {status:?}"))?;
        ok("forgetting", host.services.forget_transient(name).await)?;
        let status = ok("looking", host.services.transient_status(name).await)?;
        ensure(status == TransientStatus::NotFound, &format!("a forgotten service is {status:?}"))?;
    }
    let name = "slipway-check-sleep.service";
    let sleep = transient(name, &["/bin/sleep", "50"], &output);
    ok("starting", host.services.run_transient(&sleep).await)?;
    ensure(host.services.run_transient(&sleep).await.is_err(), "two services of one name were started")?;
    let status = ok("looking", host.services.transient_status(name).await)?;
    ensure(status == TransientStatus::Running, &format!("a running service is {status:?}"))?;
    ok("forgetting a running service", host.services.forget_transient(name).await)?;
    ensure(
        ok("looking", host.services.transient_status(name).await)? == TransientStatus::NotFound,
        "a stopped service is still known",
    )?;
    ok("forgetting what is gone", host.services.forget_transient(name).await)
}

/// An absent unit is down and not found; a mask keeps even that from being installed unmasked; an own unit file is not replaced.
pub async fn units(host: &Host, stage: &dyn Stage) -> Verdict {
    let unit = "slipway-check-none.service";
    let state = async || ok("looking at a unit", host.services.state(unit).await);
    let absent = state().await?;
    ensure(
        absent.active == Active::Inactive && absent.enablement == Enablement::NotFound && absent.main_pid.is_none(),
        &format!("an absent unit is {absent:?}"),
    )?;
    ok("stopping an absent unit", host.services.stop(unit).await)?;
    ensure(host.services.start(unit).await.is_err(), "an absent unit was started")?;
    ensure(host.services.enable(unit).await.is_err(), "an absent unit was enabled")?;
    ok("masking", host.services.mask(unit).await)?;
    ensure(state().await?.enablement == Enablement::Masked, "a masked unit is not masked")?;
    ok("masking again", host.services.mask(unit).await)?;
    ok("unmasking", host.services.unmask(unit).await)?;
    ensure(state().await?.enablement == Enablement::NotFound, "an unmasked absent unit is there")?;
    ok("unmasking again", host.services.unmask(unit).await)?;
    let own = Path::new("/etc/systemd/system/slipway-check-own.service");
    stage
        .file(own, "[Service]\nExecStart=/bin/sleep 600\nExecReload=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
        .await?;
    let refused = host.services.mask("slipway-check-own.service").await;
    ensure(matches!(refused, Err(Error::OwnUnitFile { .. })), "a unit file of the host's own was masked away")?;
    own_unit_comes_up(host, "slipway-check-own.service").await?;
    ok("removing", host.files.remove(own.parent().unwrap_or(own), &[own.to_owned()]).await)?;
    ok("reloading", host.services.daemon_reload().await)
}

async fn own_unit_comes_up(host: &Host, unit: &str) -> Verdict {
    ok("reloading", host.services.daemon_reload().await)?;
    ok("enabling", host.services.enable(unit).await)?;
    ok("starting", host.services.start(unit).await)?;
    let state = ok("looking", host.services.state(unit).await)?;
    let up = state.active == Active::Active && state.enablement == Enablement::Enabled;
    ensure(up, &format!("an enabled and started unit is {state:?}"))?;
    ok("starting again", host.services.start(unit).await)?;
    ok("reloading", host.services.reload(unit).await)?;
    let same = ok("looking", host.services.state(unit).await)?;
    ensure(same.main_pid == state.main_pid, "a reload made another process")?;
    ok("restarting", host.services.restart(unit).await)?;
    let again = ok("looking", host.services.state(unit).await)?;
    ensure(again.main_pid.is_some() && again.main_pid != state.main_pid, "a restart left the same process")?;
    ok("disabling", host.services.disable(unit).await)?;
    ok("stopping", host.services.stop(unit).await)?;
    ensure(host.services.reload(unit).await.is_err(), "a unit that does not run was reloaded")
}

/// Whoever has an address answers, and from nobody comes nothing.
pub async fn reach(host: &Host, _: &dyn Stage) -> Verdict {
    let here = std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST);
    ensure(ok("connecting", host.reach.answers(here).await)?, "this machine does not answer itself")?;
    // Nobody listens at that port of a machine that is tested.
    let nobody = std::net::SocketAddr::new(here, 2);
    ensure(host.reach.ask(nobody, b"?").await.is_err(), "nobody answered a question")
}

/// keepalived takes a configuration that is one, and says why where it is none.
pub async fn keepalived(host: &Host, stage: &dyn Stage) -> Verdict {
    let file = stage.folder().join("keepalived.conf");
    let links = ok("listing links", host.links.list().await)?;
    let usable = links.iter().find(|link| link.name != "lo" && link.master.is_none() && !link.addresses.is_empty());
    let link = usable.ok_or("the host has no link of its own")?.name.as_str();
    let instance = format!(
        "vrrp_instance test {{\n  interface {link}\n  state BACKUP\n  virtual_router_id 71\n  priority 10\n  \
        advert_int 1\n  virtual_ipaddress {{\n    192.0.2.1/32\n  }}\n}}\n"
    );
    stage.file(&file, &instance).await?;
    ok("reading a configuration", host.keepalived.accepts(&file).await)?;
    stage.file(&file, instance.trim_end().trim_end_matches('}')).await?;
    ensure(host.keepalived.accepts(&file).await.is_err(), "a configuration that does not end was taken")
}
