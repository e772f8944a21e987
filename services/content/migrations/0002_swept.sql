-- When a discarded version was gone over with no write for it on its way: from then on nothing of it can come back.
alter table content.versions add column swept_at timestamptz;
drop index content.versions_discarded;
create index versions_to_sweep on content.versions (discarded_at) where discarded_at is not null and swept_at is null;
