//! Connections that are encrypted: between the services, to the gateway, to PostgreSQL; and who is refused there.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use smartcourse_launcher::{DataDir, Postgres, Progress, default_data_dir, ensure_postgres, free_port};
use smartcourse_platform::{
    Error,
    config::Config,
    grpc::{Actor, ServiceName, Transport},
    tls::{Certificates, Files},
};
use smartcourse_proto::{content::RetrieveRequest, stubs::ContentStub};
use smartcourse_tests::{Authority, Layout, Learning, World, wait_for};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    enrollment::{self, enroll, holds},
    executable,
};

const HOST: &str = "127.0.0.1";
/// The names of the process that has most services.
const SERVE: [&str; 9] = [
    HOST,
    "user",
    "assistant",
    "enrollment",
    "progress",
    "notification",
    "analytics",
    "operations",
    "gateway",
];
/// Who has a process, and a certificate, of its own.
const ALONE: [&str; 5] = ["course", "content", "worker", "relay", "tasks"];
/// Callers at once while certificates are renewed, and how often they are.
const CALLERS: usize = 4;
const RENEWALS: usize = 5;

/// A world whose roles have certificates, each its own, and no service token.
struct Encrypted {
    world: World,
    files: TempDir,
    authority: Authority,
}

impl Encrypted {
    async fn start() -> Result<Self> {
        let files = TempDir::with_prefix("smartcourse-test-tls-")?;
        let authority = Authority::new(files.path(), "authority")?;
        renew(&authority)?;
        let serve = shown(files.path(), "serve");
        let mut settings = vec![("GRPC__SERVICE_TOKEN", "")];
        settings.extend(serve.iter().map(|(name, path)| (*name, path.as_str())));
        let world = World::start_with(executable(), Layout::Apart, &settings).await?;
        let mut encrypted = Self {
            world,
            files,
            authority,
        };
        for role in ALONE {
            encrypted.restart(role, role).await?;
        }
        encrypted.world.ready().await?;
        Ok(encrypted)
    }

    /// Starts a role anew, with this certificate.
    async fn restart(&mut self, role: &'static str, certificate: &str) -> Result<()> {
        let shown =
            shown(self.files.path(), certificate).map(|(name, path)| (format!("SMARTCOURSE_{name}"), path));
        let more: Vec<_> = shown
            .iter()
            .map(|(name, path)| (name.as_str(), path.as_str()))
            .collect();
        self.world.restart(role, &more).await
    }

    /// What the content service says to somebody with these settings.
    async fn content_says(&self, settings: &[(&str, String)]) -> Result<Error> {
        let mut variables = self.world.settings();
        let settings = settings.iter();
        variables.extend(settings.map(|(name, value)| (format!("SMARTCOURSE_{name}"), value.clone())));
        let config: Config = crate::config::load(None, &variables)?;
        let content = ContentStub::new(Transport::to(&config.grpc, ServiceName::Content)?);
        let question = RetrieveRequest {
            course_id: 1,
            version: 1,
            question: "What is a saga?".to_owned(),
            limit: 1,
            ..RetrieveRequest::default()
        };
        let answer = content.retrieve(Actor::Service.request(question)).await;
        Ok(answer.err().context("it answered")?.into())
    }
}

/// New certificates for everybody.
fn renew(authority: &Authority) -> Result<()> {
    authority.certify("serve", &SERVE)?;
    ALONE
        .iter()
        .try_for_each(|role| authority.certify(role, &[role, HOST]))
}

/// The settings of who shows a certificate.
fn shown(files: &Path, certificate: &str) -> [(&'static str, String); 3] {
    let file = |name: String| files.join(name).display().to_string();
    [
        ("GRPC__TLS_CERTIFICATE", file(format!("{certificate}.pem"))),
        ("GRPC__TLS_KEY", file(format!("{certificate}.key"))),
        ("GRPC__TLS_AUTHORITY", file("authority.pem".to_owned())),
    ]
}

/// One who believes the authority of these files.
fn believer(files: &Path) -> Result<Certificates> {
    let files = Files {
        name: "test",
        certificate: files.join("serve.pem"),
        key: files.join("serve.key"),
        authority: Some(files.join("authority.pem")),
    };
    Ok(Certificates::open(files, b"http/1.1")?)
}

/// The status a gateway answers with over a connection of its own, and the certificate it shows.
async fn ask(client: &Certificates, port: u16, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut stream = client.connect(HOST, port).await?;
    let shown = stream.get_ref().1.peer_certificates().context("a certificate")?[0].to_vec();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).with_context(|| answer.clone())?;
    Ok((status.parse()?, shown))
}

