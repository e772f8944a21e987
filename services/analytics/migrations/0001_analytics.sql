-- Facts read off the event log, one row per thing that happened: every number is counted from them when it is asked for.
-- Events of different keys may come in any order, so no row waits for another.

create table analytics.users (
    user_id       bigint primary key,
    role          text        not null,
    registered_at timestamptz not null
);

-- The last thing a user did: enrolled, completed a lesson, asked.
create table analytics.activity (
    user_id bigint primary key,
    last_at timestamptz not null
);

create table analytics.courses (
    course_id     bigint primary key,
    instructor_id bigint  not null,
    title         text    not null,
    published     boolean not null
);
create index courses_instructor on analytics.courses (instructor_id);

-- Each epoch of an enrollment; what ends it may be heard of before what began it.
create table analytics.enrollments (
    enrollment_id bigint  not null,
    epoch         integer not null,
    course_id     bigint  not null,
    user_id       bigint  not null,
    instructor_id bigint,
    began_at      timestamptz,
    dropped_at    timestamptz,
    completed_at  timestamptz,
    primary key (enrollment_id, epoch)
);
create index enrollments_course on analytics.enrollments (course_id);
create index enrollments_user on analytics.enrollments (user_id);
create index enrollments_instructor on analytics.enrollments (instructor_id);
create index enrollments_began on analytics.enrollments (began_at);

create table analytics.lessons (
    enrollment_id bigint not null,
    lesson_id     text   not null,
    course_id     bigint not null,
    user_id       bigint not null,
    completed_at  timestamptz not null,
    primary key (enrollment_id, lesson_id)
);
create index lessons_course on analytics.lessons (course_id);
create index lessons_user on analytics.lessons (user_id);

create table analytics.questions (
    event_id  uuid primary key,
    course_id bigint  not null,
    user_id   bigint  not null,
    refused   boolean not null,
    asked_at  timestamptz not null
);
create index questions_course on analytics.questions (course_id);
create index questions_user on analytics.questions (user_id);

create table analytics.certificates (
    code      text primary key,
    course_id bigint not null,
    user_id   bigint not null,
    issued_at timestamptz not null
);
create index certificates_user on analytics.certificates (user_id);

create table analytics.failed_publishes (
    event_id  uuid primary key,
    course_id bigint not null,
    version   integer not null,
    code      text not null,
    failed_at timestamptz not null
);

-- One row: the time up to which everything is counted.
create table analytics.counted (
    one   boolean primary key default true check (one),
    as_of timestamptz not null
);

-- Not a fact but a work product: reports somebody asked for.
create table analytics.reports (
    id           uuid primary key,
    key          text unique,
    state        text not null default 'queued' check (state in ('queued', 'ready', 'failed')),
    csv          bytea,
    error        text,
    requested_at timestamptz not null default now(),
    finished_at  timestamptz
);
