//! Models that fail: the same suite for each protocol.

use super::*;

const FIRST: &str = "A saga is a sequence of steps. [1] ";
const WRITTEN: &str = "A saga is a sequence of steps. [1] Each compensation undoes a step. [1]";

fn whole() -> Says {
    Says::this(WRITTEN)
}

#[tokio::test]
async fn what_passes_is_tried_again_before_anything_was_shown() {
    for provider in BOTH {
        for passes in [
            Says::Status(429, Some("0")),
            Says::Status(500, None),
            Says::Status(529, None),
            Says::Empty,
            Says::Broken(String::new()),
            Says::GivesUp("A saga ".to_owned()),
            Says::Until(WRITTEN.to_owned(), 4, true),
            Says::Nothing(false),
            Says::Nothing(true),
        ] {
            let writer = Writer::start(provider, [passes.clone(), whole()]).await;
            let heard = writer.asked().await;
            assert_eq!(heard.statements.len(), 2, "{provider} {passes:?}");
            assert_eq!(
                (heard.note, writer.told().len()),
                (None, 2),
                "{provider} {passes:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_does_not_pass_ends_in_quotes() {
    for provider in BOTH {
        for (fails, calls) in [
            (Says::Status(503, None), 3),
            (Says::Status(529, Some("1")), 3),
            (Says::Status(429, Some("3600")), 1),
            (Says::Status(401, None), 1),
            (Says::Status(400, None), 1),
            (Says::Status(307, None), 1),
            (Says::Empty, 3),
            (Says::Nothing(true), 3),
        ] {
            let writer = Writer::start(provider, [fails.clone()]).await;
            let heard = writer.asked().await;
            assert_eq!(heard.texts()[0], SAGA, "{provider} {fails:?}");
            assert_eq!(heard.note, Some(AnswerNote::ModelAway), "{provider} {fails:?}");
            assert_eq!(writer.told().len(), calls, "{provider} {fails:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_may_be_cut_at_every_event() {
    for provider in BOTH {
        let mut was_cut_off = false;
        for breaks in [true, false] {
            for events in 0.. {
                let cut = Says::Until(WRITTEN.to_owned(), events, breaks);
                let writer = Writer::start(provider, [cut, whole()]).await;
                let heard = writer.asked().await;
                let case = format!("{provider}, cut after {events} events");
                match (heard.note, writer.told().len()) {
                    // Nothing had been shown, so it was tried again.
                    (None, 2) => assert_eq!(heard.statements.len(), 2, "{case}"),
                    // What was shown stays, and the rest is quoted, nothing twice.
                    (Some(AnswerNote::CutOff), 1) => {
                        was_cut_off = true;
                        assert_eq!(
                            heard.texts()[0],
                            FIRST.trim_end().trim_end_matches(" [1]"),
                            "{case}"
                        );
                        let quotes = heard.statements.iter().flat_map(|one| &one.citations);
                        let mut quotes: Vec<_> = quotes.map(|citation| &citation.quote).collect();
                        let all = quotes.len();
                        quotes.sort();
                        quotes.dedup();
                        assert_eq!(quotes.len(), all, "{case}");
                    }
                    // It had said all.
                    (None, 1) => {
                        assert_eq!(heard.statements.len(), 2, "{case}");
                        break;
                    }
                    other => panic!("{case}: {other:?}"),
                }
                assert!(
                    heard.usage.iter().all(|usage| usage.input_tokens >= 100),
                    "{case}"
                );
            }
        }
        assert!(was_cut_off);
    }
}

#[tokio::test]
async fn what_a_model_was_stopped_in_is_no_statement() {
    for provider in BOTH {
        let says = Says::Stopped(format!("{FIRST}Each compensation undoes"));
        let writer = Writer::start(provider, [says]).await;
        let heard = writer.asked().await;
        assert_eq!(heard.texts(), ["A saga is a sequence of steps."]);
        assert_eq!(heard.note, None);
    }
}

#[tokio::test]
async fn a_failure_after_the_first_statement_is_not_tried_again() {
    for provider in BOTH {
        for fails in [Says::Broken(FIRST.to_owned()), Says::GivesUp(FIRST.to_owned())] {
            // The mark is followed by the next sentence, or nobody knows that it was the last.
            let fails = match fails {
                Says::Broken(text) => Says::Broken(format!("{text}Each ")),
                Says::GivesUp(text) => Says::GivesUp(format!("{text}Each ")),
                other => other,
            };
            let writer = Writer::start(provider, [fails, whole()]).await;
            let heard = writer.asked().await;
            assert_eq!(heard.texts()[0], "A saga is a sequence of steps.");
            assert_eq!((heard.note, writer.told().len()), (Some(AnswerNote::CutOff), 1));
        }
    }
}
