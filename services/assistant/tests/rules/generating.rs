//! Where a draft that is made stands, without Temporal and without a worker.

use smartcourse_proto::course::{PublishState, ReportStepRequest, StepState, WaitingFor};

use super::*;

const TEACHER: Actor = Actor::User {
    id: UserId(7),
    role: Role::Instructor,
};

impl Harness {
    /// Asks for a summary.
    async fn summary(&self) -> GenerationRef {
        let request = GenerateRequest {
            course_id: COURSE,
            kind: DraftKind::Summary.into(),
            ..GenerateRequest::default()
        };
        let accepted = self.assistant.generate(TEACHER.request(request)).await;
        GenerationRef {
            course_id: COURSE,
            generation_id: accepted.unwrap().generation_id,
        }
    }

    /// Where it stands.
    async fn stands(&self, generation: &GenerationRef) -> Generation {
        let request = TEACHER.request(generation.clone());
        self.assistant.get_generation(request).await.unwrap()
    }

    /// What Temporal's relay, or its absence, does to the start.
    async fn start_is(&self, set: &'static str) {
        let update = sqlx::AssertSqlSafe(format!("update platform.outbox_commands set {set}"));
        sqlx::query(update).execute(&self.pool).await.unwrap();
    }
}

#[tokio::test]
async fn it_says_what_it_waits_for_until_it_has_ended() {
    let harness = harness().await;
    let generation = harness.summary().await;
    let status = harness.stands(&generation).await;
    assert_eq!(
        (status.state(), status.step, status.percent, status.waiting_for),
        (PublishState::Accepted, 0, 0, None)
    );

    harness
        .start_is("tries = 3, last_error = 'it does not answer'")
        .await;
    let status = harness.stands(&generation).await;
    assert_eq!(status.waiting_for(), WaitingFor::Temporal);
    assert!(
        status
            .error
            .unwrap()
            .message
            .ends_with("the start yet: it does not answer")
    );

    // Handed over, to a server that does not answer now.
    harness.start_is("done_at = now()").await;
    let status = harness.stands(&generation).await;
    assert_eq!((status.waiting_for(), status.error), (WaitingFor::Temporal, None));

    let end = FinishGenerationRequest {
        generation: Some(generation.clone()),
        state: PublishState::Failed.into(),
        error: None,
    };
    let ended = harness
        .assistant
        .finish_generation(Actor::Service.request(end))
        .await;
    ended.unwrap();
    let status = harness.stands(&generation).await;
    assert_eq!((status.state(), status.waiting_for), (PublishState::Failed, None));
}

#[tokio::test]
async fn its_steps_count_by_their_lessons() {
    let harness = harness().await;
    let generation = harness.summary().await;
    let begin = BeginGenerationRequest {
        generation: Some(generation.clone()),
        run_id: "run".to_owned(),
    };
    let begun = harness
        .assistant
        .begin_generation(Actor::Service.request(begin))
        .await;
    begun.unwrap();
    for (step, done, total) in [(1, 0, 0), (2, 1, 2)] {
        let report = ReportStepRequest {
            attempt_id: generation.generation_id.clone(),
            step,
            state: StepState::Running.into(),
            attempt: 1,
            done,
            total,
            ..ReportStepRequest::default()
        };
        let reported = harness
            .assistant
            .report_generation(Actor::Service.request(report))
            .await;
        reported.unwrap();
    }
    let status = harness.stands(&generation).await;
    let states: Vec<StepState> = status.steps.iter().map(|step| step.state()).collect();
    assert_eq!(
        states,
        [StepState::Completed, StepState::Running, StepState::Pending]
    );
    // One step of three, and half of the next.
    assert_eq!((status.label.as_str(), status.percent), ("Drafting", 50));
}
