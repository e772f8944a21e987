//! Files on their way to the content service, without ever holding one in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream::BoxStream};
use smartcourse_platform::{Error, Result};
use smartcourse_proto::content::{AssetHeader, AssetPart};
use tokio::{sync::mpsc, time::timeout};
use tonic::Status;

use crate::{codes, stubs::UPLOAD_MESSAGE};

/// Bytes of one message of the stream.
const PIECE: usize = 256 * 1024;
/// Messages on their way at most: what an upload costs in memory.
const IN_FLIGHT: usize = 4;
/// A client that sends nothing for this long has gone.
pub(crate) const IDLE: Duration = Duration::from_secs(30);

/// Hands bytes to a call of the content service while they arrive.
pub(crate) async fn send<'a, T>(
    head: AssetHeader,
    bytes: BoxStream<'a, Result<Bytes>>,
    limit: u64,
    call: impl FnOnce(BoxStream<'static, AssetPart>) -> BoxFuture<'a, Result<T, Status>>,
) -> Result<T> {
    let (sender, parts) = channel(head);
    let mut call = call(parts.boxed());
    let pump = pump(bytes, sender, limit);
    tokio::pin!(pump);
    let answer = tokio::select! {
        // The service may refuse before it has read everything.
        answer = &mut call => answer,
        sent = &mut pump => {
            sent?;
            call.await
        }
    };
    Ok(answer?)
}

/// How many bytes a body or a part of a form says it has.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(crate) fn too_large() -> Error {
    Error::new(&codes::FILE_TOO_LARGE, "the file is larger than the limit")
}

pub(crate) fn stalled() -> Error {
    Error::new(&codes::BODY_TIMEOUT, "the upload stalled")
}

/// The sending end of an upload's stream.
struct Sender {
    parts: mpsc::Sender<AssetPart>,
    complete: Arc<AtomicBool>,
}

/// A stream of parts that ends well only when its sender said so.
///
/// A stream that merely ends looks like a whole file to the service. So whenever the sender goes away early, because
/// the client did or the form was cut off, the stream's last message is one larger than the client may send, which
/// makes the transport break the stream off.
fn channel(head: AssetHeader) -> (Sender, impl Stream<Item = AssetPart> + Send + 'static) {
    let (parts, mut receiver) = mpsc::channel(IN_FLIGHT);
    let complete = Arc::new(AtomicBool::new(false));
    let sender = Sender {
        parts,
        complete: Arc::clone(&complete),
    };
    let stream = async_stream::stream! {
        yield AssetPart { header: Some(head), data: Vec::new() };
        while let Some(part) = receiver.recv().await {
            yield part;
        }
        if !complete.load(Ordering::Acquire) {
            yield AssetPart { header: None, data: vec![0; UPLOAD_MESSAGE + 1] };
        }
    };
    (sender, stream)
}

/// Moves the bytes to the stream.
async fn pump(mut bytes: BoxStream<'_, Result<Bytes>>, sender: Sender, limit: u64) -> Result<()> {
    let mut total = 0_u64;
    while let Some(mut chunk) = timeout(IDLE, bytes.try_next()).await.map_err(|_| stalled())?? {
        total += chunk.len() as u64;
        if total > limit {
            return Err(too_large());
        }
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(PIECE));
            let part = AssetPart {
                header: None,
                data: piece.to_vec(),
            };
            if sender.parts.send(part).await.is_err() {
                // The service has answered; its answer says why.
                return Ok(());
            }
        }
    }
    sender.complete.store(true, Ordering::Release);
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn only_a_complete_upload_ends_well() {
        let data = |bytes: &[u8]| AssetPart {
            header: None,
            data: bytes.to_vec(),
        };
        let (sender, stream) = channel(AssetHeader::default());
        sender.parts.send(data(b"all")).await.expect("is open");
        sender.complete.store(true, Ordering::Release);
        drop(sender);
        assert_eq!(stream.collect::<Vec<_>>().await.len(), 2);

        let (sender, stream) = channel(AssetHeader::default());
        sender.parts.send(data(b"half")).await.expect("is open");
        drop(sender);
        let parts: Vec<_> = stream.collect().await;
        assert!(parts.last().is_some_and(|last| last.data.len() > UPLOAD_MESSAGE));
    }

    /// Over a real connection: what the service's end of the stream sees.
    async fn arrives_whole(complete: bool) -> bool {
        use smartcourse_platform::{
            config::Config,
            grpc::{Channels, Transport},
        };

        let (told, mut tell) = mpsc::channel(1);
        let service = axum::Router::new().fallback(async move |body: Body| {
            let whole = axum::body::to_bytes(body, usize::MAX).await.is_ok();
            let _ = told.send(whole).await;
            tonic::Status::unavailable("read").into_http::<Body>()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let config = Config::load(&[], None, &[]).expect("the defaults are valid").grpc;
        let channels = Channels::open(|_| Transport::remote(&config, &address)).expect("an address");
        let stubs = crate::Stubs::new(&channels);
        let (sender, stream) = channel(AssetHeader::default());
        let call = tokio::spawn(async move { stubs.uploads.upload_asset(stream).await });
        sender
            .parts
            .send(AssetPart {
                header: None,
                data: vec![7; PIECE],
            })
            .await
            .expect("is open");
        sender.complete.store(complete, Ordering::Release);
        drop(sender);
        let whole = tell.recv().await.expect("the service was called");
        call.abort();
        whole
    }

    #[tokio::test]
    async fn a_cut_off_upload_never_looks_whole_to_the_service() {
        assert!(arrives_whole(true).await);
        assert!(!arrives_whole(false).await);
    }
}
