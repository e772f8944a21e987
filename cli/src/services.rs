//! Which services a process runs, and how they find each other.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use smartcourse_engines::{Engines, push, sms};
use smartcourse_platform::{
    clock::{self, Clock},
    config::Config,
    grpc::{self, Callers, Health, LocalRouter, Transport},
    postgres,
};
use smartcourse_proto::stubs::ServiceName;
use smartcourse_text::{Limits, Sandbox, Tools};
use tonic::service::Routes;

use crate::callers;

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
    /// The service that is called by this name; nobody calls the gateway.
    pub(crate) fn service(self) -> Option<ServiceName> {
        Some(match self {
            Self::User => ServiceName::User,
            Self::Course => ServiceName::Course,
            Self::Content => ServiceName::Content,
            Self::Assistant => ServiceName::Assistant,
            Self::Enrollment => ServiceName::Enrollment,
            Self::Progress => ServiceName::Progress,
            Self::Notification => ServiceName::Notification,
            Self::Analytics => ServiceName::Analytics,
            Self::Operations => ServiceName::Operations,
            Self::Gateway => return None,
        })
    }
}

/// What runs some of the services in this process, and knows the channels to all of them.
pub(crate) struct ServiceHost<'a> {
    config: &'a Config,
    engines: &'a Engines,
    here: &'a [ServiceName],
    local: LocalRouter,
}

impl<'a> ServiceHost<'a> {
    /// Services in `here` are called directly, all others over the network.
    pub(crate) fn new(config: &'a Config, engines: &'a Engines, here: &'a [ServiceName]) -> Self {
        Self {
            config,
            engines,
            here,
            local: Arc::new(OnceLock::new()),
        }
    }

    /// The channel to a service.
    pub(crate) fn channel(&self, name: ServiceName) -> Result<Transport> {
        if self.here.contains(&name) {
            return Ok(Transport::local(&self.config.grpc, Arc::clone(&self.local)));
        }
        Ok(Transport::to(&self.config.grpc, name)?)
    }

    /// Makes the services of this process; from here on they reach each other.
    pub(crate) async fn build(&self) -> Result<(axum::Router, Health)> {
        let mut routes = Routes::default();
        for name in self.here {
            let added = self.add(routes, *name).await;
            routes = added.with_context(|| format!("the {name:?} service cannot start"))?;
        }
        let names: Vec<&'static str> = self.here.iter().map(|name| name.protobuf()).collect();
        let callers = match self.config.grpc.certificates() {
            Some(_) => Callers::Named(callers::of),
            None => Callers::Token(self.config.grpc.service_token.clone()),
        };
        let services = grpc::services(routes, &names, callers).await?;
        if self.local.set(services.local).is_err() {
            anyhow::bail!("the services of a process are made once");
        }
        Ok((services.network, services.health))
    }

    async fn add(&self, routes: Routes, name: ServiceName) -> Result<Routes> {
        let config = self.config;
        let pool = postgres::pool(&config.postgres, name.as_str())?;
        Ok(match name {
            ServiceName::User => {
                let deps = smartcourse_user::Dependencies { clock: clock() };
                routes.add_service(smartcourse_user::service(config, pool, deps)?)
            }
            ServiceName::Course => {
                let deps = smartcourse_course::Dependencies {
                    documents: self.engines.documents(),
                    shared_reads: self.engines.shared_reads(),
                    workflows: self.engines.workflows(),
                    enrollment: self.channel(ServiceName::Enrollment)?,
                };
                routes.add_service(smartcourse_course::service(config, pool, deps)?)
            }
            ServiceName::Content => {
                let deps = self.content().await?;
                routes.add_service(smartcourse_content::service(config, pool, deps)?)
            }
            ServiceName::Assistant => {
                let deps = smartcourse_assistant::Dependencies {
                    documents: self.engines.documents(),
                    answerer: self.engines.answerer()?,
                    workflows: self.engines.workflows(),
                    course: self.channel(ServiceName::Course)?,
                    content: self.channel(ServiceName::Content)?,
                };
                routes.add_service(smartcourse_assistant::service(config, pool, deps)?)
            }
            ServiceName::Enrollment => {
                let deps = self.enrollment()?;
                routes.add_service(smartcourse_enrollment::service(config, pool, deps)?)
            }
            ServiceName::Progress => {
                let deps = smartcourse_progress::Dependencies {
                    course: self.channel(ServiceName::Course)?,
                    enrollment: self.channel(ServiceName::Enrollment)?,
                    user: self.channel(ServiceName::User)?,
                };
                routes.add_service(smartcourse_progress::service(config, pool, deps)?)
            }
            ServiceName::Notification => {
                let deps = smartcourse_notification::Dependencies {
                    channels: self.message_channels()?,
                    pusher: self.engines.pusher()?,
                    enrollment: self.channel(ServiceName::Enrollment)?,
                    clock: clock(),
                };
                routes.add_service(smartcourse_notification::service(config, pool, deps)?)
            }
            ServiceName::Analytics => {
                let deps = smartcourse_analytics::Dependencies {
                    course: self.channel(ServiceName::Course)?,
                    clock: clock(),
                };
                routes.add_service(smartcourse_analytics::service(config, pool, deps)?)
            }
            ServiceName::Operations => {
                let deps = smartcourse_operations::Dependencies {
                    workflows: self.engines.workflows(),
                    history: self.engines.event_history()?,
                    clock: clock(),
                    assistant: self.channel(ServiceName::Assistant)?,
                    notification: self.channel(ServiceName::Notification)?,
                };
                routes.add_service(smartcourse_operations::service(config, pool, deps)?)
            }
        })
    }

    /// What the enrollment service and its consumers stand on.
    pub(crate) fn enrollment(&self) -> Result<smartcourse_enrollment::Dependencies> {
        Ok(smartcourse_enrollment::Dependencies {
            course: self.channel(ServiceName::Course)?,
            user: self.channel(ServiceName::User)?,
            progress: self.channel(ServiceName::Progress)?,
        })
    }

    /// The channels messages can go over.
    pub(crate) fn message_channels(&self) -> Result<smartcourse_notification::Channels> {
        Ok(smartcourse_notification::Channels {
            sms: self.config.section::<sms::twilio::Settings>()?.is_on(),
            web_push: self.config.section::<push::web_push::Settings>()?.is_on(),
        })
    }

    /// What the content service stands on.
    pub(crate) async fn content(&self) -> Result<smartcourse_content::Dependencies> {
        let engines = self.engines;
        let sandbox = sandbox()?;
        say_confinement(&sandbox).await;
        Ok(smartcourse_content::Dependencies {
            documents: engines.documents(),
            files: engines.files()?,
            vectors: engines.vectors(),
            search: engines.search(),
            models: engines.models()?,
            transcriber: engines.transcriber()?,
            course: self.channel(ServiceName::Course)?,
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
    Ok(Sandbox::new(program, args, Limits::default()).with_tools(Tools::find()))
}

/// Logs what confines a parser on this machine, and how many there may be at once.
async fn say_confinement(sandbox: &Sandbox) {
    let children = sandbox.available();
    let tools = sandbox.tools().names().join(", ");
    tracing::info!(tools, "programs that read scans and recordings");
    match sandbox.confinement().await {
        Ok(confinement) if confinement.missing().is_empty() => {
            tracing::info!(%confinement, children, "parsers are confined");
        }
        Ok(confinement) => tracing::warn!(%confinement, children, "parsers are confined in part"),
        Err(error) => tracing::warn!(%error, "no parser can be started"),
    }
}
