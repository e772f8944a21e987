//! Work that goes on to its end when whoever waits for it gives up.
//!
//! A request is dropped at whatever it waits for as soon as its client hangs up. That is right wherever one transaction
//! decides. Where one writes in two places, this keeps the second from being left out; only the death of the process does
//! that, and what it leaves must be found and mended by other means.

use std::future::Future;

use smartcourse_telemetry::request::{request_id, with_request_id};
use tracing::Instrument as _;

use crate::error::{Error, Result};

/// Begins the work at once, as a task of its own and a part of the same request; what is answered waits for its end, and is
/// `internal` when it panics.
pub fn unbroken<T, E>(
    work: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send
where
    T: Send + 'static,
    E: Into<Error> + Send + 'static,
{
    let task = tokio::spawn(with_request_id(request_id(), work).in_current_span());
    async {
        task.await
            .map_err(|error| Error::internal("the work broke off").because(error))?
            .map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_ends_though_nobody_waits_any_more() {
        let (go, wait) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        with_request_id("r-1".to_owned(), async {
            let work = unbroken(async move {
                wait.await
                    .map_err(|error| Error::internal("given up").because(error))?;
                tell.send(request_id()).map_err(Error::internal)
            });
            tokio::time::timeout(Duration::from_millis(5), work)
                .await
                .expect_err("it waits");
        })
        .await;
        go.send(()).expect("the work goes on");
        assert_eq!(told.await.expect("it comes to its end"), "r-1");
    }
}
