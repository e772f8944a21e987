//! The event log in a Kafka that speaks TLS, for who it is meant for and nobody else.

use std::sync::Arc;

use smartcourse_engines::{
    event_log,
    files::directory::Directory,
    servers::kafka::{Kafka, Settings},
};
use smartcourse_platform::ports::event_log::EventLog;
use smartcourse_tests::SecureKafka;
use sqlx::PgPool;

use super::{
    POLL,
    event_log::{database, event_log_contract},
    kafka::settings,
};

fn log(settings: &Settings, pool: &PgPool) -> Arc<dyn EventLog> {
    let (kafka, pool) = (Kafka::new(settings.clone()), pool.clone());
    Arc::new(event_log::kafka::Kafka::new(kafka, pool.clone(), pool, POLL))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server: --features smartcourse-engines/kafka-tls"]
async fn an_event_log_in_a_kafka_that_asks_who_is_there() {
    let server = SecureKafka::start().await.unwrap();
    let pool = database().await;
    let by_certificate = Settings {
        tls: true,
        tls_authority: server.file("authority.pem"),
        tls_certificate: server.file("client.pem"),
        tls_key: server.file("client.key"),
        ..settings(&server.by_certificate)
    };
    let by_password = |mechanism: &str| Settings {
        tls: true,
        tls_authority: server.file("authority.pem"),
        username: SecureKafka::USERNAME.to_owned(),
        password: SecureKafka::PASSWORD.to_owned().into(),
        sasl_mechanism: mechanism.to_owned(),
        ..settings(&server.by_password)
    };
    log(&by_certificate, &pool).prepare().await.unwrap();
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        log(&by_password(mechanism), &pool).prepare().await.unwrap();
    }

    let dir = tempfile::tempdir().unwrap();
    let files = Arc::new(Directory::open(dir.path()).unwrap());
    let by_scram = by_password("SCRAM-SHA-512");
    let history = event_log::kafka::Kafka::history(Kafka::new(by_scram.clone()), pool.clone(), files);
    event_log_contract(&pool, || log(&by_scram, &pool), &history).await;

    let nobody = Settings {
        tls_certificate: Default::default(),
        tls_key: Default::default(),
        ..by_certificate.clone()
    };
    // The broker's certificate is of an authority the machine does not trust.
    let believes_the_machine = Settings {
        tls_authority: Default::default(),
        ..by_certificate.clone()
    };
    let elsewhere = Settings {
        brokers: server.by_certificate.replace("127.0.0.1", "localhost"),
        ..by_certificate.clone()
    };
    let wrong = Settings {
        password: "another".to_owned().into(),
        ..by_scram.clone()
    };
    for (who, settings) in [
        ("without a certificate", nobody),
        ("of another authority", believes_the_machine),
        ("by another name", elsewhere),
        ("with a wrong password", wrong),
        ("without TLS", settings(&server.by_certificate)),
    ] {
        let outcome = log(&settings, &pool).prepare().await;
        assert!(outcome.is_err(), "{who}");
    }
    // A file that is not there is told of.
    let missing = Settings {
        tls_authority: server.file("missing.pem"),
        ..by_certificate
    };
    let told = log(&missing, &pool).prepare().await.unwrap_err().chain();
    assert!(told.contains("ssl.ca.location"), "{told}");
}
