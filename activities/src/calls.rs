//! The call of each activity, made from its declaration: its input goes to the RPC of its name, the answer is its output.

use std::{
    future::Future,
    marker::PhantomData,
    sync::{Arc, atomic::Ordering},
};

use futures::{FutureExt as _, future::BoxFuture};
use smartcourse_platform::{
    Error,
    grpc::{Actor, Channels, Transport},
};
use smartcourse_proto::{
    content::EmbedProgress,
    stubs::{ServiceName, Stubs},
};
use smartcourse_workflows::{
    activities,
    contract::{Activity, Idempotence},
    for_each_activity,
};
use temporalio_common::ActivityDefinition;
use temporalio_sdk::activities::{
    ActivityContext, ActivityDefinitions, ActivityError, ActivityImplementer, ExecutableActivity,
};
use tonic::{Status, Streaming};

use crate::{
    LONGEST_CALL, Reporter,
    report::{Checkpoint, Concerns, Work},
};

/// Every activity.
pub struct Activities {
    stubs: Stubs<Transport>,
    sweepers: Stubs<Transport>,
    reporter: Reporter,
}

impl Activities {
    /// Over these channels.
    pub fn new(channels: &Channels) -> Self {
        Self {
            stubs: Stubs::new(|service| match service {
                // Files and whole versions take their time; heartbeats and cancellation bound these calls.
                ServiceName::Content => channels.to(service).with_deadline(LONGEST_CALL),
                _ => channels.to(service),
            }),
            // A sweep takes as long as there is something to remove.
            sweepers: Stubs::new(|service| channels.to(service).with_deadline(LONGEST_CALL)),
            reporter: Reporter::new(
                channels.to(ServiceName::Course),
                channels.to(ServiceName::Enrollment),
                channels.to(ServiceName::Assistant),
            ),
        }
    }

    async fn perform<A: Call>(
        &self,
        ctx: &ActivityContext,
        input: A::Input,
    ) -> Result<A::Output, ActivityError> {
        let stubs = match A::DECLARATION.idempotence {
            Idempotence::Sweep => &self.sweepers,
            _ => &self.stubs,
        };
        let work = Work {
            activity: A::DECLARATION,
            subject: input.subject(),
            done: Checkpoint::default(),
        };
        let effect = A::call(stubs, input, &work.done);
        self.reporter.perform(ctx, &work, effect).await
    }
}

/// The one call of an activity.
trait Call:
    Activity + ActivityDefinition<Input: Concerns + Send + Sync, Output: Send + Sync> + Send + Sync + 'static
{
    fn call(
        stubs: &Stubs<Transport>,
        input: Self::Input,
        done: &Checkpoint,
    ) -> impl Future<Output = Result<Self::Output, Status>> + Send;
}

/// An activity as the SDK runs it: its definition belongs to another crate.
struct Runnable<A>(PhantomData<A>);

impl<A: Call> ActivityDefinition for Runnable<A> {
    type Input = A::Input;
    type Output = A::Output;

    fn name(&self) -> &str {
        A::DECLARATION.name
    }
}

impl<A: Call> ExecutableActivity for Runnable<A> {
    type Implementer = Activities;
    const REQUIRES_INSTANCE: bool = true;

    fn definition() -> Self {
        Self(PhantomData)
    }

    fn execute(
        receiver: Option<Arc<Activities>>,
        ctx: ActivityContext,
        input: A::Input,
    ) -> BoxFuture<'static, Result<A::Output, ActivityError>> {
        async move {
            let activities = receiver.ok_or_else(|| Error::internal("the activities are not registered"))?;
            activities.perform::<A>(&ctx, input).await
        }
        .boxed()
    }
}

/// The answer of an RPC that has one.
async fn rpc<T>(answer: T, _: &Checkpoint) -> Result<T, Status> {
    Ok(answer)
}

/// The last word of an RPC that tells how far it is.
async fn stream(mut answer: Streaming<EmbedProgress>, done: &Checkpoint) -> Result<EmbedProgress, Status> {
    let mut last = EmbedProgress::default();
    while let Some(batch) = answer.message().await? {
        done.store(u32::try_from(batch.done).unwrap_or(0), Ordering::Relaxed);
        last = batch;
    }
    Ok(last)
}

macro_rules! implement {
    ($(
        $(#[$about:meta])*
        $contract:ident {
            apart { $($apart:tt)* }
            $($number:literal $step:ident $label:literal { $($rows:tt)* })*
        }
    )*) => {
        calls! { $($($apart)* $($($rows)*)*)* }
    };
}

macro_rules! calls {
    ($(
        $(#[$does:meta])+
        $activity:ident {
            $kind:ident $service:ident.$rpc:ident($input:ty) -> $output:ty, $idempotence:ident
            $(, undone by $undo:ident)?
            $(, since $patch:literal)?
        }
    )*) => {
        $(impl Call for activities::$activity {
            async fn call(
                stubs: &Stubs<Transport>,
                input: Self::Input,
                done: &Checkpoint,
            ) -> Result<Self::Output, Status> {
                $kind(stubs.$service.$rpc(Actor::Service.request(input)).await?, done).await
            }
        })*

        impl ActivityImplementer for Activities {
            fn register_all(self: Arc<Self>, definitions: &mut ActivityDefinitions) {
                $(definitions.register_activity::<Runnable<activities::$activity>>(Arc::clone(&self));)*
            }
        }
    };
}

for_each_activity!(implement);
