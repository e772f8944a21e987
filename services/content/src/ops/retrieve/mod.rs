//! The passages of a version that fit a question, by meaning and by words, and how well each of their pieces answers it.

mod leaning;
mod passages;
mod pieces;
mod score;

use std::sync::Arc;

use leaning::Leaning;
use passages::Candidates;
use smartcourse_platform::{
    Error, Result,
    error::Problems,
    ports::{
        embeddings::{Embedder, Purpose},
        search::Term,
    },
};
use smartcourse_proto::{
    content::{Passage, Passages, RetrieveRequest},
    ids::VersionId,
    limits,
};
use smartcourse_retrieval::{Analyzer, is_foreign};

use crate::{State, codes};

/// Passages when the caller does not say, and at most.
const DEFAULT_PASSAGES: usize = 6;
const MAX_PASSAGES: usize = 24;

pub(crate) async fn retrieve(state: &State, request: RetrieveRequest) -> Result<Passages> {
    Problems::only_text("question", &request.question, limits::RETRIEVED)?;
    let limit = match usize::try_from(request.limit) {
        Ok(asked @ 1..) => asked.min(MAX_PASSAGES),
        _ => DEFAULT_PASSAGES,
    };
    let version = Version::open(state, VersionId::new(request.course_id, request.version)).await?;
    let question = request.question.replace('\0', " ");
    let mut found = version.find(&question, limit, &Leaning::default()).await?;
    let mut asked = question.clone();
    let before = request.before.replace('\0', " ");
    if let Some(leaning) = Leaning::of(&question, &before, &found.terms, found.answers) {
        // A fragment such as "and why?" finds nothing by itself.
        asked = format!("{before} {question}");
        found = version.find(&asked, limit, &leaning).await?;
    }
    Ok(Passages {
        items: found.passages,
        model: version.embedder.model().to_owned(),
        refuse_below: if found.answers { -1.0 } else { 2.0 },
        answers: Some(found.answers),
        language: found.language.to_owned(),
        asked,
    })
}

/// A version that is asked.
struct Version<'s> {
    state: &'s State,
    id: VersionId,
    /// The model its vectors are of; the main one when that is not here.
    embedder: Arc<dyn Embedder>,
    has_vectors: bool,
}

/// What a question finds.
struct Found {
    passages: Vec<Passage>,
    /// The terms of the question.
    terms: Vec<Term>,
    /// Whether the passages answer it.
    answers: bool,
    /// Language of the words it was looked for by.
    language: &'static str,
}

impl<'s> Version<'s> {
    async fn open(state: &'s State, id: VersionId) -> Result<Self> {
        let model = sqlx::query_scalar!(
            "select model from content.versions where course_id = $1 and version = $2 and state = 'open'",
            id.course_id.0,
            id.version
        )
        .fetch_optional(&state.pool)
        .await?;
        let missing = || Error::new(&codes::NOT_FOUND, format!("there is no version {}", id.version));
        let models = &state.deps.models;
        let own = models.named(&model.ok_or_else(missing)?).await;
        Ok(Self {
            state,
            id,
            has_vectors: own.is_some(),
            embedder: own.unwrap_or_else(|| Arc::clone(models.main())),
        })
    }

    async fn find(&self, question: &str, limit: usize, leaning: &Leaning) -> Result<Found> {
        let embedder = &self.embedder;
        // Ranking by words goes on while the model is at the question.
        let embedding = async {
            let vector = embedder
                .embed(Purpose::Query, vec![question.to_owned()])
                .await?
                .pop();
            vector.ok_or_else(|| Error::internal("the model answered no vector"))
        };
        let by_meaning = async {
            let vector = embedding.await?;
            let near = self.nearest(&vector).await?;
            Ok((vector, near))
        };
        let has_word = |word: &str| embedder.has_word(word);
        let by_words = self
            .state
            .deps
            .search
            .rank(question, &has_word, self.id, passages::CANDIDATES.into());
        let ((vector, near), mut ranked) = tokio::try_join!(by_meaning, by_words)?;
        let candidates = Candidates::of(near, &ranked.units);
        let passages = passages::load(self, &candidates, limit).await?;
        let pieces = pieces::of(self, &vector, &passages).await?;
        let is_foreign = is_foreign(question, ranked.language);
        if is_foreign {
            ranked.terms.retain(|term| term.known);
        }
        let question = score::Question {
            analyzer: &Analyzer::of(ranked.language),
            terms: &ranked.terms,
            leaning,
            is_foreign,
        };
        let (passages, fit) = score::score(&question, passages, pieces, candidates.margin());
        Ok(Found {
            answers: fit >= embedder.answers_from(),
            passages,
            language: ranked.language,
            terms: ranked.terms,
        })
    }
}
