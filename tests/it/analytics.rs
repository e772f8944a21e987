//! Numbers of real activity against numbers counted by hand, against a rebuild, and in a report.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_proto::catalogue::EVENTS;
use smartcourse_tests::{Layout, Session, World, wait_for};

use crate::{LESSONS, executable};

/// Waits until every event is counted or parked.
async fn counted(world: &World) -> Result<()> {
    wait_for("analytics to have read the log", async || {
        let left: i64 = sqlx::query_scalar(
            "select count(*) from platform.events where position is null or position > coalesce(
                 (select position from platform.event_groups where name = 'analytics.counter'), 0)",
        )
        .fetch_one(&world.pool)
        .await?;
        Ok(if left == 0 { Ok(()) } else { Err(left.to_string()) })
    })
    .await
}

/// Runs the rebuild; answers whether the numbers were right and what it said.
pub(crate) async fn rebuild(world: &World) -> Result<(bool, String)> {
    counted(world).await?;
    world.run(&["analytics", "rebuild"])
}

async fn published(instructor: &Session, title: &str) -> Result<i64> {
    let course = instructor.course(&LESSONS).await?;
    let request = instructor.request(Method::PATCH, &format!("/courses/{course}"));
    instructor
        .send(request.json(&json!({ "title": title })))
        .await?
        .expect(200)?;
    let status = instructor.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    Ok(course)
}

/// Takes a seat and waits for what follows; answers the enrollment.
async fn enroll(student: &Session, course: i64) -> Result<i64> {
    let path = format!("/courses/{course}/enroll");
    let id = student.post(&path, &Value::Null).await?.expect(201)?["enrollment_id"].clone();
    wait_for("the onboarding", async || {
        let shown = student.get(&format!("/enrollments/{id}")).await?.expect(200)?;
        Ok(match shown["onboarding"]["state"].as_str() {
            Some("completed") => Ok(()),
            _ => Err(shown.to_string()),
        })
    })
    .await?;
    id.as_i64().context("an enrollment has an id")
}

async fn leave(student: &Session, enrollment: i64) -> Result<()> {
    student
        .delete(&format!("/enrollments/{enrollment}"))
        .await?
        .expect(204)?;
    Ok(())
}

async fn ask(asker: &Session, course: i64, question: &str) -> Result<Value> {
    let body = json!({ "question": question });
    asker
        .post(&format!("/courses/{course}/ask"), &body)
        .await?
        .expect(200)
}

/// A small school with one of everything that counts.
struct School {
    world: World,
    admin: Session,
    /// Of the first course, which is published twice, and of one that is archived.
    teacher: Session,
    /// Of the second course.
    other: Session,
    /// Completes the first course and sits in the second.
    diligent: Session,
    /// Leaves the first course and comes back.
    returning: Session,
    /// Leaves the first course and sits in the second.
    leaving: Session,
    first: i64,
    second: i64,
}

impl School {
    async fn open() -> Result<Self> {
        let world = World::start(executable(), Layout::Together).await?;
        let (teacher, other) = (
            world.sign_up("instructor").await?,
            world.sign_up("instructor").await?,
        );
        let first = published(&teacher, "=SUM(A1)").await?;
        let second = published(&other, "Outbox, \"quoted\"").await?;
        let archived = published(&teacher, "Archived").await?;
        let path = format!("/courses/{archived}/status");
        teacher
            .put(&path, &json!({"status": "archived"}))
            .await?
            .expect(200)?;
        teacher.course(&LESSONS).await?;
        Ok(Self {
            admin: world.admin().await?,
            diligent: world.sign_up("student").await?,
            returning: world.sign_up("student").await?,
            leaving: world.sign_up("student").await?,
            world,
            teacher,
            other,
            first,
            second,
        })
    }

    async fn live(&self) -> Result<()> {
        enroll(&self.diligent, self.first).await?;
        enroll(&self.diligent, self.second).await?;
        let seat = enroll(&self.returning, self.first).await?;
        leave(&self.returning, seat).await?;
        ensure!(enroll(&self.returning, self.first).await? == seat);
        let seat = enroll(&self.leaving, self.first).await?;
        leave(&self.leaving, seat).await?;
        enroll(&self.leaving, self.second).await?;
        for lesson in ["l1", "l2"] {
            self.diligent
                .complete_lesson(self.first, lesson)
                .await?
                .expect(200)?;
        }
        ask(&self.diligent, self.first, "What is a saga?").await?;
        let refused = ask(
            &self.diligent,
            self.first,
            "How long should sourdough bread rise?",
        )
        .await?;
        ensure!(refused["refused"] == true, "{refused}");
        ask(&self.teacher, self.first, "What is an outbox?").await?;
        ensure!(
            self.teacher.publish(self.first).await?["version"] == 2,
            "a republish"
        );
        counted(&self.world).await
    }

    async fn numbers(&self, of: &Session, path: &str) -> Result<Value> {
        let numbers = of.get(&format!("/analytics/{path}")).await?.expect(200)?;
        ensure!(numbers["as_of"].is_string(), "{path}: {numbers}");
        Ok(numbers)
    }

