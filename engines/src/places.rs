//! Where what can be moved is kept: by the configuration, and by what roles and moves have noted.

use smartcourse_platform::Result;

use crate::Engines;

/// What can be moved from one engine to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Contents, chunks and conversations.
    Documents,
    /// Uploads, the files of versions, old months of the event log.
    Files,
    /// Vectors of versions.
    Vectors,
    /// Search entries of versions.
    Search,
    /// The event log.
    Events,
}

impl Part {
    /// Its name.
    pub fn as_text(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Files => "files",
            Self::Vectors => "vectors",
            Self::Search => "search",
            Self::Events => "events",
        }
    }
}

/// Whether a place may be filled by a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It was empty, was filled by a move, or was in use before the place the move comes from.
    Granted,
    /// Roles were started with it later than with the place the move comes from.
    InUse,
    /// It has something, and neither a role nor a move is known to have brought it.
    Foreign,
}

impl Engines {
    /// Where this is kept, as people may see it. Fails when a setting cannot be used.
    pub fn place(&self, part: Part) -> Result<String> {
        Ok(match part {
            Part::Documents => self.documents().place(),
            Part::Files => self.files()?.place(),
            Part::Vectors => self.vectors().place(),
            Part::Search => self.search().place(),
            Part::Events => self.log_place(),
        })
    }

    /// Whether the event log is in a server, which has more of it than the table.
    pub fn log_is_sent(&self) -> bool {
        #[cfg(feature = "real")]
        return self.kafka.is_some();
        #[cfg(not(feature = "real"))]
        false
    }

    fn log_place(&self) -> String {
        #[cfg(feature = "real")]
        if let Some(kafka) = &self.kafka {
            return format!("Kafka at {}", kafka.address());
        }
        "PostgreSQL".to_owned()
    }

    /// Notes where documents and files are, for whoever may move them. To be called when a role begins to use them.
    pub async fn note_places(&self) -> Result<()> {
        for part in [Part::Documents, Part::Files] {
            sqlx::query!(
                "insert into platform.engine_places (part, place, used_at) values ($1, $2, now())
                 on conflict (part, place) do update set used_at = excluded.used_at",
                part.as_text(),
                self.place(part)?
            )
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// Asks for a place to be filled from the one of this configuration, and notes that it is, if it may be.
    pub async fn claim(&self, part: Part, target: &str, is_empty: bool) -> Result<Claim> {
        let known = sqlx::query_scalar!(
            r#"select coalesce(t.used_at > coalesce(
                   (select used_at from platform.engine_places s where s.part = $1 and s.place = $2), '-infinity'), false) as "in_use!"
               from platform.engine_places t where t.part = $1 and t.place = $3"#,
            part.as_text(),
            self.place(part)?,
            target
        )
        .fetch_optional(&self.pool)
        .await?;
        match known {
            Some(true) => return Ok(Claim::InUse),
            Some(false) => return Ok(Claim::Granted),
            None if !is_empty => return Ok(Claim::Foreign),
            None => {}
        }
        sqlx::query!(
            "insert into platform.engine_places (part, place) values ($1, $2) on conflict do nothing",
            part.as_text(),
            target
        )
        .execute(&self.pool)
        .await?;
        Ok(Claim::Granted)
    }
}
