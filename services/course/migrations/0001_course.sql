create table course.courses (
    id                bigint generated always as identity primary key,
    instructor_id     bigint not null,
    title             text not null,
    description       text not null,
    category          text,
    level             text,
    price_amount      numeric(12, 2),
    price_currency    text,
    max_enrollments   int,
    prerequisites     bigint[] not null default '{}',
    archived          boolean not null default false,
    -- The one pointer readers follow. It is flipped in one transaction, after everything of the version is in place.
    published_version int,
    ai_ready          boolean not null default false,
    -- The last version allotted; versions rise, are never reused and may have gaps.
    last_version      int not null default 0,
    -- Rises with every edit of the course or its draft: the entity tag.
    revision          bigint not null default 1,
    -- Key of the immutable document that is the draft now.
    draft_key         text not null,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now()
);
create index courses_catalogue on course.courses (id desc) where published_version is not null and not archived;
create index courses_by_instructor on course.courses (instructor_id);

create table course.versions (
    course_id    bigint not null references course.courses (id) on delete cascade,
    version      int not null,
    attempt_id   uuid not null,
    document_key text not null,
    -- saved: written by step 2; published: was or is live; aborted: a tombstone that refuses late writes.
    state        text not null check (state in ('saved', 'published', 'aborted')),
    created_at   timestamptz not null default now(),
    published_at timestamptz,
    primary key (course_id, version)
);

create table course.publish_attempts (
    id            uuid primary key,
    course_id     bigint not null references course.courses (id) on delete cascade,
    version       int not null,
    -- The immutable revision this attempt publishes: later edits belong to the next one.
    draft_key     text not null,
    workflow_id   text not null,
    run_id        text,
    state         text not null check (state in ('accepted', 'running', 'cancelling', 'completed', 'failed', 'cancelled')),
    -- Set by abort_version: the flip has lost.
    aborted       boolean not null default false,
    step          int not null default 0,
    warnings      jsonb not null default '[]',
    error_code    text,
    error_message text,
    -- Rises with every change a reader of the status can see.
    revision      bigint not null default 1,
    accepted_at   timestamptz not null default now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    unique (course_id, version)
);
-- One open attempt per course, whoever starts it.
create unique index publish_attempts_one_open on course.publish_attempts (course_id)
    where state in ('accepted', 'running', 'cancelling');

create table course.publish_steps (
    attempt_id    uuid not null references course.publish_attempts (id) on delete cascade,
    step          int not null check (step between 1 and 7),
    state         text not null,
    tries         int not null default 1,
    done          int not null default 0,
    total         int not null default 0,
    error_code    text,
    error_message text,
    started_at    timestamptz not null default now(),
    finished_at   timestamptz,
    reported_at   timestamptz not null default now(),
    primary key (attempt_id, step)
);
