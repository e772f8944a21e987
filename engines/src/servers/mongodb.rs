//! MongoDB, or a server that speaks its protocol.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[("MONGODB_URL", "mongodb.url")],
    ..Declared::of(
        r#"[mongodb]
# The server of documents, mongodb://user:password@host:27017/ or mongodb+srv://…; MONGODB_URL wins. "": PostgreSQL has them.
url = ""
# Its database.
database = "smartcourse"
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[mongodb]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The server, or empty; it may hold a password.
    pub url: SecretString,
    /// Its database.
    pub database: String,
}

impl Section for Settings {
    const NAME: &'static str = "mongodb";

    fn check(&self, problems: &mut Problems) {
        let url = self.url.expose_secret();
        problems.require(
            url.is_empty() || url.starts_with("mongodb://") || url.starts_with("mongodb+srv://"),
            "mongodb.url: must start with mongodb:// or mongodb+srv://",
        );
        super::require_adapters(problems, "mongodb.url", !url.is_empty());
        problems.require(!self.database.is_empty(), "mongodb.database: must not be empty");
    }
}

#[cfg(feature = "real")]
pub use connection::Mongo;
#[cfg(feature = "real")]
pub(crate) use connection::run;

#[cfg(feature = "real")]
mod connection {
    use std::time::Duration;

    use mongodb::{
        Client, Database,
        bson::doc,
        error::{ErrorKind, WriteFailure},
        options::{Acknowledgment, ClientOptions, ConnectionString, ReadConcern, WriteConcern},
    };
    use secrecy::ExposeSecret as _;
    use smartcourse_platform::{Error, Result, config::Config, error::codes};
    use tokio::sync::OnceCell;

    use super::Settings;

    /// How long one operation may take; the library has no limit for all of one.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// How long a server is looked for.
    const LOOKING: Duration = Duration::from_secs(3);
    /// Connections at once.
    const POOL: u32 = 32;
    /// Codes of commands that are refused to whoever we are: `Unauthorized`, `AuthenticationFailed`.
    const REFUSED: [i32; 2] = [13, 18];

    /// A database, connected to when it is first used.
    pub struct Mongo {
        settings: Settings,
        database: OnceCell<Database>,
    }

    impl Mongo {
        /// The server the configuration names, if it names one. Fails when its URL cannot be used.
        pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
            let settings: Settings = config.section()?;
            let named = !settings.url.expose_secret().is_empty();
            named.then(|| Self::open(settings)).transpose()
        }

        /// Connects when it is first used. Fails when the URL cannot be used.
        pub fn open(settings: Settings) -> Result<Self> {
            // The reason may hold a part of the password.
            ConnectionString::parse(settings.url.expose_secret())
                .map_err(|_| Error::internal("mongodb.url is no address of a MongoDB server"))?;
            Ok(Self {
                settings,
                database: OnceCell::new(),
            })
        }

        /// The database: writes are answered, and reads see, what a majority has.
        pub(crate) async fn database(&self) -> Result<&Database> {
            let open = async || {
                let mut options = ClientOptions::parse(self.settings.url.expose_secret())
                    .await
                    .map_err(failure)?;
                options.app_name = Some("smartcourse".to_owned());
                options.connect_timeout = Some(LOOKING);
                options.server_selection_timeout = Some(LOOKING);
                options.max_pool_size = Some(POOL);
                // What was answered is seen: no reads from who may be behind.
                options.selection_criteria = None;
                options.read_concern = Some(ReadConcern::majority());
                let majority = WriteConcern::builder().w(Acknowledgment::Majority);
                options.write_concern = Some(majority.w_timeout(PATIENCE).build());
                let client = Client::with_options(options).map_err(failure)?;
                Ok(client.database(&self.settings.database))
            };
            self.database.get_or_try_init(open).await
        }

        /// Where it is.
        pub(crate) fn address(&self) -> String {
            super::super::shown(self.settings.url.expose_secret())
        }

        /// The database there.
        pub(crate) fn name(&self) -> &str {
            &self.settings.database
        }

        /// What the server says it is.
        pub(crate) async fn version(&self) -> Result<String> {
            let database = self.database().await?.clone();
            let info = run(async move { database.run_command(doc! { "buildInfo": 1 }).await }).await?;
            Ok(info
                .get_str("version")
                .unwrap_or("of an unknown version")
                .to_owned())
        }
    }

    /// Runs an operation to its end, in time. Its caller may give it up, which the library's futures do not like.
    pub(crate) async fn run<T: Send + 'static>(
        operation: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
    ) -> Result<T> {
        match tokio::time::timeout(PATIENCE, tokio::spawn(operation)).await {
            Ok(Ok(done)) => done.map_err(failure),
            Ok(Err(broken)) => Err(Error::internal("an operation broke off").because(broken)),
            Err(late) => {
                Err(Error::new(&codes::UNAVAILABLE, "the document store does not answer").because(late))
            }
        }
    }

    /// What a failure of the server means.
    pub(crate) fn failure(error: mongodb::error::Error) -> Error {
        let (code, detail) = match &*error.kind {
            ErrorKind::Authentication { .. } => {
                (&codes::STORAGE_REFUSED, "the document store does not let us in")
            }
            ErrorKind::Command(refusal) if REFUSED.contains(&refusal.code) => {
                (&codes::STORAGE_REFUSED, "the document store does not let us in")
            }
            ErrorKind::InvalidArgument { .. }
            | ErrorKind::InvalidTlsConfig { .. }
            | ErrorKind::BsonSerialization(_)
            | ErrorKind::Write(WriteFailure::WriteError(_)) => {
                (&codes::INTERNAL, "the document store cannot do this")
            }
            _ => (&codes::UNAVAILABLE, "the document store could not do this"),
        };
        Error::new(code, detail).because(error)
    }
}
