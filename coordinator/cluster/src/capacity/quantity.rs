//! Amounts as Kubernetes writes them (`250m`, `1.5Gi`, `1e3`), in thousandths, so that sums are exact. What is not exact is rounded up, as the
//! scheduler does: room is never invented.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Thousandths of the resource's unit: of a core, of a byte, of a device.
pub type Amount = u128;

/// Amounts by resource (`cpu`, `memory`, `ephemeral-storage`, `nvidia.com/gpu` ...).
pub type Amounts = BTreeMap<String, Amount>;

const UNITS: [(&str, u128); 12] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];
const FRACTIONS: [(&str, u128); 3] = [("m", 1_000), ("u", 1_000_000), ("n", 1_000_000_000)];

/// Reads one amount; `None` for what is no amount, or a negative one.
pub fn parse(text: &str) -> Option<Amount> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '+').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (whole, fraction) =
        number.trim_start_matches('+').split_once('.').unwrap_or((number.trim_start_matches('+'), ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (times, over) = scale(suffix)?;
    let over = over.checked_mul(10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    Some(digits.checked_mul(1_000)?.checked_mul(times)?.div_ceil(over))
}

fn scale(suffix: &str) -> Option<(u128, u128)> {
    if suffix.is_empty() {
        return Some((1, 1));
    }
    if let Some((_, times)) = UNITS.iter().find(|(unit, _)| *unit == suffix) {
        return Some((*times, 1));
    }
    if let Some((_, over)) = FRACTIONS.iter().find(|(unit, _)| *unit == suffix) {
        return Some((1, *over));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let ten = 10_u128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 { (1, ten) } else { (ten, 1) })
}

/// Reads a list of amounts. One that cannot be read counts as nothing; the API server lets none of those in.
pub(super) fn read(list: Option<&BTreeMap<String, Quantity>>) -> Amounts {
    let amounts = list.into_iter().flatten();
    amounts.filter_map(|(name, amount)| Some((name.clone(), parse(&amount.0)?))).collect()
}

/// Adds `more` to `sum`.
pub(super) fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let entry = sum.entry(name.clone()).or_default();
        *entry = entry.saturating_add(*amount);
    }
}

/// Raises `sum` to `least` where it is less.
pub(super) fn raise(sum: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let entry = sum.entry(name.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}

/// An amount for people: `1.5 cores`, `512 MiB`, `2`.
pub fn show(resource: &str, amount: Amount) -> String {
    let units = amount as f64 / 1_000.0;
    match resource {
        "cpu" => format!("{} cores", trim(units)),
        "memory" | "ephemeral-storage" => bytes(units),
        name if name.starts_with("hugepages-") => bytes(units),
        _ => trim(units),
    }
}

fn bytes(bytes: f64) -> String {
    const GIB: f64 = 1_073_741_824.0;
    const MIB: f64 = 1_048_576.0;
    if bytes >= GIB { format!("{} GiB", trim(bytes / GIB)) } else { format!("{} MiB", trim(bytes / MIB)) }
}

fn trim(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_every_way_that_kubernetes_writes_them() {
        for (text, expected) in [
            ("1", Some(1_000)),
            ("250m", Some(250)),
            ("0.5", Some(500)),
            (".5", Some(500)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("128974848", Some(128_974_848_000)),
            ("129e6", Some(129_000_000_000)),
            ("1E3", Some(1_000_000)),
            ("2E", Some(2_000_000_000_000_000_000_000)),
            ("100n", Some(1)),
            ("1e-3", Some(1)),
            ("+2k", Some(2_000_000)),
            ("-1", None),
            ("", None),
            ("Gi", None),
            ("1Zi", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn amounts_are_shown_in_the_units_of_their_resource() {
        assert_eq!(show("cpu", 1_500), "1.5 cores");
        assert_eq!(show("memory", parse("512Mi").unwrap()), "512 MiB");
        assert_eq!(show("memory", parse("2.5Gi").unwrap()), "2.5 GiB");
        assert_eq!(show("nvidia.com/gpu", 2_000), "2");
    }
}
