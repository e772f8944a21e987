//! Sentence embeddings without a service: all-MiniLM-L6-v2 as a small forward pass of our own, and hashed
//! n-grams for when its weights are absent.
//!
//! [`MiniLm`] reads the published weights (`model.safetensors`) and vocabulary (`vocab.txt`), tokenises with an
//! own WordPiece and computes the six transformer layers with [`ndarray`]'s matrix product. It agrees with the
//! reference implementation to a cosine of at least 0.99999, which [`reference::check_reference`] asserts
//! against vectors stored in this crate. [`hashed::Hashed`] needs no files at all.
//!
//! The two vector spaces have nothing in common: keep [`MODEL_ID`] or [`hashed::MODEL_ID`] beside every stored
//! vector and never compare across them.

mod error;
mod forward;
pub mod hashed;
mod kernels;
mod model;
pub mod reference;
mod weights;
mod wordpiece;

pub use error::LoadError;
pub use model::MiniLm;

/// Length of every vector [`MiniLm::embed`] returns.
pub const DIMENSIONS: usize = 384;

/// Name stored beside vectors made by [`MiniLm`].
pub const MODEL_ID: &str = "all-MiniLM-L6-v2";

/// Longest input in tokens, `[CLS]` and `[SEP]` included; longer texts are truncated, as the reference does.
pub const MAX_TOKENS: usize = 256;

/// SHA-256 (lower-case hex) of the `model.safetensors` that [`MiniLm::load`] accepts.
pub const SAFETENSORS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// SHA-256 (lower-case hex) of the `vocab.txt` that [`MiniLm::load`] accepts.
pub const VOCAB_SHA256: &str = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3";
