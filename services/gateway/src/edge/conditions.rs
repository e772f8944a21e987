//! What a request for a file says of the copy its sender has, and of the part that is wanted (RFC 9110, sections 13 and 14).

use std::{ops::Range, time::SystemTime};

use axum::http::{HeaderMap, HeaderValue, Method, header};
use headers::{ETag, HeaderMapExt as _, IfModifiedSince, IfNoneMatch, IfRange, LastModified};
use smartcourse_platform::{Error, Result};

/// What identifies the bytes of a file.
pub(crate) struct Validators {
    etag: ETag,
    modified: SystemTime,
}

/// What answers a request for a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing: the caller has it.
    Unchanged,
    /// Nothing: it has no such bytes.
    OutOfRange,
}

impl Validators {
    /// Of a file with this entity tag, without its quotes, that has been there since then.
    pub(crate) fn new(tag: &str, modified: SystemTime) -> Result<Self> {
        let etag = format!("\"{tag}\"")
            .parse()
            .map_err(|_| Error::internal(format!("`{tag}` is no entity tag")))?;
        Ok(Self { etag, modified })
    }

    /// Tells the caller what to ask with the next time.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        headers.typed_insert(self.etag.clone());
        headers.typed_insert(LastModified::from(self.modified));
    }

    /// What a request for a file of this many bytes wants.
    pub(crate) fn wanted(&self, method: &Method, headers: &HeaderMap, size: u64) -> Wanted {
        let is_unchanged = match headers.typed_get::<IfNoneMatch>() {
            Some(tags) => !tags.precondition_passes(&self.etag),
            None => headers
                .typed_get::<IfModifiedSince>()
                .is_some_and(|since| !since.is_modified(self.modified)),
        };
        if is_unchanged {
            return Wanted::Unchanged;
        }
        // A part is for `GET` alone.
        match range(headers, size) {
            Some(range) if method == Method::GET && self.is_their_copy(headers) => match range.is_empty() {
                false => Wanted::Part(range),
                true => Wanted::OutOfRange,
            },
            _ => Wanted::Whole,
        }
    }

    /// Whether a part fits to those the caller has. Who cannot say what they have gets the whole file.
    fn is_their_copy(&self, headers: &HeaderMap) -> bool {
        match headers.typed_try_get::<IfRange>() {
            Ok(None) => true,
            Ok(Some(copy)) => !copy.is_modified(Some(&self.etag), Some(&LastModified::from(self.modified))),
            Err(_) => false,
        }
    }
}

/// The one range of bytes that is asked for, empty when the file has none of them. None when something else is asked for, such
/// as several: then the whole file is an answer.
fn range(headers: &HeaderMap, size: u64) -> Option<Range<u64>> {
    let text = headers.get(header::RANGE).map(HeaderValue::to_str)?.ok()?;
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    // A number too large to be read is behind the end of any file.
    let number = |text: &str| is_number(text).then(|| text.parse().unwrap_or(u64::MAX));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(size)),
        (Some(first), None) if last.is_empty() => Some(first..size),
        (None, Some(length)) if first.is_empty() => Some(size.saturating_sub(length)..size),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use axum::http::HeaderName;

    use super::*;

    const TAG: &str = "\"ab12\"";

    /// What these headers want of a file of ten bytes that came on 1970-01-02.
    fn wanted(method: &Method, asked: &[(HeaderName, &str)]) -> Wanted {
        let came = UNIX_EPOCH + Duration::from_millis(24 * 3600 * 1000 + 1);
        let asked = asked.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("is one");
            (name.clone(), value)
        });
        let file = Validators::new("ab12", came).expect("a tag");
        file.wanted(method, &asked.collect(), 10)
    }

    #[test]
    fn one_range_is_answered_and_what_is_none_is_left_alone() {
        for (range, expected) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("Bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=5-99999999999999999999999", Wanted::Part(5..10)),
            ("bytes=10-", Wanted::OutOfRange),
            ("bytes=10-20", Wanted::OutOfRange),
            ("bytes=99999999999999999999999-", Wanted::OutOfRange),
            ("bytes=-0", Wanted::OutOfRange),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=0-0x5", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("pages=0-3", Wanted::Whole),
        ] {
            assert_eq!(
                wanted(&Method::GET, &[(header::RANGE, range)]),
                expected,
                "{range}"
            );
            let head = wanted(&Method::HEAD, &[(header::RANGE, range)]);
            assert_eq!(head, Wanted::Whole, "{range}");
        }
    }

    #[test]
    fn who_has_the_file_gets_nothing() {
        use header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
        let came = "Fri, 02 Jan 1970 00:00:00 GMT";
        let before = "Thu, 01 Jan 1970 00:00:00 GMT";
        for (asked, is_unchanged) in [
            (&[(IF_NONE_MATCH, TAG)][..], true),
            (&[(IF_NONE_MATCH, "\"x,y\", W/\"ab12\"")], true),
            (&[(IF_NONE_MATCH, "*")], true),
            (&[(IF_NONE_MATCH, "\"cd\"")], false),
            (&[(IF_NONE_MATCH, TAG), (header::RANGE, "bytes=20-")], true),
            (&[(IF_MODIFIED_SINCE, came)], true),
            (&[(IF_MODIFIED_SINCE, before)], false),
            (&[(IF_MODIFIED_SINCE, "yesterday")], false),
            // The tag is the better witness.
            (&[(IF_NONE_MATCH, "\"cd\""), (IF_MODIFIED_SINCE, came)], false),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let found = wanted(&method, asked) == Wanted::Unchanged;
                assert_eq!(found, is_unchanged, "{asked:?}");
            }
        }
    }

    #[test]
    fn a_part_of_another_file_is_never_mixed_in() {
        for (copy, expected) in [
            (TAG, Wanted::Part(0..4)),
            ("Fri, 02 Jan 1970 00:00:00 GMT", Wanted::Part(0..4)),
            ("W/\"ab12\"", Wanted::Whole),
            ("\"cd\"", Wanted::Whole),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Wanted::Whole),
            ("a guess", Wanted::Whole),
        ] {
            let asked = [(header::RANGE, "bytes=0-3"), (header::IF_RANGE, copy)];
            assert_eq!(wanted(&Method::GET, &asked), expected, "{copy}");
        }
    }
}
