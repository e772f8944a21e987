-- What was asked about a course, for its instructor: each question as it was looked for, with the terms that make it the same as others.
-- It goes with its conversation.
create table assistant.questions (
    conversation_id text not null references assistant.conversations on delete cascade,
    turn            integer not null,
    course_id       bigint not null,
    user_id         bigint not null,
    question        text not null,
    terms           text not null,
    answered        boolean not null,
    asked_at        timestamptz not null,
    primary key (conversation_id, turn)
);
create index questions_by_course on assistant.questions (course_id, asked_at);

-- The words of its turns, to be searched; of what was kept since this migration.
alter table assistant.conversations add column words tsvector not null default '';
