-- What a school has after a year: 50,000 students in 200 courses of 14 lessons, copies of one that was published. What is kept for
-- 30 days is there for the last 30. `{…}` are numbers: how many enrollments, and the ids of the course and of two users.

-- The first month of this database has all before it: as after a year, each month has its own.
do $$
begin
    execute format('alter table platform.events detach partition platform.%1$I', to_char(now() at time zone 'UTC', '"events_"YYYY_MM'));
    execute format('drop table platform.%1$I', to_char(now() at time zone 'UTC', '"events_"YYYY_MM'));
    perform platform.make_event_months(now() - n * interval '1 month') from generate_series(12, 0, -1) n;
end $$;

insert into "user".users (id, email, password_hash, full_name, role, created_at) overriding system value
select {student} + n, 'student-' || n || '@school.test', '', 'Student ' || n, 'student', now() - interval '366 days'
from generate_series(1, 49999) n;
insert into "user".refresh_families (id, user_id, expires_at)
select gen_random_uuid(), {student} + n, now() + random() * interval '30 days' from generate_series(0, 24999) n;
insert into "user".refresh_tokens (token_hash, family_id, expires_at, used_at)
select sha256((f.id || '-' || n)::bytea), f.id, f.expires_at - n * interval '1 day', case when n > 0 then now() end
from "user".refresh_families f, generate_series(0, 7) n;

create temporary table copied on commit drop as
select 1000000 + n as id, case when n < 20 then {author} else {student} + n end as instructor_id,
    (array['Sagas', 'Statistics', 'Botany', 'Chess', 'Welding', 'Latin', 'Optics', 'Logic'])[1 + n % 8] || ' ' || n as title,
    (array['science', 'craft', 'language', 'play'])[1 + n % 4] as category
from generate_series(0, 199) n;
insert into course.courses (id, instructor_id, title, description, category, level, published_version, last_version, draft_key, created_at)
overriding system value
select n.id, n.instructor_id, n.title, 'All there is to know about ' || n.title, n.category, c.level, 1, 1, c.draft_key, now() - interval '366 days'
from copied n, course.courses c where c.id = {course};
insert into course.versions (course_id, version, attempt_id, document_key, state, created_at, published_at)
select n.id, 1, gen_random_uuid(), v.document_key, v.state, v.created_at, v.published_at
from copied n, course.versions v where v.course_id = {course};
insert into course.publish_attempts (id, course_id, version, draft_key, workflow_id, state, step, accepted_at, finished_at)
select v.attempt_id, v.course_id, 1, v.document_key, '', 'completed', 7, v.created_at, v.published_at
from course.versions v join copied n on n.id = v.course_id;
insert into platform.search_entries (course_id, version, lesson_id, title, body, words, anchor, config)
select n.id, 1, e.lesson_id, e.title, e.body, e.words, e.anchor, e.config
from copied n, platform.search_entries e where e.course_id = {course};
insert into progress.published (course_id, version) select id, 1 from copied;
insert into progress.course_lessons (course_id, version, lesson_id, position, type)
select n.id, 1, l.lesson_id, l.position, l.type from copied n, progress.course_lessons l where l.course_id = {course};
insert into notification.course_titles select id, title from copied;

-- Every student takes as many courses, at some time of the year, and then does a lesson every other day, up to 14.
create temporary table taken on commit drop as
select t.*, c.title, c.instructor_id, least(t.wanted, greatest(0, extract(day from now() - t.at)::int / 2)) as done
from (select 1000000 + i as id, {student} + i % 50000 as user_id,
          1000000 + ((i % 50000) * 13 + (i / 50000) * 5) % 200 as course_id, (i * 7 + i / 50000) % 15 as wanted,
          now() - interval '365 days' * ((i * 104729 + 1) % {enrollments} + 1)::float8 / {enrollments} as at
      from generate_series(0, {enrollments}::bigint - 1) i) t
join copied c on c.id = t.course_id;
create temporary table lessons on commit drop as
select lesson_id, row_number() over (order by position) as n from progress.course_lessons where course_id = {course};
analyze taken;

insert into enrollment.course_seats (course_id, taken, prepared_version)
select course_id, count(*), 1 from taken group by course_id;
insert into enrollment.enrollments (id, course_id, user_id, status, enrolled_at, completed_at, dropped_at, instructor_id)
overriding system value
select id, course_id, user_id, case when done = 14 then 'completed' when id % 33 = 0 then 'dropped' else 'active' end, at,
    case when done = 14 then at + interval '28 days' end, case when done < 14 and id % 33 = 0 then now() end, instructor_id
