//! Pages of the catalogue and contents of versions are kept, and none is shown that was of before a change.

use smartcourse_proto::course::*;
use smartcourse_tests::wait_for;

use crate::harness::*;

/// The only course of the catalogue.
async fn shown(next: &Harness) -> Option<Course> {
    let request = STUDENT.request(ListCoursesRequest::default());
    next.course.list_courses(request).await.unwrap().items.pop()
}

#[tokio::test]
async fn the_catalogue_shows_every_change_and_is_read_once_between_them() {
    let next = Harness::build().await;
    let id = next.draft().await;
    assert_eq!(shown(&next).await, None);
    let target = next.begun(id).await;
    next.save(&target).await.unwrap();
    assert_eq!(shown(&next).await, None);
    next.flip(&target).await.unwrap();
    assert_eq!(shown(&next).await.unwrap().published_version, Some(1));

    let request = UpdateCourseRequest {
        id,
        title: Some("Changed".to_owned()),
        ..UpdateCourseRequest::default()
    };
    next.course.update_course(TEACHER.request(request)).await.unwrap();
    assert_eq!(shown(&next).await.unwrap().title, "Changed");
    let draft = next.put(id, &["s1", "s2"], None).await.unwrap();
    assert_eq!(shown(&next).await.unwrap().etag, draft.etag);

    // What nobody is told of.
    sqlx::query("update course.courses set title = 'Unheard of'")
        .execute(&next.pool)
        .await
        .unwrap();
    assert_eq!(shown(&next).await.unwrap().title, "Changed");
    // The flip was not told of when its process ended before; it comes a second time.
    next.flip(&target).await.unwrap();
    assert_eq!(shown(&next).await.unwrap().title, "Unheard of");

    next.set_status(id, CourseStatus::Archived).await.unwrap();
    assert_eq!(shown(&next).await, None);
    next.set_status(id, CourseStatus::Draft).await.unwrap();
    next.live(id).await;
    assert!(shown(&next).await.is_some());
    next.set_status(id, CourseStatus::Draft).await.unwrap();
    assert_eq!(shown(&next).await, None);
}

#[tokio::test]
async fn a_version_is_read_once_and_who_may_read_it_is_asked_each_time() {
    let next = Harness::build().await;
    let id = next.draft().await;
    next.live(id).await;
    let first = next.content(STUDENT, id, None).await.unwrap();
    wait_for("the content to be kept", async || -> anyhow::Result<_> {
        let keys = next.kept.keys();
        let kept = keys.iter().any(|key| key.contains("/v1:"));
        Ok(if kept { Ok(()) } else { Err(format!("{keys:?}")) })
    })
    .await
    .unwrap();
    sqlx::query("delete from platform.documents where key like '%/v1'")
        .execute(&next.pool)
        .await
        .unwrap();
    assert_eq!(next.content(STUDENT, id, None).await.unwrap(), first);
    next.set_status(id, CourseStatus::Draft).await.unwrap();
    next.content(STUDENT, id, None).await.unwrap_err();
    next.content(STUDENT, id, Some(1)).await.unwrap_err();
    assert_eq!(ids(&next.content(TEACHER, id, Some(1)).await.unwrap()), ["s1"]);
}
