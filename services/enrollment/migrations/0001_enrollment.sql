-- Seats of courses and who holds one.

create table enrollment.course_seats (
    course_id        bigint  primary key,
    -- Null: no limit.
    max              integer check (max >= 0),
    taken            integer not null default 0 check (taken >= 0),
    -- The version that made this row, until somebody else relies on it; null then.
    prepared_version integer
);

create table enrollment.enrollments (
    id          bigint generated always as identity primary key,
    course_id   bigint      not null,
    user_id     bigint      not null,
    status      text        not null check (status in ('active', 'completed', 'dropped')),
    enrolled_at timestamptz not null default now(),
    unique (course_id, user_id)
);

create index enrollments_user on enrollment.enrollments (user_id);

-- Versions whose publish was undone: a late write for one is refused.
create table enrollment.tombstones (
    course_id bigint  not null,
    version   integer not null,
    primary key (course_id, version)
);
