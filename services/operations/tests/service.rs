//! What administrators look after is shown to them alone, put back once, and swept as configured.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{future::ready, sync::Arc};

use smartcourse_operations::Dependencies;
use smartcourse_platform::{
    Error, clock,
    config::Config,
    grpc::{Actor, LocalRouter, Transport},
    postgres,
};
use smartcourse_proto::{
    common::Swept,
    ids::UserId,
    operations::{
        FailedEventCause, FailedEventsRequest, FailedTasksRequest, ReplayEventRequest, ReplayEventsRequest,
        ReplayTaskRequest,
    },
    stubs::OperationsStub,
    user::Role,
};
use smartcourse_tests::{Neighbours, engines::Engines, history};
use sqlx::PgPool;
use tonic::service::Routes;

async fn service() -> (PgPool, OperationsStub<Transport>) {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    let config = Config::load(smartcourse_tests::engines::CONFIG, None, &[]).unwrap();
    let workflows = Engines::open(&config).unwrap().workflows();
    let removed = |removed| move |()| ready(Ok(Swept { removed }));
    let next_door = Neighbours::default()
        .answer("smartcourse.notification.NotificationService/Sweep", removed(2))
        .answer("smartcourse.assistant.AssistantService/Sweep", removed(3));
    let service = smartcourse_operations::service(
        &config,
        pool.clone(),
        Dependencies {
            workflows,
            history: Arc::new(history(&pool).unwrap().0),
            clock: Arc::new(clock::System),
            assistant: next_door.transport(&config),
            notification: next_door.transport(&config),
        },
    )
    .unwrap();
    let local = LocalRouter::default();
    assert!(local.set(Routes::new(service).into_axum_router()).is_ok());
    (pool, OperationsStub::new(Transport::local(&config.grpc, local)))
}

fn user(role: Role) -> Actor {
    Actor::User { id: UserId(7), role }
}

#[tokio::test]
async fn a_task_given_up_is_shown_to_administrators_and_put_back_once() {
    let (pool, operations) = service().await;
    let dead = "insert into platform.tasks (id, kind, payload, state, tries, last_error, finished_at)
         values (gen_random_uuid(), 'content.remove_files', '{}', 'dead', 3, 'no space', now()) returning id::text";
    let id: String = sqlx::query_scalar(dead).fetch_one(&pool).await.unwrap();

    for (actor, code) in [
        (Actor::Anonymous, "unauthenticated"),
        (user(Role::Instructor), "forbidden"),
    ] {
        let request = actor.request(FailedTasksRequest::default());
        let refused = operations.list_failed_tasks(request).await.unwrap_err();
        assert_eq!(Error::from(refused).code(), code);
        let request = actor.request(ReplayTaskRequest { id: id.clone() });
        let refused = operations.replay_task(request).await.unwrap_err();
        assert_eq!(Error::from(refused).code(), code);
    }
    let admin = user(Role::Admin);
    let list = async || {
        let request = admin.request(FailedTasksRequest::default());
        operations.list_failed_tasks(request).await.unwrap().items
    };
    let [task] = &list().await[..] else {
        panic!("one task was given up")
    };
    assert_eq!((&task.id, task.reason.as_str()), (&id, "no space"));
    let replay = async || {
        let request = admin.request(ReplayTaskRequest { id: id.clone() });
        operations.replay_task(request).await
    };
    assert_eq!(replay().await.unwrap().id, id);
    assert_eq!(Error::from(replay().await.unwrap_err()).code(), "not_found");
    assert!(list().await.is_empty());
}

#[tokio::test]
async fn failed_events_are_shown_with_their_cause_and_put_back_by_what_they_have_in_common() {
    let (pool, operations) = service().await;
    let parked = "with log as (
             insert into platform.events (id, type, key, payload, position)
             select gen_random_uuid(), case when n = 4 then 'course.published' else 'enrollment.created' end, 'k', '{}', n
             from generate_series(1, 4) n returning id, position)
         insert into platform.parked_events
             (group_name, event_id, key, position, tries, last_error, passing, retrying, next_try_at)
         select case when position = 3 then 'feed' else 'counter' end, id, 'k' || greatest(position, 2), position, 10,
             case position when 2 then null when 3 then 'unavailable: away' else 'internal: 100% broken' end,
             position = 3, position = 3, case when position <> 2 then now() + interval '1 hour' end
         from log";
    sqlx::query(parked).execute(&pool).await.unwrap();
    let admin = user(Role::Admin);
    let list = async || {
        let request = admin.request(FailedEventsRequest::default());
        operations.list_failed_events(request).await.unwrap().items
    };
    let shown = list().await;
    let causes: Vec<FailedEventCause> = shown.iter().map(|event| event.cause()).collect();
    let (refused, behind) = (FailedEventCause::Refused, FailedEventCause::Behind);
    assert_eq!(causes, [refused, behind, FailedEventCause::Passing, refused]);
    // Only what is tried by itself says when.
    let planned: Vec<bool> = shown.iter().map(|event| event.next_try_at.is_some()).collect();
    assert_eq!(planned, [false, false, true, false]);

    let replay = async |group: &str, event_type: &str, reason: &str| {
        let wanted = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let request = ReplayEventsRequest {
            group: wanted(group),
            r#type: wanted(event_type),
            reason: wanted(reason),
        };
        let answer = operations.replay_events(admin.request(request)).await.unwrap();
        answer.replayed
    };
    assert_eq!(replay("counter", "", "away").await, 0);
    assert_eq!(replay("", "", "100%").await, 2);
    assert_eq!(replay("feed", "enrollment.created", "away").await, 1);
    assert_eq!(replay("", "course.published", "").await, 1);
    assert_eq!(replay("", "", "").await, 3, "one waits behind another");
    let put_back = list().await;
    assert!(
        put_back
            .iter()
            .all(|event| event.retrying || event.cause() == behind)
    );
    assert!(
        put_back
            .iter()
            .all(|event| event.tries == 0 || event.cause() == behind)
    );

    // Whoever asks for a follower gets the event it waits for.
    sqlx::query("update platform.parked_events set retrying = false, tries = 10")
        .execute(&pool)
        .await
        .unwrap();
    let follower = &shown[1].id;
    let request = admin.request(ReplayEventRequest { id: follower.clone() });
    assert_eq!(
        operations.replay_event(request).await.unwrap().groups,
        ["counter"]
    );
    assert_eq!(list().await[0].tries, 0);
    let request = user(Role::Instructor).request(ReplayEventsRequest::default());
    let refused = operations.replay_events(request).await.unwrap_err();
    assert_eq!(Error::from(refused).code(), "forbidden");
}

#[tokio::test]
async fn settled_rows_go_when_the_workflows_say_so() {
    let (pool, operations) = service().await;
    let keys = "insert into platform.idempotency_keys (scope, key, request_hash, response, created_at) values
         ('s', 'old', '', '{}', now() - interval '31 days'), ('s', 'new', '', '{}', now())";
    sqlx::query(keys).execute(&pool).await.unwrap();
    let refused = operations.sweep(user(Role::Admin).request(())).await.unwrap_err();
    assert_eq!(Error::from(refused).code(), "forbidden");
    // With two notifications and three conversations each time.
    for removed in [6, 5] {
        let swept = operations.sweep(Actor::Service.request(())).await.unwrap();
        assert_eq!(swept.removed, removed);
    }
}
