-- Documents of drafts that no course names, yet or any more: written here before the document is, taken out by the edit that
-- names it, which puts in the draft it replaces. What is left when its time has come goes with the clean-up.
create table course.unused_drafts (
    draft_key    text primary key,
    remove_after timestamptz not null
);
create index unused_drafts_due on course.unused_drafts (remove_after);

-- Those of edits before.
insert into course.unused_drafts
    select d.key, now() + interval '1 hour' from platform.documents d
    where d.collection = 'course.content' and d.key like '%/d-%'
      and not exists (select from course.courses c where c.draft_key = d.key);
