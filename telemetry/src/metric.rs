//! Metrics that are declared once, with all their labels, and cannot be recorded with others.

use std::{
    collections::HashMap,
    fmt,
    hash::BuildHasher as _,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use metrics::{Key, Label, Level, Metadata, Recorder, Unit, with_recorder};
use rustc_hash::FxBuildHasher;

/// The kind of a metric, as Prometheus has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations, counted up to each of these bounds.
    Histogram(&'static [f64]),
}

/// What is declared of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// Its name, with the unit at its end.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// The labels of each of its series.
    pub labels: &'static [&'static str],
    /// Its kind.
    pub kind: Kind,
}

const METADATA: Metadata<'static> = Metadata::new("smartcourse", Level::INFO, None);

/// Whether the process has a recorder. Without one nothing is recorded, and nothing kept: it would be recorded nowhere for good.
pub(crate) static RECORDING: AtomicBool = AtomicBool::new(false);

impl Declaration {
    pub(crate) fn describe(&self) {
        let (name, help) = (self.name.into(), self.help.into());
        let unit = self.name.ends_with("_seconds").then_some(Unit::Seconds);
        with_recorder(|recorder| match self.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, unit, help),
        });
    }
}

/// A metric with those of its series that were recorded. They are kept, since the recorder's own way to one is many times what it
/// costs to record.
#[derive(Debug)]
pub(crate) struct Family<T> {
    pub(crate) declaration: Declaration,
    /// By a hash of the values of their labels.
    series: RwLock<HashMap<u64, T, FxBuildHasher>>,
}

impl<T> Family<T> {
    pub(crate) const fn new(declaration: Declaration) -> Self {
        let series = RwLock::new(HashMap::with_hasher(FxBuildHasher));
        Self { declaration, series }
    }

    /// Does this with the series that has these values of its labels; nothing where nothing is recorded.
    fn with<const N: usize, R>(
        &self,
        values: [&str; N],
        register: impl FnOnce(&dyn Recorder, &Key) -> T,
        record: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        if !RECORDING.load(Ordering::Relaxed) {
            return None;
        }
        let hash = FxBuildHasher.hash_one(values);
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(&hash) {
            return Some(record(series));
        }
        drop(known);
        let labels = self.declaration.labels.iter().zip(values);
        let labels: Vec<Label> = labels
            .map(|(name, value)| Label::new(*name, value.to_owned()))
            .collect();
        let key = Key::from_parts(self.declaration.name, labels);
        let series = with_recorder(|recorder| register(recorder, &key));
        let mut known = self.series.write().unwrap_or_else(PoisonError::into_inner);
        Some(record(known.entry(hash).or_insert(series)))
    }
}

/// A number that only rises.
#[derive(Debug)]
pub struct Counter<const N: usize>(pub(crate) Family<metrics::Counter>);

/// A number that goes up and down.
#[derive(Debug)]
pub struct Gauge<const N: usize>(pub(crate) Family<metrics::Gauge>);

/// Observations, such as how long something took, in seconds.
#[derive(Debug)]
pub struct Histogram<const N: usize>(pub(crate) Family<metrics::Histogram>);

impl<const N: usize> Counter<N> {
    /// Adds to the series with these values of its labels.
    pub fn add(&self, count: u64, values: [&str; N]) {
        self.0.with(
            values,
            |recorder, key| recorder.register_counter(key, &METADATA),
            |series| series.increment(count),
        );
    }
}

impl<const N: usize> Gauge<N> {
    /// Sets the series with these values of its labels.
    pub fn set(&self, value: f64, values: [&str; N]) {
        self.with(values, |series| series.set(value));
    }

    fn with<R>(&self, values: [&str; N], record: impl FnOnce(&metrics::Gauge) -> R) -> Option<R> {
        let register = |recorder: &dyn Recorder, key: &_| recorder.register_gauge(key, &METADATA);
        self.0.with(values, register, record)
    }
}

impl<const N: usize> Histogram<N> {
    /// Records an observation in the series with these values of its labels.
    pub fn record(&self, value: f64, values: [&str; N]) {
        self.0.with(
            values,
            |recorder, key| recorder.register_histogram(key, &METADATA),
            |series| series.record(value),
        );
    }

    /// Records how long it is since then.
    pub fn since(&self, begun: std::time::Instant, values: [&str; N]) {
        self.record(begun.elapsed().as_secs_f64(), values);
    }
}

/// A metric is shown as its name, for whoever asks Prometheus.
macro_rules! shown {
    ($($kind:ident),*) => {$(
        impl<const N: usize> fmt::Display for $kind<N> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.0.declaration.name)
            }
        }
    )*};
}

shown!(Counter, Gauge, Histogram);

/// Counts up while it lives, and down when it is dropped: what is under way.
#[derive(Debug)]
pub struct UnderWay(Option<metrics::Gauge>);

impl UnderWay {
    /// One more of these.
    pub fn begin<const N: usize>(gauge: &Gauge<N>, values: [&str; N]) -> Self {
        Self(gauge.with(values, |series| {
            series.increment(1.0);
            series.clone()
        }))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(series) = &self.0 {
            series.decrement(1.0);
        }
    }
}

/// Declares metrics, and the list of all of them. The first line of the documentation is what Prometheus is told, too.
macro_rules! metrics {
    ($(
        $(#[doc = $help:literal])+
        $name:ident: $kind:ident $text:literal [$($label:ident),*] $(in $bounds:ident)?;
    )*) => {
        $(
            $(#[doc = $help])+
            pub static $name: $kind<{ <[&str]>::len(&[$(stringify!($label)),*]) }> = $kind(Family::new(Declaration {
                name: concat!("smartcourse_", $text),
                help: concat!($($help),+).trim_ascii(),
                labels: &[$(stringify!($label)),*],
                kind: Kind::$kind $(($bounds))?,
            }));
        )*

        /// Every metric of the platform, in this order.
        pub static ALL: &[&Declaration] = &[$(&$name.0.declaration),*];
    };
}
pub(crate) use metrics;
