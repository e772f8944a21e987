-- What has been told of an answer that takes a while, for readers who come back to another process. It goes when the answer is kept;
-- one that is not told again every few seconds is of a process that is gone.
create table assistant.under_way (
    user_id         bigint not null,
    conversation_id text not null,
    turn            integer not null,
    events          jsonb not null,
    told_at         timestamptz not null default now(),
    primary key (user_id, conversation_id, turn)
);
