//! One stub per service.

use std::{ops::Deref, time::Duration};

use smartcourse_platform::grpc::{Channels, TRANSACTIONS, Transport};
use smartcourse_proto::stubs::{self, ContentStub, ServiceName};

/// Largest message of an upload's stream; a larger one breaks the stream on purpose (see the assets routes).
pub(crate) const UPLOAD_MESSAGE: usize = 1024 * 1024;

/// Longest upload: a slow one is watched by the pauses between its parts. The content service takes one for broken after a day.
const UPLOAD: Duration = Duration::from_secs(12 * 3600);

/// Typed stubs; a clone is cheap, and every call takes one.
#[derive(Clone)]
pub struct Stubs {
    all: stubs::Stubs<Transport>,
    pub(crate) uploads: ContentStub<Transport>,
    /// Every service, for the readiness probe.
    pub(crate) probes: Vec<Probe>,
    /// Whether the transactions of the database go on.
    pub(crate) transactions: Probe,
}

impl Deref for Stubs {
    type Target = stubs::Stubs<Transport>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

/// A service to ask whether it is well.
#[derive(Clone)]
pub(crate) struct Probe {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Its protobuf name: a process answers for each of its services.
    pub(crate) service: &'static str,
    pub(crate) channel: Transport,
}

impl Stubs {
    /// Over the channel to each service.
    pub fn new(channels: &Channels) -> Self {
        let probe = |service: ServiceName| Probe {
            name: service.as_str(),
            service: service.protobuf(),
            channel: channels.to(service),
        };
        let uploads = channels.to(ServiceName::Content).with_deadline(UPLOAD);
        Self {
            all: stubs::Stubs::new(|service| channels.to(service)),
            uploads: ContentStub::limited(uploads, UPLOAD_MESSAGE),
            probes: ServiceName::ALL.map(probe).to_vec(),
            // One database for all: any service knows.
            transactions: Probe {
                name: "transactions",
                service: TRANSACTIONS,
                ..probe(ServiceName::User)
            },
        }
    }
}
