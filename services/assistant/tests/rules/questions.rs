//! What the owner of a course learns of what was asked about it.

use super::*;

impl Harness {
    /// A page of what was asked about the course, and the cursor of the next.
    async fn questions(
        &self,
        answered: Option<bool>,
        limit: i32,
        cursor: &str,
    ) -> (Vec<AskedQuestion>, Option<String>) {
        let request = ListQuestionsRequest {
            course_id: COURSE,
            answered,
            limit,
            cursor: cursor.to_owned(),
        };
        let page = self
            .assistant
            .list_questions(Actor::Service.request(request))
            .await;
        let page = page.unwrap();
        (page.items, page.next_cursor)
    }

    /// What was last asked in vain, how often and by how many.
    async fn in_vain(&self) -> Vec<(String, i64, i64)> {
        let (items, _) = self.questions(Some(false), 0, "").await;
        let told = |item: AskedQuestion| (item.question, item.times, item.students);
        items.into_iter().map(told).collect()
    }

    fn fits(&self, cosine: f64) {
        *self.cosine.lock().unwrap() = cosine;
    }
}

#[tokio::test]
async fn what_was_asked_in_vain_is_told_once_however_it_was_put() {
    let harness = harness().await;
    harness.fits(0.1);
    harness.begun(ANN, "What is a quorum?").await;
    harness.begun(ANN, "and the quorums").await;
    let bo = harness.begun(BO, "What are quorums for?").await;
    harness.begun(BO, "Who invented leases?").await;
    harness.begun(BO, "thanks").await;
    harness.begun(BO, "When do I get my certificate?").await;
    assert_eq!(
        harness.in_vain().await,
        [
            ("What are quorums for?".to_owned(), 3, 2),
            ("Who invented leases?".to_owned(), 1, 1)
        ]
    );

    // It leaves the list once it is answered, and goes with its conversation.
    harness.fits(0.9);
    harness.begun(ANN, "Who invented leases?").await;
    harness.delete(BO, &bo).await.unwrap();
    assert_eq!(harness.in_vain().await, [("and the quorums".to_owned(), 2, 1)]);
    let (answered, _) = harness.questions(Some(true), 0, "").await;
    assert_eq!((answered.len(), answered[0].times), (1, 2));

    let all = harness.questions(None, 0, "").await.0;
    let (first, next) = harness.questions(None, 1, "").await;
    let (second, end) = harness.questions(None, 1, &next.unwrap()).await;
    assert_eq!([first, second].concat(), all);
    assert_eq!(end, None);

    let years = "update assistant.questions set asked_at = asked_at - interval '1 year'";
    sqlx::query(years).execute(&harness.pool).await.unwrap();
    assert_eq!(harness.sweep().await, 4);
    assert!(harness.questions(None, 0, "").await.0.is_empty());
}
