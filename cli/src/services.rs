//! Which services a process runs, and how they find each other.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use smartcourse_engines::Engines;
use smartcourse_platform::{
    clock::{self, Clock},
    config::Config,
    grpc::{self, Health, LocalRouter, Transport},
    postgres,
};
use smartcourse_text::{Limits, Sandbox};
use tonic::service::Routes;

/// A service of this executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Accounts and tokens.
    User,
    /// Courses and publishing.
    Course,
    /// Files, chunks, vectors and search.
    Content,
    /// Questions and answers.
    Assistant,
    /// Seats and access.
    Enrollment,
    /// Learners' progress.
    Progress,
    /// Feed, channels and deliveries.
    Notification,
    /// Numbers from the event log.
    Analytics,
    /// Failed events, given-up tasks and workflows.
    Operations,
    /// The public face.
    Gateway,
}

impl Name {
    /// Where the service listens for internal calls.
    pub(crate) fn address(self, config: &Config) -> Result<&str> {
        let grpc = &config.grpc;
        Ok(match self {
            Self::User => &grpc.user,
            Self::Course => &grpc.course,
            Self::Content => &grpc.content,
            Self::Assistant => &grpc.assistant,
            Self::Enrollment => &grpc.enrollment,
            Self::Progress => &grpc.progress,
            Self::Notification => &grpc.notification,
            Self::Analytics => &grpc.analytics,
            Self::Operations => &grpc.operations,
            Self::Gateway => anyhow::bail!("the gateway is not called by services"),
        })
    }

    fn health_name(self) -> &'static str {
        match self {
            Self::User => smartcourse_user::NAME,
            Self::Course => smartcourse_course::NAME,
            Self::Content => smartcourse_content::NAME,
            Self::Assistant => smartcourse_assistant::NAME,
            Self::Enrollment => smartcourse_enrollment::NAME,
            Self::Progress => smartcourse_progress::NAME,
            Self::Notification => smartcourse_notification::NAME,
            Self::Analytics => smartcourse_analytics::NAME,
            Self::Operations => smartcourse_operations::NAME,
            Self::Gateway => "smartcourse.gateway",
        }
    }
}

/// What runs some of the services in this process, and knows the channels to all of them.
pub(crate) struct ServiceHost<'a> {
    config: &'a Config,
    engines: &'a Engines,
    here: &'a [Name],
    local: LocalRouter,
}

impl<'a> ServiceHost<'a> {
    /// Services in `here` are called directly, all others over the network.
    pub(crate) fn new(config: &'a Config, engines: &'a Engines, here: &'a [Name]) -> Self {
        Self {
            config,
            engines,
            here,
            local: Arc::new(OnceLock::new()),
        }
    }

    /// The channel to a service.
    pub(crate) fn channel(&self, name: Name) -> Result<Transport> {
        if self.here.contains(&name) {
            return Ok(Transport::local(&self.config.grpc, Arc::clone(&self.local)));
        }
        Ok(Transport::remote(&self.config.grpc, name.address(self.config)?)?)
    }

    /// Makes the services of this process; from here on they reach each other.
    pub(crate) async fn build(&self) -> Result<(axum::Router, Health)> {
        let mut routes = Routes::default();
        for name in self.here {
            routes = self
                .add(routes, *name)
                .await
                .with_context(|| format!("the {name:?} service cannot start"))?;
        }
        let names: Vec<&'static str> = self.here.iter().map(|name| name.health_name()).collect();
        let services = grpc::services(routes, &names, self.config.grpc.service_token.clone()).await?;
        if self.local.set(services.local).is_err() {
            anyhow::bail!("the services of a process are made once");
        }
        Ok((services.network, services.health))
    }

