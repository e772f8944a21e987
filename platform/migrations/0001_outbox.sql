-- What a transaction leaves behind for others to do. Starts and events are read by different loops and never wait for
-- each other: Temporal down does not delay an event.
create table platform.outbox_commands (
    id            bigint generated always as identity primary key,
    kind          text not null check (kind in ('start', 'cancel')),
    workflow_id   text not null,
    workflow_type text not null default '',
    task_queue    text not null default '',
    payload       jsonb not null default '{}',
    -- Execution timeout, search attributes and summary of a start.
    options       jsonb not null default '{}',
    created_at    timestamptz not null default now(),
    next_try_at   timestamptz not null default now(),
    tries         int not null default 0,
    last_error    text,
    run_id        text,
    -- Set once: the command was handed over, or found to be no longer wanted.
    done_at       timestamptz
);
create index outbox_commands_open on platform.outbox_commands (next_try_at) where done_at is null;
create index outbox_commands_by_workflow on platform.outbox_commands (workflow_id);

-- The event log. A row gets its position after its commit, from one sequencer at a time, so that a reader who has seen
-- position p has seen everything below p: late commits of earlier ids cannot be skipped.
create table platform.events (
    id         uuid primary key,
    type       text not null,
    -- The aggregate's id: order is kept per key.
    key        text not null,
    payload    jsonb not null,
    headers    jsonb not null default '{}',
    created_at timestamptz not null default now(),
    position   bigint unique,
    seq        bigint generated always as identity
);
create index events_unplaced on platform.events (seq) where position is null;

create table platform.event_groups (
    name     text primary key,
    position bigint not null default 0
);

-- Written in the transaction of the effect: an event has its effect on a group once.
create table platform.inbox (
    group_name text not null,
    event_id   uuid not null,
    done_at    timestamptz not null default now(),
    primary key (group_name, event_id)
);

-- Events a group could not take. Later events of the same key wait behind them; other keys go on.
create table platform.parked_events (
    group_name  text not null,
    event_id    uuid not null references platform.events (id),
    key         text not null,
    position    bigint not null,
    tries       int not null default 0,
    last_error  text,
    next_try_at timestamptz not null default now(),
    -- False once the tries are used up: an administrator has to look.
    retrying    boolean not null default true,
    primary key (group_name, event_id)
);
create index parked_events_due on platform.parked_events (group_name, next_try_at) where retrying;
create index parked_events_by_key on platform.parked_events (group_name, key);

create table platform.idempotency_keys (
    scope        text not null,
    key          text not null,
    request_hash text not null,
    response     jsonb not null,
    created_at   timestamptz not null default now(),
    primary key (scope, key)
);
