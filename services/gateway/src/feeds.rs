//! Publishes that somebody follows: whoever follows the same one shares its reads.
//!
//! One task asks the course service for the marks of all of them at once; a status is read when its mark has changed, once
//! for everybody. What a publish waits for changes without a mark: each status is read again after a while, a few at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use smartcourse_platform::{
    Error, Result,
    concurrency::{Place, Places},
    grpc::Actor,
    lifecycle::Lifecycle,
};
use smartcourse_proto::course::{CourseRef, PublishMark, PublishMarksRequest, PublishStatus};
use tokio::sync::{Notify, watch};

use crate::{codes, stubs::Stubs};

/// Pause between two looks at the marks.
const PAUSE: Duration = Duration::from_millis(200);
/// Age at which a status is read again though its mark is the same.
const AGED: Duration = Duration::from_secs(2);
/// Statuses read side by side, and those read in one round for their age: Temporal may take its time for each.
const SIDE_BY_SIDE: usize = 8;

/// What followers see: nothing yet, a status, or why there is none any more.
pub(crate) type Latest = Option<std::result::Result<Arc<PublishStatus>, Arc<Error>>>;

/// The publishes that are followed, and who follows how many.
pub(crate) struct Feeds {
    followed: Mutex<HashMap<i64, Feed>>,
    places: Places<i64>,
    wished: Notify,
}

struct Feed {
    latest: watch::Sender<Latest>,
    /// The mark of the last status that was read.
    mark: Option<PublishMark>,
    read_at: Option<Instant>,
}

impl Feeds {
    /// Follows nothing until somebody asks.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            followed: Mutex::default(),
            places: Places::new(most),
            wished: Notify::new(),
        }
    }

    /// A place among the streams of this user, until it is dropped.
    /// Refused with `too_many_streams` when the user has as many as there may be.
    pub(crate) fn place(&self, user: i64) -> Result<Place<i64>> {
        self.places.take(user).ok_or_else(|| {
            Error::new(
                &codes::TOO_MANY_STREAMS,
                format!("{} streams are open; close one first", self.places.most()),
            )
            .with_fact("retry_after", PAUSE.as_secs() + 1)
        })
    }

    /// The statuses of a course's latest publish, the last one that was read first.
    pub(crate) fn follow(&self, course_id: i64) -> watch::Receiver<Latest> {
        let mut followed = self.followed();
        let feed = followed.entry(course_id).or_insert_with(|| Feed {
            latest: watch::channel(None).0,
            mark: None,
            read_at: None,
        });
        self.wished.notify_one();
        let mut latest = feed.latest.subscribe();
        latest.mark_changed();
        latest
    }

    /// Reads for all who follow, until the process stops.
    pub(crate) async fn run(self: Arc<Self>, stubs: Stubs, life: Lifecycle) {
        loop {
            let courses = self.courses();
            if courses.is_empty() {
                tokio::select! {
                    () = self.wished.notified() => {}
                    () = life.stopping() => return,
                }
                continue;
            }
            tokio::select! {
                () = self.round(&stubs, courses) => {}
                () = life.stopping() => return,
            }
            if !life.sleep(PAUSE).await {
                return;
            }
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<i64, Feed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The courses somebody still follows.
    fn courses(&self) -> Vec<i64> {
        let mut followed = self.followed();
        followed.retain(|_, feed| feed.latest.receiver_count() > 0);
        followed.keys().copied().collect()
    }

    async fn round(&self, stubs: &Stubs, course_ids: Vec<i64>) {
        let request = Actor::Service.request(PublishMarksRequest { course_ids });
        // The service comes back; until then the followers wait as they would for the publish.
        let Ok(marks) = stubs.course.list_publish_marks(request).await else {
            return;
        };
        let due = self.due(marks.items);
        stream::iter(due)
            .for_each_concurrent(SIDE_BY_SIDE, |mark| async move {
                let request = Actor::Service.request(CourseRef { id: mark.course_id });
                let status = stubs.course.get_publish(request).await;
                self.show(mark, status.map_err(Error::from));
            })
            .await;
    }

    /// Those whose mark has changed, and some of those that were read longest ago.
    fn due(&self, marks: Vec<PublishMark>) -> Vec<PublishMark> {
        let followed = self.followed();
        let marks: HashMap<i64, PublishMark> = marks.into_iter().map(|mark| (mark.course_id, mark)).collect();
        let (mut due, mut aged) = (Vec::new(), Vec::new());
        for (course_id, feed) in followed.iter() {
            // A course that was deleted has no mark any more: reading says so.
            let mark = marks.get(course_id).copied().unwrap_or(PublishMark {
                course_id: *course_id,
                ..PublishMark::default()
            });
            match feed.read_at {
                Some(at) if feed.mark == Some(mark) => {
                    if at.elapsed() > AGED {
                        aged.push((at, mark));
                    }
                }
                _ => due.push(mark),
            }
        }
        aged.sort_by_key(|(at, _)| *at);
        due.extend(aged.into_iter().take(SIDE_BY_SIDE).map(|(_, mark)| mark));
        due
    }

    fn show(&self, mark: PublishMark, status: Result<PublishStatus>) {
        if status.as_ref().is_err_and(|error| error.kind().is_retryable()) {
            return;
        }
        if let Some(feed) = self.followed().get_mut(&mark.course_id) {
            feed.mark = Some(mark);
            feed.read_at = Some(Instant::now());
            feed.latest
                .send_replace(Some(status.map(Arc::new).map_err(Arc::new)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_places_and_gives_them_back() {
        let feeds = Feeds::new(2);
        let one = feeds.place(7).expect("there is room");
        let _two = feeds.place(7).expect("there is room");
        let refused = feeds.place(7).expect_err("there is none");
        assert!(refused.is(&codes::TOO_MANY_STREAMS));
        feeds.place(8).expect("others have their own");
        drop(one);
        feeds.place(7).expect("there is room again");
    }

    #[test]
    fn a_status_is_read_when_its_mark_has_changed() {
        let feeds = Feeds::new(2);
        let _reader = feeds.follow(1);
        let mark = |revision| PublishMark {
            course_id: 1,
            version: 1,
            revision,
        };
        assert_eq!(feeds.due(vec![mark(1)]), [mark(1)]);
        feeds.show(mark(1), Ok(PublishStatus::default()));
        assert_eq!(feeds.due(vec![mark(1)]), []);
        assert_eq!(feeds.due(vec![mark(2)]), [mark(2)]);
    }
}
