-- Files that are sent in parts. Which parts are there, the store of files knows.
create table content.part_uploads (
    id           text primary key,
    course_id    bigint not null,
    filename     text not null,
    -- As the client declared it.
    content_type text,
    size_bytes   bigint not null,
    -- What the file must have, where the client said it.
    sha256       text,
    -- Bytes of each part but the last one.
    part_bytes   bigint not null,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    -- The file that was made of the parts.
    asset_id     text,
    -- When it was completed or given up. A part may still come; the row is kept until none can.
    ended_at     timestamptz
);
create index part_uploads_by_course on content.part_uploads (course_id);
create index part_uploads_open on content.part_uploads (expires_at) where ended_at is null;
create index part_uploads_ended on content.part_uploads (ended_at) where ended_at is not null;
