//! Which model a version is embedded with: the one of its language, from when its first lesson is embedded.

use std::sync::Arc;

use smartcourse_platform::{Error, Result, error::codes::UNAVAILABLE, ports::embeddings::Embedder};
use smartcourse_proto::ids::VersionId;
use sqlx::{PgConnection, PgExecutor};

use crate::{
    State,
    documents::{self, READ_BATCH},
    language, store,
    version_lock::Write,
};

impl State {
    /// The model of a version.
    pub(crate) async fn embedder(
        &self,
        connection: impl PgExecutor<'_>,
        version: VersionId,
    ) -> Result<Arc<dyn Embedder>> {
        let model = sqlx::query_scalar!(
            "select model from content.versions where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .fetch_optional(connection)
        .await?;
        let models = &self.deps.models;
        let Some(model) = model else {
            return Ok(Arc::clone(models.main()));
        };
        let missing = || Error::new(&UNAVAILABLE, format!("the embedding model {model} is not here"));
        models.named(&model).await.ok_or_else(missing)
    }

    /// Chooses the model of a version whose lessons are extracted. Called again it comes to the same, unless a model could not be
    /// had the first time; what was embedded until then goes.
    pub(crate) async fn choose_model(&self, version: VersionId) -> Result<Arc<dyn Embedder>> {
        // It may have to be fetched first.
        let chosen = self.model_of_language(version).await?;
        let mut write = Write::begin(self, version).await?;
        self.set_model(&mut write.tx, version, chosen.as_ref()).await?;
        write.commit().await?;
        Ok(chosen)
    }

    /// The model for the language of a version; the vectors are ready for it.
    pub(crate) async fn model_of_language(&self, version: VersionId) -> Result<Arc<dyn Embedder>> {
        let language = self.language(version).await?;
        let model = self.deps.models.of_language(&language).await;
        let vectors = &self.deps.vectors;
        vectors.prepare(model.model(), model.dimensions()).await?;
        Ok(model)
    }

    /// Gives a version that is held a model; vectors of another one go.
    pub(crate) async fn set_model(
        &self,
        tx: &mut PgConnection,
        version: VersionId,
        model: &dyn Embedder,
    ) -> Result<()> {
        let changed = sqlx::query!(
            "update content.versions set model = $3 where course_id = $1 and version = $2 and model <> $3",
            version.course_id.0,
            version.version,
            model.model()
        )
        .execute(tx)
        .await?;
        if changed.rows_affected() > 0 {
            self.deps.vectors.delete_version(version).await?;
        }
        Ok(())
    }

    /// The language of a version: what its course says, or a guess from its texts.
    async fn language(&self, version: VersionId) -> Result<String> {
        if let Some(named) = &self.saved(version).await?.language {
            return Ok(named.clone());
        }
        let mut with_text = store::lessons(&self.pool, version).await?;
        with_text.retain(|row| row.chunk_count > 0);
        let mut texts: Vec<String> = Vec::new();
        for batch in with_text.chunks(READ_BATCH) {
            let chunks = documents::chunks_of(self.deps.documents.as_ref(), version, batch).await?;
            texts.extend(chunks.into_iter().flatten().map(|chunk| chunk.text));
            if texts.iter().map(String::len).sum::<usize>() >= language::SAMPLE {
                break;
            }
        }
        Ok(language::guess(texts.iter().map(String::as_str)).to_owned())
    }
}
