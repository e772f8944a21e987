//! The report of a school.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::Value;
use smartcourse_tests::{Session, wait_for};

use super::school::School;

/// A report asked for twice with one key, once it is ready.
async fn report(admin: &Session) -> Result<(Value, String)> {
    let ask = async || {
        let request = admin
            .request(Method::POST, "/admin/reports")
            .header("idempotency-key", "march");
        let reply = admin.send(request).await?;
        let location = reply.headers["location"].to_str()?.to_owned();
        anyhow::Ok((reply.expect(202)?, location))
    };
    let (first, location) = ask().await?;
    let ready = wait_for("the report", async || {
        let report = admin.get(&location).await?.expect(200)?;
        Ok(match report["state"].as_str() {
            Some("ready") => Ok(report),
            _ => Err(report.to_string()),
        })
    })
    .await?;
    let (second, _) = ask().await?;
    ensure!(first["id"] == second["id"], "one key, one report");
    let url = ready["download_url"]
        .as_str()
        .context("a report that is ready has an address")?;
    let reply = admin.get(url).await?;
    let kind = reply.headers["content-type"].to_str()?.to_owned();
    ensure!(kind.starts_with("text/csv"), "{kind}");
    let text = reply.expect(200)?.as_str().context("text")?.to_owned();
    Ok((ready, text))
}

pub(super) async fn check_report(school: &School) -> Result<()> {
    let (ready, text) = report(&school.admin).await?;
    ensure!(ready["finished_at"].is_string(), "{ready}");
    let rows: Vec<Vec<String>> = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes())
        .deserialize()
        .collect::<Result<_, _>>()?;
    // Without the last column, the time.
    let cells: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| row[..12].iter().map(String::as_str).collect())
        .collect();
    let (first, second) = (school.first.to_string(), school.second.to_string());
    let archived = (school.second + 1).to_string();
    let expected = [
        vec![
            "platform", "", "", "6", "3", "1", "2", "0.2500", "3600", "3", "2", "1",
        ],
        vec![
            "course",
            &first,
            "'=SUM(A1)",
            "4",
            "1",
            "1",
            "2",
            "0.5000",
            "3600",
            "3",
            "2",
            "1",
        ],
        vec![
            "course",
            &second,
            "Outbox, \"quoted\"",
            "2",
            "2",
            "0",
            "0",
            "0.0000",
            "",
            "0",
            "0",
            "0",
        ],
        vec![
            "course", &archived, "Archived", "0", "0", "0", "0", "0.0000", "", "0", "0", "0",
        ],
    ];
    ensure!(cells == expected, "{text}");
    ensure!(
        rows.iter().all(|row| row[12].starts_with("2026-03-10T12:00:0")),
        "{text}"
    );
    Ok(())
}
