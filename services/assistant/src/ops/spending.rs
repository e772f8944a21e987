//! What answers take, and whether they may: a place is taken for the most that an answer can take before a model is asked, and
//! what it did not take is given back.

use std::time::Duration;

use smartcourse_platform::{Error, Result, postgres};
use smartcourse_proto::{
    assistant::Usage,
    ids::{CourseId, UserId},
};
use sqlx::{
    PgConnection, PgPool,
    types::time::{Date, OffsetDateTime},
};

use crate::config::Assistant;

/// For how long it is kept what a day took.
const KEPT: Duration = Duration::from_secs(31 * 24 * 3600);
/// Millionths of one.
const MILLION: f64 = 1e6;

/// Tokens and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amount {
    tokens: i64,
    cost: i64,
}

impl From<&Usage> for Amount {
    fn from(usage: &Usage) -> Self {
        Self {
            tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            cost: usage.cost_millionths,
        }
    }
}

/// What an answer may take until it has taken it.
#[derive(Debug)]
pub(crate) struct Reserved {
    day: Date,
    scopes: [(&'static str, i64); 3],
    most: Amount,
}

/// Takes a place for what an answer may take at most; none when that would be above a limit of the day.
pub(crate) async fn reserve(
    pool: &PgPool,
    limits: &Assistant,
    user: UserId,
    course: CourseId,
    most: &Usage,
) -> Result<Option<Reserved>> {
    let most = Amount::from(most);
    let limit = |tokens: i64, cost: f64| Amount {
        tokens: if tokens == 0 { i64::MAX } else { tokens },
        cost: if cost == 0.0 {
            i64::MAX
        } else {
            (cost * MILLION) as i64
        },
    };
    let limits = [
        limit(limits.user_tokens_per_day, limits.user_cost_per_day),
        limit(limits.course_tokens_per_day, limits.course_cost_per_day),
        limit(limits.tokens_per_day, limits.cost_per_day),
    ];
    let reserved = Reserved {
        day: OffsetDateTime::now_utc().date(),
        scopes: [("user", user.0), ("course", course.0), ("all", 0)],
        most,
    };
    let mut tx = postgres::begin(pool).await?;
    // Always in this order: those who wait for each other's rows wait in a line.
    for ((scope, id), limit) in reserved.scopes.into_iter().zip(limits) {
        let now = add(&mut tx, reserved.day, (scope, id), most).await?;
        if now.tokens > limit.tokens || now.cost > limit.cost {
            tracing::info!(scope, id, "what answers may take on a day is taken");
            return Ok(None);
        }
    }
    tx.commit().await?;
    Ok(Some(reserved))
}

/// Gives back what an answer did not take of what it might have, in a transaction of whoever keeps the answer.
pub(crate) async fn settle(tx: &mut PgConnection, reserved: &Reserved, taken: Option<&Usage>) -> Result<()> {
    let taken = taken.map_or(Amount { tokens: 0, cost: 0 }, Amount::from);
    let change = Amount {
        tokens: taken.tokens - reserved.most.tokens,
        cost: taken.cost - reserved.most.cost,
    };
    for scope in reserved.scopes {
        add(tx, reserved.day, scope, change).await?;
    }
    Ok(())
}

/// Gives it back for an answer that is not kept.
pub(crate) async fn give_back(pool: &PgPool, reserved: &Reserved, taken: Option<&Usage>) {
    let settled = async {
        let mut tx = postgres::begin(pool).await?;
        settle(&mut tx, reserved, taken).await?;
        Ok::<_, Error>(tx.commit().await?)
    };
    if let Err(error) = settled.await {
        tracing::warn!(error = %error.chain(), "what an answer did not take counts as taken until the day is over");
    }
}

/// Adds what a call of a model took to what those before it took.
pub(crate) fn add_up(sum: &mut Option<Usage>, usage: Usage) {
    match sum {
        None => *sum = Some(usage),
        Some(sum) => {
            sum.input_tokens += usage.input_tokens;
            sum.output_tokens += usage.output_tokens;
            sum.cost_millionths += usage.cost_millionths;
        }
    }
}

/// Forgets what days took that are long gone; answers how many rows.
pub(crate) async fn forget(pool: &PgPool) -> Result<u64> {
    let before = (OffsetDateTime::now_utc() - KEPT).date();
    let gone = sqlx::query!("delete from assistant.spending where day < $1", before);
    Ok(gone.execute(pool).await?.rows_affected())
}

/// Adds to a row, and answers what it holds then.
async fn add(tx: &mut PgConnection, day: Date, (scope, id): (&str, i64), amount: Amount) -> Result<Amount> {
    let row = sqlx::query!(
        "insert into assistant.spending as s (day, scope, id, tokens, cost_millionths) values ($1, $2, $3, $4, $5)
         on conflict (day, scope, id) do update
             set tokens = s.tokens + excluded.tokens, cost_millionths = s.cost_millionths + excluded.cost_millionths
         returning tokens, cost_millionths",
        day,
        scope,
        id,
        amount.tokens,
        amount.cost
    )
    .fetch_one(tx)
    .await?;
    Ok(Amount {
        tokens: row.tokens,
        cost: row.cost_millionths,
    })
}
