-- When a task's id was last handed to a server that carries ids; the moment it became due decides whether that still counts. The
-- index holds what is to be handed over now or later, and nothing of a backlog that was.
alter table platform.tasks add column offered_at timestamptz;
create index tasks_to_offer on platform.tasks (coalesce(lease_until, next_try_at))
    where state in ('queued', 'running') and (offered_at is null or offered_at < coalesce(lease_until, next_try_at));
