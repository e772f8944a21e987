//! So many at once for each key: connections of an address, streams of a user.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Places by key, all keys with as many; a clone shares them.
#[derive(Debug, Clone)]
pub struct Places<K: Hash + Eq> {
    taken: Arc<Mutex<HashMap<K, usize>>>,
    most: usize,
}

/// A place that is taken; another may have it when this is dropped.
#[derive(Debug)]
pub struct Place<K: Hash + Eq> {
    places: Places<K>,
    key: K,
}

impl<K: Hash + Eq + Copy> Places<K> {
    /// So many for each key.
    pub fn new(most: usize) -> Self {
        Self {
            taken: Arc::default(),
            most,
        }
    }

    /// How many each key has.
    pub fn most(&self) -> usize {
        self.most
    }

    /// A place, unless the key has all of its own.
    pub fn take(&self, key: K) -> Option<Place<K>> {
        let mut all = self.taken();
        // No entry is made for a key that is refused.
        let taken = all.get(&key).copied().unwrap_or(0);
        if taken >= self.most {
            return None;
        }
        all.insert(key, taken + 1);
        Some(Place {
            places: self.clone(),
            key,
        })
    }
}

impl<K: Hash + Eq> Places<K> {
    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut all = self.places.taken();
        if let Some(taken) = all.get_mut(&self.key) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_so_many_places_and_gives_them_back() {
        let places = Places::new(2);
        let one = places.take(7).expect("there is room");
        let two = places.take(7).expect("there is room");
        assert!(places.take(7).is_none(), "there is none");
        let other = places.take(8).expect("others have their own");
        drop(one);
        let again = places.take(7).expect("there is room again");
        drop((two, other, again));
        assert!(places.taken().is_empty(), "nobody is remembered");
    }
}
