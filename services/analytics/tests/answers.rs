//! What an answer promises: it has at least what its `as_of` says, and a range it cannot answer is refused.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{future::Future, sync::Arc};

use smartcourse_analytics::Dependencies;
use smartcourse_platform::{
    Error, clock,
    config::Config,
    grpc::{Actor, LocalRouter, Transport},
    postgres,
};
use smartcourse_proto::{
    analytics::{
        PopularRequest, SubjectRequest, TrendsRequest, analytics_service_client::AnalyticsServiceClient,
    },
    json::timestamp::from_time,
};
use sqlx::{Executor as _, PgPool};
use time::{Duration, OffsetDateTime};
use tonic::service::Routes;

type Client = AnalyticsServiceClient<Transport>;

async fn service() -> (PgPool, Client) {
    let pool = smartcourse_tests::migrated(&smartcourse_analytics::migrator())
        .await
        .unwrap();
    let config = Config::load(&[], None, &[]).unwrap();
    let nowhere = Transport::local(&config.grpc, LocalRouter::default());
    let service = smartcourse_analytics::service(
        &config,
        pool.clone(),
        Dependencies {
            course: nowhere,
            clock: Arc::new(clock::System),
        },
    )
    .unwrap();
    let local = LocalRouter::default();
    assert!(local.set(Routes::new(service).into_axum_router()).is_ok());
    (pool, Client::new(Transport::local(&config.grpc, local)))
}

/// Lets an answer begin, counts something more while it waits for `table`, and looks at what it promises.
async fn promises_no_more_than_it_has<T: Send + 'static>(
    pool: &PgPool,
    table: &str,
    answer: impl Future<Output = T> + Send + 'static,
    as_of: fn(T) -> Option<prost_types::Timestamp>,
) {
    let before = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
    let count = "insert into analytics.counted (as_of) values ($1) on conflict (one) do update set as_of = excluded.as_of";
    sqlx::query(count).bind(before).execute(pool).await.unwrap();
    let mut counting = postgres::begin(pool).await.unwrap();
    let lock = format!("lock table analytics.{table} in access exclusive mode");
    counting.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    let answer = tokio::spawn(answer);
    let waits = "select exists (select from pg_locks where not granted and database =
        (select oid from pg_database where datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waits)
        .fetch_one(pool)
        .await
        .unwrap()
    {
        tokio::task::yield_now().await;
    }
    // Later than what the answer counts: it has to say the earlier time, whatever else it finds.
    sqlx::query(count)
        .bind(before + Duration::days(1))
        .execute(&mut *counting)
        .await
        .unwrap();
    counting.commit().await.unwrap();
    assert_eq!(as_of(answer.await.unwrap()), Some(from_time(before)), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_at_least_what_it_says() {
    let (pool, client) = service().await;
    let mut asked = client.clone();
    let popular = async move {
        let request = Actor::Anonymous.request(PopularRequest::default());
        asked.get_popular(request).await.unwrap().into_inner()
    };
    promises_no_more_than_it_has(&pool, "courses", popular, |answer| answer.as_of).await;

    let subject = || Actor::Service.request(SubjectRequest { id: 7 });
    let mut asked = client.clone();
    let instructor = async move { asked.get_instructor(subject()).await.unwrap().into_inner() };
    promises_no_more_than_it_has(&pool, "courses", instructor, |answer| answer.as_of).await;
    let mut asked = client.clone();
    let student = async move { asked.get_student(subject()).await.unwrap().into_inner() };
    promises_no_more_than_it_has(&pool, "lessons", student, |answer| answer.as_of).await;
    let mut asked = client.clone();
    let trends = async move {
        let range = Actor::Service.request(TrendsRequest::default());
        asked.get_trends(range).await.unwrap().into_inner()
    };
    promises_no_more_than_it_has(&pool, "enrollments", trends, |answer| answer.as_of).await;
}

#[tokio::test]
async fn days_at_the_edge_of_the_calendar_are_refused() {
    let (_, client) = service().await;
    for (from, to) in [
        ("", "-9999-01-01"),
        ("", "0000-01-01"),
        ("-9999-01-01", ""),
        ("", "1969-12-31"),
    ] {
        let range = TrendsRequest {
            from: from.to_owned(),
            to: to.to_owned(),
            ..TrendsRequest::default()
        };
        let refused = client.clone().get_trends(Actor::Service.request(range)).await;
        let error = Error::from(refused.expect_err("is refused"));
        assert_eq!(error.code(), "validation_failed", "{from} {to}");
    }
    for to in ["1970-01-01", "9999-12-31"] {
        let range = TrendsRequest {
            to: to.to_owned(),
            ..TrendsRequest::default()
        };
        let trends = client.clone().get_trends(Actor::Service.request(range)).await;
        assert_eq!(trends.unwrap().into_inner().items.len(), 30, "{to}");
    }
}
