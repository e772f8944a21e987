//! A database that refuses to write, as the services meet it. What a process has seen of that is one for all its pools, so
//! these tests are a program of their own.

use smartcourse_platform::{Error, config::Postgres, error::codes, postgres};
use sqlx::{ConnectOptions as _, PgPool};

/// A pool of one connection, as a service has it.
fn one_connection(database: &PgPool) -> PgPool {
    let config = Postgres {
        url: database.connect_options().to_url_lossy().to_string().into(),
        direct_url: String::new().into(),
        pool_size: 1,
        acquire_timeout_seconds: 10,
        idle_transaction_seconds: 30,
        statement_seconds: 30,
        lock_seconds: 10,
    };
    postgres::pool(&config, "tests").unwrap()
}

async fn write(pool: &PgPool) -> Result<(), Error> {
    sqlx::query("insert into kept values (1)").execute(pool).await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_write_says_why_and_is_over_when_writes_work_again() {
    let database = smartcourse_tests::database().await.unwrap();
    // What PostgreSQL answers when the disk is full, for rows and for new files.
    sqlx::raw_sql(
        "create table kept (n int not null);
         create function is_full() returns trigger language plpgsql as $$ begin
             raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$;
         create function no_file() returns event_trigger language plpgsql as $$ begin
             raise exception 'could not create file: No space left on device' using errcode = 'disk_full'; end $$;
         create trigger is_full before insert on kept execute function is_full();
         create event trigger no_file on ddl_command_start when tag in ('CREATE TABLE AS') execute function no_file();",
    )
    .execute(&database)
    .await
    .unwrap();
    let pool = one_connection(&database);
    postgres::is_ready(&pool).await.unwrap();
    for refused in [write(&pool).await, postgres::is_ready(&pool).await] {
        let error = refused.unwrap_err();
        assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
        assert_eq!(error.detail(), "the database has no space left on its disk");
    }
    sqlx::raw_sql("drop event trigger no_file; drop trigger is_full on kept")
        .execute(&database)
        .await
        .unwrap();
    postgres::is_ready(&pool).await.unwrap();
    write(&pool).await.unwrap();

    // A kept connection that leads to a server which is a standby now.
    sqlx::query("set default_transaction_read_only = on")
        .execute(&pool)
        .await
        .unwrap();
    let error = write(&pool).await.unwrap_err();
    assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
    write(&pool).await.expect("the next connection is another one");
    postgres::is_ready(&pool).await.unwrap();
}
