-- A drop is noted here before it happens, so that it and a completion never pass each other.
alter table progress.drops
    -- How often the enrollment service asked to leave in this epoch: a note is taken back only if nobody asked anew.
    add column asked     integer not null default 0,
    -- The drop has happened: `enrollment.dropped` was heard of.
    add column announced boolean not null default true;
