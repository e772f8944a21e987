-- Where the log is carried by a server that splits it into partitions, and how far each group has been given each of them. The
-- positions of a partition rise, and what is sent once more is known by them.

-- The last event of each partition.
create table platform.event_partitions (
    topic     text not null,
    partition int not null,
    position  bigint not null,
    primary key (topic, partition)
);

-- Written in the transaction of the effects. `platform.event_groups` says up to where a group was given everything.
create table platform.group_partitions (
    group_name text not null,
    topic      text not null,
    partition  int not null,
    position   bigint not null,
    primary key (group_name, topic, partition)
);
