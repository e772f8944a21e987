-- Background tasks: what a transaction wants done once, outside of it. The row is outbox and queue in one: it is written
-- in the transaction that wants the task, so nothing has to be carried from one to the other.
create table platform.tasks (
    -- Chosen by whoever wants the task: putting the same id again asks for nothing new.
    id          uuid primary key,
    kind        text not null,
    payload     jsonb not null,
    headers     jsonb not null default '{}',
    state       text not null default 'queued' check (state in ('queued', 'running', 'done', 'dead')),
    -- Runs begun since it was put, or put back.
    tries       int not null default 0,
    next_try_at timestamptz not null default now(),
    -- A running task belongs to the holder of this lease until then; after that anybody may take it.
    lease       uuid,
    lease_until timestamptz,
    last_error  text,
    created_at  timestamptz not null default now(),
    -- When it became done or dead.
    finished_at timestamptz
);
create index tasks_due on platform.tasks (kind, coalesce(lease_until, next_try_at)) where state in ('queued', 'running');
