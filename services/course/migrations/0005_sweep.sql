-- When a version that was decided against was gone over while nothing was being written for its course.
alter table course.versions add column swept_at timestamptz;
create index versions_to_sweep on course.versions (course_id, version) where state = 'aborted' and swept_at is null;

-- Courses that were deleted, until their documents were removed while nothing was being written for them.
create table course.deletions (
    course_id  bigint primary key,
    deleted_at timestamptz not null default now()
);
