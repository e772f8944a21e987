//! What happened per day, week or month. Every bucket of the range is there, also those in which nothing did.

use smartcourse_platform::{Result, error::Problems, grpc::Actor};
use smartcourse_proto::{
    Wire as _,
    analytics::{Bucket, TrendPoint, Trends, TrendsRequest},
    json::timestamp::from_time,
};
use time::{Date, Duration, format_description::BorrowedFormatItem, macros::format_description};

use crate::{
    State,
    ops::metrics::{self, require_admin},
};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
/// Days of a range at most: three years.
const MAX_DAYS: i64 = 1096;
/// The first year a day may be of.
const FIRST_YEAR: i32 = 1970;
/// Days of a range whose beginning is not named.
const DEFAULT_DAYS: i64 = 29;

/// Counts per bucket; `to` is today and `from` thirty days before it unless they are named.
pub(crate) async fn trends(state: &State, actor: Actor, request: TrendsRequest) -> Result<Trends> {
    require_admin(actor)?;
    let pool = &state.pool;
    let mut problems = Problems::default();
    let mut day = |name: &str, text: &str| match text {
        "" => None,
        text => {
            // The format knows years before the first, and nothing happened before this one.
            let day = Date::parse(text, DAY).ok().filter(|day| day.year() >= FIRST_YEAR);
            if day.is_none() {
                problems.add(name, "must be a day such as 2026-11-23");
            }
            day
        }
    };
    let to = day("to", &request.to);
    let from = day("from", &request.from);
    let to = to.unwrap_or_else(|| state.clock.now().date());
    let from = from.unwrap_or_else(|| to.saturating_sub(Duration::days(DEFAULT_DAYS)));
    problems.require(from <= to, "from", "must not be after `to`");
    problems.require(
        (to - from).whole_days() <= MAX_DAYS,
        "to",
        format!("must be within {MAX_DAYS} days of `from`"),
    );
    problems.finish()?;
    let bucket = match request.bucket() {
        Bucket::Unspecified => Bucket::Day,
        named => named,
    };
    let as_of = metrics::as_of(pool).await?;
    let items = sqlx::query_as!(
        TrendPoint,
        r#"with facts(kind, at) as (
               select 'enrollment', began_at from analytics.enrollments
               union all select 'completion', completed_at from analytics.enrollments
               union all select 'drop', dropped_at from analytics.enrollments
               union all select 'registration', registered_at from analytics.users
               union all select 'question', asked_at from analytics.questions
           ), counted as (
               select date_trunc($3, at at time zone 'UTC') as start, kind, count(*) as n from facts
               where at >= $1::date::timestamp at time zone 'UTC' and at < ($2::date + 1)::timestamp at time zone 'UTC'
               group by 1, 2
           )
           select to_char(b.start, 'YYYY-MM-DD') as "start!",
               coalesce(sum(n) filter (where kind = 'enrollment'), 0)::bigint as "enrollments!",
               coalesce(sum(n) filter (where kind = 'completion'), 0)::bigint as "completions!",
               coalesce(sum(n) filter (where kind = 'drop'), 0)::bigint as "drops!",
               coalesce(sum(n) filter (where kind = 'registration'), 0)::bigint as "registrations!",
               coalesce(sum(n) filter (where kind = 'question'), 0)::bigint as "questions!"
           from generate_series(date_trunc($3, $1::date::timestamp), $2::date::timestamp, ('1 ' || $3)::interval) as b(start)
           left join counted c on c.start = b.start
           group by b.start order by b.start"#,
        from,
        to,
        bucket.as_text()
    )
    .fetch_all(pool)
    .await?;
    Ok(Trends {
        bucket: bucket.into(),
        items,
        as_of: as_of.map(from_time),
    })
}
