//! The metrics of Temporal's SDK, recorded with all others of this process under the names the SDK documents (`temporal_…`).

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{Key, Label, Level, Metadata, SharedString, with_recorder};
use temporalio_common::telemetry::metrics::{
    CoreMeter, Counter, CounterBase, Gauge, GaugeBase, GaugeF64, GaugeF64Base, Histogram, HistogramBase,
    HistogramDuration, HistogramDurationBase, HistogramF64, HistogramF64Base, MetricAttributable,
    MetricAttributes, MetricParameters, NewAttributes, UpDownCounter, UpDownCounterBase,
};

const METADATA: Metadata<'static> = Metadata::new("temporal", Level::INFO, None);
/// The gauge of free places for tasks, by the kind of worker.
const SLOTS: &str = "temporal_worker_task_slots_available";
/// The label that names that kind.
const WORKER_TYPE: &str = "worker_type";

/// Places that are free, by the kind of worker.
type Slots = Arc<Mutex<HashMap<String, u64>>>;

/// Records in the recorder of the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    slots: Slots,
}

impl Meter {
    /// Whether every kind of worker that has said how many places are free has one.
    pub(crate) fn has_free_slots(&self) -> bool {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().all(|free| *free > 0)
    }

    /// Runs of this type have ended in no way yet. A rate sees what a series rises by, and not the one it begins with: without this the first
    /// failure would not count.
    pub(crate) fn expects(workflow_type: &str, namespace: &str, task_queue: &str) {
        for end in ["completed", "failed", "canceled"] {
            let labels = [
                ("workflow_type", workflow_type),
                ("namespace", namespace),
                ("task_queue", task_queue),
            ];
            let labels = labels.map(|(name, value)| Label::new(name, value.to_owned()));
            let key = Key::from_parts(format!("temporal_workflow_{end}_total"), labels.to_vec());
            // It is there from here on, at nothing.
            drop(with_recorder(|recorder| {
                recorder.register_counter(&key, &METADATA)
            }));
        }
    }

    fn instrument(&self, params: &MetricParameters, suffix: &str) -> Arc<Instrument> {
        Arc::new(Instrument {
            name: format!("{}{suffix}", params.name).into(),
            slots: Arc::clone(&self.slots),
        })
    }
}

/// One metric, for all labels.
struct Instrument {
    name: SharedString,
    slots: Slots,
}

/// One series.
struct Series<T> {
    recorded: T,
    /// Of which kind of worker these are the free places, if they are.
    slots: Option<(Slots, String)>,
}

fn labels(attributes: &MetricAttributes) -> HashMap<String, String> {
    match attributes {
        MetricAttributes::NoOp(labels) => labels.as_ref().clone(),
        _ => HashMap::new(),
    }
}

impl Instrument {
    fn series<T>(&self, attributes: &MetricAttributes, register: impl FnOnce(&Key) -> T) -> Series<T> {
        let labels = labels(attributes);
        let kind = (self.name.as_ref() == SLOTS)
            .then(|| labels.get(WORKER_TYPE).cloned())
            .flatten();
        // The same for all: it says nothing.
        let told = labels.into_iter().filter(|(name, _)| name != "service_name");
        let told: Vec<Label> = told.map(|(name, value)| Label::new(name, value)).collect();
        Series {
            recorded: register(&Key::from_parts(self.name.clone(), told)),
            slots: kind.map(|kind| (Arc::clone(&self.slots), kind)),
        }
    }
}

/// An instrument of the SDK as a series of ours.
macro_rules! records {
    ($($base:ident by $register:ident;)*) => {$(
        impl MetricAttributable<Box<dyn $base>> for Instrument {
            fn with_attributes(&self, attributes: &MetricAttributes) -> Result<Box<dyn $base>, Box<dyn Error>> {
                let register = |key: &Key| with_recorder(|recorder| recorder.$register(key, &METADATA));
                Ok(Box::new(self.series(attributes, register)))
            }
        }
    )*};
}

records! {
    CounterBase by register_counter;
    HistogramBase by register_histogram;
    HistogramF64Base by register_histogram;
    HistogramDurationBase by register_histogram;
    GaugeBase by register_gauge;
    GaugeF64Base by register_gauge;
    UpDownCounterBase by register_gauge;
}

impl CounterBase for Series<metrics::Counter> {
    fn adds(&self, value: u64) {
        self.recorded.increment(value);
    }
}

impl HistogramBase for Series<metrics::Histogram> {
    fn records(&self, value: u64) {
        self.recorded.record(value as f64);
    }
}

impl HistogramF64Base for Series<metrics::Histogram> {
    fn records(&self, value: f64) {
        self.recorded.record(value);
    }
}

impl HistogramDurationBase for Series<metrics::Histogram> {
    fn records(&self, value: Duration) {
        self.recorded.record(value.as_secs_f64());
    }
}

impl GaugeBase for Series<metrics::Gauge> {
    fn records(&self, value: u64) {
        self.recorded.set(value as f64);
        if let Some((slots, kind)) = &self.slots {
            let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.insert(kind.clone(), value);
        }
    }
}

impl GaugeF64Base for Series<metrics::Gauge> {
    fn records(&self, value: f64) {
        self.recorded.set(value);
    }
}

impl UpDownCounterBase for Series<metrics::Gauge> {
    fn adds(&self, value: i64) {
        self.recorded.increment(value as f64);
    }
}

impl CoreMeter for Meter {
    fn new_attributes(&self, attributes: NewAttributes) -> MetricAttributes {
        MetricAttributes::NoOp(Arc::new(attributes.into()))
    }

    fn extend_attributes(&self, existing: MetricAttributes, attributes: NewAttributes) -> MetricAttributes {
        let mut all = labels(&existing);
        all.extend(HashMap::from(attributes));
        MetricAttributes::NoOp(Arc::new(all))
    }

    fn counter(&self, params: MetricParameters) -> Counter {
        Counter::new(self.instrument(&params, "_total"))
    }

    fn histogram(&self, params: MetricParameters) -> Histogram {
        Histogram::new(self.instrument(&params, ""))
    }

    fn histogram_f64(&self, params: MetricParameters) -> HistogramF64 {
        HistogramF64::new(self.instrument(&params, ""))
    }

    fn histogram_duration(&self, params: MetricParameters) -> HistogramDuration {
        HistogramDuration::new(self.instrument(&params, "_seconds"))
    }

    fn gauge(&self, params: MetricParameters) -> Gauge {
        Gauge::new(self.instrument(&params, ""))
    }

    fn gauge_f64(&self, params: MetricParameters) -> GaugeF64 {
        GaugeF64::new(self.instrument(&params, ""))
    }

    fn up_down_counter(&self, params: MetricParameters) -> UpDownCounter {
        UpDownCounter::new(self.instrument(&params, ""))
    }
}
