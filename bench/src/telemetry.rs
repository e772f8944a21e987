//! What metrics and traces cost a request, and what it costs that who receives them, or Redis, is gone.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use smartcourse_tests::{
    Collector, Layout, ServerKind, TestServer, World,
    measure::{
        Outcome,
        machine::Since,
        table::{Table, millis, verdict},
    },
};

use crate::{
    load::{self, NO_RATES, Target},
    note, published,
    text::Dice,
};

/// Rounds of all worlds in turns; what counts is the median.
const ROUNDS: usize = 9;
const CONNECTIONS: usize = 16;
/// Requests of a round: about a second, in which Prometheus looks once. It looks every fifteen in earnest.
const REQUESTS: usize = 30_000;
/// No new ones after this.
const LIMIT: Duration = Duration::from_secs(10);

/// A platform that says this much of itself.
struct Way {
    name: &'static str,
    world: World,
    target: Target,
}

impl Way {
    async fn start(name: &'static str, world: World) -> Result<Self> {
        let instructor = world.sign_up("instructor").await?;
        let course = published::course(&instructor, &Dice::new(3).lessons(2, 1)).await?;
        published::publish(&instructor, &world.pool, course).await?;
        let gateway = world.base.trim_start_matches("http://");
        let target = Target::get(gateway, &format!("/courses/{course}"), Some(&instructor.token));
        Ok(Self { name, world, target })
    }

    /// A round, in which Prometheus looks once where there is something to see.
    async fn round(&self) -> Result<Outcome> {
        let look = async {
            // Without metrics nobody answers.
            drop(self.world.ask_role("serve", "/metrics").await);
            anyhow::Ok(())
        };
        let load = load::run(&self.target, CONNECTIONS, REQUESTS, LIMIT);
        Ok(tokio::try_join!(load, look)?.0)
    }
}

/// Measures them in turns, with everything there, then with the receiver of traces and Redis killed.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let collector = Collector::start().await?;
    let mut redis = TestServer::start(ServerKind::Redis).await?;
    let endpoint = collector.endpoint();
    let traced = ("TELEMETRY__OTLP_ENDPOINT", endpoint.as_str());
    let start = async |name, more: &[(&'static str, &str)], redis: Option<&TestServer>| {
        let settings = [NO_RATES.as_slice(), more].concat();
        let world = match redis {
            None => World::start_with(executable, Layout::Together, &settings).await?,
            Some(redis) => {
                World::start_on(
                    std::slice::from_ref(redis),
                    executable,
                    Layout::Together,
                    &settings,
                )
                .await?
            }
        };
        Way::start(name, world).await
    };
    let ways = [
        start(
            "neither metrics nor traces",
            &[("TELEMETRY__METRICS_LISTEN", "")],
            None,
        )
        .await?,
        start("metrics", &[], None).await?,
        start("metrics, and traces as by default", &[traced], None).await?,
        start(
            "metrics, and the traces of all requests",
            &[traced, ("TELEMETRY__TRACE_RATIO", "1")],
            None,
        )
        .await?,
        start(
            "metrics, traces as by default, and Redis",
            &[traced],
            Some(&redis),
        )
        .await?,
    ];
    let since = Since::now();
    note("everything is there");
    let whole = turns(&ways).await?;
    note("the receiver of traces and Redis are gone");
    drop(collector);
    redis.kill().await?;
    let gone = turns(&ways).await?;
    let others = since.spent().others;

    let mut table = Table::new(&["", "p50 ms", "p95 ms", "requests/s", "÷ neither"]);
    for (when, rounds) in [("", &whole), (", receiver of traces and Redis killed", &gone)] {
        for (way, (ratio, outcome)) in ways.iter().zip(rounds) {
            table.row([
                format!("{}{when}", way.name),
                millis(outcome.quantile(0.5)),
                millis(outcome.quantile(0.95)),
                format!("{:.0}", outcome.per_second()),
                format!("{ratio:.3}"),
            ]);
        }
    }
    Ok(format!(
        "## Telemetry\n\n`GET /courses/{{id}}` over {CONNECTIONS} connections, {ROUNDS} rounds of {REQUESTS} requests of all worlds in turns; \
         shown is the one with the median ratio. Other programs used {others:.2} cores, the receiver of traces among this command's.\n\n{}\n{}\n{}\n{}",
        table.finish(),
        verdict(
            "requests/s with metrics and traces ÷ without",
            whole[2].0,
            0.97,
            false
        ),
        verdict(
            "the same with the receiver killed ÷ with it",
            gone[2].0 / whole[2].0,
            0.95,
            false
        ),
        verdict(
            "with Redis killed, too ÷ with both",
            gone[4].0 / whole[4].0,
            0.95,
            false
        ),
    ))
}

/// Of each way the round with the median of the ratios to the first one.
async fn turns(ways: &[Way]) -> Result<Vec<(f64, Outcome)>> {
    let mut rounds: Vec<Vec<(f64, Outcome)>> = ways.iter().map(|_| Vec::new()).collect();
    // The first round warms up.
    for round in 0..=ROUNDS {
        let mut first = None;
        for (way, rounds) in ways.iter().zip(&mut rounds) {
            let outcome = way.round().await?;
            let first = *first.get_or_insert(outcome.per_second());
            if round > 0 {
                rounds.push((outcome.per_second() / first, outcome));
            }
        }
    }
    let median = |mut rounds: Vec<(f64, Outcome)>| {
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middle = rounds.len() / 2;
        rounds.into_iter().nth(middle).context("there are rounds")
    };
    rounds.into_iter().map(median).collect()
}
