-- How an event and the start of a workflow are left in the outbox: for code, and for statements that do more, so that a
-- lock others wait for is held for one round trip. Each wakes the relay once its transaction commits.

create function platform.put_event(id uuid, type text, key text, payload jsonb, headers jsonb) returns void
language plpgsql as $$
begin
    insert into platform.events (id, type, key, payload, headers)
    values (put_event.id, put_event.type, put_event.key, put_event.payload, put_event.headers);
    perform pg_notify('smartcourse_outbox', '');
end $$;

create function platform.put_start(workflow_id text, workflow_type text, task_queue text, input jsonb, options jsonb)
returns void
language plpgsql as $$
begin
    insert into platform.outbox_commands (kind, workflow_id, workflow_type, task_queue, payload, options)
    values ('start', put_start.workflow_id, put_start.workflow_type, put_start.task_queue, input, put_start.options);
    perform pg_notify('smartcourse_outbox', '');
end $$;
