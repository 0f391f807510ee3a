//! The command line: which benchmarks there are, at what size, and the parts that this program starts itself as.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Parser, Subcommand};

/// The benchmarks that are here, with what they compare.
pub(crate) const BENCHMARKS: [(&str, &str); 5] = [
    (crate::b1::ID, "leading many hosts through steps, against ansible-core"),
    (crate::b3::ID, "an agent that looks at its host, against prometheus-node-exporter"),
    (crate::b4::ID, "a coordinator that hears many agents, against prometheus"),
    (crate::b6::ID, "a coordinator whose leader fails, against the elections of etcd and Kubernetes"),
    (crate::b8::ID, "a drain on a real cluster, against kubectl drain"),
];

#[derive(Parser)]
#[command(name = "slipway-bench", about = "How fast, against whom", disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Measures.
    Run(Measure),
    /// A part of a benchmark, in a process of its own.
    #[command(hide = true)]
    Part {
        #[command(subcommand)]
        part: Part,
    },
}

#[derive(clap::Args)]
pub(crate) struct Measure {
    /// B1 and so on; none: all that are here.
    pub(crate) ids: Vec<String>,
    /// Writes the same there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// An earlier outcome: fails where a ratio is worse than there by more than a tenth.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// Measured rounds of ours and the peer's, after a warm-up of each.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) pairs: u16,
    /// Hosts of B1.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1800))]
    pub(crate) hosts: u16,
    /// B1 once more at that size, ours alone.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1800))]
    pub(crate) more_hosts: Option<u16>,
    /// Agents of B4.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(1..=15_000))]
    pub(crate) agents: u16,
    /// How long B3 and B4 look, and B6 at an unsteady network, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// A folder on the disk that counts: stores lie there. Otherwise the one for temporary files.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) scratch: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Part {
    /// Runs a program and counts what it costs.
    Cost {
        #[arg(long)]
        folder: PathBuf,
        #[arg(last = true, required = true)]
        program: Vec<String>,
    },
    /// Agents of B4.
    Agents {
        #[arg(long)]
        first: usize,
        #[arg(long)]
        count: usize,
        #[arg(long)]
        ip: String,
        #[arg(long)]
        folder: PathBuf,
    },
    /// The coordinator of B4.
    Fleet {
        #[arg(long)]
        interval_ms: u32,
        #[arg(long)]
        folder: PathBuf,
    },
    /// What the peer of B4 asks.
    Targets {
        #[arg(long)]
        count: usize,
    },
    /// The floor of B4.
    Sessions {
        #[arg(long)]
        count: usize,
        #[arg(long)]
        folder: PathBuf,
    },
    /// A coordinator of B6.
    Candidate {
        #[arg(long)]
        number: usize,
        #[arg(long, value_delimiter = ',')]
        store: Vec<String>,
        #[arg(long)]
        folder: PathBuf,
    },
    /// What the unit of such a coordinator does after its end.
    Gone {
        #[arg(long)]
        number: usize,
        #[arg(long, value_delimiter = ',')]
        store: Vec<String>,
    },
    /// Leads hosts through the steps of B1.
    Flow {
        #[arg(long)]
        hosts: usize,
        #[arg(long)]
        spawns: bool,
        #[arg(long)]
        folder: PathBuf,
    },
}

/// The benchmarks that were asked for, in their own order; refused where one is not here.
pub(crate) fn chosen(asked: &[String]) -> anyhow::Result<Vec<&'static str>> {
    let all = BENCHMARKS.map(|(id, _)| id);
    let unknown: Vec<&str> =
        asked.iter().map(String::as_str).filter(|id| !all.contains(&id.to_uppercase().as_str())).collect();
    if !unknown.is_empty() {
        let here: Vec<String> = BENCHMARKS.iter().map(|(id, what)| format!("  {id}  {what}")).collect();
        bail!("{} is not here; these are:\n{}", unknown.join(", "), here.join("\n"));
    }
    Ok(all.into_iter().filter(|id| asked.is_empty() || asked.iter().any(|asked| asked.to_uppercase() == *id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benchmark_that_is_not_here_is_an_error_that_says_which_are() {
        let asked = |ids: &[&str]| chosen(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        let error = asked(&["B1", "B99"]).unwrap_err().to_string();
        assert!(error.starts_with("B99 is not here") && error.contains("B1  leading"), "{error}");
        assert_eq!(asked(&["b1"]).unwrap(), ["B1"]);
        assert_eq!(asked(&[]).unwrap().len(), BENCHMARKS.len());
    }

    #[test]
    fn the_command_line_holds_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
