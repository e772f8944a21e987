-- Where a group goes on to read a partition: in the transaction of its effects, so that a place that is restored to an earlier day
-- is given again what came after it, whatever the server remembers. Null: what the server remembers, or the beginning.
alter table platform.group_partitions add column next_offset bigint;
