//! How far a group has been given the log, by partition.

use std::collections::HashMap;

use smartcourse_platform::Result;
use sqlx::PgConnection;

use super::offsets::Partition;

/// The place of a group.
#[derive(Debug)]
pub(super) struct Place {
    group: &'static str,
    /// It was never heard of.
    pub(super) begins: bool,
    /// It was given every event up to here, by whatever carried them.
    all: i64,
    partitions: HashMap<Partition, i64>,
    /// Where each partition goes on that it is known of, whoever of the group was given it.
    pub(super) offsets: HashMap<Partition, i64>,
    moved: HashMap<Partition, Moved>,
}

/// How far a group is in a partition.
#[derive(Debug)]
struct Moved {
    /// The position of the last event it was given.
    position: i64,
    /// The offset of the next message.
    next_offset: i64,
}

impl Place {
    /// The place of a group, which begins if it was never heard of.
    pub(super) async fn of(connection: &mut PgConnection, group: &'static str) -> Result<Self> {
        let known = sqlx::query!(
            r#"with begun as (insert into platform.event_groups (name) values ($1) on conflict do nothing returning 1)
               select coalesce((select position from platform.event_groups where name = $1), 0) as "position!",
                   exists (select from begun) as "begins!""#,
            group
        )
        .fetch_one(&mut *connection)
        .await?;
        let partitions = sqlx::query!(
            "select topic, partition, position, next_offset from platform.group_partitions where group_name = $1",
            group
        )
        .fetch_all(connection)
        .await?;
        let mut place = Self {
            group,
            begins: known.begins,
            all: known.position,
            partitions: HashMap::new(),
            offsets: HashMap::new(),
            moved: HashMap::new(),
        };
        for row in partitions {
            let partition = (row.topic, row.partition);
            if let Some(next) = row.next_offset {
                place.offsets.insert(partition.clone(), next);
            }
            place.partitions.insert(partition, row.position);
        }
        Ok(place)
    }

    /// Up to where it was given the events of a partition.
    pub(super) fn reached(&self, partition: &Partition) -> i64 {
        let moved = self.moved.get(partition).map(|moved| moved.position);
        let known = moved.unwrap_or_else(|| self.in_partition(partition));
        self.all.max(known)
    }

    /// The partitions it was given something of.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.keys()
    }

    /// The position of the last event of a partition it was given, as far as Kafka carried it; 0 for none.
    pub(super) fn in_partition(&self, partition: &Partition) -> i64 {
        self.partitions.get(partition).copied().unwrap_or_default()
    }

    /// Whether it was given the event of this position: positions rise in a partition, so one that is lower was sent twice.
    pub(super) fn is_past(&self, partition: &Partition, position: i64) -> bool {
        position <= self.reached(partition)
    }

    /// It is given the event of this position, in the message of this offset.
    pub(super) fn reach(&mut self, partition: &Partition, position: i64, offset: i64) {
        let moved = Moved {
            position,
            next_offset: offset + 1,
        };
        self.moved.insert(partition.clone(), moved);
    }

    /// It is given a message that has nothing new for it.
    pub(super) fn pass(&mut self, partition: &Partition, offset: i64) {
        let position = self.moved.get(partition).map(|moved| moved.position);
        let position = position.unwrap_or_else(|| self.in_partition(partition));
        self.reach(partition, position, offset);
    }

    /// Writes what has moved, and up to where the group has been given everything.
    pub(super) async fn write(self, tx: &mut PgConnection) -> Result<Written> {
        if !self.moved.is_empty() {
            let topics: Vec<&str> = self.moved.keys().map(|(topic, _)| topic.as_str()).collect();
            let partitions: Vec<i32> = self.moved.keys().map(|(_, partition)| *partition).collect();
            let (positions, offsets): (Vec<i64>, Vec<i64>) = self
                .moved
                .values()
                .map(|moved| (moved.position, moved.next_offset))
                .unzip();
            sqlx::query!(
                "insert into platform.group_partitions (group_name, topic, partition, position, next_offset)
                 select $1, * from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[])
                 on conflict (group_name, topic, partition) do update
                     set position = excluded.position, next_offset = excluded.next_offset",
                self.group,
                &topics as &[&str],
                &partitions,
                &positions,
                &offsets
            )
            .execute(&mut *tx)
            .await?;
        }
        // Up to the least place in a partition it is not through with; if it is with all, up to the last event that is known to be
        // in one. What comes after that is in none of them before it is recorded, and has a higher position.
        let all = sqlx::query!(
            r#"with partitions as (
                 select p.position as last, greatest(g.position, given.position) as given
                 from platform.event_partitions p cross join platform.event_groups g
                 left join platform.group_partitions given
                     on given.group_name = g.name and given.topic = p.topic and given.partition = p.partition
                 where g.name = $1
             ), reached as (
                 select coalesce(min(given) filter (where given < last), max(last), 0) as position from partitions
             ), moved as (
                 update platform.event_groups set position = reached.position from reached
                 where name = $1 and event_groups.position < reached.position returning 1
             )
             select reached.position as "position!", exists (select from moved) as "moved!" from reached"#,
            self.group
        )
        .fetch_one(tx)
        .await?;
        let last = self.moved.values().map(|moved| moved.position).max();
        Ok(Written {
            moved: all.moved || !self.moved.is_empty(),
            behind: last.is_some_and(|last| all.position.max(self.all) < last),
        })
    }
}

/// What was written of a place.
pub(super) struct Written {
    /// It is another than before.
    pub(super) moved: bool,
    /// It was given an event up to which it is not known to have been given all: the relay has yet to record where it is, or another
    /// partition goes on.
    pub(super) behind: bool,
}
