//! Every activity, declared once. From this list follow its definition, its name, the steps people read, what undoes a
//! publish, the implementations in the activities crate, the points of the kill matrices and the tables of
//! docs/ARCHITECTURE.md.
//!
//! `Name { kind service.rpc(input) -> output, idempotence, undone by Other }`: an activity calls the one RPC of its name
//! with its input; `rpc` is answered at once, `stream` tells how far it is. `apart` are those that belong to no step. What
//! undoes may end in `since "patch"`: runs that began without the patch go on without it.
//! Payloads carry ids and small facts; content, chunks and vectors never pass through one. Messages may grow by optional
//! fields only: a history written by an older version must still be readable.

use smartcourse_proto::{
    analytics::{AwaitAnalyticsRequest, AwaitedAnalytics, Report, RequestReportRequest},
    assistant::{
        BeginGenerationRequest, DraftLessonRequest, FinishGenerationRequest, GenerationPlan, GenerationRef,
    },
    common::{EpochRef, Swept, VersionRef},
    content::{
        CopiedAssets, EmbedProgress, ExtractReply, IndexReply, LessonPlan, LessonRef, PlanRequest, Readiness,
    },
    course::{AbortReply, Attempt, BeginAttemptRequest, FinishAttemptRequest, MarkPublishedRequest},
    enrollment::{EnsureRequest, Ensured, FinishedOnboarding, PrepareRequest},
};
use temporalio_common::ActivityDefinition;

use crate::contract::{Activity, Contract, Declaration, Idempotence, Step, Undo};

