//! MongoDB, or a server that speaks its protocol.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// The setting that names the server.
pub(crate) const NAME: &str = "mongodb.url";

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[("MONGODB_URL", NAME)],
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
        problems.require(!self.database.is_empty(), "mongodb.database: must not be empty");
    }
}

#[cfg(feature = "real")]
pub use connection::Mongo;
#[cfg(feature = "real")]
pub(crate) use connection::failure;

#[cfg(feature = "real")]
mod connection {
    use std::time::Duration;

    use mongodb::{
        Client, Database,
        bson::doc,
        options::{ClientOptions, ReadConcern, WriteConcern},
    };
    use secrecy::ExposeSecret as _;
    use smartcourse_platform::{Error, Result, config::Config, error::codes};
    use tokio::sync::OnceCell;

    use super::Settings;

    /// How long a server is looked for, and how long one operation may take.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A database, connected to when it is first used.
    pub struct Mongo {
        settings: Settings,
        database: OnceCell<Database>,
    }

    impl Mongo {
        /// The server the configuration names, if it names one.
        pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
            let settings: Settings = config.section()?;
            let named = !settings.url.expose_secret().is_empty();
            Ok(named.then(|| Self::open(settings)))
        }

        /// Connects when it is first used.
        pub fn open(settings: Settings) -> Self {
            Self {
                settings,
                database: OnceCell::new(),
            }
        }

        /// The database: writes are answered, and reads see, what a majority has.
        pub(crate) async fn database(&self) -> Result<&Database> {
            let open = async || {
                let mut options = ClientOptions::parse(self.settings.url.expose_secret())
                    .await
                    .map_err(failure)?;
                options.app_name = Some("smartcourse".to_owned());
                options.connect_timeout = Some(PATIENCE);
                options.server_selection_timeout = Some(PATIENCE);
                options.write_concern = Some(WriteConcern::majority());
                options.read_concern = Some(ReadConcern::majority());
                let client = Client::with_options(options).map_err(failure)?;
                Ok(client.database(&self.settings.database))
            };
            self.database.get_or_try_init(open).await
        }

        /// What the server says it is.
        pub(crate) async fn version(&self) -> Result<String> {
            let info = self.database().await?.run_command(doc! { "buildInfo": 1 }).await;
            let info = info.map_err(failure)?;
            Ok(info
                .get_str("version")
                .unwrap_or("of an unknown version")
                .to_owned())
        }
    }

    /// What a failure of the server means.
    pub(crate) fn failure(error: mongodb::error::Error) -> Error {
        Error::new(&codes::UNAVAILABLE, "the document store could not do this").because(error)
    }
}
