-- Each version is indexed in its own language, and what a reader may search is one keyword: `7/3` is version 3 of course 7
-- without its lessons, `7/3/text` the text of these.
alter table platform.search_entries
    add column config regconfig not null default 'english',
    add column scope text not null
        generated always as (course_id || '/' || version || case when lesson_id = '' then '' else '/text' end) stored;
alter table platform.search_entries alter column config drop default;
alter table platform.search_entries alter column words drop expression;
alter table platform.search_entries alter column words set not null;
create index search_entries_scope on platform.search_entries (scope);

-- The languages that are in use: a query is made in each of them.
create table platform.search_configs (
    config regconfig primary key
);
insert into platform.search_configs values ('english');
