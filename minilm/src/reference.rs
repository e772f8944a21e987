//! Proof that the model computes what it should: stored tokens and vectors of an independent implementation.
//!
//! `tests/reference.py` made them with the reference tokeniser and plain NumPy in double precision.

use crate::MiniLm;

/// Least acceptable cosine between our vector and the stored one.
pub const MIN_COSINE: f32 = 0.99999;

/// One text and what the reference makes of it.
#[derive(serde::Deserialize)]
struct Case {
    text: String,
    tokens: Vec<u32>,
    vector: Vec<f32>,
}

/// Compares `model` with the stored reference, tokens exactly and vectors by cosine, each text alone and all
/// packed together. Returns the least cosine.
///
/// # Errors
/// A sentence naming the first text whose tokens differ, or whose cosine is below [`MIN_COSINE`].
pub fn check_reference(model: &MiniLm) -> Result<f32, String> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/reference.json"))
        .map_err(|error| format!("the stored reference is unreadable: {error}"))?;
    let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    let together = model.embed(&texts);
    let mut least = 1.0_f32;
    for (case, packed) in cases.iter().zip(together) {
        let tokens = model.tokenize(&case.text);
        if tokens != case.tokens {
            return Err(format!(
                "{:?} has tokens {tokens:?}, expected {:?}",
                case.text, case.tokens
            ));
        }
        for vector in model.embed(&[&case.text]).into_iter().chain([packed]) {
            let cosine = vector
                .iter()
                .zip(&case.vector)
                .map(|(ours, theirs)| ours * theirs)
                .sum::<f32>();
            if cosine.is_nan() || cosine < MIN_COSINE {
                return Err(format!("{:?} has cosine {cosine} to the reference", case.text));
            }
            least = least.min(cosine);
        }
    }
    Ok(least)
}
