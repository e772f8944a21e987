-- What learners have done. Facts are kept by lesson id and never taken back; every number is counted from them.

create table progress.enrollments (
    enrollment_id     bigint      primary key,
    -- The latest epoch that was initialised; what an older one still asks for changes nothing.
    epoch             integer     not null,
    course_id         bigint      not null,
    user_id           bigint      not null,
    -- As it was when the epoch began, so that a completion needs no other service.
    full_name         text        not null,
    started_at        timestamptz not null default now(),
    -- The first completion and the version it was earned with; both stay whatever is published later.
    completed_at      timestamptz,
    completed_version integer,
    unique (course_id, user_id),
    check ((completed_at is null) = (completed_version is null))
);

-- A republish looks at everybody who has not completed the course.
create index enrollments_open on progress.enrollments (course_id, enrollment_id) where completed_at is null;

create table progress.progress (
    enrollment_id bigint      not null references progress.enrollments,
    lesson_id     text        not null,
    epoch         integer     not null,
    completed_at  timestamptz not null default now(),
    primary key (enrollment_id, lesson_id)
);

create table progress.quiz_attempts (
    enrollment_id bigint      not null references progress.enrollments,
    lesson_id     text        not null,
    -- From 1.
    attempt       integer     not null,
    epoch         integer     not null,
    -- The version whose quiz it was.
    version       integer     not null,
    answers       jsonb       not null,
    -- Which questions were right, as they were graded then.
    results       jsonb       not null,
    -- Hundredths of a percent, 0 to 10000.
    score         integer     not null check (score between 0 and 10000),
    pass_percent  integer     not null,
    passed        boolean     not null,
    submitted_at  timestamptz not null default now(),
    primary key (enrollment_id, lesson_id, attempt)
);

create table progress.certificates (
    code          text        primary key,
    enrollment_id bigint      not null unique references progress.enrollments,
    course_id     bigint      not null,
    user_id       bigint      not null,
    version       integer     not null,
    course_title  text        not null,
    full_name     text        not null,
    issued_at     timestamptz not null default now()
);

create index certificates_user on progress.certificates (user_id, issued_at desc, code);

-- The newest published version this service has heard of: a writer that was told an older one counts against this.
create table progress.published (
    course_id bigint  primary key,
    version   integer not null
);

-- The last epoch of an enrollment that was dropped: a republish completes nothing for who has left. A table of its own,
-- because the drop may be heard of before the enrollment is initialised.
create table progress.drops (
    enrollment_id bigint  primary key,
    epoch         integer not null
);
