-- Where documents and files have been kept, so that a move knows which of two places is the one in use, and overwrites none that
-- is not its own.
create table platform.engine_places (
    -- documents or files
    part    text not null,
    -- As people may see it: without what lets us in.
    place   text not null,
    -- When a role that keeps them there was last started; absent for what a move began to fill.
    used_at timestamptz,
    primary key (part, place)
);
