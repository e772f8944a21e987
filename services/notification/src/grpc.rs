//! `smartcourse.notification.NotificationService`: decode, operate, encode.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Reply, from_service, reply};
use smartcourse_proto::{
    common::{EpochRef, Swept},
    notification::{notification_service_server::NotificationService, *},
};
use tonic::Request;

use crate::{State, ops};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

#[tonic::async_trait]
impl NotificationService for Api {
    async fn list(&self, request: Request<ListNotificationsRequest>) -> Reply<NotificationPage> {
        reply(ops::notifications::list(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn count_unread(&self, request: Request<()>) -> Reply<UnreadCount> {
        reply(ops::notifications::count_unread(&self.0, Actor::of(&request)).await)
    }
    async fn mark_read(&self, request: Request<NotificationRef>) -> Reply<Notification> {
        reply(ops::notifications::mark_read(&self.0, Actor::of(&request), request.into_inner().id).await)
    }
    async fn get_preferences(&self, request: Request<()>) -> Reply<Preferences> {
        reply(ops::preferences::get(&self.0, Actor::of(&request)).await)
    }
    async fn set_preferences(&self, request: Request<Preferences>) -> Reply<Preferences> {
        reply(ops::preferences::set(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn unsubscribe(&self, request: Request<UnsubscribeRequest>) -> Reply<()> {
        reply(ops::preferences::unsubscribe(&self.0, &request.into_inner().token).await)
    }
    async fn list_deliveries(&self, request: Request<ListDeliveriesRequest>) -> Reply<DeliveryPage> {
        reply(ops::deliveries::list(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn replay_delivery(&self, request: Request<DeliveryRef>) -> Reply<Delivery> {
        reply(ops::deliveries::replay(&self.0, Actor::of(&request), &request.into_inner().id).await)
    }

    async fn queue_welcome_mail(&self, request: Request<EpochRef>) -> Reply<()> {
        reply(ops::welcome::queue(&self.0, from_service(request)?).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::sweep::sweep(&self.0).await)
    }
}
