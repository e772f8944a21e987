//! The dashboard of what keeps data.

use smartcourse_telemetry::catalogue::{
    ACQUIRE_SECONDS, CACHE_READS, CONNECTIONS, CONNECTIONS_MAX, DISK_AVAILABLE, DISK_SIZE,
    SERVER_CONNECTIONS, SERVER_CONNECTIONS_MAX, SERVER_UP, STANDING_STILL, STATEMENT_SECONDS,
};

use super::{STATEMENT_TRACES, by, quantile};
use crate::{dashboard::Panel, recordings::STATEMENT_P95};

pub(super) fn stores() -> Vec<Panel> {
    vec![
        Panel::graph(
            "Slowest statements: 95 % take up to",
            "s",
            format!("topk(10, {STATEMENT_P95})"),
            "{{statement}}",
        )
        .leads(STATEMENT_TRACES),
        Panel::graph(
            "Statements",
            "ops",
            format!(
                "topk(10, {})",
                by("statement", format!("{STATEMENT_SECONDS}_count"))
            ),
            "{{statement}}",
        )
        .leads(STATEMENT_TRACES),
        Panel::graph(
            "95 % have a connection within",
            "s",
            quantile(0.95, "instance", &ACQUIRE_SECONDS),
            "{{instance}}",
        ),
        Panel::graph(
            "Connections in use, of those a pool may have",
            "percentunit",
            format!(
                "sum by (instance, pool) ({CONNECTIONS}{{state=\"used\"}}) / sum by (instance, pool) ({CONNECTIONS_MAX})"
            ),
            "{{instance}} {{pool}}",
        ),
        Panel::graph(
            "Connections at PostgreSQL, of those it takes",
            "percentunit",
            format!("max({SERVER_CONNECTIONS} / {SERVER_CONNECTIONS_MAX})"),
            "all clients",
        ),
        Panel::graph(
            "Transactions that stand still",
            "short",
            format!("max({STANDING_STILL})"),
            "transactions",
        ),
        Panel::graph(
            "Servers that answer",
            "bool_yes_no",
            format!("min by (server) ({SERVER_UP})"),
            "{{server}}",
        ),
        Panel::graph(
            "Reads a cache answers",
            "percentunit",
            format!(
                "1 - {} / {}",
                by("cache", format!("{CACHE_READS}{{outcome=\"miss\"}}")),
                by("cache", &CACHE_READS)
            ),
            "{{cache}}",
        ),
        Panel::graph(
            "Disk that is free",
            "percentunit",
            format!("min by (directory) ({DISK_AVAILABLE} / {DISK_SIZE})"),
            "{{directory}}",
        ),
    ]
}
