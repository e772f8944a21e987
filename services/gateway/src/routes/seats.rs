//! The seats of courses: the limit is the course's, how many are taken only the enrollment service knows.

use std::collections::HashMap;

use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::{
    course::{Course, Seats},
    enrollment::SeatsOfRequest,
};

use crate::state::App;

/// Fills in the seats of some courses with one call.
pub(crate) async fn fill(app: &App, courses: &mut [Course]) -> Result<()> {
    if courses.is_empty() {
        return Ok(());
    }
    let course_ids = courses.iter().map(|course| course.id).collect();
    let request = Actor::Service.request(SeatsOfRequest { course_ids });
    let items = app
        .clients
        .enrollment
        .clone()
        .get_seats_of(request)
        .await?
        .into_inner()
        .items;
    let taken: HashMap<i64, i32> = items
        .into_iter()
        .map(|item| (item.course_id, item.seats.unwrap_or_default().taken))
        .collect();
    for course in courses {
        let taken = taken.get(&course.id).copied().unwrap_or(0);
        course.seats = Some(Seats {
            max: course.max_enrollments,
            taken,
        });
    }
    Ok(())
}

/// The same for one course.
pub(crate) async fn filled(app: &App, mut course: Course) -> Result<Course> {
    fill(app, std::slice::from_mut(&mut course)).await?;
    Ok(course)
}
