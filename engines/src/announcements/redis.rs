//! Announcements over Redis, by publish and subscribe.

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use smartcourse_platform::{Error, ports::announcements::Announcements};
use tokio::sync::mpsc;

use crate::servers::redis::Redis as Connection;

/// Pause before a lost subscription is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a connection is trusted on which nothing is heard: its server may be gone without a word.
const SILENCE: Duration = Duration::from_secs(30);

/// Announcements over Redis.
pub struct Redis(Connection);

impl Redis {
    /// Over a connection.
    pub fn new(connection: Connection) -> Self {
        Self(connection)
    }
}

fn channel(connection: &Connection, topic: &str) -> String {
    connection.called(&format!("announced:{topic}"))
}

#[async_trait]
impl Announcements for Redis {
    async fn announce(&self, topic: &'static str) {
        let channel = channel(&self.0, topic);
        let told = self.0.ask(async |mut connection| {
            let mut publish = redis::cmd("PUBLISH");
            publish.arg(channel).arg("");
            publish.query_async::<i64>(&mut connection).await
        });
        if let Err(error) = told.await {
            tracing::debug!(error = %error.chain(), topic, "nobody was told");
        }
    }

    fn hear(&self, topic: &'static str) -> BoxStream<'static, ()> {
        let (heard, mut hearing) = mpsc::channel(1);
        tokio::spawn(subscribe(self.0.clone(), topic, heard));
        futures::stream::poll_fn(move |context| hearing.poll_recv(context)).boxed()
    }
}

/// Passes announcements on until nobody hears them. A subscription that ended may have missed some.
async fn subscribe(connection: Connection, topic: &'static str, heard: mpsc::Sender<()>) {
    while !heard.is_closed() {
        let lost = async {
            let mut subscription = connection.subscription(&channel(&connection, topic)).await?;
            tell(&heard);
            let mut announced = subscription.on_message();
            loop {
                tokio::select! {
                    next = tokio::time::timeout(SILENCE, announced.next()) => match next {
                        Ok(Some(_)) => tell(&heard),
                        Ok(None) | Err(_) => return Ok::<(), Error>(()),
                    },
                    () = heard.closed() => return Ok(()),
                }
            }
        };
        if let Err(error) = lost.await {
            tracing::debug!(error = %error.chain(), topic, "announcements are not heard");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Full: whoever hears is told of one already. Closed: nobody does.
fn tell(heard: &mpsc::Sender<()>) {
    let (Ok(()) | Err(_)) = heard.try_send(());
}