#[tokio::test(flavor = "multi_thread")]
async fn services_prove_to_each_other_who_they_are() -> Result<()> {
    let mut encrypted = Encrypted::start().await?;
    let (teacher, student) = (
        encrypted.world.sign_up("instructor").await?,
        encrypted.world.sign_up("student").await?,
    );
    let course = enrollment::course(&teacher, None, &[]).await?;
    enroll(&student, course).await?;
    holds(&encrypted.world, course, &student, &Learning::enrolled_once()).await?;
    for lesson in ["l1", "l2"] {
        student.complete_lesson(course, lesson).await?.expect(200)?;
    }
    holds(&encrypted.world, course, &student, &Learning::completed_once(2)).await?;
    let question = json!({"question": "What is a saga?"});
    student
        .post(&format!("/courses/{course}/ask"), &question)
        .await?
        .expect(200)?;
    encrypted
        .world
        .admin()
        .await?
        .get("/admin/workflows")
        .await?
        .expect(200)?;

    let path = |name: &str| encrypted.files.path().join(name).display().to_string();
    Authority::new(encrypted.files.path(), "elsewhere")?.certify("stranger", &["gateway", HOST])?;
    let elsewhere = ("GRPC__TLS_AUTHORITY", path("elsewhere.pem"));
    let plain = shown(encrypted.files.path(), "").map(|(name, _)| (name, String::new()));
    let [certificate, key, _] = shown(encrypted.files.path(), "serve");
    for (settings, told_to_us, said_there) in [
        (shown(encrypted.files.path(), "tasks"), "is for `tasks`", ""),
        (
            shown(encrypted.files.path(), "stranger"),
            "",
            "shows a certificate that none of tls_authority signed",
        ),
        (
            [certificate, key, elsewhere],
            "shows a certificate that none of tls_authority signed",
            "",
        ),
        (plain, "", "does not speak TLS"),
    ] {
        let refusal = encrypted.content_says(&settings).await?.chain();
        ensure!(refusal.contains(told_to_us), "{told_to_us}: {refusal}");
        wait_for(said_there, async || {
            let told = encrypted.world.whole_log("content");
            Ok(told.contains(said_there).then_some(()).ok_or(told))
        })
        .await?;
    }

    // Whose own certificate is bad is refused by its callers, who say why.
    encrypted
        .authority
        .certify_expired("expired", &["course", HOST])?;
    encrypted.authority.certify("other", &["course", "192.0.2.1"])?;
    Authority::new(encrypted.files.path(), "own")?.certify("signed", &["course", HOST])?;
    for (certificate, said) in [
        ("expired", "shows a certificate that has expired"),
        (
            "other",
            "shows a certificate with another name than it is called by",
        ),
        ("signed", "shows a certificate that none of tls_authority signed"),
    ] {
        encrypted.restart("course", certificate).await?;
        wait_for(said, async || {
            let answer = student.get(&format!("/courses/{course}")).await?;
            let told = encrypted.world.whole_log("serve");
            let seen = format!("{}, said: {}", answer.body, told.contains(said));
            Ok((answer.status == 503 && told.contains(said))
                .then_some(())
                .ok_or(seen))
        })
        .await?;
    }
    encrypted.restart("course", "course").await?;
    encrypted.world.ready().await
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_and_no_request_fails() -> Result<()> {
    let mut encrypted = Encrypted::start().await?;
    let teacher = encrypted.world.sign_up("instructor").await?;
    let course = enrollment::course(&teacher, None, &[]).await?;
    let port = free_port()?;
    let listen = format!("{HOST}:{port}");
    let file = |name: &str| encrypted.files.path().join(name).display().to_string();
    let gateway = [
        ("SMARTCOURSE_GATEWAY__LISTEN", listen),
        ("SMARTCOURSE_GATEWAY__TLS_CERTIFICATE", file("serve.pem")),
        ("SMARTCOURSE_GATEWAY__TLS_KEY", file("serve.key")),
    ];
    let gateway: Vec<_> = gateway
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    encrypted
        .world
        .spawn("gateway", &["serve", "--only", "gateway"], &gateway)?;
    let client = believer(encrypted.files.path())?;
    wait_for("the gateway", async || {
        Ok(ask(&client, port, "/readyz")
            .await
            .map_err(|error| format!("{error:#}")))
    })
    .await?;

    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let path = format!("/courses/{course}");
    let call = async || -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            let (status, _) = ask(&client, port, &path).await?;
            ensure!(status == 200, "{status}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let renewing = async {
        for _ in 0..RENEWALS {
            let (_, before) = ask(&client, port, &path).await?;
            renew(&encrypted.authority)?;
            let since = answered.load(Ordering::Relaxed);
            wait_for("the new certificate", async || {
                let (_, shown) = ask(&client, port, &path).await?;
                let went_on = answered.load(Ordering::Relaxed) > since;
                Ok(if shown != before && went_on {
                    Ok(())
                } else {
                    Err("it is the old one".to_owned())
                })
            })
            .await?;
        }
        over.store(true, Ordering::Relaxed);
        Ok(())
    };
    let callers = async { try_join_all((0..CALLERS).map(|_| call())).await };
    let (renewed, called) = tokio::join!(renewing, callers);
    over.store(true, Ordering::Relaxed);
    called?;
    renewed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_a_wrong_certificate_is_refused() -> Result<()> {
    let dir = TempDir::with_prefix("smartcourse-test-tls-")?;
    let data = DataDir::open(dir.path().join("data"))?;
    let binaries = ensure_postgres(&DataDir::open(default_data_dir())?, &Progress::plain()).await?;
    let postgres = Postgres::start(&binaries, &data, Some(free_port()?)).await?;
    let authority = Authority::new(dir.path(), "authority")?;
    authority.certify("right", &[HOST])?;
    authority.certify("other", &["db.test"])?;
    authority.certify_expired("expired", &[HOST])?;
    Authority::new(dir.path(), "elsewhere")?.certify("stranger", &[HOST])?;
    let mut admin = PgConnection::connect(&format!("{}?sslmode=disable", postgres.url)).await?;
    let migrate = || {
        let believed = dir.path().join("authority.pem").display().to_string();
        let url = format!("{}?sslmode=verify-full&sslrootcert={believed}", postgres.url);
        Command::new(executable())
            .arg("migrate")
            .env("DATABASE_URL", url)
            .output()
    };
    for (certificate, said) in [
        ("expired", "expired"),
        ("other", "not valid for name"),
        ("stranger", "UnknownIssuer"),
        // There is no Temporal server here, which is what comes next.
        ("right", "Temporal does not answer"),
    ] {
        for (from, to) in [("pem", "server.crt"), ("key", "server.key")] {
            // The server writes them, so they are its own.
            let text = std::fs::read_to_string(dir.path().join(format!("{certificate}.{from}")))?;
            let copy = format!(
                "copy (select unnest(string_to_array('{}', E'\\n'))) to program 'umask 077; cat > {to}'",
                text.trim()
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(copy))
                .execute(&mut admin)
                .await?;
        }
        sqlx::raw_sql("alter system set ssl = on")
            .execute(&mut admin)
            .await?;
        sqlx::raw_sql("select pg_reload_conf()")
            .execute(&mut admin)
            .await?;
        wait_for(certificate, async || {
            let output = migrate()?;
            let told = String::from_utf8(output.stderr)?;
            Ok(
                match output.status.success() == said.is_empty() && told.contains(said) {
                    true => Ok(()),
                    false => Err(told),
                },
            )
        })
        .await?;
    }
    Ok(())
}
