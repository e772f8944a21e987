-- What the clean-up and administrators look for.
create index tasks_dead on platform.tasks (finished_at desc, id desc) where state = 'dead';
create index tasks_done on platform.tasks (finished_at) where state = 'done';
create index outbox_commands_done on platform.outbox_commands (done_at) where done_at is not null;
create index inbox_by_age on platform.inbox (done_at);
create index idempotency_keys_by_age on platform.idempotency_keys (created_at);
