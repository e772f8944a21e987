//! What the library of Kafka has to say, as it is logged. Each of a process's clients tells of each try to reach a broker, several
//! times a second while they are away; who asks them says so once in its own words.

use rdkafka::{
    ClientContext,
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{ConsumerContext, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::FutureProducer,
};

/// The facility under which the library tells of a connection that failed.
const CONNECTION: &str = "FAIL";

/// The context of a client that does nothing else than to log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context;

/// Sends messages.
pub(crate) type Producer = FutureProducer<Context>;

/// Reads partitions it is told.
pub(crate) type Consumer = StreamConsumer<Context>;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match facility {
            CONNECTION => tracing::debug!(message, "a broker is not reached"),
            _ => DefaultClientContext.log(level, facility, message),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let is_away = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::Resolve
            )
        );
        match is_away {
            true => tracing::debug!(%error, reason, "a broker is not reached"),
            false => tracing::error!(%error, reason, "Kafka refuses something"),
        }
    }
}

impl ConsumerContext for Context {}
