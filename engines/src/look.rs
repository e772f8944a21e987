//! A look at the servers that were named, and at the model.

use smartcourse_platform::Result;

use crate::{Engines, answers::generated::Generated, servers::Found};

impl Engines {
    /// Looks at the model that writes answers, when one is named: not one of the servers that are looked at again and again,
    /// since it may count its calls. Fails when a setting cannot be used.
    pub async fn look_at_model(&self) -> Result<Option<Found>> {
        Ok(match Generated::named(&self.config)? {
            Some(model) => Some(model.look().await),
            None => None,
        })
    }

    /// Looks at the servers that were named, at all of them at once.
    #[cfg(not(feature = "real"))]
    pub async fn look(&self) -> Vec<Found> {
        Vec::new()
    }

    /// Looks at the servers that were named, at all of them at once.
    #[cfg(feature = "real")]
    pub async fn look(&self) -> Vec<Found> {
        real::look(self).await
    }
}

#[cfg(feature = "real")]
mod real {
    use std::time::Duration;

    use futures::{FutureExt as _, future::BoxFuture};
    use smartcourse_platform::{Error, Result, error::codes};

    use crate::{Engines, search::opensearch::OpenSearch, servers::Found, vectors::qdrant::Qdrant};

    /// How long a server may take to say what it is.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// What people call a server, the variable that names it, where it is, and what it says.
    type Look<'e> = (&'static str, &'static str, String, BoxFuture<'e, Result<String>>);

    pub(super) async fn look(engines: &Engines) -> Vec<Found> {
        let kafka = engines
            .kafka
            .iter()
            .map(|kafka| -> Look<'_> { ("Kafka", "KAFKA_BROKERS", kafka.address(), kafka.look().boxed()) });
        let mongo = engines.mongo.iter().map(|mongo| -> Look<'_> {
            ("MongoDB", "MONGODB_URL", mongo.address(), mongo.version().boxed())
        });
        let rabbit = engines.rabbit.iter().map(|rabbit| -> Look<'_> {
            ("RabbitMQ", "AMQP_URL", rabbit.address(), rabbit.version().boxed())
        });
        let redis = engines
            .redis
            .iter()
            .map(|redis| -> Look<'_> { ("Redis", "REDIS_URL", redis.address(), redis.version().boxed()) });
        let bucket = engines
            .bucket
            .iter()
            .map(|bucket| -> Look<'_> { ("S3", "S3_ENDPOINT", bucket.address(), bucket.look().boxed()) });
        let qdrant = engines.qdrant.iter().map(|qdrant| -> Look<'_> {
            let look = async move { Qdrant::new(qdrant.clone()).look().await };
            ("Qdrant", "QDRANT_URL", qdrant.address(), look.boxed())
        });
        let opensearch = engines.opensearch.iter().map(|opensearch| -> Look<'_> {
            let look = async move { OpenSearch::new(opensearch.clone()).look().await };
            ("OpenSearch", "OPENSEARCH_URL", opensearch.address(), look.boxed())
        });
        let looks = kafka
            .chain(mongo)
            .chain(rabbit)
            .chain(redis)
            .chain(bucket)
            .chain(qdrant)
            .chain(opensearch);
        futures::future::join_all(looks.map(found)).await
    }

    async fn found((server, variable, address, look): Look<'_>) -> Found {
        let look = tokio::time::timeout(PATIENCE, look).await;
        let silent = |_| Err(Error::new(&codes::UNAVAILABLE, "it does not answer"));
        Found {
            server,
            variable,
            address,
            outcome: look.unwrap_or_else(silent),
        }
    }
}
