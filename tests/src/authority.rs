//! An authority of the tests, whose certificates are files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// An authority.
pub struct Authority {
    files: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one; its own certificate is `<name>.pem` in this directory.
    ///
    /// # Errors
    /// When it cannot write.
    pub fn new(files: &Path, name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        std::fs::write(files.join(format!("{name}.pem")), certificate.pem())?;
        Ok(Self {
            files: files.to_owned(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Makes a certificate for these names of hosts, or addresses: `<file>.pem` and `<file>.key`, whole from one moment to the next.
    ///
    /// # Errors
    /// When it cannot write.
    pub fn certify(&self, file: &str, names: &[&str]) -> Result<()> {
        self.certify_until(file, names, None)
    }

    /// The same, of one that has expired.
    ///
    /// # Errors
    /// When it cannot write.
    pub fn certify_expired(&self, file: &str, names: &[&str]) -> Result<()> {
        self.certify_until(file, names, Some(2021))
    }

    fn certify_until(&self, file: &str, names: &[&str], year: Option<i32>) -> Result<()> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        if let Some(year) = year {
            params.not_before = date_time_ymd(year - 1, 1, 1);
            params.not_after = date_time_ymd(year, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        for (ending, text) in [("pem", certificate.pem()), ("key", key.serialize_pem())] {
            let path = self.files.join(format!("{file}.{ending}"));
            let beside = path.with_extension("new");
            std::fs::write(&beside, text)?;
            std::fs::rename(&beside, &path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}
