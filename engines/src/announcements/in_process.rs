//! Announcements in the process: there is no other to tell.

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use smartcourse_platform::ports::announcements::Announcements;
use tokio::sync::broadcast;

/// Announcements nobody has heard yet. Whoever missed some hears that once.
const WAITING: usize = 16;

/// The announcements of this process.
pub struct InProcess(broadcast::Sender<&'static str>);

impl Default for InProcess {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }
}

#[async_trait]
impl Announcements for InProcess {
    async fn announce(&self, topic: &'static str) {
        // Nobody may be listening.
        drop(self.0.send(topic));
    }

    fn hear(&self, topic: &'static str) -> BoxStream<'static, ()> {
        let heard = futures::stream::unfold(self.0.subscribe(), move |mut announcements| async move {
            loop {
                match announcements.recv().await {
                    Ok(announced) if announced != topic => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return Some(((), announcements)),
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        heard.chain(futures::stream::pending()).boxed()
    }
}
