-- A file goes when neither the draft nor a version has named it for long. Versions that have files of their own are found in
-- `version_assets`; the course service is asked for the draft once a day.
alter table content.assets
    -- A version that was superseded names it: its own files are gone, and it can be restored.
    add column superseded boolean not null default false,
    -- When the draft was last looked at, and since when it has not named the file.
    add column looked_at timestamptz,
    add column unused_since timestamptz;
create index assets_to_look_at on content.assets (coalesce(looked_at, created_at)) where not superseded;
-- Which files those of before had is not known any more.
update content.assets a set superseded = true where exists (
    select from content.versions v where v.course_id = a.course_id and v.retired_at is not null);

-- When the embedding was last used for a version.
alter table content.embeddings add column used_at timestamptz not null default now();
create index embeddings_by_use on content.embeddings (used_at);

-- The texts of superseded versions go with their vectors from now on: those of before are gone over once more.
update content.versions set retired_at = null where retired_at is not null;
