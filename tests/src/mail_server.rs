//! A mail server that speaks as much SMTP as a sender needs, keeps what it takes and refuses when told to.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU16, Ordering},
};

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// A mail server on this machine; it ends when it is dropped.
pub struct MailServer {
    /// Its `smtp://` address.
    pub url: String,
    desk: Desk,
    accepting: AbortHandle,
}

#[derive(Clone, Default)]
struct Desk {
    messages: Arc<Mutex<Vec<String>>>,
    refusal: Arc<AtomicU16>,
}

impl MailServer {
    /// Starts one; port 0 means any.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let url = format!("smtp://{}", listener.local_addr()?);
        let desk = Desk::default();
        let ours = desk.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let desk = ours.clone();
                tokio::spawn(async move { desk.talk(stream).await });
            }
        });
        Ok(Self {
            url,
            desk,
            accepting: accepting.abort_handle(),
        })
    }

    /// Answers every message with this code from now on; 0 takes them.
    pub fn refuse_with(&self, code: u16) {
        self.desk.refusal.store(code, Ordering::SeqCst);
    }

    /// The messages it took.
    pub fn messages(&self) -> Vec<String> {
        let messages = self.desk.messages.lock();
        messages.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Desk {
    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"220 here ESMTP\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let verb = line.split(' ').next().unwrap_or_default();
            let answer = match verb.to_ascii_uppercase().as_str() {
                "EHLO" => "250-here\r\n250 8BITMIME\r\n".to_owned(),
                "DATA" => {
                    writer.write_all(b"354 go on\r\n").await?;
                    let mut message = String::new();
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        message += line.strip_prefix('.').unwrap_or(&line);
                        message += "\r\n";
                    }
                    self.take(message)
                }
                "QUIT" => "221 bye\r\n".to_owned(),
                "MAIL" | "RCPT" | "NOOP" | "RSET" => "250 yes\r\n".to_owned(),
                _ => "502 what?\r\n".to_owned(),
            };
            writer.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    fn take(&self, message: String) -> String {
        match self.refusal.load(Ordering::SeqCst) {
            0 => {
                let messages = self.messages.lock();
                messages.unwrap_or_else(PoisonError::into_inner).push(message);
                "250 taken\r\n".to_owned()
            }
            code => format!("{code} no\r\n"),
        }
    }
}