    /// Moves the events to days of one's choice and counts them again.
    ///
    /// Everything happened in the second after noon of 10 March; the diligent student sat down in the first course an
    /// hour before completing it, and the leaving one in the second course three days before.
    async fn date(&self) -> Result<(bool, String)> {
        let noon = "2026-03-10T12:00:00Z";
        sqlx::query(
            "update platform.events set created_at = $1::timestamptz + position * interval '1 millisecond'",
        )
        .bind(noon)
        .execute(&self.world.pool)
        .await?;
        let moved = "update platform.events set created_at = $1::text::timestamptz where type = $2
             and payload->>'course_id' = $3::text and payload->>'user_id' = $4::text";
        for (time, event_type, course, student) in [
            (
                "2026-03-10T11:00:00Z",
                "enrollment.created",
                self.first,
                &self.diligent,
            ),
            (noon, "course.completed", self.first, &self.diligent),
            (
                "2026-03-07T12:00:00Z",
                "enrollment.created",
                self.second,
                &self.leaving,
            ),
        ] {
            let rows = sqlx::query(moved)
                .bind(time)
                .bind(event_type)
                .bind(course)
                .bind(student.id)
                .execute(&self.world.pool)
                .await?;
            ensure!(rows.rows_affected() == 1, "{event_type} is there once");
        }
        rebuild(&self.world).await
    }
}

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

async fn check_numbers(school: &School) -> Result<()> {
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

async fn check_trends(school: &School) -> Result<()> {
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

/// The keys and types of real events are those of the catalogue.
async fn check_catalogue(school: &School) -> Result<()> {
    let rows: Vec<(String, String, Value)> =
        sqlx::query_as("select distinct on (type, key) type, key, payload from platform.events")
            .fetch_all(&school.world.pool)
            .await?;
    for (event_type, key, payload) in rows {
        let event = EVENTS
            .iter()
            .find(|event| event.name == event_type)
            .context(event_type)?;
        let template = event.key.describe();
        let field = template.split(['{', '}']).nth(1).context("a field")?;
        let expected = template.replace(&format!("{{{field}}}"), &payload[field].to_string());
        ensure!(key == expected, "{}: {key} is not {expected}", event.name);
    }
    Ok(())
}

/// A report asked for twice with one key, once it is ready.
async fn report(admin: &Session) -> Result<(Value, String)> {
    let ask = async || {
        let request = admin
            .request(Method::POST, "/admin/reports")
            .header("idempotency-key", "march");
        let reply = admin.send(request).await?;
        let location = reply.headers["location"].to_str()?.to_owned();
        anyhow::Ok((reply.expect(202)?, location))
    };
    let (first, location) = ask().await?;
    let ready = wait_for("the report", async || {
        let report = admin.get(&location).await?.expect(200)?;
        Ok(match report["state"].as_str() {
            Some("ready") => Ok(report),
            _ => Err(report.to_string()),
        })
    })
    .await?;
    let (second, _) = ask().await?;
    ensure!(first["id"] == second["id"], "one key, one report");
    let url = ready["download_url"]
        .as_str()
        .context("a report that is ready has an address")?;
    let reply = admin.get(url).await?;
    let kind = reply.headers["content-type"].to_str()?.to_owned();
    ensure!(kind.starts_with("text/csv"), "{kind}");
    let text = reply.expect(200)?.as_str().context("text")?.to_owned();
    Ok((ready, text))
}

async fn check_report(school: &School) -> Result<()> {
    let (ready, text) = report(&school.admin).await?;
    ensure!(ready["finished_at"].is_string(), "{ready}");
    let rows: Vec<Vec<String>> = csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .collect::<Result<_, _>>()?;
    // Without the last column, the time.
    let cells: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| row[..12].iter().map(String::as_str).collect())
        .collect();
    let (first, second) = (school.first.to_string(), school.second.to_string());
    let archived = (school.second + 1).to_string();
    let expected = [
        vec![
            "platform", "", "", "6", "3", "1", "2", "0.2500", "3600", "3", "2", "1",
        ],
        vec![
            "course",
            &first,
            "'=SUM(A1)",
            "4",
            "1",
            "1",
            "2",
            "0.5000",
            "3600",
            "3",
            "2",
            "1",
        ],
        vec![
            "course",
            &second,
            "Outbox, \"quoted\"",
            "2",
            "2",
            "0",
            "0",
            "0.0000",
            "",
            "0",
            "0",
            "0",
        ],
        vec![
            "course", &archived, "Archived", "0", "0", "0", "0", "0.0000", "", "0", "0", "0",
        ],
    ];
    ensure!(cells == expected, "{text}");
    ensure!(
        rows.iter().all(|row| row[12].starts_with("2026-03-10T12:00:0")),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_those_counted_by_hand_and_those_of_a_rebuild() -> Result<()> {
    let school = School::open().await?;
    school.live().await?;
    check_catalogue(&school).await?;
    let (right, told) = rebuild(&school.world).await?;
    ensure!(right && told.contains("to the digit"), "{told}");

    let spoil = "update analytics.lessons set lesson_id = 'l9' where lesson_id = 'l2'";
    ensure!(
        sqlx::query(spoil)
            .execute(&school.world.pool)
            .await?
            .rows_affected()
            == 1
    );
    let (right, told) = rebuild(&school.world).await?;
    ensure!(
        !right && told.contains("these tables differed: lessons\n"),
        "{told}"
    );
    let (right, told) = rebuild(&school.world).await?;
    ensure!(right && told.contains("to the digit"), "{told}");

    let (right, told) = school.date().await?;
    ensure!(
        !right && told.contains("counted") && told.contains("enrollments"),
        "{told}"
    );
    let (right, told) = rebuild(&school.world).await?;
    ensure!(right, "{told}");
    check_numbers(&school).await?;
    check_trends(&school).await?;
    check_report(&school).await
}
