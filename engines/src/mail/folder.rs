//! Mails as files: each is there once, whole, under its id.

use std::{
    io::Write as _,
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

/// Writes a file under a draft's name and gives it its own; one that is there already stays as it is.
fn write(folder: &Path, id: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = folder.join(format!("{id}.eml"));
    if path.try_exists()? {
        return Ok(());
    }
    let draft = folder.join(format!(".{id}.{}", uuid::Uuid::new_v4().simple()));
    let mut file = std::fs::File::create_new(&draft)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&draft, &path));
    if written.is_err() {
        // The first failure is the one to tell of.
        drop(std::fs::remove_file(&draft));
    }
    written?;
    std::fs::File::open(folder)?.sync_all()
}
