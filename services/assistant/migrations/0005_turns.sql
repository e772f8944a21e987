-- The number of the last turn that was begun: each has its own, from when it is asked, also when two are asked at once. Null where
-- services of 0.2 alone have kept turns.
alter table assistant.conversations add column begun integer;
