//! Figures as people read them, one line each, and as programs do.

use crate::figure::{Figure, Peer, Target, Unit};
use crate::statistics::Spread;

const HEAD: [&str; 8] = ["", "what", "ours", "peer", "ratio", "floor", "target", ""];

/// The figures as aligned columns, under a line that names them.
pub(crate) fn lines(figures: &[Figure]) -> Vec<String> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(figures.iter().map(row));
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 8] = std::array::from_fn(widest);
    rows.iter().map(|row| aligned(row, widths)).collect()
}

/// The same for programs, with the machine that it was measured on.
pub(crate) fn json(figures: &[Figure]) -> serde_json::Result<String> {
    let all = serde_json::json!({ "machine": crate::proc::machine(), "figures": figures });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

fn aligned(row: &[String; 8], widths: [usize; 8]) -> String {
    let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn row(figure: &Figure) -> [String; 8] {
    let unit = figure.unit;
    [
        figure.id.to_owned(),
        figure.what.clone(),
        spread(figure.ours, unit),
        figure.peer.as_ref().map_or_else(|| "none".to_owned(), |peer| of_peer(peer, unit)),
        figure.ratio.map_or_else(String::new, ratio),
        figure.floor.map_or_else(String::new, |floor| format!("{} {}", number(floor), unit.as_str())),
        target(figure.target, unit),
        format!("{}load {:.1}", verdict(figure.reached), figure.load),
    ]
}

fn of_peer(peer: &Peer, unit: Unit) -> String {
    format!("{} ({})", spread(peer.figure, unit), peer.name)
}

fn spread(spread: Spread, unit: Unit) -> String {
    if spread.min.to_bits() == spread.max.to_bits() {
        return format!("{} {}", number(spread.median), unit.as_str());
    }
    format!("{} {} [{}..{}]", number(spread.median), unit.as_str(), number(spread.min), number(spread.max))
}

fn ratio(spread: Spread) -> String {
    if spread.min.to_bits() == spread.max.to_bits() {
        return format!("{}x", number(spread.median));
    }
    format!("{}x [{}..{}]", number(spread.median), number(spread.min), number(spread.max))
}

fn target(target: Target, unit: Unit) -> String {
    match target {
        Target::AtMost(most) => format!("<= {} {}", number(most), unit.as_str()),
        Target::TimesLess(least) => format!(">= {}x", number(least)),
        Target::None => String::new(),
    }
}

const fn verdict(reached: Option<bool>) -> &'static str {
    match reached {
        Some(true) => "reached  ",
        Some(false) => "MISSED   ",
        None => "",
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        let ours = Spread { median: 0.5, min: 0.4, max: 0.6 };
        let figure = Figure::new("B1", "10 steps on 100 hosts", Unit::Seconds, ours);
        let figure = figure.against("ansible", &[0.5, 0.4], &[10.0, 10.0]).floor(0.03).target(Target::TimesLess(40.0));
        Figure { load: 5.0, ..figure }
    }

    #[test]
    fn a_figure_is_one_line_with_its_peer_ratio_floor_and_verdict() {
        let lines = lines(&[figure()]);
        assert_eq!(lines.len(), 2);
        for want in [
            "0.500 s [0.400..0.600]",
            "10.0 s (ansible)",
            "22.5x [20.0..25.0]",
            "0.0300 s",
            ">= 40.0x",
            "MISSED",
            "load 5.0",
        ] {
            assert!(lines[1].contains(want), "{want} is missing in {}", lines[1]);
        }
        assert_eq!(lines[0].find("ours"), lines[1].find("0.500 s"), "the columns stand below their names");
    }

    #[test]
    fn programs_read_the_same() {
        let text = json(&[figure()]).unwrap();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let first = &read["figures"][0];
        assert_eq!((first["id"].as_str(), first["unit"].as_str()), (Some("B1"), Some("s")));
        assert_eq!(first["ratio"]["median"].as_f64(), Some(22.5));
        assert_eq!(first["reached"].as_bool(), Some(false));
        assert_eq!(first["target"]["times-less"].as_f64(), Some(40.0));
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let table =
            [(1234.5, "1234"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123"), (0.01234, "0.0123"), (0.0, "0")];
        for (value, want) in table {
            assert_eq!(number(value), want);
        }
    }
}
