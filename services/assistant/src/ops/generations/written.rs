//! What a model says of a lesson in sum, where one is named. As in an answer, each statement stands on the lesson's own words, or is not
//! said.

use futures::TryStreamExt as _;
use smartcourse_platform::{
    Result,
    ports::answers::{Part, Question, Statement},
};
use smartcourse_proto::{
    assistant::{Drafted, Usage},
    content::Passage,
};

use super::store::Row;
use crate::{State, citation::standing, drafting, ops::spending};

/// What it says of these passages, one statement after the other; nothing where no model is named, where it may not cost anything any more, or where the model
/// says nothing that stands.
pub(super) async fn summary(
    state: &State,
    row: &Row,
    passages: &[Passage],
    language: &str,
) -> Result<Vec<Drafted>> {
    let question = Question {
        text: drafting::sum_up(language),
        history: &[],
        passages,
        language,
        answers: true,
        may_cost: true,
    };
    let most = state.answerer.most(&question);
    let Some(user) = row.asked_by.filter(|_| most != Usage::default()) else {
        return Ok(Vec::new());
    };
    let course = row.course_id.into();
    let Some(reserved) = spending::reserve(&state.pool, &state.limits, user.into(), course, &most).await?
    else {
        return Ok(Vec::new());
    };
    let (mut said, mut taken) = (Vec::new(), None);
    let outcome = said_by(state, question, &mut said, &mut taken).await;
    spending::give_back(&state.pool, &reserved, taken.as_ref()).await;
    outcome?;
    // A model begins with what matters most.
    let drafted = |(place, statement): (usize, Statement)| {
        let mut citations = standing(statement.citations, passages, row.version).into_iter();
        Some(Drafted {
            citation: Some(citations.next()?),
            others: citations.collect(),
            text: statement.text,
            weight: 1.0 / (1 + place) as f64,
            ..Drafted::default()
        })
    };
    Ok(said.into_iter().enumerate().filter_map(drafted).collect())
}

/// Adds what the model says, until it ends or quotes: that is done better without it.
async fn said_by(
    state: &State,
    question: Question<'_>,
    said: &mut Vec<Statement>,
    taken: &mut Option<Usage>,
) -> Result<()> {
    let mut parts = state.answerer.answer(question);
    while let Some(part) = parts.try_next().await? {
        match part {
            Part::Statement(statement) => said.push(statement),
            Part::Spent(usage) => spending::add_up(taken, usage),
            Part::Quoted(note) => {
                tracing::warn!(?note, "a lesson is summed up by its own sentences");
                break;
            }
        }
    }
    Ok(())
}
