//! Mails as files: each is there once, whole, under its id.

use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use lettre::message::Mailbox;
use smartcourse_platform::{
    Error, Result,
    error::codes,
    ports::mail::{Mail, Mailer},
};

use super::message::message;

/// A directory of `.eml` files.
pub struct Folder {
    path: PathBuf,
    from: Mailbox,
}

impl Folder {
    /// A directory, made if it is not there. Fails when it cannot be made.
    pub fn new(path: &Path, from: Mailbox) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| {
            Error::internal(format!("cannot make the directory {}", path.display())).because(error)
        })?;
        Ok(Self {
            path: path.to_owned(),
            from,
        })
    }
}

#[async_trait]
impl Mailer for Folder {
    async fn send(&self, id: &str, mail: &Mail) -> Result<()> {
        let bytes = message(id, mail, &self.from)?.formatted();
        let (folder, id) = (self.path.clone(), id.to_owned());
        let written = tokio::task::spawn_blocking(move || write(&folder, &id, &bytes)).await;
        written
            .map_err(|error| Error::internal("writing a mail was cut off").because(error))?
            .map_err(|error| {
                Error::new(&codes::DELIVERY_FAILED, "a mail could not be written").because(error)
            })
    }
}

/// Writes a file under a draft's name and gives it its own; one that is there already stays as it is. Of two who write one at once
/// the second waits and finds it there; what a killed one left behind is written over.
fn write(folder: &Path, id: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = folder.join(format!("{id}.eml"));
    if path.try_exists()? {
        return Ok(());
    }
    let draft = folder.join(format!(".{id}"));
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&draft)?;
    file.lock()?;
    if path.try_exists()? {
        // The draft is the mail by now, or one that was just made for nothing.
        return std::fs::remove_file(&draft).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
    }
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, &path)?;
    std::fs::File::open(folder)?.sync_all()
}
