-- Epochs of a course's enrollments, counted as they come: a list of the most popular need not count them all. A course that was
-- published has a row, with none at first.
create table analytics.popularity (
    course_id   bigint primary key,
    enrollments bigint not null
);
create index popularity_most on analytics.popularity (enrollments desc, course_id);
insert into analytics.popularity
    select course_id, count(began_at) from (
        select course_id, began_at from analytics.enrollments union all select course_id, null from analytics.courses) known
    group by course_id;
