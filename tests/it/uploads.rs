//! Uploads in parts: they go on where they broke off, whoever broke off, and make one file.

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use smartcourse_tests::{ByHand, Layout, Reply, Session, World};

use crate::{LESSONS, executable};

/// Bytes of a part, so that there are several of a file that is soon sent.
const PART: usize = 100_000;
const SETTINGS: [(&str, &str); 1] = [("CONTENT__UPLOAD_PART_BYTES", "100000")];

/// A lesson of three parts.
fn text() -> String {
    let (_, saga) = LESSONS[0];
    let more = (0..).map(|line| format!("Line {line} says nothing of it.\n"));
    let mut text = format!("{saga}\n{}", more.take(9000).collect::<String>());
    text.truncate(2 * PART + 1234);
    text
}

/// An upload of a file, seen by whoever sends it.
struct Sending<'a> {
    session: &'a Session,
    http: reqwest::Client,
    /// Where the gateway is.
    base: String,
    file: &'a [u8],
    path: String,
}

impl<'a> Sending<'a> {
    async fn begin(world: &World, session: &'a Session, course: i64, file: &'a str) -> Result<Self> {
        let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(file));
        let announced = json!({"filename": "sagas.md", "size_bytes": file.len(), "sha256": sha256,
            "content_type": "text/markdown"});
        let uploads = format!("/courses/{course}/assets/uploads");
        let upload = session.post(&uploads, &announced).await?.expect(201)?;
        ensure!(
            upload["part_bytes"] == PART && upload["parts"].as_array().is_some_and(|parts| parts.len() == 3)
        );
        let id = upload["id"].as_str().context("an id")?;
        Ok(Self {
            session,
            http: world.http.clone(),
            base: world.base.clone(),
            file: file.as_bytes(),
            path: format!("{uploads}/{id}"),
        })
    }

    /// Which parts are there.
    async fn received(&self) -> Result<Vec<bool>> {
        let parts = self.parts().await?;
        let received = parts.iter().map(|part| part["received"].as_bool());
        received.collect::<Option<_>>().context("what is there")
    }

    async fn parts(&self) -> Result<Vec<Value>> {
        let upload = self.session.get(&self.path).await?.expect(200)?;
        Ok(upload["parts"].as_array().context("parts")?.clone())
    }

    fn bytes(&self, number: usize) -> &[u8] {
        let parts: Vec<&[u8]> = self.file.chunks(PART).collect();
        parts[number - 1]
    }

    /// Where a part goes: the address, the path there, and whether it is ours, which alone is told who sends it.
    async fn place(&self, number: usize) -> Result<(String, String, bool)> {
        let parts = self.parts().await?;
        let url = parts[number - 1]["url"].as_str().context("a URL")?;
        Ok(match Url::parse(url) {
            Ok(url) => {
                let path = &url[url::Position::BeforePath..];
                (url.origin().ascii_serialization(), path.to_owned(), false)
            }
            Err(_) => (self.base.clone(), url.to_owned(), true),
        })
    }

    async fn send(&self, number: usize) -> Result<u16> {
        let (base, path, is_ours) = self.place(number).await?;
        let request = match is_ours {
            true => self.session.request(Method::PUT, &path),
            false => self.http.put(format!("{base}{path}")),
        };
        let body = self.bytes(number).to_vec();
        Ok(request.body(body).send().await?.status().as_u16())
    }

    /// Sends the first half of a part and keeps the connection.
    async fn begin_part(&self, number: usize) -> Result<ByHand> {
        let (base, path, is_ours) = self.place(number).await?;
        let host = base.split_once("//").map_or("", |(_, host)| host);
        let token = match is_ours {
            true => format!("authorization: Bearer {}\r\n", self.session.token),
            false => String::new(),
        };
        let bytes = self.bytes(number);
        let length = bytes.len();
        let head = format!("PUT {path} HTTP/1.1\r\nhost: {host}\r\n{token}content-length: {length}\r\n\r\n");
        let mut request = ByHand::begin(&base, &head).await?;
        ensure!(request.send(&bytes[..length / 2]).await, "half of it is taken");
        Ok(request)
    }

    /// Sends what is missing.
    async fn resume(&self) -> Result<()> {
        for (number, received) in (1..).zip(self.received().await?) {
            if !received {
                let status = self.send(number).await?;
                ensure!((200..300).contains(&status), "part {number}: {status}");
            }
        }
        Ok(())
    }

    async fn complete(&self) -> Result<Reply> {
        self.session
            .post(&format!("{}/complete", self.path), &Value::Null)
            .await
    }
}

