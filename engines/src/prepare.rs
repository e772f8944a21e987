//! What keeps data is made ready for it.

use smartcourse_platform::{
    Result,
    clock::{self, Clock as _},
};

use crate::Engines;

impl Engines {
    /// Makes what keeps data ready for it: collections, buckets, indexes, queues, months. Again is nothing.
    pub async fn prepare(&self) -> Result<()> {
        #[cfg(feature = "real")]
        if let Some(rabbit) = &self.rabbit {
            crate::task_dispatch::rabbitmq::prepare(rabbit).await?;
        }
        self.documents().prepare().await?;
        self.files()?.prepare().await?;
        self.log.prepare().await?;
        #[cfg(feature = "real")]
        if self.qdrant.is_some() {
            // Only these are made for a model; to know which takes loading it.
            let models = self.models()?;
            self.vectors()
                .prepare(models.main().model(), models.main().dimensions())
                .await?;
        }
        self.search().prepare().await?;
        self.event_history()?
            .sweep(clock::System.now(), None)
            .await
            .map(drop)
    }
}
