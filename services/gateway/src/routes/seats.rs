//! The seats of courses. The enrollment service gives them out: what it goes by is shown, and until a course is prepared
//! there, the limit its owner asked for.

use std::collections::HashMap;

use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::{
    course::{Course, Seats},
    enrollment::{CourseSeats, SeatsOfRequest},
};

use crate::state::App;

/// Fills in the seats of some courses with one call.
pub(crate) async fn fill(app: &App, courses: &mut [Course]) -> Result<()> {
    if courses.is_empty() {
        return Ok(());
    }
    let seats = of(app, courses.iter().map(|course| course.id).collect()).await?;
    for course in courses {
        put(&seats, course);
    }
    Ok(())
}

/// Seats by course; courses nobody prepared are left out.
pub(super) async fn of(app: &App, course_ids: Vec<i64>) -> Result<HashMap<i64, Seats>> {
    let request = Actor::Service.request(SeatsOfRequest { course_ids });
    let seats = app.stubs.enrollment.get_seats_of(request).await?;
    let of_course = |item: CourseSeats| (item.course_id, item.seats.unwrap_or_default());
    Ok(seats.items.into_iter().map(of_course).collect())
}

pub(super) fn put(seats: &HashMap<i64, Seats>, course: &mut Course) {
    course.seats = Some(seats.get(&course.id).copied().unwrap_or(Seats {
        max: course.max_enrollments,
        taken: 0,
    }));
}
