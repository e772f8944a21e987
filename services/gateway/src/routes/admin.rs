//! What administrators look after: reports, events nobody could take, tasks that were given up, workflows.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use smartcourse_platform::{Error, Result};
use smartcourse_proto::{
    analytics::{Report, ReportRef, RequestReportRequest},
    operations::{
        FailedEventPage, FailedEventsRequest, FailedTaskPage, FailedTasksRequest, ReplayEventRequest,
        ReplayEventsRequest, ReplayTaskRequest, ReplayedEvent, ReplayedEvents, ReplayedTask, WorkflowRunPage,
        WorkflowRunsRequest, WorkflowState,
    },
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::PageQuery;
use crate::{
    auth::SignedIn,
    codes,
    edge::{Body, IdempotencyKey, Json, PathOf, Query, word},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(request_report))
        .routes(routes!(report))
        .routes(routes!(failed_events))
        .routes(routes!(replay_event))
        .routes(routes!(replay_events))
        .routes(routes!(failed_tasks))
        .routes(routes!(replay_task))
        .routes(routes!(workflows))
}

/// In which form a report is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormQuery {
    /// `csv` for the file; its state as JSON when absent.
    #[param(inline)]
    format: Option<Form>,
}

/// What is answered of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// How it stands.
    Json,
    /// The file.
    Csv,
}

/// Which workflows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// Only in this state.
    #[param(value_type = Option<WorkflowState>)]
    state: Option<String>,
}

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TaskQuery {
    /// Only those of this kind, such as `content.remove_files`.
    kind: Option<String>,
}

/// Ask for a report; a background task makes it
#[utoipa::path(post, path = "/admin/reports", tag = "admin", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key asks for one report")),
    responses((status = 202, body = Report)))]
async fn request_report(
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
    params(("id" = String, Path, description = "The report"), FormQuery),
    responses((status = 200, description = "The report", content((Report = "application/json"), (String = "text/csv")))))]
async fn report(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
    Query(query): Query<FormQuery>,
) -> Result<Response> {
    let analytics = &app.stubs.analytics;
    if query.format == Some(Form::Csv) {
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
async fn failed_events(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(PageQuery { limit, cursor }): Query<PageQuery>,
) -> Result<Json<FailedEventPage>> {
    let request = actor.request(FailedEventsRequest { limit, cursor });
    Ok(Json(app.stubs.operations.list_failed_events(request).await?))
}

/// Try such an event again, at once and with all its tries
#[utoipa::path(post, path = "/admin/events/{id}/replay", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "The event")), responses((status = 202, body = ReplayedEvent)))]
async fn replay_event(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<(StatusCode, Json<ReplayedEvent>)> {
    let request = actor.request(ReplayEventRequest { id });
    let answer = app.stubs.operations.replay_event(request).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Try all such events again, or those of a group, of a type, or whose reason has a text in it
#[utoipa::path(post, path = "/admin/events/replay", tag = "admin", security(("bearer" = [])),
    request_body = ReplayEventsRequest, responses((status = 202, body = ReplayedEvents)))]
async fn replay_events(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    mut body: Body,
) -> Result<(StatusCode, Json<ReplayedEvents>)> {
    actor.require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators put events back"))?;
    let request: ReplayEventsRequest = body.json().await?;
    let answer = app.stubs.operations.replay_events(actor.request(request)).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Background tasks that were given up, the latest first
#[utoipa::path(get, path = "/admin/tasks/failed", tag = "admin", security(("bearer" = [])), params(TaskQuery, PageQuery),
    responses((status = 200, body = FailedTaskPage)))]
async fn failed_tasks(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<TaskQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<FailedTaskPage>> {
    let request = actor.request(FailedTasksRequest {
        kind: query.kind,
        limit: page.limit,
        cursor: page.cursor,
    });
    Ok(Json(app.stubs.operations.list_failed_tasks(request).await?))
}

/// Put such a task back, at once and with all its tries
#[utoipa::path(post, path = "/admin/tasks/{id}/replay", tag = "admin", security(("bearer" = [])),
    params(("id" = String, Path, description = "The task")), responses((status = 202, body = ReplayedTask)))]
async fn replay_task(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<(StatusCode, Json<ReplayedTask>)> {
    let request = actor.request(ReplayTaskRequest { id });
    let answer = app.stubs.operations.replay_task(request).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Workflows, newest first, as Temporal knows them
#[utoipa::path(get, path = "/admin/workflows", tag = "admin", security(("bearer" = [])), params(RunQuery, PageQuery),
    responses((status = 200, body = WorkflowRunPage)))]
async fn workflows(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<RunQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<WorkflowRunPage>> {
    let must = "must be running, completed, failed, cancelled, terminated or timed_out";
    let state = word::<WorkflowState>("state", query.state, must)?;
    let request = actor.request(WorkflowRunsRequest {
        state: state.map(Into::into),
        limit: page.limit,
        cursor: page.cursor,
    });
    Ok(Json(app.stubs.operations.list_workflow_runs(request).await?))
}