/// Hands the list to a macro.
#[macro_export]
macro_rules! for_each_activity {
    ($then:ident) => {
        $then! {
            /// Publishing a course.
            PUBLISHING {
                apart {
                    /// Moves the attempt from accepted to running for this run, or creates it for a raw start.
                    BeginAttempt { rpc course.begin_attempt(BeginAttemptRequest) -> Attempt, AttemptKey }
                    /// Decides against the version, unless the flip came first.
                    AbortVersion { rpc course.abort_version(VersionRef) -> AbortReply, AttemptKey }
                    /// Removes the version's content.
                    DeleteVersion { rpc course.delete_version(VersionRef) -> (), NaturalKey }
                    /// Removes the version's files.
                    DiscardFiles { rpc content.discard_files(VersionRef) -> (), NaturalKey }
                    /// Removes the version's chunks.
                    DiscardChunks { rpc content.discard_chunks(VersionRef) -> (), NaturalKey }
                    /// Removes the version's vectors.
                    DiscardVectors { rpc content.discard_vectors(VersionRef) -> (), NaturalKey }
                    /// Removes the version's search entries.
                    DiscardIndex { rpc content.discard_index(VersionRef) -> (), NaturalKey }
                    /// Removes the rows enrollment made for the version.
                    DiscardEnrollment { rpc enrollment.discard_course(VersionRef) -> (), NaturalKey }
                    /// Removes the rows progress made for the version.
                    DiscardProgress { rpc progress.discard_course(VersionRef) -> (), NaturalKey }
                    /// Records how the attempt ended, after everything was undone.
                    FinishAttempt { rpc course.finish_attempt(FinishAttemptRequest) -> (), AttemptKey }
                }
                1 validate_course "Validating" {
                    /// Checks the pinned revision.
                    ValidateCourse { rpc course.validate_course(VersionRef) -> (), Reads }
                    /// Checks that every file the lessons name is there.
                    CheckAssets { rpc content.check_assets(VersionRef) -> (), Reads }
                }
                2 save_content "Saving content" {
                    /// Writes the immutable content of the version.
                    SaveContent { rpc course.save_content(VersionRef) -> (), NaturalKey, undone by DeleteVersion }
                }
                3 upload_assets "Uploading files" {
                    /// Copies staged files to the version's prefix, with checksums.
                    UploadAssets { rpc content.upload_assets(VersionRef) -> CopiedAssets, NaturalKey, undone by DiscardFiles }
                }
                4 extract_text "Extracting text" {
                    /// Takes over the chunks of unchanged lessons and lists the others.
                    PlanExtraction { rpc content.plan_extraction(PlanRequest) -> LessonPlan, NaturalKey, undone by DiscardChunks }
                    /// Extracts and chunks one lesson; of a recording that is transcribed, some pieces.
                    ExtractLesson { rpc content.extract_lesson(LessonRef) -> ExtractReply, NaturalKey, undone by DiscardChunks }
                }
                5 generate_embeddings "Generating embeddings" {
                    /// Writes the vectors whose embeddings are known and lists the lessons that need the model.
                    PlanEmbedding { rpc content.plan_embedding(PlanRequest) -> LessonPlan, NaturalKey, undone by DiscardVectors }
                    /// Embeds the chunks of one lesson; each finished batch is kept, so a retry goes on where the last try stopped.
                    EmbedLesson { stream content.embed_lesson(LessonRef) -> EmbedProgress, NaturalKey, undone by DiscardVectors }
                    /// Counts chunks against vectors and says whether all is there.
                    MarkAiReady { rpc content.mark_ai_ready(VersionRef) -> Readiness, NaturalKey, undone by DiscardVectors }
                }
                6 update_search_index "Updating search index" {
                    /// Writes the version's search entries, and asks the index for each lesson.
                    IndexCourse { rpc content.index_course(VersionRef) -> IndexReply, NaturalKey, undone by DiscardIndex }
                }
                7 publish "Publishing" {
                    /// Makes the rows enrollment needs for the version.
                    PrepareEnrollment { rpc enrollment.prepare_course(PrepareRequest) -> (), NaturalKey, undone by DiscardEnrollment }
                    /// Makes the rows progress is counted against.
                    PrepareProgress { rpc progress.prepare_course(VersionRef) -> (), NaturalKey, undone by DiscardProgress }
                    /// Flips the pointer to the version and announces it, in one transaction.
                    MarkPublished { rpc course.mark_published(MarkPublishedRequest) -> (), AttemptKey }
                }
            }

            /// What follows a taken seat.
            ONBOARDING {
                apart {
                    /// Records that the student is all set; names the next epoch, if there is one.
                    FinishOnboarding { rpc enrollment.finish_onboarding(EpochRef) -> FinishedOnboarding, AttemptKey }
                }
                1 ensure_enrollment "Taking the seat" {
                    /// Takes up the accepted epoch for this run, or takes the seat for a raw start.
                    EnsureEnrollment { rpc enrollment.ensure_enrollment(EnsureRequest) -> Ensured, AttemptKey }
                }
                2 initialise_progress "Preparing progress" {
                    /// Makes the progress record.
                    InitialiseProgress { rpc progress.initialise_progress(EpochRef) -> (), AttemptKey }
                }
                3 queue_welcome_mail "Sending the welcome" {
                    /// Queues the welcome mail.
                    QueueWelcomeMail { rpc notification.queue_welcome_mail(EpochRef) -> (), AttemptKey }
                }
                4 await_analytics "Counting" {
                    /// Waits until analytics has counted the enrollment; answers whether it has.
                    AwaitAnalytics { rpc analytics.await_analytics(AwaitAnalyticsRequest) -> AwaitedAnalytics, Reads }
                }
            }

            /// Making a draft of a published version.
            GENERATING {
                apart {
                    /// Moves the generation from accepted to running for this run.
                    BeginGeneration { rpc assistant.begin_generation(BeginGenerationRequest) -> (), AttemptKey }
                    /// Records that the generation failed or was cancelled.
                    FinishGeneration { rpc assistant.finish_generation(FinishGenerationRequest) -> (), AttemptKey }
                }
                1 read_lessons "Reading the lessons" {
                    /// Lists the lessons that have a text.
                    PlanGeneration { rpc assistant.plan_generation(GenerationRef) -> GenerationPlan, Reads }
                }
                2 draft_lessons "Drafting" {
                    /// Keeps what one lesson gives to the draft.
                    DraftLesson { rpc assistant.draft_lesson(DraftLessonRequest) -> (), NaturalKey }
                }
                3 complete "Putting it together" {
                    /// Makes the draft of what its lessons gave, and checks it.
                    CompleteGeneration { rpc assistant.complete_generation(GenerationRef) -> (), AttemptKey }
                }
            }

            /// What comes by the clock.
            UPKEEP {
                apart {
                    /// Asks for the report of this run.
                    RequestReport { rpc analytics.request_report(RequestReportRequest) -> Report, AttemptKey }
                    /// Removes refresh tokens that expired.
                    SweepTokens { rpc user.sweep(()) -> Swept, Sweep }
                    /// Removes old reports.
                    SweepReports { rpc analytics.sweep(()) -> Swept, Sweep }
                    /// Removes settled rows of inbox, outbox, tasks and keys, old notifications and deliveries, deleted conversations.
                    SweepSettled { rpc operations.sweep(()) -> Swept, Sweep }
                    /// Removes drafts that were replaced, and documents that were written late.
                    SweepDocuments { rpc course.sweep(()) -> Swept, Sweep }
                    /// Removes superseded versions whose time has come, late writes of discarded ones, broken and unused uploads, old embeddings, transcripts of recordings that are gone.
                    SweepContent { rpc content.sweep(()) -> Swept, Sweep }
                }
            }
        }
    };
}

