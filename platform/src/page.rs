//! Lists: the limit and the opaque cursor of the HTTP contract.

use data_encoding::BASE64URL_NOPAD;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result, codes};

/// Items of a page when the caller does not say.
pub const DEFAULT_LIMIT: i32 = 20;
/// Items of a page at most.
pub const MAX_LIMIT: i32 = 100;

/// The limit to use: 0 means the default; anything outside 1 to 100 is refused.
pub fn limit(asked: i32) -> Result<i64> {
    match asked {
        0 => Ok(i64::from(DEFAULT_LIMIT)),
        1..=MAX_LIMIT => Ok(i64::from(asked)),
        _ => {
            let detail = format!("limit must be 1 to {MAX_LIMIT}");
            Err(Error::new(&codes::VALIDATION_FAILED, detail))
        }
    }
}

/// Reads a cursor; an empty one is the first page.
pub fn decode<T: DeserializeOwned>(cursor: &str) -> Result<Option<T>> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let refusal = || Error::new(&codes::VALIDATION_FAILED, "cursor is not one of ours");
    key.ok_or_else(refusal).map(Some)
}

/// Cuts a list that was read with one item more than the limit, and makes the cursor of the next page.
pub fn cut<I, K: Serialize>(items: &mut Vec<I>, limit: i64, key: impl Fn(&I) -> K) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    encode(&items.last().map(key)?)
}

/// The cursor that [`decode`] reads.
pub fn encode(key: &impl Serialize) -> Option<String> {
    Some(BASE64URL_NOPAD.encode(&serde_json::to_vec(key).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_chain_and_foreign_cursors_are_refused() {
        let mut items = vec![1, 2, 3];
        let cursor = cut(&mut items, 2, |item| *item).expect("there is more");
        assert_eq!(items, [1, 2]);
        assert_eq!(decode::<i32>(&cursor).expect("ours"), Some(2));
        assert!(decode::<i32>("garbage!").is_err());
        assert!(limit(101).is_err());
    }
}
