//! Dashboards of what answers people: processes, the API, the assistant.

use smartcourse_telemetry::catalogue::{
    ANSWER_SECONDS, ANSWER_STATEMENTS, BUILD_INFO, GRPC_SECONDS, HTTP_IN_FLIGHT, HTTP_REQUESTS, HTTP_SECONDS,
    MODEL_COST, MODEL_FIRST_TOKEN_SECONDS, MODEL_SECONDS, MODEL_TOKENS, PARSING, PARSING_SECONDS, PROBLEMS,
    TRACE_EXPORTS,
};

use super::{ROUTE_TRACES, by, quantile, rate};
use crate::{
    dashboard::Panel,
    foreign::{CPU, DESCRIPTORS, DESCRIPTORS_MAX, MEMORY, STARTED, UP},
};

pub(super) fn services() -> Vec<Panel> {
    vec![
        Panel::list("Answers Prometheus", "bool_yes_no", UP.to_owned(), "{{instance}}"),
        Panel::graph(
            "Processors in use",
            "short",
            format!("sum by (instance) ({})", rate(CPU)),
            "{{instance}}",
        ),
        Panel::graph("Memory", "bytes", MEMORY.to_owned(), "{{instance}}"),
        Panel::graph(
            "Open descriptors, of those there may be",
            "percentunit",
            format!("{DESCRIPTORS} / {DESCRIPTORS_MAX}"),
            "{{instance}}",
        ),
        Panel::graph("Runs for", "s", format!("time() - {STARTED}"), "{{instance}}"),
        Panel::graph(
            "Calls between services: 95 % take up to",
            "s",
            quantile(0.95, "service", &GRPC_SECONDS),
            "{{service}}",
        ),
        Panel::graph(
            "Calls between services that fail",
            "reqps",
            by(
                "service, method, code",
                format!("{GRPC_SECONDS}_count{{code!=\"Ok\"}}"),
            ),
            "{{service}}/{{method}} {{code}}",
        ),
        Panel::graph(
            "Batches of spans",
            "ops",
            by("outcome", &TRACE_EXPORTS),
            "{{outcome}}",
        ),
        Panel::graph(
            "What runs",
            "short",
            format!("count by (version, commit) ({BUILD_INFO})"),
            "{{version}} {{commit}}",
        ),
    ]
}

pub(super) fn api() -> Vec<Panel> {
    let failed = format!("{HTTP_REQUESTS}{{status=~\"5..\"}}");
    vec![
        Panel::graph(
            "Requests, by route",
            "reqps",
            by("method, route", &HTTP_REQUESTS),
            "{{method}} {{route}}",
        )
        .leads(ROUTE_TRACES),
        Panel::graph(
            "Requests that fail, by route",
            "reqps",
            by("method, route, status", failed),
            "{{method}} {{route}} {{status}}",
        )
        .leads(ROUTE_TRACES),
        Panel::graph(
            "Time until the answer",
            "s",
            quantile(0.5, "", &HTTP_SECONDS),
            "50 %",
        )
        .and(quantile(0.95, "", &HTTP_SECONDS), "95 %")
        .and(quantile(0.99, "", &HTTP_SECONDS), "99 %"),
        Panel::graph(
            "95 % are answered within, by route",
            "s",
            quantile(0.95, "method, route", &HTTP_SECONDS),
            "{{method}} {{route}}",
        )
        .leads(ROUTE_TRACES),
        Panel::graph(
            "Requests under way",
            "short",
            format!("sum({HTTP_IN_FLIGHT})"),
            "requests",
        ),
        Panel::graph("Problems, by code", "reqps", by("code", &PROBLEMS), "{{code}}"),
    ]
}

pub(super) fn assistant() -> Vec<Panel> {
    vec![
        Panel::graph(
            "Questions",
            "ops",
            by("outcome", format!("{ANSWER_SECONDS}_count")),
            "{{outcome}}",
        ),
        Panel::graph(
            "Time until the answer",
            "s",
            quantile(0.5, "", &ANSWER_SECONDS),
            "50 %",
        )
        .and(quantile(0.95, "", &ANSWER_SECONDS), "95 %"),
        Panel::graph(
            "Calls to models",
            "ops",
            by("model, operation, outcome", format!("{MODEL_SECONDS}_count")),
            "{{model}} {{operation}} {{outcome}}",
        ),
        Panel::graph(
            "95 % of the calls to a model take up to",
            "s",
            quantile(0.95, "model, operation", &MODEL_SECONDS),
            "{{model}} {{operation}}",
        ),
        Panel::graph(
            "Tokens of models that write",
            "short",
            by("model, kind", &MODEL_TOKENS),
            "{{model}} {{kind}}",
        ),
        Panel::graph(
            "Cost of models that write, in the currency of their prices, in an hour",
            "short",
            format!("sum(increase({MODEL_COST}[1h])) / 1e6"),
            "cost",
        ),
        Panel::graph(
            "95 % of the models begin to write within",
            "s",
            quantile(0.95, "model", &MODEL_FIRST_TOKEN_SECONDS),
            "{{model}}",
        ),
        Panel::graph(
            "Statements that models wrote",
            "ops",
            by("outcome", &ANSWER_STATEMENTS),
            "{{outcome}}",
        ),
        Panel::graph(
            "Files and texts being parsed",
            "short",
            format!("sum({PARSING})"),
            "files",
        ),
        Panel::graph(
            "95 % are parsed within",
            "s",
            quantile(0.95, "outcome", &PARSING_SECONDS),
            "{{outcome}}",
        ),
    ]
}
