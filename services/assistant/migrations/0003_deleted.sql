-- A conversation that was deleted is nobody's any more. Its row stays until no write of its document can be under way, and the
-- clean-up removes both.
alter table assistant.conversations add column deleted_at timestamptz;
create index conversations_deleted on assistant.conversations (deleted_at) where deleted_at is not null;

-- Documents that have lost their row.
insert into assistant.conversations (id, user_id, course_id, deleted_at)
    select split_part(d.key, '/', 2), split_part(d.key, '/', 1)::bigint, 0, now() from platform.documents d
    where d.collection = 'assistant.conversations'
    on conflict do nothing;
