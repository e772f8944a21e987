//! The rules as Prometheus reads them, and their tests as promtool does.

use std::fmt::Write as _;

use crate::{alerts::alerts, pace::Pace, recordings::recordings};

/// The head of every file that is made here.
pub(crate) const MADE: &str =
    "# Made from monitoring/src: SMARTCOURSE_RECORD=1 cargo test -p smartcourse-cli --test it monitoring\n";

/// Recording rules and alerts, for `rule_files` of Prometheus.
#[must_use]
pub fn rules(pace: Pace) -> String {
    let mut text = format!("{MADE}groups:\n  - name: recordings\n    rules:\n");
    // Writing to a string does not fail.
    for rule in recordings(pace) {
        let _ = writeln!(
            text,
            "      - record: {}\n        expr: >-\n          {}",
            rule.record, rule.expr
        );
        mapping(
            &mut text,
            "labels",
            rule.labels
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
    }
    text += "  - name: alerts\n    rules:\n";
    for alert in alerts(pace) {
        let _ = writeln!(
            text,
            "      - alert: {}\n        expr: >-\n          {}",
            alert.name, alert.expr
        );
        let _ = writeln!(text, "        for: {}", pace.seconds(alert.waits));
        mapping(
            &mut text,
            "labels",
            [("severity", alert.severity.as_str().to_owned())],
        );
        mapping(&mut text, "annotations", alert.annotations());
    }
    text
}

fn mapping<'a>(text: &mut String, name: &str, pairs: impl IntoIterator<Item = (&'a str, String)>) {
    for (at, (key, value)) in pairs.into_iter().enumerate() {
        if at == 0 {
            let _ = writeln!(text, "        {name}:");
        }
        let _ = writeln!(text, "          {key}: {value:?}");
    }
}

/// The case of each alert, for `promtool test rules`, beside rules of this name.
#[must_use]
pub fn cases(rules: &str) -> String {
    let mut text = format!("rule_files: [{rules:?}]\nevaluation_interval: 15s\ntests:\n");
    for alert in alerts(Pace::REAL) {
        text += &alert.case.test(
            alert.name,
            alert.waits,
            alert.severity.as_str(),
            &alert.annotations(),
        );
    }
    text
}