async fn count(world: &World, table: &'static str, course: i64) -> Result<i64> {
    let query = match table {
        "assets" => "select count(*) from content.assets where course_id = $1",
        _ => "select count(*) from content.uploads where storage_key like 'staging/' || $1::bigint || '/%'",
    };
    Ok(sqlx::query_scalar(query)
        .bind(course)
        .fetch_one(&world.pool)
        .await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_whoever_broke_off() -> Result<()> {
    let mut world = World::start_with(executable(), Layout::Apart, &SETTINGS).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let file = text();

    // The client hangs up in a part, then the gateway dies in one, then the content service at the end of one.
    let upload = Sending::begin(&world, &instructor, course, &file).await?;
    ensure!(upload.send(1).await? < 300);
    drop(upload.begin_part(2).await?);
    ensure!(upload.received().await? == [true, false, false]);
    let early = upload.complete().await?;
    ensure!(
        early.status == 409 && early.code() == "upload_incomplete",
        "{early:?}"
    );
    ensure!(early.body["parts"] == json!([2, 3]), "{early:?}");
    let half = upload.begin_part(2).await?;
    world.restart("serve", &[]).await?;
    drop(half);
    let kill = [("SMARTCOURSE_KILL_AT", "content.send_part.before_finish")];
    world.restart("content", &kill).await?;
    world.ready().await?;
    let cut_off = upload.send(2).await?;
    world.restart("content", &[]).await?;
    world.ready().await?;
    // A store that takes parts itself was not asked to die.
    let is_there = (200..300).contains(&cut_off);
    ensure!(upload.received().await? == [true, is_there, false], "{cut_off}");
    upload.resume().await?;
    let asset = upload.complete().await?.expect(201)?;
    ensure!(
        upload.complete().await?.expect(201)? == asset,
        "again is the same"
    );

    // The content service dies while it makes the file.
    let mut files = 1;
    for (point, is_made) in [
        ("content.upload_asset.before_finish", false),
        ("content.complete_upload.before_commit", false),
        ("content.complete_upload.after_commit", true),
    ] {
        let upload = Sending::begin(&world, &instructor, course, &file).await?;
        upload.resume().await?;
        world
            .restart("content", &[("SMARTCOURSE_KILL_AT", point)])
            .await?;
        world.ready().await?;
        let killed = upload.complete().await?;
        ensure!(killed.status == 503, "{point}: {killed:?}");
        world.restart("content", &[]).await?;
        world.ready().await?;
        let shown = instructor.get(&upload.path).await?.expect(200)?;
        ensure!(shown["asset_id"].is_string() == is_made, "{point}: {shown}");
        let made = upload.complete().await?.expect(201)?;
        ensure!(made["sha256"] == asset["sha256"], "{point}: {made}");
        files += 1;
        ensure!(
            count(&world, "assets", course).await? == files,
            "{point}: one file"
        );
    }
    // What the first two wrote before they died is known, and goes with the clean-up.
    ensure!(count(&world, "uploads", course).await? == 2);

    let id = asset["id"].as_str().context("an id")?;
    let bytes = instructor
        .get(&format!("/courses/{course}/assets/{id}"))
        .await?
        .expect(200)?;
    ensure!(bytes == file.as_str(), "every byte in its place");
    let lesson = json!({"id": "l1", "title": "Sagas", "type": "document", "content": {"asset_id": id}});
    instructor.put_lessons(course, &[lesson]).await?.expect(200)?;
    let status = instructor.publish(course).await?;
    ensure!(
        status["state"] == "completed" && status["warnings"] == json!([]),
        "{status}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_what_was_announced_and_its_owners() -> Result<()> {
    let world = World::start_with(executable(), Layout::Together, &SETTINGS).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let uploads = format!("/courses/{course}/assets/uploads");
    for (announced, status, code) in [
        (
            json!({"filename": "a.md", "size_bytes": 1_i64 << 40}),
            413,
            "file_too_large",
        ),
        (
            json!({"filename": "a.exe", "size_bytes": 1}),
            415,
            "unsupported_type",
        ),
        (json!({"filename": "a.md", "size_bytes": 0}), 422, "empty_file"),
        (
            json!({"filename": "a.md", "size_bytes": 1, "sha256": "1"}),
            422,
            "validation_failed",
        ),
        (
            json!({"filename": "a.md", "size_bytes": "1"}),
            422,
            "validation_failed",
        ),
    ] {
        let reply = instructor.post(&uploads, &announced).await?;
        ensure!(
            reply.status == status && reply.code() == code,
            "{announced}: {reply:?}"
        );
    }

    let file = text();
    let upload = Sending::begin(&world, &instructor, course, &file).await?;
    let part = async |session: &Session, number: &str, bytes: usize| {
        let request = session.request(Method::PUT, &format!("{}/parts/{number}", upload.path));
        session.send(request.body(vec![b'x'; bytes])).await
    };
    for (number, bytes, status, code) in [
        ("1", PART - 1, 422, "upload_mismatch"),
        ("1", PART + 1, 422, "upload_mismatch"),
        ("3", PART, 422, "upload_mismatch"),
        ("4", 1, 404, "not_found"),
        ("one", 1, 404, "not_found"),
    ] {
        let reply = part(&instructor, number, bytes).await?;
        ensure!(
            reply.status == status && reply.code() == code,
            "{number}, {bytes}: {reply:?}"
        );
    }
    ensure!(upload.received().await? == [false; 3]);

    // The right number of the wrong bytes.
    upload.resume().await?;
    ensure!(part(&instructor, "2", PART).await?.status == 204);
    let wrong = upload.complete().await?;
    ensure!(
        wrong.status == 422 && wrong.code() == "upload_mismatch",
        "{wrong:?}"
    );
    ensure!(upload.send(2).await? < 300, "a part may be sent again");

    // Nobody else sees it, and of a draft not even that there is one.
    for stranger in [
        world.sign_up("instructor").await?,
        world.sign_up("student").await?,
    ] {
        ensure!(stranger.get(&upload.path).await?.status == 404);
        ensure!(stranger.delete(&upload.path).await?.status == 404);
        let complete = format!("{}/complete", upload.path);
        ensure!(stranger.post(&complete, &Value::Null).await?.status == 404);
        ensure!(part(&stranger, "1", PART).await?.status == 404);
    }

    // Two at once make one file.
    let (one, other) = tokio::try_join!(upload.complete(), upload.complete())?;
    let asset = one.expect(201)?;
    ensure!(other.expect(201)? == asset);
    ensure!(count(&world, "assets", course).await? == 1);
    let late = part(&instructor, "1", PART).await?;
    ensure!(
        late.status == 409 && late.code() == "upload_completed",
        "{late:?}"
    );

    let upload = Sending::begin(&world, &instructor, course, &file).await?;
    upload.resume().await?;
    for _ in 0..2 {
        instructor.delete(&upload.path).await?.expect(204)?;
    }
    ensure!(upload.complete().await?.status == 404);
    Ok(())
}