from taken;
insert into progress.enrollments (enrollment_id, epoch, course_id, user_id, full_name, started_at, completed_at, completed_version)
select id, 1, course_id, user_id, 'A student', at, case when done = 14 then at + interval '28 days' end, case when done = 14 then 1 end
from taken;
insert into progress.progress (enrollment_id, lesson_id, epoch, completed_at)
select t.id, l.lesson_id, 1, t.at + l.n * interval '2 days' from taken t join lessons l on l.n <= t.done;
insert into progress.certificates (code, enrollment_id, course_id, user_id, version, course_title, full_name, issued_at)
select 'year-' || id, id, course_id, user_id, 1, title, 'A student', at + interval '28 days' from taken where done = 14;

create temporary table written on commit drop as
select 'user.registered' as type, 'user-' || id as key, jsonb_build_object('user_id', id, 'role', 'student') as payload, created_at as at
from "user".users where id > {student}
union all
select 'course.published', 'course-' || id, jsonb_build_object('course_id', id, 'version', 1, 'instructor_id', instructor_id,
    'title', title, 'ai_ready', true), now() - interval '366 days'
from copied
union all
select 'enrollment.created', 'enrollment-' || id, jsonb_build_object('enrollment_id', id, 'epoch', 1, 'course_id', course_id,
    'user_id', user_id, 'instructor_id', instructor_id, 'course_title', title), at
from taken
union all
select 'enrollment.dropped', 'enrollment-' || id, jsonb_build_object('enrollment_id', id, 'epoch', 1, 'course_id', course_id,
    'user_id', user_id), now()
from taken where done < 14 and id % 33 = 0
union all
select 'progress.updated', 'enrollment-' || t.id, jsonb_build_object('enrollment_id', t.id, 'epoch', 1, 'course_id', t.course_id,
    'user_id', t.user_id, 'lesson_id', l.lesson_id),
    t.at + l.n * interval '2 days'
from taken t join lessons l on l.n <= t.done
union all
select 'course.completed', 'enrollment-' || id, jsonb_build_object('enrollment_id', id, 'epoch', 1, 'course_id', course_id,
    'user_id', user_id, 'version', 1), at + interval '28 days'
from taken where done = 14
union all
select 'certificate.issued', 'enrollment-' || id, jsonb_build_object('code', 'year-' || id, 'enrollment_id', id, 'course_id', course_id,
    'user_id', user_id, 'version', 1, 'course_title', title), at + interval '28 days'
from taken where done = 14
union all
select 'assistant.answered', 'course-' || t.course_id, jsonb_build_object('course_id', t.course_id, 'user_id', t.user_id, 'version', 1,
    'refused', (t.id + n) % 10 = 0), t.at + (now() - t.at) * random()
from taken t, generate_series(1, 2) n;
insert into platform.events (id, type, key, payload, headers, created_at, position)
select (left(platform.first_event_id(at)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, type, key, payload,
    jsonb_build_object('request_id', md5(random()::text)), at, (select coalesce(max(position), 0) from platform.events) + row_number() over (order by at)
from written;
update platform.event_groups set position = (select max(position) from platform.events);

insert into notification.notifications (user_id, event_id, kind, title, body, link, created_at, read_at)
select (payload ->> 'user_id')::bigint, id, type, coalesce(payload ->> 'course_title', 'A course'), 'Begin whenever you like.',
    '/courses/' || (payload ->> 'course_id'), created_at, case when created_at < now() - interval '20 days' then now() end
from platform.events
where type in ('enrollment.created', 'enrollment.dropped', 'course.completed', 'certificate.issued') and created_at > now() - interval '365 days';
insert into notification.deliveries (id, user_id, channel, template, state, tries, queued_at, finished_at)
select gen_random_uuid(), (payload ->> 'user_id')::bigint, 'email', case type when 'enrollment.created' then 'welcome' else 'certificate' end,
    'sent', 1, created_at, created_at + interval '1 second'
from platform.events where type in ('enrollment.created', 'certificate.issued') and created_at > now() - interval '365 days';
insert into platform.tasks (id, kind, payload, state, tries, created_at, finished_at)
select id, 'notification.email', '{"template": "welcome"}', 'done', 1, queued_at, finished_at from notification.deliveries
where queued_at > now() - interval '30 days';
insert into platform.outbox_commands (kind, workflow_id, workflow_type, task_queue, payload, created_at, done_at, run_id, tries)
select 'start', 'enroll-' || course_id || '-' || user_id, 'Enrollment', 'smartcourse', '{"course_id": 1, "user_id": 1}', at, at,
    gen_random_uuid(), 1
from taken where at > now() - interval '30 days';
insert into platform.inbox (group_name, event_id, done_at)
select g.name, e.id, e.created_at from platform.events e join platform.event_groups g on case g.name
    when 'analytics.counter' then true
    when 'notification.feed' then e.type in ('enrollment.created', 'enrollment.dropped', 'course.completed', 'certificate.issued')
    when 'enrollment.completions' then e.type = 'course.completed'
    when 'progress.republished' then e.type = 'enrollment.dropped' end
where e.created_at > now() - interval '30 days';
