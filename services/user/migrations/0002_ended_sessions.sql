-- Sessions end rarely, and requests come often: gateways ask once a second for all that ended lately, not for each user.

alter table "user".users add column generation_at timestamptz;

comment on column "user".users.generation_at is 'when the generation was raised, if it ever was';

-- Whoever raises it, an older executable included.
create function "user".note_generation() returns trigger language plpgsql as $$
begin
    new.generation_at := clock_timestamp();
    return new;
end $$;

create trigger users_generation before update of generation on "user".users
    for each row when (new.generation <> old.generation) execute function "user".note_generation();

-- Those that were raised before count as raised now: their last tokens have not expired yet.
update "user".users set generation_at = now() where generation > 0;

create index users_generation_at on "user".users (generation_at) where generation_at is not null;
