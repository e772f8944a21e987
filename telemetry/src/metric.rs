//! Metrics that are declared once, with all their labels, and cannot be recorded with others.

use std::fmt;

use metrics::{Key, Label, Level, Metadata, SharedString, Unit, with_recorder};

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

impl Declaration {
    fn key<const N: usize>(&self, values: [SharedString; N]) -> Key {
        let labels = self.labels.iter().zip(values);
        let labels: Vec<Label> = labels.map(|(name, value)| Label::new(*name, value)).collect();
        Key::from_parts(self.name, labels)
    }

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

/// A number that only rises.
#[derive(Debug)]
pub struct Counter<const N: usize>(pub(crate) Declaration);

/// A number that goes up and down.
#[derive(Debug)]
pub struct Gauge<const N: usize>(pub(crate) Declaration);

/// Observations, such as how long something took, in seconds.
#[derive(Debug)]
pub struct Histogram<const N: usize>(pub(crate) Declaration);

impl<const N: usize> Counter<N> {
    /// Adds to the series with these values of its labels.
    pub fn add(&self, count: u64, values: [SharedString; N]) {
        let key = self.0.key(values);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA)).increment(count);
    }
}

impl<const N: usize> Gauge<N> {
    /// Sets the series with these values of its labels.
    pub fn set(&self, value: f64, values: [SharedString; N]) {
        self.series(values).set(value);
    }

    /// Adds to the series; what is taken away is negative.
    pub fn add(&self, value: f64, values: [SharedString; N]) {
        self.series(values).increment(value);
    }

    fn series(&self, values: [SharedString; N]) -> metrics::Gauge {
        let key = self.0.key(values);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
    }
}

impl<const N: usize> Histogram<N> {
    /// Records an observation in the series with these values of its labels.
    pub fn record(&self, value: f64, values: [SharedString; N]) {
        let key = self.0.key(values);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA)).record(value);
    }

    /// Records how long it is since then.
    pub fn since(&self, begun: std::time::Instant, values: [SharedString; N]) {
        self.record(begun.elapsed().as_secs_f64(), values);
    }
}

/// A metric is shown as its name, for whoever asks Prometheus.
macro_rules! shown {
    ($($kind:ident),*) => {$(
        impl<const N: usize> fmt::Display for $kind<N> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.0.name)
            }
        }
    )*};
}

shown!(Counter, Gauge, Histogram);

/// Counts up while it lives, and down when it is dropped: what is under way.
#[derive(Debug)]
pub struct UnderWay<const N: usize> {
    gauge: &'static Gauge<N>,
    values: [SharedString; N],
}

impl<const N: usize> UnderWay<N> {
    /// One more of these.
    pub fn begin(gauge: &'static Gauge<N>, values: [SharedString; N]) -> Self {
        gauge.add(1.0, values.clone());
        Self { gauge, values }
    }
}

impl<const N: usize> Drop for UnderWay<N> {
    fn drop(&mut self) {
        self.gauge.add(-1.0, self.values.clone());
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
            pub static $name: $kind<{ <[&str]>::len(&[$(stringify!($label)),*]) }> = $kind(Declaration {
                name: concat!("smartcourse_", $text),
                help: concat!($($help),+).trim_ascii(),
                labels: &[$(stringify!($label)),*],
                kind: Kind::$kind $(($bounds))?,
            });
        )*

        /// Every metric of the platform, in this order.
        pub static ALL: &[&Declaration] = &[$(&$name.0),*];
    };
}
pub(crate) use metrics;
