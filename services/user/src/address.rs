//! E-mail addresses: what one may look like, and how accounts are known by it.

use smartcourse_platform::unseen::{deceives, is_seen};
use smartcourse_proto::limits;
use unicode_normalization::UnicodeNormalization as _;

/// An address as accounts are known by it: without blanks around it, its letters composed (NFC), its domain in ASCII (UTS #46), which every
/// mail server takes. Capitals are the database's to compare. What is no address stays as it is.
pub(crate) fn known_as(text: &str) -> String {
    let composed: String = text.trim().nfc().collect();
    let parts = composed.rsplit_once('@');
    let known =
        parts.and_then(|(local, domain)| Some(format!("{local}@{}", idna::domain_to_ascii(domain).ok()?)));
    known.unwrap_or(composed)
}

/// The shape of an address; whether it exists only a letter could tell.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_harmful =
        |c: char| c.is_control() || c.is_whitespace() || deceives(c) || !is_seen(c.encode_utf8(&mut [0; 4]));
    let has_only = |part: &str, signs: &str| {
        let fits = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || signs.contains(c);
        !part.is_empty() && part.chars().all(fits)
    };
    let atom = |atom: &str| has_only(atom, "!#$%&'*+-/=?^_`{|}~");
    let label = |label: &str| has_only(label, "-") && !label.starts_with('-') && !label.ends_with('-');
    text.chars().count() <= limits::EMAIL
        && local.chars().count() <= 64
        && !text.contains(is_harmful)
        && local.split('.').all(atom)
        && domain.split('.').all(label)
        && domain.contains('.')
        && idna::domain_to_ascii(domain).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "a@b.c",
            "first.last+tag@sub.example.com",
            "ü@exämple.org",
            "l~u#bh}l@sa.dev",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a b@c.d",
            "a@b..c",
            "a@@b.c",
            "a\0@b.c",
            "a@b.c\n",
            "a@b.c*",
            "<a@b.c",
            "a..b@c.d",
            ".a@b.c",
            "be\u{200b}rt@b.c",
            "\u{feff}a@b.c",
            "do\u{ad}ra@b.c",
            "a@b\u{ff0e}c",
            "a@xn--a.c",
        ] {
            assert!(!is_address(bad), "{bad:?}");
        }
        assert!(!is_address(&format!("a@{}.c", "b".repeat(260))));
    }

    #[test]
    fn one_address_is_one_however_it_is_written() {
        assert_eq!(
            known_as(" ju\u{308}rgen@example.org"),
            known_as("j\u{fc}rgen@example.org")
        );
        assert_eq!(
            known_as("emil@xn--bcher-kva.example"),
            known_as("emil@bücher.example")
        );
        assert_ne!(known_as("gina+a@example.org"), known_as("gina+b@example.org"));
        assert_eq!(known_as("no address"), "no address");
    }
}
