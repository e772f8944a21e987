//! Markdown tables, and the numbers in them.

use std::time::Duration;

/// A table under construction.
pub struct Table(String);

impl Table {
    /// A table with these columns; all but the first are numbers.
    pub fn new(columns: &[&str]) -> Self {
        let mut text = String::new();
        row(&mut text, columns.iter().map(|column| (*column).to_owned()));
        row(
            &mut text,
            (0..columns.len()).map(|index| {
                if index == 0 {
                    "---".to_owned()
                } else {
                    "---:".to_owned()
                }
            }),
        );
        Self(text)
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        row(&mut self.0, cells);
    }

    /// The table as text.
    pub fn finish(self) -> String {
        self.0
    }
}

fn row(text: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    text.push_str(&format!("| {} |\n", cells.join(" | ")));
}

/// A measured ratio, its target, and whether it is met.
pub fn verdict(name: &str, ratio: f64, target: f64, at_most: bool) -> String {
    let met = if at_most { ratio <= target } else { ratio >= target };
    let (sign, word) = (
        if at_most { "≤" } else { "≥" },
        if met { "met" } else { "**not met**" },
    );
    format!("{name}: **{ratio:.2}** (target {sign} {target}, {word})\n")
}

/// Seconds with two digits.
pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Milliseconds with one digit.
pub fn millis(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

/// The value below which this share of the sorted durations lies.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    // Counts here are far below what a float cannot hold.
    let index = ((sorted.len() as f64 * share).ceil() as usize)
        .saturating_sub(1)
        .min(last);
    sorted.get(index).copied().unwrap_or_default()
}

/// The middle of some durations.
pub fn median(durations: &[Duration]) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    quantile(&sorted, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values() {
        let durations: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&durations, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&durations, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&durations, 1.0), Duration::from_millis(100));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
        assert_eq!(
            median(&[
                Duration::from_secs(3),
                Duration::from_secs(1),
                Duration::from_secs(2)
            ]),
            Duration::from_secs(2)
        );
    }

    #[test]
    fn a_table_has_a_head_and_rows() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["1".to_owned(), "2".to_owned()]);
        assert_eq!(table.finish(), "| a | b |\n| --- | ---: |\n| 1 | 2 |\n");
        assert!(
            verdict("x", 1.2, 1.3, true).contains("met") && verdict("x", 0.5, 0.6, false).contains("not met")
        );
    }
}
