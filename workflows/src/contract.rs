//! What is declared of an activity, and what follows from it. The declarations are in [`crate::activities`].

use std::ops::RangeInclusive;

use smartcourse_proto::common::VersionRef;
use temporalio_common::ActivityDefinition;

/// A step as people read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub number: u8,
    /// Stable name in the API.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
}

/// Why an activity may come twice and has one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotence {
    /// It changes nothing.
    Reads,
    /// Its effect is keyed by what it is about: course, version, lesson, chunk.
    NaturalKey,
    /// Its effect is keyed by the attempt, epoch or run, the step and the item.
    AttemptKey,
    /// It removes what it finds: the second time there is nothing left.
    Sweep,
}

/// All that is declared of one activity, but for its types.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// `service.rpc`: its name in Temporal, at fault points, and the call it makes.
    pub name: &'static str,
    /// One sentence for people.
    pub does: &'static str,
    /// Absent for what belongs to no step: nobody hears of its tries.
    pub step: Option<Step>,
    /// Why it may come twice.
    pub idempotence: Idempotence,
    /// What undoes it; one or none.
    pub undo: &'static [Undo],
    /// The patch that brought it, while runs without it may be under way: such a run does not undo with it.
    pub since: Option<&'static str>,
}

impl Declaration {
    /// Number of its step; 0 for what belongs to none.
    pub const fn number(&self) -> u8 {
        match self.step {
            Some(step) => step.number,
            None => 0,
        }
    }
}

/// An activity as [`crate::activities`] declares it. Its input and output are the messages of the RPC it calls.
pub trait Activity: ActivityDefinition {
    /// What is declared of it.
    const DECLARATION: Declaration;
}

/// An activity that undoes another. A step registers its own before its effect: the effect may have happened even when
/// the step failed, and undoing what never happened does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undo {
    /// Name of the activity.
    pub name: &'static str,
    /// One sentence for people.
    pub does: &'static str,
    /// The patch that brought it, if runs without it may be under way.
    pub since: Option<&'static str>,
}

impl Undo {
    /// The compensation that this activity is.
    pub(crate) const fn by<A>() -> Self
    where
        A: Activity + ActivityDefinition<Input = VersionRef, Output = ()>,
    {
        Self {
            name: A::DECLARATION.name,
            does: A::DECLARATION.does,
            since: A::DECLARATION.since,
        }
    }
}

impl ActivityDefinition for Undo {
    type Input = VersionRef;
    type Output = ();

    fn name(&self) -> &str {
        self.name
    }
}

/// The steps and activities of a workflow.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// In their order: step *n* is `steps[n - 1]`.
    pub steps: &'static [Step],
    /// The activities of the steps, in their order.
    pub activities: &'static [Declaration],
    /// Those that belong to no step.
    pub apart: &'static [Declaration],
}

impl Contract {
    /// The label of a step; empty when there is no such step.
    pub fn label(&self, number: u8) -> &'static str {
        let step = self.steps.iter().find(|step| step.number == number);
        step.map_or("", |step| step.label)
    }

    /// Number of the step an activity belongs to, by its name.
    pub fn number_of(&self, activity: &str) -> Option<u8> {
        let declared = self.activities.iter().find(|declared| declared.name == activity);
        declared.map(Declaration::number)
    }

    /// `Step 3/7: Uploading files`
    pub fn headline(&self, number: u8) -> String {
        format!("Step {number}/{}: {}", self.steps.len(), self.label(number))
    }

    /// What undoes these steps, in their order, each once.
    pub fn undo(&self, steps: RangeInclusive<u8>) -> Vec<Undo> {
        let within = |activity: &&Declaration| activity.step.is_some_and(|step| steps.contains(&step.number));
        let mut undo = Vec::new();
        let activities = self.activities.iter().filter(within);
        for other in activities.flat_map(|activity| activity.undo) {
            if !undo.contains(other) {
                undo.push(*other);
            }
        }
        undo
    }

    /// What undoes everything.
    pub fn undo_all(&self) -> Vec<Undo> {
        self.undo(1..=u8::MAX)
    }
}
