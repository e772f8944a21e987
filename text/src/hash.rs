//! Identity of a piece of content.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// SHA-256, in lower-case hex, of `parts` in order. Every part is preceded by its length, so that moving a
/// boundary between parts changes the hash.
pub fn source_hash<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    HEXLOWER.encode(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_count() {
        assert_ne!(source_hash(["ab", "c"]), source_hash(["a", "bc"]));
        assert_eq!(source_hash(["ab", "c"]), source_hash(["ab", "c"]));
        assert_eq!(
            source_hash([""; 0]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
