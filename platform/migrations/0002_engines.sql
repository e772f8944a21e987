-- The embedded adapters of the engine ports. A collection, model or scope belongs to exactly one service.
create table platform.documents (
    collection text not null,
    key        text not null,
    body       jsonb not null,
    updated_at timestamptz not null default now(),
    primary key (collection, key)
);
-- Prefix scans with `like`.
create index documents_by_prefix on platform.documents (collection, key text_pattern_ops);

create table platform.vectors (
    model     text not null,
    course_id bigint not null,
    version   int not null,
    lesson_id text not null,
    ordinal   int not null,
    -- Little-endian f32, L2-normalised, so that a dot product is the cosine.
    embedding bytea not null,
    primary key (model, course_id, version, lesson_id, ordinal)
);

create extension if not exists pg_trgm;

create table platform.search_entries (
    course_id bigint not null,
    version   int not null,
    -- Empty for the course itself.
    lesson_id text not null,
    ordinal   int not null,
    title     text not null,
    body      text not null,
    words     tsvector generated always as (
        setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', body), 'B')
    ) stored,
    primary key (course_id, version, lesson_id, ordinal)
);
create index search_entries_words on platform.search_entries using gin (words);
create index search_entries_title on platform.search_entries using gin (title gin_trgm_ops);
