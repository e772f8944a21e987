//! Downloads by part, and of what the caller has already.

use anyhow::{Context as _, Result, ensure};
use reqwest::{
    Method,
    header::{self, HeaderName},
    redirect::Policy,
};
use smartcourse_tests::{Layout, Reply, Session, World};

use crate::{LESSONS, executable};

async fn ask(session: &Session, method: Method, path: &str, asked: &[(HeaderName, &str)]) -> Result<Reply> {
    let mut request = session.request(method, path);
    for (name, value) in asked {
        request = request.header(name, *value);
    }
    session.send(request).await
}

fn told(reply: &Reply, name: HeaderName) -> &str {
    let value = reply.headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_it_broke_off_and_is_not_repeated() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    // More than one message of the stream between the services.
    let sent: String = ('a'..='z').cycle().take(700_000).collect();
    let asset = instructor
        .upload(course, "Notes 1.txt", sent.clone())
        .await?
        .expect(201)?;
    let path = format!(
        "/courses/{course}/assets/{}",
        asset["id"].as_str().context("an id")?
    );
    let get = async |asked: &[(HeaderName, &str)]| ask(&instructor, Method::GET, &path, asked).await;

    // The head is that of the whole file, and nothing follows.
    let head = ask(&instructor, Method::HEAD, &path, &[(header::RANGE, "bytes=0-9")]).await?;
    ensure!(head.status == 200 && head.body == "", "{head:?}");
    let (tag, came) = (told(&head, header::ETAG), told(&head, header::LAST_MODIFIED));
    ensure!(tag == format!("{}", asset["sha256"]), "{tag}");
    ensure!(told(&head, header::ACCEPT_RANGES) == "bytes");
    let cache = told(&head, header::CACHE_CONTROL);
    ensure!(
        cache.contains("private") && cache.contains("immutable"),
        "{cache}"
    );

    let whole = get(&[]).await?;
    ensure!(whole.status == 200 && whole.body == sent);
    let ours = [
        header::ETAG,
        header::X_CONTENT_TYPE_OPTIONS,
        header::CONTENT_SECURITY_POLICY,
    ];
    // Where the store itself gives the file away, it says of it what we do.
    let theirs = [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_DISPOSITION,
    ];
    let is_elsewhere = world.names("S3_PUBLIC_ENDPOINT");
    for name in ours.iter().filter(|_| !is_elsewhere).chain(&theirs) {
        ensure!(!told(&head, name.clone()).is_empty(), "{name}");
        ensure!(told(&head, name.clone()) == told(&whole, name.clone()), "{name}");
    }
    let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let plain = ask(
        &instructor.by_way_of(client, &world.base),
        Method::GET,
        &path,
        &[],
    )
    .await?;
    let kept = told(&plain, header::CACHE_CONTROL);
    match is_elsewhere {
        true => ensure!(plain.status == 307 && kept == "no-store", "{plain:?}"),
        false => ensure!(plain.status == 200 && kept == cache, "{plain:?}"),
    }

    // Parts, and what they are joined with.
    for (range, start, end) in [
        ("bytes=0-9", 0, 10),
        ("bytes=300000-", 300_000, 700_000),
        ("bytes=-5", 699_995, 700_000),
        ("bytes=699990-800000", 699_990, 700_000),
    ] {
        for copy in [tag, came] {
            let part = get(&[(header::RANGE, range), (header::IF_RANGE, copy)]).await?;
            ensure!(part.status == 206 && part.body == sent[start..end], "{range}");
            ensure!(told(&part, header::CONTENT_RANGE) == format!("bytes {start}-{}/700000", end - 1));
            ensure!(told(&part, header::CONTENT_LENGTH) == (end - start).to_string());
            ensure!(told(&part, header::ETAG) == tag);
            ensure!(told(&part, header::CONTENT_DISPOSITION).contains("Notes 1.txt"));
            ensure!(told(&part, header::X_CONTENT_TYPE_OPTIONS) == "nosniff");
        }
    }
    for asked in [
        &[(header::RANGE, "bytes=0-1,5-6")][..],
        &[(header::RANGE, "lines=0-1")],
        &[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"another\"")],
    ] {
        let reply = get(asked).await?;
        ensure!(reply.status == 200 && reply.body == sent, "{asked:?}");
    }
    let beyond = get(&[(header::RANGE, "bytes=700000-")]).await?;
    ensure!(
        beyond.status == 416 && beyond.code() == "range_not_satisfiable",
        "{beyond:?}"
    );
    ensure!(told(&beyond, header::CONTENT_RANGE) == "bytes */700000");

    // Who has it gets nothing, whoever may not have it learns nothing.
    for method in [Method::GET, Method::HEAD] {
        for asked in [(header::IF_NONE_MATCH, tag), (header::IF_MODIFIED_SINCE, came)] {
            let reply = ask(&instructor, method.clone(), &path, &[asked]).await?;
            ensure!(reply.status == 304 && reply.body == "", "{reply:?}");
            ensure!(told(&reply, header::ETAG) == tag && told(&reply, header::CACHE_CONTROL) == cache);
        }
    }
    let stranger = world.sign_up("student").await?;
    for asked in [(header::IF_NONE_MATCH, tag), (header::RANGE, "bytes=0-9")] {
        let reply = ask(&stranger, Method::GET, &path, &[asked]).await?;
        ensure!(reply.status == 404, "{reply:?}");
    }
    Ok(())
}
