-- What the clean-up looks for: entries of feeds that are old, deliveries that were over long ago.
create index notifications_by_age on notification.notifications (created_at);
create index deliveries_over on notification.deliveries (finished_at) where finished_at is not null;
