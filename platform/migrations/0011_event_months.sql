-- The event log by months of the ids (UUIDv7, which begin with their time), so that an old month goes as a whole.

-- The least UUIDv7 of a time.
create function platform.first_event_id(at timestamptz) returns uuid
language sql immutable as $$
    select rpad(lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

alter table platform.parked_events drop constraint parked_events_event_id_fkey;
alter table platform.events rename to events_so_far;
alter table platform.events_so_far alter column seq drop identity;
-- A position is unique since one sequencer at a time gives it. An index over months cannot say so.
alter table platform.events_so_far drop constraint events_position_key;
alter table platform.events_so_far rename constraint events_pkey to events_so_far_pkey;
drop index platform.events_unplaced;

create sequence platform.events_seq;
select setval('platform.events_seq', coalesce(max(seq), 0) + 1, false) from platform.events_so_far;
create table platform.events (
    id         uuid primary key,
    type       text not null,
    key        text not null,
    payload    jsonb not null,
    headers    jsonb not null default '{}',
    created_at timestamptz not null default now(),
    position   bigint,
    seq        bigint not null default nextval('platform.events_seq')
) partition by range (id);
alter sequence platform.events_seq owned by platform.events.seq;
create index events_by_position on platform.events (position);
create index events_unplaced on platform.events (seq) where position is null;
-- Ids that are no UUIDv7, or of a time nobody made a month for. They are read like all others, and stay.
create table platform.events_default partition of platform.events default;

-- The months that went to the files. A row comes in the transaction that drops the month.
create table platform.event_archives (
    -- Such as 2026-03.
    month         text primary key,
    events        bigint not null,
    -- Of the last event, or 0: positions go on from there when no event is left in the table.
    last_position bigint not null,
    -- Of the file, in hexadecimal digits.
    sha256        text not null,
    archived_at   timestamptz not null default now()
);

-- Makes the months from this time's to the one two months on, unless they are there. Left out are a month that the first one covers,
-- which has everything before it too; one that went to the files, or is older than one that did; and one whose ids are
-- among the strays: they would have to be moved.
create function platform.make_event_months(at timestamptz) returns void
language plpgsql as $$
declare
    first constant timestamp := date_trunc('month', at at time zone 'UTC');
    begins timestamp;
    name text;
    low uuid;
    high uuid;
begin
    perform pg_advisory_xact_lock(hashtextextended('platform.make_event_months', 0));
    for begins in select first + n * interval '1 month' from generate_series(0, 2) n loop
        name := to_char(begins, '"events_"YYYY_MM');
        low := platform.first_event_id(begins at time zone 'UTC');
        high := platform.first_event_id((begins + interval '1 month') at time zone 'UTC');
        if not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                       where i.inhparent = 'platform.events'::regclass and (c.relname = name
                           or c.relname > name and pg_get_expr(c.relpartbound, c.oid) like '%MINVALUE%'))
            and not exists (select from platform.event_archives where month >= to_char(begins, 'YYYY-MM'))
            and not exists (select from platform.events_default where id >= low and id < high)
        then
            execute format('create table platform.%I partition of platform.events for values from (%L) to (%L)', name, low, high);
        end if;
    end loop;
end $$;

-- What there is so far is the first month, with everything before it.
do $$
declare
    month timestamp := date_trunc('month', now() at time zone 'UTC');
    high uuid := platform.first_event_id((month + interval '1 month') at time zone 'UTC');
    name text := to_char(month, '"events_"YYYY_MM');
begin
    create temporary table strays on commit drop as select * from platform.events_so_far where id >= high;
    delete from platform.events_so_far where id >= high;
    execute format('alter table platform.events_so_far rename to %I', name);
    execute format('alter index platform.events_so_far_pkey rename to %I', name || '_pkey');
    execute format('alter table platform.events attach partition platform.%I for values from (minvalue) to (%L)', name, high);
    perform platform.make_event_months(now());
    insert into platform.events select * from strays;
end $$;

alter table platform.parked_events
    add constraint parked_events_event_id_fkey foreign key (event_id) references platform.events (id);
