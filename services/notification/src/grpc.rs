//! The RPCs of [`NotificationService`].

use std::sync::Arc;

use smartcourse_platform::{
    Error,
    error::codes,
    grpc::{Actor, Transport, from_workflow},
    ports::push::Pusher,
};
use smartcourse_proto::{
    common::EpochRef,
    enrollment::AccessRequest,
    notification::{
        Delivery, DeliveryPage, DeliveryRef, ListDeliveriesRequest, ListNotificationsRequest, Notification,
        NotificationPage, NotificationRef, Preferences, UnreadCount, UnsubscribeRequest,
        notification_service_server::NotificationService,
    },
    stubs::EnrollmentStub,
};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{
    deliveries,
    message::{self, Channels},
    notifications, preferences,
};

/// The service.
pub struct Api {
    pool: PgPool,
    channels: Channels,
    pusher: Option<Arc<dyn Pusher>>,
    enrollment: EnrollmentStub<Transport>,
}

impl Api {
    pub(crate) fn new(
        pool: PgPool,
        channels: Channels,
        pusher: Option<Arc<dyn Pusher>>,
        enrollment: EnrollmentStub<Transport>,
    ) -> Self {
        Self {
            pool,
            channels,
            pusher,
            enrollment,
        }
    }
}

/// Deliveries name the addresses and errors of everybody.
fn require_admin<T>(request: &Request<T>) -> Result<(), Error> {
    Actor::of(request).require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators see deliveries"))
}

#[tonic::async_trait]
impl NotificationService for Api {
    async fn list(
        &self,
        request: Request<ListNotificationsRequest>,
    ) -> Result<Response<NotificationPage>, Status> {
        let user = Actor::of(&request).user()?;
        Ok(Response::new(
            notifications::list(&self.pool, user, request.get_ref()).await?,
        ))
    }

    async fn count_unread(&self, request: Request<()>) -> Result<Response<UnreadCount>, Status> {
        let user = Actor::of(&request).user()?;
        let unread = notifications::count_unread(&self.pool, user).await?;
        Ok(Response::new(UnreadCount { unread }))
    }

    async fn mark_read(&self, request: Request<NotificationRef>) -> Result<Response<Notification>, Status> {
        let user = Actor::of(&request).user()?;
        Ok(Response::new(
            notifications::mark_read(&self.pool, user, request.get_ref().id).await?,
        ))
    }

    async fn get_preferences(&self, request: Request<()>) -> Result<Response<Preferences>, Status> {
        let user = Actor::of(&request).user()?;
        Ok(Response::new(
            preferences::get(&self.pool, self.pusher.as_deref(), user.0).await?,
        ))
    }

    async fn set_preferences(&self, request: Request<Preferences>) -> Result<Response<Preferences>, Status> {
        let user = Actor::of(&request).user()?;
        Ok(Response::new(
            preferences::set(&self.pool, self.pusher.as_deref(), user.0, request.into_inner()).await?,
        ))
    }

    async fn unsubscribe(&self, request: Request<UnsubscribeRequest>) -> Result<Response<()>, Status> {
        preferences::unsubscribe(&self.pool, &request.get_ref().token).await?;
        Ok(Response::new(()))
    }

    async fn list_deliveries(
        &self,
        request: Request<ListDeliveriesRequest>,
    ) -> Result<Response<DeliveryPage>, Status> {
        require_admin(&request)?;
        Ok(Response::new(
            deliveries::list(&self.pool, request.get_ref()).await?,
        ))
    }

    async fn replay_delivery(&self, request: Request<DeliveryRef>) -> Result<Response<Delivery>, Status> {
        require_admin(&request)?;
        Ok(Response::new(
            deliveries::replay(&self.pool, &request.get_ref().id).await?,
        ))
    }

    async fn queue_welcome_mail(&self, request: Request<EpochRef>) -> Result<Response<()>, Status> {
        let welcome = from_workflow(request)?;
        let who = AccessRequest {
            course_id: welcome.course_id,
            user_id: welcome.user_id,
        };
        let access = self.enrollment.get_access(Actor::Service.request(who)).await?;
        // Whoever has left since, or came back as another epoch, is not welcomed for this one.
        if access.enrolled && access.epoch == welcome.epoch {
            message::queue_welcome(&self.pool, self.channels, &welcome).await?;
        }
        Ok(Response::new(()))
    }
}
