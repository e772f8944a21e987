-- A version of a course as far as this service has worked on it. Everything that is written for a version is written
-- under a share lock on its row, so that a discard that holds the row alone sees it all and refuses what comes later.
create table content.versions (
    course_id    bigint not null,
    version      int not null,
    state        text not null default 'open' check (state in ('open', 'discarded')),
    -- The model of the version's vectors.
    model        text not null,
    ai_ready     boolean not null default false,
    warnings     jsonb not null default '[]',
    -- When files, vectors and index of a superseded version may go; absent while it stays.
    retire_after timestamptz,
    retired_at   timestamptz,
    discarded_at timestamptz,
    primary key (course_id, version)
);
create index versions_to_retire on content.versions (retire_after) where retire_after is not null and retired_at is null;
create index versions_discarded on content.versions (discarded_at) where discarded_at is not null;

create table content.assets (
    id           text primary key,
    course_id    bigint not null,
    filename     text not null,
    content_type text not null,
    -- How its text is extracted; absent for media.
    kind         text,
    size_bytes   bigint not null,
    sha256       text not null,
    storage_key  text not null,
    uploaded_by  bigint,
    created_at   timestamptz not null default now()
);
create index assets_by_course on content.assets (course_id);

-- Files under way: what a dead process left behind is found here.
create table content.uploads (
    storage_key text primary key,
    started_at  timestamptz not null default now()
);

create table content.version_assets (
    course_id   bigint not null,
    version     int not null,
    asset_id    text not null references content.assets (id),
    storage_key text not null,
    sha256      text not null,
    size_bytes  bigint not null,
    primary key (course_id, version, asset_id)
);
create index version_assets_by_asset on content.version_assets (asset_id);

create table content.lessons (
    course_id       bigint not null,
    version         int not null,
    lesson_id       text not null,
    title           text not null,
    module_title    text not null,
    position        int not null,
    -- Identity of what the text is made from, extractor and chunk size included.
    source_hash     text not null,
    extractor       text not null,
    state           text not null check (state in ('pending', 'extracted', 'skipped', 'quiz')),
    warning_code    text,
    warning_message text,
    chunk_count     int not null default 0,
    primary key (course_id, version, lesson_id)
);
create index lessons_to_reuse on content.lessons (course_id, lesson_id, source_hash);

-- Embeddings by the hash of the embedded text: what was embedded once is never embedded again.
create table content.embeddings (
    content_hash text not null,
    model        text not null,
    -- Little-endian f32, L2-normalised.
    embedding    bytea not null,
    primary key (content_hash, model)
);
