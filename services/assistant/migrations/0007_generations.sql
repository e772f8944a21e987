-- Drafts that are made of a published version for the owner of its course. Each is one run of a workflow, and a record whatever becomes of it.
create table assistant.generations (
    id            text primary key,
    course_id     bigint not null,
    version       integer not null,
    kind          text not null,
    -- Those that were asked for; none: all.
    lesson_ids    text[] not null,
    workflow_id   text not null unique,
    run_id        text,
    state         text not null default 'accepted'
                  check (state in ('accepted', 'running', 'completed', 'failed', 'cancelling', 'cancelled')),
    step          integer not null default 0,
    error_code    text,
    error_message text,
    draft         jsonb,
    -- The lesson it became.
    lesson_id     text,
    revision      bigint not null default 1,
    accepted_at   timestamptz not null default now(),
    started_at    timestamptz,
    finished_at   timestamptz
);
create index generations_by_course on assistant.generations (course_id, accepted_at);
create index generations_open on assistant.generations (accepted_at) where state in ('accepted', 'running', 'cancelling');

create table assistant.generation_steps (
    generation_id text not null references assistant.generations on delete cascade,
    step          integer not null,
    state         text not null,
    tries         integer not null,
    done          integer not null default 0,
    total         integer not null default 0,
    error_code    text,
    error_message text,
    started_at    timestamptz not null default now(),
    finished_at   timestamptz,
    primary key (generation_id, step)
);

-- What each lesson gave, until the draft is made.
create table assistant.generation_parts (
    generation_id text not null references assistant.generations on delete cascade,
    lesson_id     text not null,
    position      integer not null,
    part          jsonb not null,
    primary key (generation_id, lesson_id)
);
