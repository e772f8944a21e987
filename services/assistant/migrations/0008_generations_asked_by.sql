-- Whose tokens a draft may take. Of those that were asked for before: nobody's, so that they are quoted.
alter table assistant.generations add column asked_by bigint;
