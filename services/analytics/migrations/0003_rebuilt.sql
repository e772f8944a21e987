-- What a rebuild counts, until it is compared with what the consumer has counted. Columns are those of the tables readers see,
-- in the same order; nobody looks anything up here, and nothing of it has to survive a crash.
create unlogged table analytics.rebuilt_users (like analytics.users, primary key (user_id));
create unlogged table analytics.rebuilt_activity (like analytics.activity, primary key (user_id));
create unlogged table analytics.rebuilt_courses (like analytics.courses, primary key (course_id));
create unlogged table analytics.rebuilt_enrollments (like analytics.enrollments, primary key (enrollment_id, epoch));
create unlogged table analytics.rebuilt_lessons (like analytics.lessons, primary key (enrollment_id, lesson_id));
create unlogged table analytics.rebuilt_questions (like analytics.questions, primary key (event_id));
create unlogged table analytics.rebuilt_certificates (like analytics.certificates, primary key (code));
create unlogged table analytics.rebuilt_failed_publishes (like analytics.failed_publishes, primary key (event_id));
create unlogged table analytics.rebuilt_popularity (like analytics.popularity, primary key (course_id));
create unlogged table analytics.rebuilt_counted (like analytics.counted including defaults, primary key (one));
