-- When each worker was last heard from, so that a status can say at once that nobody takes the work. Temporal lists a
-- dead worker's pollers for minutes.
create table course.workers (
    identity text primary key,
    seen_at  timestamptz not null default now()
);
