//! Pools against a real PostgreSQL.

use std::{future::Future, time::Duration};

use smartcourse_platform::{Error, config::Postgres, error::codes, postgres, reader::Reader};
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A pool as the services have it.
fn pool(options: &PgConnectOptions, connections: u32) -> PgPool {
    let config = Postgres {
        url: options.to_url_lossy().to_string().into(),
        direct_url: String::new().into(),
        pool_size: connections,
        acquire_timeout_seconds: 10,
        idle_transaction_seconds: 1,
        statement_seconds: 30,
        lock_seconds: 10,
    };
    postgres::pool(&config, "tests").unwrap()
}

#[tokio::test]
async fn a_transaction_that_stands_still_gives_its_locks_back() {
    let database = smartcourse_tests::database().await.unwrap();
    sqlx::raw_sql("create table seats (taken int not null); insert into seats values (0)")
        .execute(&database)
        .await
        .unwrap();
    let pool = pool(&database.connect_options(), 2);
    let mut frozen = postgres::begin(&pool).await.unwrap();
    sqlx::query("update seats set taken = 1")
        .execute(&mut *frozen)
        .await
        .unwrap();
    let seat = sqlx::query("update seats set taken = taken + 10").execute(&database);
    tokio::time::timeout(Duration::from_secs(20), seat)
        .await
        .expect("the lock is free again")
        .unwrap();
    let late = sqlx::query("update seats set taken = 2")
        .execute(&mut *frozen)
        .await
        .map_err(Error::from);
    assert!(
        late.is_err_and(|error| error.is(&codes::UNAVAILABLE)),
        "it can be tried again"
    );
    let taken: i32 = sqlx::query_scalar("select taken from seats")
        .fetch_one(&database)
        .await
        .unwrap();
    assert_eq!(taken, 10, "nothing of the frozen transaction is left");
}

/// How long the way back from the server takes: whoever gives up sooner does so before an answer.
const WAY: Duration = Duration::from_millis(2);

/// The way to a database by a line that is slow.
async fn by_a_slow_line(database: &PgPool) -> PgConnectOptions {
    let options = database.connect_options().as_ref().clone();
    let server = (options.get_host().to_owned(), options.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server.clone()).await.unwrap();
            let (mut asked, mut answered) = client.into_split();
            let (mut answers, mut asks) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut asked, &mut asks).await });
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = answers.read(&mut bytes).await {
                    tokio::time::sleep(WAY).await;
                    answered.write_all(&bytes[..count]).await?;
                }
                answered.shutdown().await
            });
        }
    });
    options.host("127.0.0.1").port(port)
}

/// Most parts of [`WAY`] after which a transaction of the tests is given up: its end is sooner.
const PARTS: u32 = 16;

/// Gives a future up after so many halves of [`WAY`].
async fn give_up<F: Future>(halves: u32, future: F) -> Option<F::Output> {
    tokio::time::timeout(WAY / 2 * halves, future).await.ok()
}

/// What a request does.
async fn transaction(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = postgres::begin(pool).await?;
    sqlx::query("insert into kept values (0)")
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

#[tokio::test]
async fn whoever_gives_up_leaves_no_transaction_to_others() {
    let database = smartcourse_tests::database().await.unwrap();
    sqlx::query("create table kept (n int not null)")
        .execute(&database)
        .await
        .unwrap();
    let pool = pool(&by_a_slow_line(&database).await, 1);
    let reader = Reader::new(pool.clone());
    let (mut given_up, mut count) = (0, 0);
    for halves in (0..=PARTS).chain(0..=PARTS) {
        given_up += u32::from(give_up(halves, transaction(&pool)).await.is_none());
        // The one connection there is: what it answers now is there for everybody else.
        count += 1;
        let mut connection = reader.connection().await.unwrap();
        sqlx::query("insert into kept values ($1)")
            .bind(count)
            .execute(&mut *connection)
            .await
            .unwrap();
        connection.done();
        let seen: i64 = sqlx::query_scalar("select count(*) from kept where n > 0")
            .fetch_one(&database)
            .await
            .unwrap();
        assert_eq!(
            seen,
            i64::from(count),
            "acknowledged after {halves} halves of the way"
        );
    }
    // On a busy machine all of them may be.
    assert!(given_up >= PARTS / 2, "{given_up} were given up half-way");
    transaction(&pool).await.unwrap();
}

/// When this fails, sqlx ends by itself what was given up while it began (transact-rs/sqlx #4394): `Beginning` in
/// `platform/src/postgres/transaction.rs` and the rules for `begin` in `clippy.toml` can go.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "shows what is wrong with it")]
async fn sqlx_still_needs_our_begin() {
    let database = smartcourse_tests::database().await.unwrap();
    let plain = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(by_a_slow_line(&database).await)
        .await
        .unwrap();
    let mut connection = plain.acquire().await.unwrap();
    assert!(
        give_up(1, connection.begin()).await.is_none(),
        "the answer is on its way"
    );
    drop(connection);
    let alone: bool = sqlx::raw_sql("select now() = statement_timestamp()")
        .fetch_one(&plain)
        .await
        .and_then(|row| row.try_get(0))
        .unwrap();
    assert!(!alone, "sqlx is mended: see the comment of this test");
}
