//! What is for few eyes: files for their owner alone, and values without what is secret in them.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::{Context as _, Result};

/// Writes a file its owner alone may read, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The value of a variable without what is secret.
pub(crate) fn shown(name: &str, value: &str) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(host)) if scheme < host => {
            format!("{}://…{}", &value[..scheme], &value[host..])
        }
        _ if ["SECRET", "PASSWORD", "API_KEY"]
            .iter()
            .any(|word| name.contains(word)) =>
        {
            "…".to_owned()
        }
        _ => value.to_owned(),
    }
}
