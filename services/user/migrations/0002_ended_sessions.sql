-- Sessions end rarely, and requests come often: gateways ask once a second for all that ended lately, not for each user.

alter table "user".users add column generation_at timestamptz;

comment on column "user".users.generation_at is 'when the generation was raised, if it ever was';

create index users_generation_at on "user".users (generation_at) where generation_at is not null;
