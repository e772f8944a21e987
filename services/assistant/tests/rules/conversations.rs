//! Whose conversations are, and what becomes of them.

use smartcourse_proto::assistant::AskRequest;
use smartcourse_tests::refusal;

use crate::{ANN, BO, COURSE, harness};

#[tokio::test]
async fn conversations_are_their_users_own() {
    let harness = harness().await;
    let older = harness.begun(ANN, "What is a saga?").await;
    let newer = harness.begun(ANN, "What undoes a step?").await;
    assert_eq!(harness.list(ANN).await, [newer.clone(), older.clone()]);
    harness.ask(ANN, "and why?", Some(&older)).await.unwrap();
    assert_eq!(harness.list(ANN).await, [older.clone(), newer]);
    assert!(harness.list(BO).await.is_empty());
    assert_eq!(refusal(harness.get(BO, &older).await).code(), "not_found");
    assert_eq!(
        refusal(harness.ask(BO, "and why?", Some(&older)).await).code(),
        "not_found"
    );
    assert_eq!(refusal(harness.delete(BO, &older).await).code(), "not_found");
    // Nor does one go on about another course.
    let elsewhere = AskRequest {
        course_id: COURSE + 1,
        question: "and why?".to_owned(),
        conversation_id: Some(older.clone()),
    };
    assert_eq!(
        refusal(harness.events_of(ANN, elsewhere).await).code(),
        "not_found"
    );
    assert_eq!(harness.get(ANN, &older).await.unwrap().turns.len(), 2);
}

#[tokio::test]
async fn two_questions_at_once_are_both_kept() {
    let harness = harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    let ask = |question: &'static str| harness.ask(ANN, question, Some(&id));
    let (one, other) = tokio::join!(ask("What undoes a step?"), ask("What has a compensation?"));
    one.and(other).unwrap();
    assert_eq!(harness.get(ANN, &id).await.unwrap().turns.len(), 3);
}

#[tokio::test]
async fn a_full_conversation_takes_no_more() {
    let harness = harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    let fill = "update platform.documents set body = jsonb_set(body, '{turns}',
         (select jsonb_agg(turn) from (select body #> '{turns,0}' as turn from generate_series(1, $1)) turns))
         where collection = 'assistant.conversations'";
    let filled = async |turns: i32| {
        sqlx::query(fill)
            .bind(turns)
            .execute(&harness.pool)
            .await
            .unwrap();
    };
    filled(199).await;
    harness.ask(ANN, "What undoes a step?", Some(&id)).await.unwrap();
    assert_eq!(harness.get(ANN, &id).await.unwrap().turns.len(), 200);
    let full = refusal(harness.ask(ANN, "What undoes a step?", Some(&id)).await);
    assert_eq!(full.code(), "conversation_full");
}

#[tokio::test]
async fn what_is_written_after_a_conversation_was_deleted_is_swept() {
    let harness = harness().await;
    let kept = harness.begun(ANN, "What is a saga?").await;
    let id = harness.begun(ANN, "What undoes a step?").await;
    harness.delete(ANN, &id).await.unwrap();
    let late =
        "insert into platform.documents (collection, key, body) values ('assistant.conversations', $1, '{}')";
    let late = sqlx::query(late).bind(format!("10/{id}"));
    late.execute(&harness.pool).await.unwrap();
    assert_eq!(refusal(harness.get(ANN, &id).await).code(), "not_found");
    assert_eq!(harness.list(ANN).await, [kept.as_str()]);
    assert_eq!(harness.sweep().await, 0, "more may be written");
    let older = "update assistant.conversations set deleted_at = deleted_at - interval '25 hours'";
    sqlx::query(older).execute(&harness.pool).await.unwrap();
    assert_eq!((harness.sweep().await, harness.sweep().await), (1, 0));
    assert_eq!(harness.documents().await, 1);
    assert_eq!(harness.list(ANN).await, [kept]);
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let harness = harness().await;
    let id = harness.begun(ANN, "What is a saga?").await;
    harness.delete(ANN, &id).await.unwrap();
    assert_eq!(refusal(harness.get(ANN, &id).await).code(), "not_found");
    assert_eq!(refusal(harness.delete(ANN, &id).await).code(), "not_found");
    assert_eq!(
        refusal(harness.ask(ANN, "and why?", Some(&id)).await).code(),
        "not_found"
    );
    assert!(harness.list(ANN).await.is_empty());
    assert_eq!(harness.documents().await, 0);
}

#[tokio::test]
async fn a_conversation_is_found_by_what_was_said() {
    let harness = harness().await;
    let sagas = harness.begun(ANN, "What is a saga?").await;
    let more = harness
        .ask(ANN, "Who is Müller, don't you know?", Some(&sagas))
        .await;
    more.unwrap();
    let thanks = harness.begun(ANN, "thanks").await;
    harness.begun(BO, "What is a saga?").await;
    for found in ["saga", "SAG", "muller", "saga müll", "don't", "compensation saga"] {
        assert_eq!(harness.search(ANN, found).await, [sagas.as_str()], "{found}");
    }
    assert_eq!(harness.search(ANN, "welcome").await, [thanks.as_str()]);
    for nowhere in ["quorum", "saga quorum", "aga", "' | '", "\\"] {
        let found = harness.search(ANN, nowhere).await;
        let has_words = nowhere.contains(char::is_alphanumeric);
        assert_eq!(found.is_empty(), has_words, "{nowhere}");
    }
    harness.delete(ANN, &sagas).await.unwrap();
    assert!(harness.search(ANN, "saga").await.is_empty());
}
