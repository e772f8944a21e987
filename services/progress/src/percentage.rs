//! Shares of a whole, counted in hundredths of a percent with whole numbers: 199 of 200 is 99.5 and never 100, and a
//! third is 33.33. Floating point appears only when an answer is written.

/// All of it, in hundredths of a percent.
pub(crate) const ALL: i32 = 10_000;

/// `part` of `whole` in hundredths of a percent, rounded down; nothing of nothing is 0.
pub(crate) fn hundredths(part: i64, whole: i64) -> i32 {
    if whole <= 0 {
        return 0;
    }
    let share = i128::from(part.clamp(0, whole)) * i128::from(ALL) / i128::from(whole);
    // At most `ALL`: the part is no larger than the whole.
    i32::try_from(share).unwrap_or(ALL)
}

/// Hundredths of a percent as the percentage people read.
pub(crate) fn percent(hundredths: i32) -> f64 {
    f64::from(hundredths) / 100.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_all_is_not_a_hundred() {
        assert_eq!(percent(hundredths(199, 200)), 99.5);
        assert_eq!(percent(hundredths(1, 3)), 33.33);
        assert_eq!(percent(hundredths(2, 3)), 66.66);
        assert_eq!(percent(hundredths(19_999, 20_000)), 99.99);
        assert_eq!(percent(hundredths(999_999, 1_000_000)), 99.99);
        assert_eq!(percent(hundredths(7, 7)), 100.0);
    }

    #[test]
    fn an_empty_course_is_at_nothing() {
        assert_eq!(hundredths(0, 0), 0);
    }

    proptest! {
        #[test]
        fn a_share_is_rounded_down_and_full_only_when_all_is_done(whole in 1_i64..=i64::MAX, done in 0.0_f64..=1.0) {
            let part = ((whole as f64 * done) as i64).min(whole);
            let share = hundredths(part, whole);
            prop_assert!((0..=ALL).contains(&share));
            prop_assert_eq!(share == ALL, part == whole);
            let exact = i128::from(part) * 10_000;
            prop_assert!(i128::from(share) * i128::from(whole) <= exact);
            prop_assert!(i128::from(share + 1) * i128::from(whole) > exact);
        }

        #[test]
        fn one_lesson_more_never_lowers_a_share(whole in 1_i64..10_000, part in 0_i64..10_000) {
            prop_assume!(part < whole);
            prop_assert!(hundredths(part, whole) <= hundredths(part + 1, whole));
        }
    }
}
