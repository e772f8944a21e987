-- Transactions that notify commit one at a time. So a writer notifies only while the relay sleeps, which holds this lock alone
-- then; the argument is in platform/src/sleep.rs. 1 are events, 2 are commands.
create function platform.wake(work int) returns void
language plpgsql as $$
begin
    -- "wake"
    if not pg_try_advisory_xact_lock_shared(x'77616b65'::int, work) then
        perform pg_notify('smartcourse_outbox', '');
    end if;
end $$;

create or replace function platform.put_event(id uuid, type text, key text, payload jsonb, headers jsonb) returns void
language plpgsql as $$
begin
    insert into platform.events (id, type, key, payload, headers)
    values (put_event.id, put_event.type, put_event.key, put_event.payload, put_event.headers);
    perform platform.wake(1);
end $$;

create or replace function platform.put_start(workflow_id text, workflow_type text, task_queue text, input jsonb, options jsonb)
returns void
language plpgsql as $$
begin
    insert into platform.outbox_commands (kind, workflow_id, workflow_type, task_queue, payload, options)
    values ('start', put_start.workflow_id, put_start.workflow_type, put_start.task_queue, input, put_start.options);
    perform platform.wake(2);
end $$;
