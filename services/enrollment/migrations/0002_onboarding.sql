-- Each time a student takes a seat is an epoch of the enrollment, with an onboarding of its own.
alter table enrollment.enrollments
    add column epoch        integer not null default 1,
    add column completed_at timestamptz,
    add column dropped_at   timestamptz,
    -- Of the current epoch.
    add column onboarding   text    not null default 'completed'
        check (onboarding in ('accepted', 'running', 'completed')),
    add column run_id       text,
    -- The event that announced the epoch: analytics has counted it or not.
    add column event_id     uuid,
    -- Who teaches the course, for the workflow's search attribute.
    add column instructor_id bigint not null default 0;

create index enrollments_open on enrollment.enrollments (enrolled_at) where onboarding <> 'completed';

-- Tries that failed. A step without a row has worked at once, or was not reached.
create table enrollment.onboarding_steps (
    enrollment_id bigint  not null references enrollment.enrollments (id) on delete cascade,
    epoch         integer not null,
    -- 1 to 4.
    step          integer not null,
    tries         integer not null,
    error_code    text    not null,
    error_message text    not null,
    reported_at   timestamptz not null default now(),
    primary key (enrollment_id, epoch, step)
);
