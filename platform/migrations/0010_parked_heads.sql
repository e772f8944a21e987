-- The first parked event of a key is tried again; the later ones wait behind it and cost nothing until it is done: they have
-- no next try, and no error of their own.
alter table platform.parked_events
    -- Whether the last try failed by something that passes, such as a server that is away: that uses up no try.
    add column passing boolean not null default false,
    -- The pause before the next try, which doubles each time; 0 when there was no try.
    add column pause_seconds int not null default 0,
    alter column next_try_at drop not null,
    alter column next_try_at drop default;
update platform.parked_events set pause_seconds = least(300, power(2, tries));
update platform.parked_events p set next_try_at = null, last_error = null, pause_seconds = 0
where exists (
    select from platform.parked_events q
    where q.group_name = p.group_name and q.key = p.key and q.position < p.position);

drop index platform.parked_events_by_key;
create index parked_events_by_key on platform.parked_events (group_name, key, position);
create index parked_events_heads on platform.parked_events (group_name, key) where next_try_at is not null;
