-- A turn that stands, and is not in the document yet. The document store takes part in no transaction of this database, so
-- the turn is committed here, together with the event that announces it, and then copied to the document.
alter table assistant.conversations add column pending jsonb;
