//! Settings of the other engine, as they are given: `MONGODB_URL=mongodb://host`, `s3.bucket=files`.

use std::str::FromStr;

use anyhow::{Context as _, Result};
use smartcourse_engines::Part;
use smartcourse_platform::config::{self, Declared};

use crate::private;

/// A setting and what it is to be.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    name: String,
    value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl Assignment {
    /// The variable it sets. Fails when that is no setting of what moves.
    pub(super) fn variable(&self, declared: &[Declared], part: Part) -> Result<(String, String)> {
        let of = match part {
            Part::Documents => &["mongodb."][..],
            Part::Files => &["s3.", "content.files_dir"],
            Part::Vectors => &["qdrant."],
            Part::Search => &["opensearch."],
            Part::Events => &["kafka."],
        };
        let known = config::variable(declared, &self.name);
        let (variable, _) = known
            .filter(|(_, key)| of.iter().any(|of| key.starts_with(of)))
            .with_context(|| {
                let (name, what) = (&self.name, part.as_text());
                format!("--to {name}: {what} are moved by settings of {}", of.join(" or "))
            })?;
        Ok((variable, self.value.clone()))
    }
}

/// What the environment of the roles is to have, without what is secret.
pub(super) fn shown(variables: &[(String, String)]) -> String {
    let line = |(name, value): &(String, String)| format!("    {name}={}\n", private::shown(name, value));
    variables.iter().map(line).collect()
}
