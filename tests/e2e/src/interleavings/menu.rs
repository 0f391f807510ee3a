//! Which wishes operators have: a few runs, of whatever nodes chance picks, so that two of them often want the same one. Which upgrades make
//! sense depends on how far the cluster has come.

use serde_json::{Value, json};

use super::chance::Chance;
use super::scene::{Era, MASTERS, NEWCOMERS, UPGRADED, WORKERS};
use super::wishes::Wish;
use crate::upgrades::NEW;

/// What nodes have at the beginning.
const OLD: &str = "1.33.13";
/// Of a thousand removals of a worker, so many are followed by the wish to have it back.
const BACK: usize = 400;

/// The wishes of one interleaving.
pub fn wishes(chance: &mut Chance, era: Era) -> Vec<Wish> {
    let (count, mut wishes) = (2 + chance.below(3), Vec::new());
    while wishes.len() < count {
        let wish = wish(chance, era, wishes.len() + 1);
        let leaves = wish.flow == "scale-in" && wish.nodes.len() == 1 && wish.nodes[0].starts_with('w');
        let (run, name) = (wish.run.clone(), wish.nodes[0].clone());
        wishes.push(wish);
        if leaves && chance.happens(BACK) {
            let back = join(format!("r{}-join", wishes.len() + 1), &[name.as_str()], version(chance, era));
            wishes.push(Wish { after: Some(run), ..back });
        }
    }
    wishes
}

fn drains() -> Value {
    json!({"delete_emptydir_data": true, "force": true})
}

fn wish(chance: &mut Chance, era: Era, number: usize) -> Wish {
    let run = |flow: &str| format!("r{number}-{flow}");
    match chance.below(100) {
        0..15 => Wish::new(run("scale-in"), "scale-in", &[worker(chance)], drains()),
        15..23 => scale_in_of_two(chance, run("scale-in")),
        23..34 => {
            let mut more = drains();
            more["accept_less_tolerance"] = chance.happens(850).into();
            more["leave_one_etcd_member"] = chance.happens(250).into();
            Wish::new(run("scale-in"), "scale-in", &[MASTERS[chance.below(3)]], more)
        }
        34..44 => drain(chance, run("drain"), drains()),
        44..48 => Wish::new(run("isolate"), "isolate", &[any(chance)], json!({})),
        48..54 => Wish::new(run("recover"), "recover", &[any(chance)], json!({})),
        54..62 => scale_in_unreachable(chance, run("scale-in-unreachable")),
        62..80 => {
            let names: &[&str] = match chance.below(10) {
                0..4 => &["w11"],
                4..6 => &["w12"],
                6 => &["w11", "w12"],
                _ => &["m4"],
            };
            join(run("join"), names, version(chance, era))
        }
        _ if era == Era::MastersDone && chance.happens(250) => {
            let mut more = drains();
            more["to"] = OLD.into();
            Wish::new(run("roll-back-worker"), "roll-back-worker", &[UPGRADED], more)
        }
        _ => upgrade(chance, era, run("upgrade")),
    }
}

/// A few workers alone, so that wishes meet.
fn worker(chance: &mut Chance) -> &'static str {
    WORKERS[chance.below(5)]
}

fn any(chance: &mut Chance) -> &'static str {
    match chance.below(100) {
        0..25 => MASTERS[chance.below(3)],
        25..32 => NEWCOMERS[chance.below(3)],
        _ => worker(chance),
    }
}

fn scale_in_of_two(chance: &mut Chance, run: String) -> Wish {
    let (first, second) = (worker(chance), WORKERS[5 + chance.below(5)]);
    let mut more = drains();
    more["accept_pending_pods"] = true.into();
    if chance.happens(500) {
        more["budget"] = 2.into();
    }
    Wish::new(run, "scale-in", &[first, second], more)
}

fn scale_in_unreachable(chance: &mut Chance, run: String) -> Wish {
    let node = any(chance);
    let mut more = json!({"accept_less_tolerance": chance.happens(500)});
    if chance.happens(600) {
        more["fenced"] = format!("{node} is powered off").into();
    }
    Wish::new(run, "scale-in-unreachable", &[node], more)
}

fn drain(chance: &mut Chance, run: String, mut more: Value) -> Wish {
    if chance.happens(300) {
        let at = chance.below(3);
        more["budget"] = 2.into();
        return Wish::new(run, "drain", &[MASTERS[at], MASTERS[(at + 1) % 3]], more);
    }
    Wish::new(run, "drain", &[any(chance)], more)
}

/// What a host is joined with: mostly what makes sense at the beginning, and sometimes what does only when the masters have been upgraded.
fn version(chance: &mut Chance, era: Era) -> &'static str {
    let of_thousand = if era == Era::MastersDone { 500 } else { 200 };
    if chance.happens(of_thousand) { NEW } else { OLD }
}

fn join(run: String, names: &[&str], version: &str) -> Wish {
    let role = if names.contains(&"m4") { "control-plane" } else { "worker" };
    Wish::new(run, "join", names, json!({"role": role, "kubernetes": version}))
}

fn upgrade(chance: &mut Chance, era: Era, run: String) -> Wish {
    let (one, two) = (worker(chance), WORKERS[5 + chance.below(5)]);
    let mut more = drains();
    more["target"] = NEW.into();
    if chance.happens(300) {
        more["budget"] = 2.into();
    }
    let nodes: Vec<&str> = match (era, chance.below(100)) {
        // The whole cluster; newcomers, too, where they have joined by then.
        (_, 0..4) => {
            let all: Vec<&str> = MASTERS.into_iter().chain(WORKERS).chain(NEWCOMERS).collect();
            return of_all(Wish::new(run, "upgrade", &all, more));
        }
        (Era::Old | Era::OneMasterLeft, 4..30) => {
            more["only_masters"] = true.into();
            return of_all(Wish::new(run, "upgrade", &["m1", "m2", "m3", "m4"], more));
        }
        (Era::Old, 30..70) => vec![MASTERS[chance.below(3)]],
        (Era::Old, _) => vec!["m1", "m2", "m3", one],
        (Era::OneMasterLeft, 30..60) => vec!["m1"],
        (Era::OneMasterLeft, _) => vec!["m1", one, two],
        (Era::MastersDone, 4..50) => vec![one],
        (Era::MastersDone, 50..80) => vec![one, two],
        (Era::MastersDone, _) => vec![one, two, "w6"],
    };
    Wish::new(run, "upgrade", &nodes, more)
}

/// The wish names no nodes: the flow finds them.
fn of_all(mut wish: Wish) -> Wish {
    if let Some(params) = wish.params.as_object_mut() {
        params.remove("nodes");
    }
    wish
}
