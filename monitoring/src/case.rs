//! The case an alert is tried with: half an hour in which all is well, one in which it is not, and one in which it is again.

use std::fmt::Write as _;

/// Seconds between two values.
const STEP: u32 = 15;
/// Seconds of each half hour.
const PHASE: u32 = 1800;

/// A case of an alert.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    series: Vec<Series>,
    /// The labels the alert has.
    labels: &'static [(&'static str, &'static str)],
    /// Its summary at the end of the bad half hour.
    summary: &'static str,
}

/// What a series does.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    name: String,
    /// How much it rises by in a second, while all is well and while it is not; nothing for one that has these values.
    rises: bool,
    well: f64,
    bad: f64,
}

impl Case {
    pub(crate) fn new(
        series: impl IntoIterator<Item = Series>,
        labels: &'static [(&'static str, &'static str)],
        summary: &'static str,
    ) -> Self {
        Self {
            series: series.into_iter().collect(),
            labels,
            summary,
        }
    }

    /// A test of promtool: silent while all is well, silent for as long as the alert waits, firing, silent again.
    pub(crate) fn test(
        &self,
        alert: &str,
        waits: u32,
        severity: &str,
        annotations: &[(&str, String)],
    ) -> String {
        let mut text = format!(
            "  - interval: {STEP}s\n    external_labels: {{ grafana: \"http://grafana\" }}\n    input_series:\n"
        );
        for series in &self.series {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "      - series: {:?}\n        values: {:?}",
                series.name,
                series.values()
            );
        }
        text += "    alert_rule_test:\n";
        let mut check = |at: u32, is_firing: bool| {
            let _ = writeln!(text, "      - eval_time: {at}s\n        alertname: {alert}");
            if !is_firing {
                text += "        exp_alerts: []\n";
                return;
            }
            text += "        exp_alerts:\n          - exp_labels:\n";
            for (name, value) in [("severity", severity)].iter().chain(self.labels) {
                let _ = writeln!(text, "              {name}: {value:?}");
            }
            text += "            exp_annotations:\n";
            for (name, value) in annotations {
                let value = match *name {
                    "summary" => self.summary,
                    _ => &value.replace("{{ $externalLabels.grafana }}", "http://grafana"),
                };
                let _ = writeln!(text, "              {name}: {value:?}");
            }
        };
        check(PHASE - STEP, false);
        check(PHASE + waits - STEP, false);
        check(2 * PHASE - STEP, true);
        check(3 * PHASE - STEP, false);
        text
    }
}

impl Series {
    /// One that has these values.
    pub(crate) fn is(name: impl Into<String>, well: f64, bad: f64) -> Self {
        Self {
            name: name.into(),
            rises: false,
            well,
            bad,
        }
    }

    /// One that rises by so much in a second.
    pub(crate) fn rises(name: impl Into<String>, well: f64, bad: f64) -> Self {
        Self {
            name: name.into(),
            rises: true,
            well,
            bad,
        }
    }

    fn values(&self) -> String {
        let steps = PHASE / STEP - 1;
        let mut at = 0.0;
        let phases = [self.well, self.bad, self.well].map(|value| {
            if !self.rises {
                return format!("{value}+0x{steps}");
            }
            let step = value * f64::from(STEP);
            let phase = format!("{at}+{step}x{steps}");
            at += step * f64::from(steps + 1);
            phase
        });
        phases.join(" ")
    }
}
