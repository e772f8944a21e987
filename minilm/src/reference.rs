//! Proof that the models compute what they should: stored tokens and vectors of independent implementations.
//!
//! `tests/reference.py` made those of MiniLM with the reference tokeniser and plain NumPy in double precision,
//! `tests/reference_e5.py` those of E5 with the engine it is published with.

use crate::{DIMENSIONS, MiniLm, MultilingualE5, Precision, Role};

/// Least acceptable cosine between MiniLM's vector and the stored one, in full precision.
pub const MIN_COSINE: f32 = 0.99999;

/// The same in eight bits. Of texts that say something it is above 0.994, of nothing but blanks 0.993.
pub const MIN_COSINE_EIGHT: f32 = 0.99;

/// Least acceptable cosine between E5's vector and the stored one, whose activations were rounded to eight bits.
pub const MIN_E5_COSINE: f32 = 0.995;

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
/// A sentence naming the first text whose tokens differ, or whose cosine is below what its precision has to reach.
pub fn check_reference(model: &MiniLm) -> Result<f32, String> {
    let acceptable = match model.precision() {
        Precision::Full => MIN_COSINE,
        Precision::Eight => MIN_COSINE_EIGHT,
    };
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
            least = least.min(near(&case.text, &vector, &case.vector, acceptable)?);
        }
    }
    Ok(least)
}

/// One text and what E5's own engine makes of it.
#[derive(serde::Deserialize)]
struct E5Case {
    role: String,
    text: String,
    vector: Vec<f32>,
}

/// Compares `model` with the stored reference. Returns the least cosine.
///
/// # Errors
/// A sentence naming the first text whose cosine is below [`MIN_E5_COSINE`].
pub fn check_e5(model: &MultilingualE5) -> Result<f32, String> {
    let cases: Vec<E5Case> = serde_json::from_str(include_str!("../tests/reference_e5.json"))
        .map_err(|error| format!("the stored reference is unreadable: {error}"))?;
    let mut least = 1.0_f32;
    for case in cases {
        let role = match case.role.as_str() {
            "query" => Role::Query,
            _ => Role::Passage,
        };
        for vector in model.embed(role, &[&case.text]) {
            least = least.min(near(&case.text, &vector, &case.vector, MIN_E5_COSINE)?);
        }
    }
    Ok(least)
}

/// The cosine of both vectors of a text, if it is as high as it should be.
fn near(text: &str, ours: &[f32; DIMENSIONS], theirs: &[f32], least: f32) -> Result<f32, String> {
    let cosine: f32 = ours.iter().zip(theirs).map(|(ours, theirs)| ours * theirs).sum();
    match cosine >= least {
        true => Ok(cosine),
        false => Err(format!("{text:?} has cosine {cosine} to the reference")),
    }
}
