//! What a server is asked to learn that it is ready.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::Check;

/// Sends a request to a port of this machine; ready once the first bytes of the answer are as they should be.
pub(super) async fn answers<const N: usize>(
    port: u16,
    request: &[u8],
    expected: impl FnOnce(&[u8; N]) -> bool,
) -> Check<()> {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(request).await?;
        let mut answer = [0; N];
        stream.read_exact(&mut answer).await.map(|_| answer)
    };
    match asked.await {
        Ok(answer) if expected(&answer) => Check::Ready(()),
        Ok(answer) => Check::NotYet(String::from_utf8_lossy(&answer).into_owned()),
        Err(error) => Check::NotYet(error.to_string()),
    }
}

/// Ready once a page is answered with 200.
pub(super) async fn serves(port: u16, path: &str) -> Check<()> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    answers(port, request.as_bytes(), |answer: &[u8; 12]| {
        answer.ends_with(b" 200")
    })
    .await
}
