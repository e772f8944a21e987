//! What administrators look after: reports, events nobody could take, tasks that were given up, workflows.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use smartcourse_platform::{Result, error::Problems};
use smartcourse_proto::{
    Wire as _,
    analytics::{Report, ReportRef, RequestReportRequest},
    operations::{
        FailedEventPage, FailedEventsRequest, FailedTaskPage, FailedTasksRequest, ReplayEventRequest,
        ReplayTaskRequest, ReplayedEvent, ReplayedTask, WorkflowRunPage, WorkflowRunsRequest, WorkflowState,
    },
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::PageQuery;
use crate::{
    auth::SignedIn,
    edge::{IdempotencyKey, Json, PathOf, Query},
    state::App,
};

/// Routes whose answer comes at once.
pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(request_report))
        .routes(routes!(report))
        .routes(routes!(failed_events))
        .routes(routes!(replay_event))
        .routes(routes!(failed_tasks))
        .routes(routes!(replay_task))
        .routes(routes!(workflows))
}

/// In which form a report is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Form {
    /// `csv` for the file; its state as JSON when absent.
    format: Option<String>,
}

/// Which workflows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// `running`, `completed`, `failed`, `cancelled`, `terminated` or `timed_out`; any when absent.
    state: Option<String>,
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: String,
}

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskQuery {
    /// Only those of this kind, such as `content.remove_files`.
    kind: Option<String>,
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: String,
}

/// Ask for a report; a background task makes it
#[utoipa::path(post, path = "/admin/reports", tag = "admin", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key asks for one report")),
    responses((status = 202, body = Report)))]
pub(crate) async fn request_report(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response> {
    let request = actor.request(RequestReportRequest { idempotency_key: key });
    let report = app.stubs.analytics.request_report(request).await?;
    let location = format!("/admin/reports/{}", report.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(report)).into_response())
}

/// How a report stands; the CSV itself with `?format=csv`
#[utoipa::path(get, path = "/admin/reports/{id}", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "The report"), Form), responses((status = 200, body = Report)))]
pub(crate) async fn report(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
    Query(form): Query<Form>,
) -> Result<Response> {
    let mut problems = Problems::default();
    problems.require(
        matches!(form.format.as_deref(), None | Some("csv" | "json")),
        "format",
        "must be csv or json",
    );
    problems.finish()?;
    let analytics = &app.stubs.analytics;
    if form.format.as_deref() == Some("csv") {
        let name = format!("attachment; filename=\"report-{id}.csv\"");
        let file = analytics.get_report_file(actor.request(ReportRef { id })).await?;
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, name),
        ];
        return Ok((headers, file.csv).into_response());
    }
    let report = analytics.get_report(actor.request(ReportRef { id })).await?;
    Ok(Json(report).into_response())
}

/// Events some consumer could not take
#[utoipa::path(get, path = "/admin/events/failed", tag = "admin", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = FailedEventPage)))]
pub(crate) async fn failed_events(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(page): Query<PageQuery>,
) -> Result<Json<FailedEventPage>> {
    let request = actor.request(FailedEventsRequest {
        limit: page.limit,
        cursor: page.cursor,
    });
    let answer = app.stubs.operations.list_failed_events(request).await?;
    Ok(Json(answer))
}

/// Try such an event again, at once and with all its tries
#[utoipa::path(post, path = "/admin/events/{id}/replay", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "The event")), responses((status = 202, body = ReplayedEvent)))]
pub(crate) async fn replay_event(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<(StatusCode, Json<ReplayedEvent>)> {
    let request = actor.request(ReplayEventRequest { id });
    let answer = app.stubs.operations.replay_event(request).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Background tasks that were given up, the latest first
#[utoipa::path(get, path = "/admin/tasks/failed", tag = "admin", security(("bearer" = [])), params(TaskQuery),
    responses((status = 200, body = FailedTaskPage)))]
pub(crate) async fn failed_tasks(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<TaskQuery>,
) -> Result<Json<FailedTaskPage>> {
    let request = actor.request(FailedTasksRequest {
        kind: query.kind,
        limit: query.limit,
        cursor: query.cursor,
    });
    let answer = app.stubs.operations.list_failed_tasks(request).await?;
    Ok(Json(answer))
}

/// Put such a task back, at once and with all its tries
#[utoipa::path(post, path = "/admin/tasks/{id}/replay", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "The task")), responses((status = 202, body = ReplayedTask)))]
pub(crate) async fn replay_task(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<(StatusCode, Json<ReplayedTask>)> {
    let request = actor.request(ReplayTaskRequest { id });
    let answer = app.stubs.operations.replay_task(request).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Workflows, newest first, as Temporal knows them
#[utoipa::path(get, path = "/admin/workflows", tag = "admin", security(("bearer" = [])), params(RunQuery),
    responses((status = 200, body = WorkflowRunPage)))]
pub(crate) async fn workflows(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<RunQuery>,
) -> Result<Json<WorkflowRunPage>> {
    let state = query
        .state
        .as_deref()
        .map(|text| WorkflowState::from_text(text).filter(|state| *state != WorkflowState::Unspecified));
    let mut problems = Problems::default();
    problems.require(
        state != Some(None),
        "state",
        "must be running, completed, failed, cancelled, terminated or timed_out",
    );
    problems.finish()?;
    let request = actor.request(WorkflowRunsRequest {
        state: state.flatten().map(Into::into),
        limit: query.limit,
        cursor: query.cursor,
    });
    let answer = app.stubs.operations.list_workflow_runs(request).await?;
    Ok(Json(answer))
}
