//! The numbers of a school, counted by hand.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::school::School;

/// Fails with the first field that is not as it should be.
fn are(numbers: &Value, expected: &Value) -> Result<()> {
    for (field, value) in expected.as_object().context("an object")? {
        ensure!(&numbers[field] == value, "{field} is not {value}: {numbers}");
    }
    Ok(())
}

fn first_course() -> Value {
    // Four epochs: one completed, one dropped and begun again, one dropped.
    json!({"total": 4, "active": 1, "completed": 1, "dropped": 2, "completion_rate": 0.5, "mean_seconds_to_complete": 3600})
}

pub(super) async fn check_numbers(school: &School) -> Result<()> {
    let (first, second) = (school.first, school.second);
    let platform = school.numbers(&school.admin, "platform").await?;
    are(
        &platform,
        &json!({
            // The administrator registered as a student and is none any more.
            "students": 3, "active_students": 3, "instructors": 2, "published_courses": 2,
            "new_enrollments_day": 5, "new_enrollments_week": 6, "new_enrollments_month": 6,
            "courses_per_student": 1.6667, "failed_events": 0, "failed_workflows": 0,
            "assistant": {"asked": 3, "answered": 2, "refused": 1},
            "enrollments": {"total": 6, "active": 3, "completed": 1, "dropped": 2, "completion_rate": 0.25,
                "mean_seconds_to_complete": 3600},
        }),
    )?;
    let course = school
        .numbers(&school.teacher, &format!("courses/{first}"))
        .await?;
    are(
        &course,
        &json!({"course_id": first, "enrollments": first_course(), "lessons_completed": 2,
            "assistant": {"asked": 3, "answered": 2, "refused": 1}}),
    )?;
    let teacher = school
        .numbers(&school.teacher, &format!("instructors/{}", school.teacher.id))
        .await?;
    are(
        &teacher,
        &json!({"published_courses": 1, "students": 3, "enrollments": first_course()}),
    )?;
    let other = school
        .numbers(&school.other, &format!("instructors/{}", school.other.id))
        .await?;
    are(
        &other,
        &json!({"published_courses": 1, "students": 2, "assistant": {"asked": 0, "answered": 0, "refused": 0}}),
    )?;
    let student = school
        .numbers(&school.diligent, &format!("students/{}", school.diligent.id))
        .await?;
    are(
        &student,
        &json!({"lessons_completed": 2, "certificates": 1, "assistant": {"asked": 2, "answered": 1, "refused": 1},
            "enrollments": {"total": 2, "active": 1, "completed": 1, "dropped": 0, "completion_rate": 0.5,
                "mean_seconds_to_complete": 3600}}),
    )?;
    let popular = school.numbers(&school.world.anonymous(), "popular").await?;
    let order: Vec<(i64, i64)> = popular["items"]
        .as_array()
        .context("items")?
        .iter()
        .filter_map(|item| Some((item["course_id"].as_i64()?, item["enrollments"].as_i64()?)))
        .collect();
    ensure!(order == [(first, 4), (second, 2)], "{popular}");
    Ok(())
}

pub(super) async fn check_trends(school: &School) -> Result<()> {
    let days = school
        .numbers(&school.admin, "trends?from=2026-03-06&to=2026-03-11&bucket=day")
        .await?;
    let none = |start: &str| json!({"start": start, "enrollments": 0, "completions": 0, "drops": 0, "registrations": 0, "questions": 0});
    let mut seventh = none("2026-03-07");
    seventh["enrollments"] = json!(1);
    let tenth = json!({"start": "2026-03-10", "enrollments": 5, "completions": 1, "drops": 2, "registrations": 6,
        "questions": 3});
    let expected = [
        none("2026-03-06"),
        seventh,
        none("2026-03-08"),
        none("2026-03-09"),
        tenth,
        none("2026-03-11"),
    ];
    ensure!(days["items"] == json!(expected), "{days}");
    let months = school
        .numbers(&school.admin, "trends?from=2026-02-01&to=2026-03-31&bucket=month")
        .await?;
    let items = months["items"].as_array().context("items")?;
    ensure!(
        items.len() == 2 && items[0] == none("2026-02-01") && items[1]["enrollments"] == 6,
        "{months}"
    );
    let weeks = school
        .numbers(&school.admin, "trends?from=2026-03-02&to=2026-03-15&bucket=week")
        .await?;
    let begun: Vec<&Value> = weeks["items"]
        .as_array()
        .context("items")?
        .iter()
        .map(|item| &item["enrollments"])
        .collect();
    ensure!(begun == [1, 5], "{weeks}");
    Ok(())
}
