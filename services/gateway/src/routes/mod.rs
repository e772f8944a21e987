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
mod downloads;
mod enrollments;
mod events;
mod generate;
mod health;
mod notifications;
mod page;
mod parts;
mod progress;
mod publish;
mod search;
mod seats;
mod sse;
mod uploads;

use utoipa_axum::router::OpenApiRouter;

use crate::state::App;

/// Routes with a body that need no account.
pub(crate) fn open() -> OpenApiRouter<App> {
    auth::open()
}

/// Routes whose answer comes at once.
pub(crate) fn quick() -> OpenApiRouter<App> {
    auth::quick()
        .merge(courses::quick())
        .merge(content::quick())
        .merge(parts::quick())
        .merge(downloads::quick())
        .merge(uploads::quick())
        .merge(publish::quick())
        .merge(events::quick())
        .merge(ask::quick())
        .merge(generate::quick())
        .merge(conversations::quick())
        .merge(search::quick())
        .merge(enrollments::quick())
        .merge(analytics::quick())
        .merge(admin::quick())
        .merge(notifications::quick())
        .merge(progress::quick())
        .merge(certificates::quick())
}

/// Routes whose answer comes at once, and whose body may be as large as a whole course.
pub(crate) fn large() -> OpenApiRouter<App> {
    content::large().merge(parts::large())
}

/// Routes that take as long as the file or the answer they carry.
pub(crate) fn slow() -> OpenApiRouter<App> {
    assets::slow().merge(uploads::slow()).merge(ask::slow())
}

/// Routes for whoever runs the gateway.
pub(crate) fn operations() -> OpenApiRouter<App> {
    health::operations()
}

/// All of them, for the document.
pub(crate) fn all() -> OpenApiRouter<App> {
    open()
        .merge(quick())
        .merge(large())
        .merge(slow())
        .merge(operations())
}
