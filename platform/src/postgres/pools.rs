//! The pools of a process, for its metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use smartcourse_telemetry::catalogue::{CONNECTIONS, CONNECTIONS_MAX};
use sqlx::PgPool;

/// The pools that were opened since somebody wanted to know; they live as long as the process.
static POOLS: OnceLock<Mutex<Vec<(String, PgPool)>>> = OnceLock::new();

/// From here on pools are counted: for a process that opens them once.
pub fn observe_pools() {
    POOLS.get_or_init(Mutex::default);
}

/// Sets the metrics of all pools to what they are now.
pub fn record_pools() {
    let Some(pools) = POOLS.get() else { return };
    let pools = pools.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sums: BTreeMap<&str, (u32, usize, u32)> = BTreeMap::new();
    for (name, pool) in pools.iter() {
        let (size, idle, max) = sums.entry(name).or_default();
        *size += pool.size();
        *idle += pool.num_idle();
        *max += pool.options().get_max_connections();
    }
    for (name, (size, idle, max)) in sums {
        CONNECTIONS.set(idle as f64, [name, "idle"]);
        CONNECTIONS.set(f64::from(size) - idle as f64, [name, "used"]);
        CONNECTIONS_MAX.set(f64::from(max), [name]);
    }
}

pub(super) fn note(name: &str, pool: &PgPool) {
    if let Some(pools) = POOLS.get() {
        let mut pools = pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.push((name.to_owned(), pool.clone()));
    }
}
