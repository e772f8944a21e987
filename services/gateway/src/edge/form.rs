//! A form with a file: what comes before the file is bounded, though the reader of forms would hold any amount of it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::Stream;

/// What may come before the file: other fields, the heads of the parts, and a preamble.
pub(crate) const FORM_HEAD: u64 = 64 * 1024;

/// The bytes of a form so far, while its file is looked for.
#[derive(Clone, Default)]
pub(crate) struct Head(Arc<AtomicU64>);

const FOUND: u64 = u64::MAX;

impl Head {
    /// The file has begun: it has a limit of its own.
    pub(crate) fn ends(&self) {
        self.0.store(FOUND, Ordering::Relaxed);
    }

    /// Whether more than [`FORM_HEAD`] came without a file.
    pub(crate) fn is_too_long(&self) -> bool {
        (FORM_HEAD + 1..FOUND).contains(&self.0.load(Ordering::Relaxed))
    }

    /// The body, which breaks off when its head is too long.
    pub(crate) fn bound(&self, body: Body) -> Body {
        Body::from_stream(Bounded {
            parts: body.into_data_stream(),
            head: self.clone(),
            given: false,
        })
    }
}

struct Bounded {
    parts: BodyDataStream,
    head: Head,
    given: bool,
}

impl Stream for Bounded {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let seen = self.head.0.load(Ordering::Relaxed);
        if seen == FOUND {
            return Pin::new(&mut self.parts).poll_next(context);
        }
        // One part at a time: the file may have begun in it, and nobody has looked yet.
        if std::mem::take(&mut self.given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.head.is_too_long() {
            return Poll::Ready(Some(Err(axum::Error::new("the head of the form is too long"))));
        }
        let part = std::task::ready!(Pin::new(&mut self.parts).poll_next(context));
        if let Some(Ok(bytes)) = &part {
            self.given = true;
            self.head.0.store(seen + bytes.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(part)
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::{FromRequest as _, Multipart, Request, multipart::MultipartError};

    use super::*;

    /// Looks for the file in a form that arrives in these parts; how much of the form was asked for.
    async fn find(parts: Vec<Bytes>) -> (Result<String, MultipartError>, u64) {
        let head = Head::default();
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let parts = futures::stream::iter(parts.into_iter().map(move |part| {
            count.fetch_add(part.len() as u64, Ordering::Relaxed);
            Ok::<_, axum::Error>(part)
        }));
        let request = Request::builder()
            .header("content-type", "multipart/form-data; boundary=x")
            .body(head.bound(Body::from_stream(parts)))
            .expect("a request");
        let mut form = Multipart::from_request(request, &()).await.expect("a form");
        let text = async {
            let field = form.next_field().await?.expect("a field");
            head.ends();
            field.text().await
        };
        let text = text.await;
        assert_eq!(head.is_too_long(), text.is_err());
        (text, asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_file_is_found_however_large_it_is() {
        let file = "a".repeat(300_000);
        let form = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{file}\r\n--x--\r\n"
        );
        for size in [form.len(), 70_000, 1000] {
            let parts = form.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
            assert_eq!(find(parts).await.0.expect("is found"), file, "in parts of {size}");
        }
    }

    #[tokio::test]
    async fn a_form_without_a_file_is_given_up_early() {
        let part = || Bytes::from(vec![b'a'; 10_000]);
        let (found, asked) = find((0..1000).map(|_| part()).collect()).await;
        assert!(found.is_err() && asked < FORM_HEAD + 20_000, "{asked}");
        // The head of a part that does not end.
        let mut parts = vec![Bytes::from("--x\r\nContent-Disposition: ")];
        parts.extend((0..1000).map(|_| part()));
        let (found, asked) = find(parts).await;
        assert!(found.is_err() && asked < FORM_HEAD + 20_000, "{asked}");
    }
}
