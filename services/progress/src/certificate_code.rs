//! The code of a certificate: 128 bits from the operating system's random source, so that nobody finds one by trying.
//!
//! Written in Crockford's base 32, which has no letter that looks like a digit, in groups a person can read aloud:
//! `SC-` and 26 characters. Read with any case, with or without hyphens, and with O, I and L for the digits they are
//! mistaken for.

use rand::{TryRngCore as _, rngs::OsRng};
use smartcourse_platform::{Error, Result};

const PREFIX: &str = "SC";
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters that hold 128 bits.
const LENGTH: usize = 26;
/// Characters of a group; what is left makes the last one longer.
const GROUP: usize = 5;

/// A new code.
/// Fails when the operating system has no randomness to give.
pub(crate) fn random() -> Result<String> {
    let mut bytes = [0; 16];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| Error::internal("no randomness for a certificate code").because(error))?;
    Ok(write(u128::from_be_bytes(bytes)))
}

fn write(number: u128) -> String {
    let digits: String = (0..LENGTH)
        .rev()
        .map(|place| char::from(ALPHABET[(number >> (5 * place)) as usize & 31]))
        .collect();
    grouped(&digits)
}

fn grouped(digits: &str) -> String {
    let mut code = PREFIX.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place % GROUP == 0 && place + 1 < LENGTH {
            code.push('-');
        }
        code.push(digit);
    }
    code
}

/// The code as it is stored, however it was typed; `None` for what is no code.
pub(crate) fn read(typed: &str) -> Option<String> {
    let typed: String = typed
        .chars()
        .filter(|letter| !matches!(letter, '-' | ' '))
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let digits: String = typed
        .strip_prefix(PREFIX)?
        .chars()
        .map(|letter| match letter {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let ours = digits.len() == LENGTH && digits.bytes().all(|digit| ALPHABET.contains(&digit));
    ours.then(|| grouped(&digits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_looks_like_one_and_no_two_are_alike() {
        let codes: std::collections::BTreeSet<String> =
            (0..1_000).map(|_| random().expect("has randomness")).collect();
        assert_eq!(codes.len(), 1_000);
        for code in codes {
            let groups: Vec<usize> = code.split('-').map(str::len).collect();
            assert_eq!(groups, [2, 5, 5, 5, 5, 6], "{code}");
        }
        assert_eq!(write(0), "SC-00000-00000-00000-00000-000000");
        assert_eq!(write(u128::MAX), "SC-7ZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZZ");
    }

    #[test]
    fn what_is_no_code_is_not_read() {
        for typed in [
            "",
            "SC",
            "SC-",
            "SC-00000",
            "XX-00000-00000-00000-00000-000000",
            "SC-U0000-00000-00000-00000-000000",
            "SC-00000-00000-00000-00000-0000000",
            "SC-é0000-00000-00000-00000-000000",
        ] {
            assert_eq!(read(typed), None, "{typed}");
        }
    }

    proptest! {
        #[test]
        fn a_code_is_read_however_it_was_typed(number: u128) {
            let code = write(number);
            prop_assert_eq!(read(&code), Some(code.clone()));
            let sloppy = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            prop_assert_eq!(read(&sloppy), Some(code));
        }

        #[test]
        fn every_number_has_its_own_code(one: u128, other: u128) {
            prop_assert_eq!(one == other, write(one) == write(other));
        }
    }
}
