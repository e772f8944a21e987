-- Writes to engines that may still be on their way: opened before, closed with the transaction that was told of their end.
create table platform.open_writes (
    id        bigint generated always as identity primary key,
    -- What is written for, such as version 3 of course 7 in the content service.
    scope     text not null,
    opened_at timestamptz not null default now()
);
create index open_writes_by_scope on platform.open_writes (scope);
