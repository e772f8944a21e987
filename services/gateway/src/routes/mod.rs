//! The handlers. Each is a call or two: decode, ask the services as the caller, encode.

mod admin;
mod analytics;
mod ask;
mod assets;
mod auth;
mod certificates;
mod content;
mod conversations;
mod courses;
mod enrollments;
mod events;
mod health;
mod notifications;
mod parts;
mod progress;
mod publish;
mod search;
mod seats;

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::App;

/// Where a page of a list starts and how long it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub(crate) limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub(crate) cursor: String,
}

/// Routes with a body that need no account.
pub(crate) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
}

/// Routes whose answer comes at once.
pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(auth::me))
        .routes(routes!(auth::jwks))
        .routes(routes!(auth::set_role))
        .routes(routes!(courses::list, courses::create))
        .routes(routes!(courses::get, courses::update, courses::delete))
        .routes(routes!(courses::set_status))
        .routes(routes!(parts::add_module))
        .routes(routes!(parts::update_module, parts::delete_module))
        .routes(routes!(assets::download))
        .routes(routes!(publish::start, publish::status, publish::cancel))
        .routes(routes!(publish::preview))
        .routes(routes!(publish::versions))
        .routes(routes!(publish::restore))
        .routes(routes!(events::follow))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::get, conversations::delete))
        .routes(routes!(search::search))
        .routes(routes!(enrollments::enroll))
        .routes(routes!(enrollments::list))
        .routes(routes!(enrollments::get, enrollments::delete))
        .routes(routes!(analytics::platform))
        .routes(routes!(analytics::course))
        .routes(routes!(analytics::popular))
        .routes(routes!(analytics::instructor))
        .routes(routes!(analytics::student))
        .routes(routes!(analytics::trends))
        .routes(routes!(admin::request_report))
        .routes(routes!(admin::report))
        .routes(routes!(admin::failed_events))
        .routes(routes!(admin::replay_event))
        .routes(routes!(admin::failed_tasks))
        .routes(routes!(admin::replay_task))
        .routes(routes!(admin::workflows))
        .routes(routes!(notifications::list))
        .routes(routes!(notifications::unread_count))
        .routes(routes!(notifications::read))
        .routes(routes!(
            notifications::preferences,
            notifications::set_preferences
        ))
        .routes(routes!(
            notifications::unsubscribe_page,
            notifications::unsubscribe
        ))
        .routes(routes!(notifications::deliveries))
        .routes(routes!(notifications::replay_delivery))
        .routes(routes!(progress::complete))
        .routes(routes!(progress::attempt))
        .routes(routes!(progress::get))
        .routes(routes!(certificates::list))
        .routes(routes!(certificates::get))
}

/// Routes whose answer comes at once, and whose body may be as large as a whole course.
pub(crate) fn large() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(content::get, content::put))
        .routes(routes!(parts::add_lesson))
        .routes(routes!(parts::update_lesson, parts::delete_lesson))
}

/// Routes that take as long as the file or the answer they carry.
pub(crate) fn slow() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(assets::upload))
        .routes(routes!(ask::ask))
}

/// Routes for whoever runs the gateway.
pub(crate) fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
}

/// All of them, for the document.
pub(crate) fn all() -> OpenApiRouter<App> {
    open()
        .merge(quick())
        .merge(large())
        .merge(slow())
        .merge(operations())
}
