//! The settings of what messages say.

use serde::Deserialize;
use smartcourse_platform::{
    Result,
    config::{Config, Declared, Problems, Reader, Section},
};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(include_str!("config.toml"), &[Reader::of::<Links>()]);

/// `[mail]`: where the links of messages lead.
#[derive(Debug, Clone, Deserialize)]
pub struct Links {
    /// Base address of links; empty means the gateway's.
    public_url: String,
}

impl Links {
    /// Base address of links, without a slash at its end.
    ///
    /// # Errors
    /// `internal` when the gateway's settings are not there.
    pub fn base(config: &Config) -> Result<String> {
        let links: Self = config.section()?;
        Ok(match links.public_url.trim_end_matches('/') {
            "" => format!("http://{}", config.setting::<String>("gateway.listen")?),
            url => url.to_owned(),
        })
    }
}

impl Section for Links {
    const NAME: &'static str = "mail";

    fn check(&self, problems: &mut Problems) {
        let url = url::Url::parse(&self.public_url);
        problems.require(
            self.public_url.is_empty() || url.is_ok_and(|url| matches!(url.scheme(), "http" | "https")),
            format!("mail.public_url: `{}` is not an http address", self.public_url),
        );
    }
}
