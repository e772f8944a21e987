//! Wrong inputs get a clear, typed error and harm nothing.

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, header};
use serde_json::json;
use smartcourse_tests::{Layout, World};

use crate::{LESSONS, executable};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_inputs_are_told_and_harm_nothing() -> Result<()> {
    let world = World::start_with(
        executable(),
        Layout::Together,
        &[("CONTENT__MAX_UPLOAD_BYTES", "1000000")],
    )
    .await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;

    // Malformed JSON, wrong types, too long.
    let broken = instructor
        .request(Method::POST, "/courses")
        .header(header::CONTENT_TYPE, "application/json")
        .body("{\"title\":");
    let reply = instructor.send(broken).await?;
    ensure!(
        reply.status == 400 && reply.code() == "malformed_request",
        "{reply:?}"
    );
    ensure!(reply.headers["content-type"] == "application/problem+json");
    let latin = instructor
        .request(Method::POST, "/courses")
        .header(header::CONTENT_TYPE, "application/json")
        .body(b"{\"title\":\"\xff\xfe\"}".to_vec());
    let reply = instructor.send(latin).await?;
    ensure!(
        reply.status == 400 && reply.code() == "malformed_request",
        "{reply:?}"
    );
    let reply = instructor
        .post("/courses", &json!({"title": 7, "description": "d"}))
        .await?;
    ensure!(
        reply.status == 422 && reply.code() == "validation_failed",
        "{reply:?}"
    );
    let reply = instructor
        .post(
            "/courses",
            &json!({"title": "x".repeat(10_000), "description": ""}),
        )
        .await?;
    ensure!(
        reply.status == 422
            && reply.body["errors"]
                .as_array()
                .is_some_and(|errors| errors.len() == 2),
        "{reply:?}"
    );

    // Stale edits.
    let read = instructor.get(&format!("/courses/{course}/content")).await?;
    let tag = read.headers["etag"].to_str()?.to_owned();
    let edit = |tag: &str| {
        let module = json!({"title": "Another"});
        instructor
            .request(Method::POST, &format!("/courses/{course}/modules"))
            .header(header::IF_MATCH, tag)
            .json(&module)
    };
    instructor.send(edit(&tag)).await?.expect(201)?;
    let reply = instructor.send(edit(&tag)).await?;
    ensure!(reply.status == 412 && reply.code() == "stale", "{reply:?}");

    // The same request twice under one key is one course.
    let twice = |title: &str| {
        let body = json!({"title": title, "description": "d"});
        instructor
            .request(Method::POST, "/courses")
            .header("idempotency-key", "k1")
            .json(&body)
    };
    let (first, second) = (
        instructor.send(twice("T")).await?.expect(201)?,
        instructor.send(twice("T")).await?.expect(201)?,
    );
    ensure!(first["id"] == second["id"]);
    ensure!(instructor.send(twice("Other")).await?.code() == "idempotency_mismatch");

    let again = |title: &str| {
        let request = instructor.request(Method::POST, &format!("/courses/{course}/modules"));
        request
            .header("idempotency-key", "m")
            .json(&json!({ "title": title }))
    };
    let first = instructor.send(again("Once")).await?.expect(201)?;
    ensure!(instructor.send(again("Once")).await?.expect(201)? == first);
    let reply = instructor.send(again(" ")).await?;
    ensure!(
        reply.status == 422 && reply.body["errors"][0]["field"] == "title",
        "{reply:?}"
    );

    // A whole number may have a point; a list is no object; no text has a NUL.
    let sent = [
        (r#"{"title":"T","description":"D","max_enrollments":3.0}"#, 201),
        (r#"{"title":"T","description":"D","max_enrollments":3.5}"#, 422),
        (r#"{"title":"T","description":"D","price":["1","EUR"]}"#, 422),
        (r#"{"title":"\u0000","description":"D"}"#, 422),
        (r#"{"title":"T","description":"D","unknown":"\u0000"}"#, 201),
    ];
    for (body, status) in sent {
        let request = instructor.request(Method::POST, "/courses");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let reply = instructor.send(request.body(body)).await?;
        ensure!(reply.status == status, "{body}: {reply:?}");
    }
    for (path, status) in [
        ("/courses?category=%00", 422),
        ("/conversations/%00", 404),
        ("/analytics/popular?limit=1000", 422),
    ] {
        ensure!(instructor.get(path).await?.status == status, "{path}");
    }

    // Prerequisites.
    let child = instructor
        .post(
            "/courses",
            &json!({"title": "C", "description": "d", "prerequisites": [course]}),
        )
        .await?
        .expect(201)?;
    let cycle = json!({"prerequisites": [child["id"]]});
    let reply = instructor
        .send(
            instructor
                .request(Method::PATCH, &format!("/courses/{course}"))
                .json(&cycle),
        )
        .await?;
    ensure!(
        reply.status == 422 && reply.code() == "prerequisite_cycle",
        "{reply:?}"
    );

    // A course with no lessons, and a lesson that names a missing file.
    let empty = instructor.course(&[]).await?;
    let status = instructor.publish(empty).await?;
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "no_lessons",
        "{status}"
    );
    let dangling = instructor.course(&[]).await?;
    let lesson = json!({"id": "l1", "title": "Gone", "type": "pdf", "content": {"asset_id": "a-nowhere"}});
    instructor.put_lessons(dangling, &[lesson]).await?.expect(200)?;
    let status = instructor.publish(dangling).await?;
    ensure!(
        status["state"] == "failed" && status["error"]["code"] == "asset_missing",
        "{status}"
    );

    // Whatever came before, the good course publishes.
    ensure!(instructor.publish(course).await?["state"] == "completed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_files_are_refused_and_leave_nothing() -> Result<()> {
    let world = World::start_with(
        executable(),
        Layout::Together,
        &[("CONTENT__MAX_UPLOAD_BYTES", "1000000")],
    )
    .await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let cases: [(&str, Vec<u8>, u16, &str); 6] = [
        ("empty.md", Vec::new(), 422, "empty_file"),
        ("big.txt", vec![b'a'; 1_000_001], 413, "file_too_large"),
        ("lie.pdf", b"plain words".to_vec(), 415, "unsupported_type"),
        (
            "lie.txt",
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR".to_vec(),
            415,
            "unsupported_type",
        ),
        (
            "bad.md",
            b"fine \xff\xfe\x00 not".to_vec(),
            415,
            "unsupported_type",
        ),
        ("tool.exe", b"MZ\x90\x00".to_vec(), 415, "unsupported_type"),
    ];
    for (name, bytes, status, code) in cases {
        let reply = instructor.upload(course, name, bytes).await?;
        ensure!(
            reply.status == status && reply.code() == code,
            "{name}: {reply:?}"
        );
    }
    let rows: i64 = sqlx::query_scalar("select count(*) from content.assets")
        .fetch_one(&world.pool)
        .await?;
    ensure!(rows == 0, "{rows} rows of refused files");
    let staged = world.files().join(format!("staging/{course}"));
    let left = std::fs::read_dir(staged).map(Iterator::count).unwrap_or(0);
    ensure!(left == 0, "{left} refused files are still there");

    // A path in a file name is only a name, and a good file comes back as it was sent.
    let sent = b"# Good\n\nWords.".to_vec();
    let asset = instructor
        .upload(course, "../../etc/good.md", sent.clone())
        .await?
        .expect(201)?;
    ensure!(
        asset["filename"] == "good.md" && asset["size_bytes"] == sent.len(),
        "{asset}"
    );
    let path = format!(
        "/courses/{course}/assets/{}",
        asset["id"].as_str().context("an id")?
    );
    let back = instructor
        .request(Method::GET, &path)
        .send()
        .await?
        .bytes()
        .await?;
    ensure!(back == sent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_two_gigabyte_upload_is_cut_off_at_the_limit() -> Result<()> {
    let world = World::start_with(
        executable(),
        Layout::Together,
        &[("CONTENT__MAX_UPLOAD_BYTES", "5000000")],
    )
    .await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.txt\"\r\nContent-Type: text/plain\r\n\r\n";
    let length = 2_147_483_648_u64;
    let request = instructor
        .request(Method::POST, &format!("/courses/{course}/assets"))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
        .header(header::CONTENT_LENGTH, length)
        .body(reqwest::Body::from(head));
    // The promise of two gigabytes is enough: nobody waits for them.
    let reply = instructor.send(request).await?;
    ensure!(
        reply.status == 413 && reply.code() == "file_too_large",
        "{reply:?}"
    );
    ensure!(instructor.get(&format!("/courses/{course}")).await?.status == 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_pdfs_mark_their_lesson_and_nothing_else() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let mut lessons =
        vec![json!({"id": "l0", "title": "Good", "type": "text", "content": {"markdown": LESSONS[0].1}})];
    let pdfs = pdfs();
    for (name, bytes, _) in &pdfs {
        let asset = instructor
            .upload(course, &format!("{name}.pdf"), bytes.as_bytes())
            .await?
            .expect(201)?;
        lessons.push(json!({"id": name, "title": name, "type": "pdf", "content": {"asset_id": asset["id"]}}));
    }
    instructor.put_lessons(course, &lessons).await?.expect(200)?;
    let status = instructor.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    let warnings: Vec<(&str, &str)> = status["warnings"]
        .as_array()
        .context("warnings")?
        .iter()
        .map(|warning| {
            (
                warning["lesson_id"].as_str().unwrap_or_default(),
                warning["code"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    for (name, _, code) in &pdfs {
        ensure!(warnings.contains(&(*name, *code)), "{name}: {warnings:?}");
    }
    Ok(())
}

/// Small PDFs with something wrong: name, bytes, the warning they must give.
fn pdfs() -> [(&'static str, String, &'static str); 3] {
    let catalog = "<< /Type /Catalog /Pages 2 0 R >>";
    let pages = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>";
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Resources << >> >>";
    // A user password: the keys below come from no empty one.
    let encrypt = "<< /Filter /Standard /V 1 /R 2 /P -64 /O <0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20> \
                   /U <2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40> >>";
    let whole = pdf(&[catalog, pages, page], "");
    [
        ("truncated", whole[..whole.len() / 2].to_owned(), "pdf_damaged"),
        ("textless", whole, "no_text_layer"),
        (
            "encrypted",
            pdf(
                &[catalog, pages, page, encrypt],
                "/Encrypt 4 0 R /ID [<0011> <0011>]",
            ),
            "pdf_encrypted",
        ),
    ]
}

/// A PDF of these objects with a right cross-reference table.
fn pdf(objects: &[&str], trailer: &str) -> String {
    let mut text = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (object, number) in objects.iter().zip(1..) {
        table.push_str(&format!("{:010} 00000 n \n", text.len()));
        text.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let start = text.len();
    format!(
        "{text}{table}trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    )
}
