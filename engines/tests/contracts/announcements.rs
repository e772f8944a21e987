//! The contract of the announcement port.

use std::time::Duration;

use futures::StreamExt as _;
use smartcourse_platform::ports::announcements::Announcements;
use smartcourse_tests::PATIENCE;

/// What one process announces the others hear, and itself; under another topic it is not heard.
pub(crate) async fn announcements_contract(one: &dyn Announcements, other: &dyn Announcements) {
    let mut heard = [one.hear("a"), other.hear("a")];
    let mut beside = other.hear("b");
    // What may have been missed is told first; so one that was lost is announced again.
    for heard in &mut heard {
        let told = async {
            loop {
                one.announce("a").await;
                if tokio::time::timeout(Duration::from_millis(100), heard.next()).await == Ok(Some(())) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
    }
    // Everything on its way has come after an announcement that was heard; drained, the next one is heard alone.
    other.announce("b").await;
    tokio::time::timeout(PATIENCE, beside.next())
        .await
        .unwrap()
        .unwrap();
    for heard in &mut heard {
        while tokio::time::timeout(Duration::from_millis(300), heard.next())
            .await
            .is_ok()
        {}
    }
    other.announce("b").await;
    for heard in &mut heard {
        let wrong = tokio::time::timeout(Duration::from_millis(300), heard.next()).await;
        assert!(wrong.is_err(), "of another topic");
    }
    other.announce("a").await;
    for heard in &mut heard {
        tokio::time::timeout(PATIENCE, heard.next())
            .await
            .unwrap()
            .unwrap();
    }
}
