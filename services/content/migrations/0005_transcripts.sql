-- What was said in recordings so far, as a model wrote it down piece by piece: a piece that is kept is not asked for again.
create table content.transcripts (
    -- Of the recording, whichever files have it.
    sha256   text not null,
    model    text not null,
    -- Up to where the pieces reach, and whether that is the end.
    until_ms bigint not null default 0,
    is_whole boolean not null default false,
    -- As cues of WebVTT.
    cues     text not null default '',
    -- How often in a row the next piece has failed.
    failures integer not null default 0,
    primary key (sha256, model)
);