macro_rules! define {
    ($(
        $(#[$about:meta])*
        $contract:ident {
            apart { $($apart:tt)* }
            $($number:literal $step:ident $label:literal { $($rows:tt)* })*
        }
    )*) => {$(
        activities! { None; $($apart)* }
        $(activities! { Some(Step { number: $number, name: stringify!($step), label: $label }); $($rows)* })*

        $(#[$about])*
        pub const $contract: Contract = Contract {
            steps: &[$(Step { number: $number, name: stringify!($step), label: $label }),*],
            activities: declarations![$($($rows)*)*],
            apart: declarations![$($apart)*],
        };
    )*};
}

macro_rules! activities {
    ($at:expr; $(
        $(#[doc = $does:literal])+
        $activity:ident {
            $kind:ident $service:ident.$rpc:ident($input:ty) -> $output:ty, $idempotence:ident
            $(, undone by $undo:ident)?
            $(, since $patch:literal)?
        }
    )*) => {$(
        $(#[doc = $does])+
        #[derive(Debug, Clone, Copy)]
        pub struct $activity;

        impl ActivityDefinition for $activity {
            type Input = $input;
            type Output = $output;

            fn name(&self) -> &str {
                Self::DECLARATION.name
            }
        }

        impl Activity for $activity {
            const DECLARATION: Declaration = Declaration {
                name: concat!(stringify!($service), ".", stringify!($rpc)),
                does: concat!($($does),+).trim_ascii(),
                step: $at,
                idempotence: Idempotence::$idempotence,
                undo: &[$(Undo::by::<$undo>())?],
                since: [$(Some($patch),)? None][0],
            };
        }
    )*};
}

macro_rules! declarations {
    ($($(#[$doc:meta])+ $activity:ident $declared:tt)*) => {
        &[$(<$activity as Activity>::DECLARATION),*]
    };
}

for_each_activity!(define);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_and_activities_named_once() {
        let mut names = std::collections::BTreeSet::new();
        for contract in [PUBLISHING, ONBOARDING, GENERATING, UPKEEP] {
            for (step, number) in contract.steps.iter().zip(1..) {
                assert_eq!(step.number, number, "{}", step.name);
            }
            for activity in contract.activities.iter().chain(contract.apart) {
                assert!(names.insert(activity.name), "{} is there twice", activity.name);
            }
        }
        assert_eq!(PUBLISHING.headline(3), "Step 3/7: Uploading files");
        assert_eq!(PUBLISHING.label(8), "");
    }

    #[test]
    fn each_compensation_comes_once_and_in_the_order_of_the_steps() {
        let names = |undo: Vec<Undo>| undo.iter().map(|undo| undo.name).collect::<Vec<_>>();
        assert_eq!(
            names(PUBLISHING.undo_all()),
            [
                "course.delete_version",
                "content.discard_files",
                "content.discard_chunks",
                "content.discard_vectors",
                "content.discard_index",
                "enrollment.discard_course",
                "progress.discard_course",
            ]
        );
        assert_eq!(names(PUBLISHING.undo(1..=2)), ["course.delete_version"]);
    }
}
