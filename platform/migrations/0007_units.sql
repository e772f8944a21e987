-- What is found is a unit of a lesson with an anchor; so far each was a chunk, named by its place.
alter table platform.vectors add column anchor text;
update platform.vectors set anchor = 'c' || lpad(ordinal::text, 6, '0');
alter table platform.vectors drop constraint vectors_pkey;
alter table platform.vectors drop column ordinal;
alter table platform.vectors add primary key (model, course_id, version, lesson_id, anchor);

-- Changed by every write of a version's vectors, in its transaction: what was read under another stamp is old.
create sequence platform.vector_stamp;
create table platform.vector_stamps (
    course_id bigint not null,
    version   int not null,
    stamp     bigint not null default nextval('platform.vector_stamp'),
    primary key (course_id, version)
);

alter table platform.search_entries add column anchor text;
update platform.search_entries
set anchor = case when lesson_id = '' then '' else 'c' || lpad(ordinal::text, 6, '0') end;
alter table platform.search_entries drop constraint search_entries_pkey;
alter table platform.search_entries drop column ordinal;
alter table platform.search_entries add primary key (course_id, version, lesson_id, anchor);
