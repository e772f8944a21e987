//! Dashboards as Grafana reads them.

use serde_json::{Value, json};

/// The version of Grafana's schema.
const SCHEMA: u32 = 39;
/// Columns of a dashboard.
const COLUMNS: usize = 24;

/// A dashboard.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// Its id, in addresses and the name of its file.
    pub uid: String,
    title: String,
    /// What is on it, from top to bottom.
    pub panels: Vec<Panel>,
    /// A field above it that people fill in.
    asks_for: Option<&'static str>,
}

/// What is on a dashboard.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What it shows; empty for one of text.
    pub title: &'static str,
    look: Look,
    unit: &'static str,
    /// Queries, each with the legend of its series.
    pub queries: Vec<(String, &'static str)>,
    /// Where a point of it leads: what is there, and its address.
    links: &'static [(&'static str, &'static str)],
}

#[derive(Debug, Clone)]
enum Look {
    Number,
    Graph,
    List,
    Text(String),
}

impl Panel {
    fn new(
        title: &'static str,
        look: Look,
        unit: &'static str,
        queries: Vec<(String, &'static str)>,
    ) -> Self {
        Self {
            title,
            look,
            unit,
            queries,
            links: &[],
        }
    }

    /// Lines over time.
    pub(crate) fn graph(
        title: &'static str,
        unit: &'static str,
        query: String,
        legend: &'static str,
    ) -> Self {
        Self::new(title, Look::Graph, unit, vec![(query, legend)])
    }

    /// A number as it is now.
    pub(crate) fn number(title: &'static str, unit: &'static str, query: String) -> Self {
        Self::new(title, Look::Number, unit, vec![(query, "")])
    }

    /// A number for each series, over the whole width.
    pub(crate) fn list(title: &'static str, unit: &'static str, query: String, legend: &'static str) -> Self {
        Self::new(title, Look::List, unit, vec![(query, legend)])
    }

    /// Markdown.
    pub(crate) fn text(markdown: String) -> Self {
        Self::new("", Look::Text(markdown), "", Vec::new())
    }

    /// The same with further lines.
    pub(crate) fn and(mut self, query: String, legend: &'static str) -> Self {
        self.queries.push((query, legend));
        self
    }

    /// The same, where points lead somewhere.
    pub(crate) fn leads(mut self, links: &'static [(&'static str, &'static str)]) -> Self {
        self.links = links;
        self
    }

    fn size(&self) -> (usize, usize) {
        match self.look {
            Look::Number => (6, 4),
            Look::Graph => (12, 8),
            Look::List => (COLUMNS, 4),
            Look::Text(_) => (COLUMNS, 20),
        }
    }

    fn json(&self, id: usize, x: usize, y: usize) -> Value {
        let (w, h) = self.size();
        let mut panel = json!({
            "id": id,
            "title": self.title,
            "gridPos": { "x": x, "y": y, "w": w, "h": h },
        });
        if let Look::Text(markdown) = &self.look {
            panel["type"] = json!("text");
            panel["options"] = json!({ "mode": "markdown", "content": markdown });
            return panel;
        }
        let prometheus = json!({ "type": "prometheus", "uid": "prometheus" });
        let instant = !matches!(self.look, Look::Graph);
        let targets = self.queries.iter().zip('A'..).map(|((expr, legend), name)| {
            json!({
                "refId": name.to_string(),
                "datasource": prometheus,
                "expr": expr,
                "legendFormat": legend,
                "instant": instant,
                "range": !instant,
            })
        });
        panel["targets"] = targets.collect();
        panel["datasource"] = prometheus.clone();
        let links = self
            .links
            .iter()
            .map(|(title, url)| json!({ "title": title, "url": url, "targetBlank": true }));
        panel["fieldConfig"] = json!({
            "defaults": { "unit": self.unit, "links": links.collect::<Value>() },
            "overrides": [],
        });
        if instant {
            panel["type"] = json!("stat");
            panel["options"] = json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "none",
                "graphMode": "none",
                "textMode": if matches!(self.look, Look::List) { "value_and_name" } else { "value" },
            });
        } else {
            panel["type"] = json!("timeseries");
            panel["fieldConfig"]["defaults"]["min"] = json!(0);
            panel["options"] = json!({
                "legend": { "displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"], "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            });
        }
        panel
    }
}

impl Dashboard {
    pub(crate) fn new(uid: &str, title: &str, panels: Vec<Panel>) -> Self {
        Self {
            uid: uid.to_owned(),
            title: title.to_owned(),
            panels,
            asks_for: None,
        }
    }

    /// The same with a field that people, or links, fill in: the panels' texts name it `${name}`.
    pub(crate) fn asking_for(mut self, name: &'static str) -> Self {
        self.asks_for = Some(name);
        self
    }

    /// The page of an alert: alerts link to it.
    pub(crate) fn runbook(alert: &str, markdown: &str) -> Self {
        Self::new(
            &format!("runbook-{alert}"),
            &format!("Runbook: {alert}"),
            vec![Panel::text(linked(markdown))],
        )
    }

    /// What Grafana reads.
    #[must_use]
    pub fn json(&self) -> String {
        let (mut x, mut y, mut row) = (0, 0, 0);
        let panels = self.panels.iter().enumerate().map(|(at, panel)| {
            let (width, height) = panel.size();
            if x + width > COLUMNS {
                (x, y, row) = (0, y + row, 0);
            }
            let json = panel.json(at + 1, x, y);
            x += width;
            row = row.max(height);
            json
        });
        let asked = self
            .asks_for
            .iter()
            .map(|name| json!({ "type": "textbox", "name": name, "label": name, "query": "" }));
        let board = json!({
            "uid": self.uid,
            "title": self.title,
            "tags": ["smartcourse"],
            "schemaVersion": SCHEMA,
            "editable": false,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "browser",
            "templating": { "list": asked.collect::<Value>() },
            "links": [{ "type": "dashboards", "title": "SmartCourse", "tags": ["smartcourse"], "asDropdown": true, "keepTime": true }],
            "panels": panels.collect::<Value>(),
        });
        format!("{board:#}\n")
    }
}

/// The links of a page as they are in Grafana: other pages of the runbook are dashboards there, other documents are only named.
fn linked(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after.split_once("](").and_then(|(name, after)| {
            let (target, after) = after.split_once(')')?;
            Some((name, target, after))
        });
        let Some((name, target, after)) = link else { break };
        text += before;
        text += &match (target.strip_prefix("../"), target.strip_suffix(".md")) {
            (Some(document), _) => {
                let file = document.split('#').next().unwrap_or_default();
                format!("{name} (`docs/{file}`)")
            }
            (None, Some(alert)) => format!("[{name}](/d/runbook-{alert})"),
            (None, None) => format!("[{name}]({target})"),
        };
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::linked;

    #[test]
    fn links_of_a_page_lead_to_dashboards() {
        assert_eq!(
            linked("See [Disk](DiskFull.md), [How](../OPERATIONS.md#disk), [it](http://it) and [no link."),
            "See [Disk](/d/runbook-DiskFull), How (`docs/OPERATIONS.md`), [it](http://it) and [no link."
        );
    }
}
