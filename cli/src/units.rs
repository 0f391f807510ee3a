//! Figures as people read them: short, of one width, never more exact than they are.

use std::time::Duration;

/// A span such as `0.4 s`, `12 s`, `3 min`, `2 h`, `4 d`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span in milliseconds; none when negative, which means "never".
pub fn age_ms(milliseconds: i64) -> Option<String> {
    u64::try_from(milliseconds).ok().map(|ms| span(Duration::from_millis(ms)))
}

/// How much of a whole is used, such as `45%`; none of nothing.
pub fn used(total: u64, available: u64) -> Option<String> {
    (total > 0).then(|| format!("{}%", total.saturating_sub(available).saturating_mul(100) / total))
}

/// Bytes such as `3.9 GiB`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// A moment in the user's time zone, to the second; none for zero, which means "not yet".
pub fn moment(milliseconds: i64, zone: &jiff::tz::TimeZone) -> Option<String> {
    if milliseconds == 0 {
        return None;
    }
    let at = jiff::Timestamp::from_millisecond(milliseconds).ok()?;
    Some(at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A span as it is typed: `90s`, `10m`, `2h`, or plain seconds.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let factor = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        _ => return Err(format!("{text:?} is no time such as 90s, 10m or 2h")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text:?} is no time such as 90s, 10m or 2h"))?;
    number.checked_mul(factor).map(Duration::from_secs).ok_or_else(|| format!("{text:?} is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lose_detail_as_they_grow() {
        let say = |ms| span(Duration::from_millis(ms));
        assert_eq!(
            [say(140), say(12_400), say(185_000), say(9_000_000), say(400_000_000)],
            ["0.1 s", "12 s", "3 min", "2 h", "4 d"]
        );
    }

    #[test]
    fn what_was_never_seen_has_no_age() {
        assert_eq!(age_ms(-1), None);
        assert_eq!(age_ms(0).as_deref(), Some("0.0 s"));
    }

    #[test]
    fn a_share_of_nothing_is_unknown() {
        assert_eq!(used(0, 0), None);
        assert_eq!(used(200, 50).as_deref(), Some("75%"));
        assert_eq!(used(100, 300).as_deref(), Some("0%"));
    }

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(4 * 1024 * 1024 * 1024), "4.0 GiB");
    }

    #[test]
    fn times_are_typed_with_a_unit() {
        assert_eq!(parse_span("10m"), Ok(Duration::from_mins(10)));
        assert_eq!(parse_span("90"), Ok(Duration::from_secs(90)));
        for bad in ["", "m", "ten", "10x", "-1s", "99999999999999999999h", "9999999999999999h"] {
            assert!(parse_span(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn moments_are_shown_in_the_zone_of_the_user() {
        assert_eq!(moment(1_000, &jiff::tz::TimeZone::UTC).as_deref(), Some("1970-01-01 00:00:01"));
        assert_eq!(moment(0, &jiff::tz::TimeZone::UTC), None);
    }
}
