//! Many token sequences on all threads.

use rayon::prelude::*;

use crate::{DIMENSIONS, forward, weights::Weights};

/// Tokens computed together at most. More would spill the activations out of the caches; fewer would make short
/// sentences pay for streaming the weights each time.
const PACK_TOKENS: usize = 256;

/// One vector of Euclidean length 1 per sequence, in order.
pub(crate) fn embed(weights: &Weights, sequences: &[Vec<u32>]) -> Vec<[f32; DIMENSIONS]> {
    let total: usize = sequences.iter().map(Vec::len).sum();
    // A small batch is split so that every thread has a part.
    let budget = total.div_ceil(rayon::current_num_threads()).clamp(1, PACK_TOKENS);
    packs(sequences, budget)
        .into_par_iter()
        .flat_map_iter(|pack| forward::embed(weights, pack))
        .collect()
}

/// Splits `sequences` into consecutive runs of at most `budget` tokens; a longer sequence is a run of its own.
fn packs(sequences: &[Vec<u32>], budget: usize) -> Vec<&[Vec<u32>]> {
    let mut packs = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, sequence) in sequences.iter().enumerate() {
        if index > start && tokens + sequence.len() > budget {
            packs.push(&sequences[start..index]);
            (start, tokens) = (index, 0);
        }
        tokens += sequence.len();
    }
    if start < sequences.len() {
        packs.push(&sequences[start..]);
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_keep_order_and_budget() {
        let sequences: Vec<Vec<u32>> = [3, 3, 3, 9, 1, 1].iter().map(|&length| vec![0; length]).collect();
        let lengths: Vec<Vec<usize>> = packs(&sequences, 6)
            .iter()
            .map(|pack| pack.iter().map(Vec::len).collect())
            .collect();
        assert_eq!(lengths, [vec![3, 3], vec![3], vec![9], vec![1, 1]]);
        assert!(packs(&[], 6).is_empty());
    }
}
