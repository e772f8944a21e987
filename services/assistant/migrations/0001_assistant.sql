-- How often a conversation was added to, so that two answers to one conversation do not lose a turn. The turns
-- themselves are a document.
create table assistant.conversations (
    id         text primary key,
    user_id    bigint not null,
    course_id  bigint not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index conversations_by_user on assistant.conversations (user_id, updated_at desc, id desc);