    async fn add(&self, routes: Routes, name: Name) -> Result<Routes> {
        let config = self.config;
        let pool = |service: &str| postgres::pool(&config.postgres, service);
        Ok(match name {
            Name::User => routes.add_service(smartcourse_user::service(
                config,
                pool("user")?,
                smartcourse_user::Dependencies { clock: clock() },
            )?),
            Name::Course => {
                let deps = smartcourse_course::Dependencies {
                    documents: self.engines.documents(),
                    workflows: self.engines.workflows(),
                    enrollment: self.channel(Name::Enrollment)?,
                };
                routes.add_service(smartcourse_course::service(config, pool("course")?, deps)?)
            }
            Name::Content => {
                let deps = self.content().await?;
                routes.add_service(smartcourse_content::service(config, pool("content")?, deps)?)
            }
            Name::Assistant => {
                let deps = smartcourse_assistant::Dependencies {
                    documents: self.engines.documents(),
                    answerer: self.engines.answerer(),
                    course: self.channel(Name::Course)?,
                    content: self.channel(Name::Content)?,
                };
                routes.add_service(smartcourse_assistant::service(config, pool("assistant")?, deps)?)
            }
            Name::Enrollment => {
                let deps = self.enrollment()?;
                routes.add_service(smartcourse_enrollment::service(
                    config,
                    pool("enrollment")?,
                    deps,
                )?)
            }
            Name::Progress => {
                let deps = smartcourse_progress::Dependencies {
                    course: self.channel(Name::Course)?,
                    enrollment: self.channel(Name::Enrollment)?,
                    user: self.channel(Name::User)?,
                };
                routes.add_service(smartcourse_progress::service(config, pool("progress")?, deps)?)
            }
            Name::Notification => {
                let deps = smartcourse_notification::Dependencies {
                    channels: self.message_channels()?,
                    pusher: self.engines.pusher()?,
                    enrollment: self.channel(Name::Enrollment)?,
                };
                routes.add_service(smartcourse_notification::service(
                    config,
                    pool("notification")?,
                    deps,
                )?)
            }
            Name::Analytics => {
                let deps = smartcourse_analytics::Dependencies {
                    course: self.channel(Name::Course)?,
                    clock: clock(),
                };
                routes.add_service(smartcourse_analytics::service(config, pool("analytics")?, deps)?)
            }
            Name::Operations => routes.add_service(smartcourse_operations::service(
                config,
                pool("operations")?,
                smartcourse_operations::Dependencies {
                    workflows: self.engines.workflows(),
                    clock: clock(),
                },
            )?),
            Name::Gateway => routes,
        })
    }

    /// What the enrollment service and its consumers stand on.
    pub(crate) fn enrollment(&self) -> Result<smartcourse_enrollment::Dependencies> {
        Ok(smartcourse_enrollment::Dependencies {
            course: self.channel(Name::Course)?,
            user: self.channel(Name::User)?,
            progress: self.channel(Name::Progress)?,
        })
    }

    /// The channels messages can go over.
    pub(crate) fn message_channels(&self) -> Result<smartcourse_notification::Channels> {
        Ok(smartcourse_notification::Channels {
            sms: self.engines.texter()?.is_some(),
            web_push: self.engines.pusher()?.is_some(),
        })
    }

    /// What the content service stands on.
    async fn content(&self) -> Result<smartcourse_content::Dependencies> {
        let engines = self.engines;
        let sandbox = sandbox()?;
        say_confinement(&sandbox).await;
        Ok(smartcourse_content::Dependencies {
            documents: engines.documents(),
            files: engines.files()?,
            vectors: engines.vectors(),
            search: engines.search(),
            embedder: engines.embedder()?,
            course: self.channel(Name::Course)?,
            clock: clock(),
            sandbox,
        })
    }
}

/// The clock of the machine.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(clock::System)
}

/// Where texts of authors are parsed: in processes of this executable.
pub(crate) fn sandbox() -> Result<Sandbox> {
    let program = std::env::current_exe().context("the path of this executable is unknown")?;
    let args = vec!["extract-child".into(), "--".into()];
    Ok(Sandbox::new(program, args, Limits::default()))
}

/// Logs what confines a parser on this machine, and how many there may be at once.
async fn say_confinement(sandbox: &Sandbox) {
    let children = sandbox.room();
    match sandbox.confinement().await {
        Ok(confinement) if confinement.missing().is_empty() => {
            tracing::info!(%confinement, children, "parsers are confined");
        }
        Ok(confinement) => tracing::warn!(%confinement, children, "parsers are confined in part"),
        Err(error) => tracing::warn!(%error, "no parser can be started"),
    }
}
