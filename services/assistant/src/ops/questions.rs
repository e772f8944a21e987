//! What was asked about a course, for its instructor: what asks for the same in other words is one question.

use std::time::Duration;

use smartcourse_platform::{Result, page};
use smartcourse_proto::{
    assistant::{AskedQuestion, ListQuestionsRequest, QuestionPage},
    ids::UserId,
    json::timestamp::from_time,
};
use smartcourse_retrieval::Analyzer;
use sqlx::{PgConnection, PgPool};

use crate::State;

/// For how long a question is kept.
const KEPT: Duration = Duration::from_secs(180 * 24 * 3600);

/// A question as a course was asked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    text: String,
    /// What questions have in common that ask for the same: the terms they are about, in the order of the alphabet.
    terms: String,
}

impl Question {
    /// Of a text in a language (BCP 47).
    pub(super) fn of(text: &str, language: &str) -> Self {
        let asked = Analyzer::of(language).asked(text).into_iter();
        let mut terms: Vec<String> = asked.map(|asked| asked.term).collect();
        terms.sort_unstable();
        Self {
            text: text.to_owned(),
            terms: terms.join(" "),
        }
    }
}

/// Where a question was asked, and what became of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turned<'t> {
    pub(super) conversation: &'t str,
    pub(super) turn: i32,
    pub(super) course_id: i64,
    pub(super) user: UserId,
    pub(super) is_answered: bool,
}

/// Keeps a question with its turn.
pub(super) async fn put(tx: &mut PgConnection, question: &Question, turned: Turned<'_>) -> Result<()> {
    sqlx::query!(
        "insert into assistant.questions (conversation_id, turn, course_id, user_id, question, terms, answered, asked_at)
         values ($1, $2, $3, $4, $5, $6, $7, now())",
        turned.conversation,
        turned.turn,
        turned.course_id,
        turned.user.0,
        question.text,
        question.terms,
        turned.is_answered
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The questions of a course, those first that were asked most often. Who may see them is decided by the gateway.
pub(crate) async fn list(state: &State, request: ListQuestionsRequest) -> Result<QuestionPage> {
    let limit = page::limit(request.limit)?;
    let after: Option<(i64, String)> = page::decode(&request.cursor)?;
    let (times, hash) = after.unzip();
    let mut rows = sqlx::query!(
        r#"select md5(terms) as "hash!", count(*) as "times!", count(distinct user_id) as "students!", max(asked_at) as "last!",
                  (array_agg(question order by asked_at desc, turn desc))[1] as "question!",
                  (array_agg(answered order by asked_at desc, turn desc))[1] as "answered!"
           from assistant.questions where course_id = $1 group by terms
           having ($2::boolean is null or (array_agg(answered order by asked_at desc, turn desc))[1] = $2)
              and ($3::bigint is null or (-count(*), md5(terms)) > (-$3, $4))
           order by count(*) desc, md5(terms) limit $5"#,
        request.course_id,
        request.answered,
        times,
        hash,
        limit + 1
    )
    .fetch_all(&state.pool)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.times, row.hash.clone()));
    let items = rows.into_iter().map(|row| AskedQuestion {
        question: row.question,
        answered: row.answered,
        times: row.times,
        students: row.students,
        last_asked_at: Some(from_time(row.last)),
    });
    Ok(QuestionPage {
        items: items.collect(),
        next_cursor,
    })
}

/// Forgets what was asked long ago; answers how many rows.
pub(super) async fn forget(pool: &PgPool) -> Result<u64> {
    let gone = sqlx::query!(
        "delete from assistant.questions where asked_at < now() - make_interval(secs => $1)",
        KEPT.as_secs_f64()
    );
    Ok(gone.execute(pool).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_the_same_is_one_question() {
        let terms = |text| Question::of(text, "en").terms;
        assert_eq!(
            terms("What is a saga's compensation?"),
            terms("compensations of sagas")
        );
        assert_ne!(terms("What is a saga?"), terms("What is a quorum?"));
    }
}
