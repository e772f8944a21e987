//! How fast time runs for rules.

/// Every span of time in the rules is divided by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(pub u32);

impl Pace {
    /// That of a deployment.
    pub const REAL: Self = Self(1);

    /// So many seconds of a deployment, as Prometheus writes them.
    #[must_use]
    pub fn seconds(self, seconds: u32) -> String {
        let millis = seconds * 1000 / self.0;
        match (millis % 60_000, millis % 1000) {
            (0, _) => format!("{}m", millis / 60_000),
            (_, 0) => format!("{}s", millis / 1000),
            _ => format!("{millis}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn spans_are_written_as_prometheus_reads_them() {
        assert_eq!(Pace::REAL.seconds(300), "5m");
        assert_eq!(Pace::REAL.seconds(15), "15s");
        assert_eq!(Pace(30).seconds(300), "10s");
        assert_eq!(Pace(30).seconds(15), "500ms");
    }
}
