-- The lessons learners' progress is counted against.

create table progress.course_lessons (
    course_id bigint  not null,
    version   integer not null,
    lesson_id text    not null,
    -- From 0, in the order of the course.
    position  integer not null,
    type      text    not null,
    primary key (course_id, version, lesson_id)
);

-- Versions whose publish was undone: a late write for one is refused.
create table progress.tombstones (
    course_id bigint  not null,
    version   integer not null,
    primary key (course_id, version)
);
