-- What the clean-up and administrators look for. Rows of the inbox, the keys and the log are only ever appended, so a
-- block range index tells their age for next to nothing.
create index tasks_dead on platform.tasks (finished_at desc, id desc) where state = 'dead';
create index tasks_done on platform.tasks (finished_at) where state = 'done';
create index outbox_commands_done on platform.outbox_commands (done_at) where done_at is not null;
create index inbox_by_age on platform.inbox using brin (done_at);
create index idempotency_keys_by_age on platform.idempotency_keys using brin (created_at);
