//! The two indexes an alias goes back and forth between: one is asked, the other is filled beside it.

use std::{collections::HashMap, sync::Arc};

use http::Method;
use serde_json::{Value, json};
use smartcourse_platform::{Result, ports::search::Search};

use super::{FIELDS, OpenSearch, documents::description};

impl OpenSearch {
    /// The names an index can have.
    pub(super) fn names(&self) -> [String; 2] {
        let alias = self.server.alias();
        [format!("{alias}_{FIELDS}"), format!("{alias}_{FIELDS}b")]
    }

    /// The indexes behind the alias.
    pub(super) async fn behind(&self) -> Result<Vec<String>> {
        let path = format!("_alias/{}", self.server.alias());
        let found: Option<HashMap<String, Value>> = self.server.call(Method::GET, &path, "").await?;
        Ok(found.into_iter().flatten().map(|(name, _)| name).collect())
    }

    /// The name of the index that is not behind the alias.
    async fn free(&self, behind: &[String]) -> Result<String> {
        let free = self.names().into_iter().find(|name| !behind.contains(name));
        free.ok_or_else(|| self.no_index())
    }

    /// The index beside the one that is asked, which is made unless it was begun before; `None` when none is asked so far: the
    /// one that is made then can be filled as it is.
    pub(super) async fn open_beside(&self) -> Result<Option<Arc<dyn Search>>> {
        let behind = self.behind().await?;
        if behind.is_empty() {
            self.prepare().await?;
            return Ok(None);
        }
        let name = self.free(&behind).await?;
        let known: Option<Value> = self.server.call(Method::GET, &name, "").await?;
        if known.is_none() {
            let made: Option<Value> = self.ask(Method::PUT, &name, &description(None)).await?;
            made.ok_or_else(|| self.no_index())?;
        }
        Ok(Some(Arc::new(Self {
            server: self.server.clone(),
            index: Some(name),
        })))
    }

    /// Puts the other index behind the alias and removes the one that was, in one step of the server.
    pub(super) async fn flip(&self) -> Result<()> {
        let behind = self.behind().await?;
        let name = self.free(&behind).await?;
        let mut actions = vec![json!({ "add": { "index": name, "alias": self.server.alias() } })];
        actions.extend(
            behind
                .iter()
                .map(|old| json!({ "remove_index": { "index": old } })),
        );
        let done: Option<Value> = self
            .ask(Method::POST, "_aliases", &json!({ "actions": actions }))
            .await?;
        done.map(drop).ok_or_else(|| self.no_index())
    }
}
