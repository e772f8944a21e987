//! The cues of a subtitle file, as lenient as players are.

/// Between the times of a cue. Editors turn the hyphens into dashes and arrows.
const ARROWS: [&str; 6] = ["-->", "--&gt;", "–>", "—>", "->", "→"];

/// How far the number of a cue may be from the one before where no blank line says that it is a number.
const NUMBERS_SKIPPED: u64 = 10;

/// One cue.
pub(super) struct Cue<'a> {
    /// Seconds from the beginning of the recording at which it appears.
    pub(super) start: f64,
    /// Seconds at which it disappears.
    pub(super) end: f64,
    /// Its lines, with their markup.
    pub(super) lines: Vec<&'a str>,
}

/// Reads every cue of `source`, WebVTT if it begins like that. A cue whose times cannot be read stands where the
/// one before ends: its words are there all the same.
pub(super) fn read(source: &str) -> Vec<Cue<'_>> {
    let lines: Vec<&str> = source.lines().collect();
    let is_vtt = source.trim_start().starts_with("WEBVTT");
    let mut cues: Vec<Cue<'_>> = Vec::new();
    let places = places_of_times(&lines, is_vtt);
    // Numbers stand before the times of each cue, or of none.
    let head = places.first().map_or(&[][..], |(at, _)| &lines[..*at]);
    let mut last_number = head.iter().rev().find_map(|line| number(line));
    let ends = places.iter().skip(1).map(|(at, _)| *at).chain([lines.len()]);
    for ((at, times), end) in places.iter().zip(ends) {
        let mut body = &lines[at + 1..end];
        let blank = body.iter().position(|line| line.is_empty());
        match (is_vtt, blank, &mut last_number) {
            (true, Some(blank), _) => body = &body[..blank],
            (_, _, Some(last)) if end < lines.len() => body = without_number(body, last),
            _ => {}
        }
        let before = cues.last().map_or(0.0, |cue| cue.end);
        let start = times.start.unwrap_or(before);
        cues.push(Cue {
            start,
            end: times.end.unwrap_or(start),
            lines: body.to_vec(),
        });
    }
    cues
}

/// The lines that hold the times of a cue. A comment, style or region of WebVTT holds none.
fn places_of_times(lines: &[&str], is_vtt: bool) -> Vec<(usize, Times)> {
    let mut found = Vec::new();
    let (mut in_comment, mut after_blank) = (false, true);
    for (at, line) in lines.iter().enumerate() {
        let word = line.split([' ', '\t']).next().unwrap_or_default();
        in_comment &= !line.is_empty();
        in_comment |= is_vtt && after_blank && ["NOTE", "STYLE", "REGION"].contains(&word);
        after_blank = line.is_empty();
        if !in_comment && let Some(times) = times(line) {
            found.push((at, times));
        }
    }
    found
}

/// A line that is no more than digits.
fn number(line: &str) -> Option<u64> {
    let line = line.trim();
    let digits = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| line.parse().unwrap_or(u64::MAX))
}

/// `body` without the number of the next cue at its end: one after a blank line, or one that counts on.
fn without_number<'l, 'a>(body: &'l [&'a str], last: &mut u64) -> &'l [&'a str] {
    let written = |line: &&str| !line.trim().is_empty();
    let Some(at) = body.iter().rposition(written) else {
        return body;
    };
    let Some(number) = number(body[at]) else {
        return body;
    };
    let after_blank = at > 0 && body[at - 1].trim().is_empty();
    let counts_on = number > *last && number - *last <= NUMBERS_SKIPPED;
    if at > 0 && !after_blank && !counts_on {
        return body;
    }
    *last = number;
    &body[..at]
}

/// The times of a cue, each where it can be read.
struct Times {
    start: Option<f64>,
    end: Option<f64>,
}

/// The times in a line such as `00:01:02.500 --> 00:01:04,000 align:start`.
fn times(line: &str) -> Option<Times> {
    let (start, rest) = ARROWS.iter().find_map(|arrow| line.split_once(arrow))?;
    let start = start.trim();
    let strict = line.contains(ARROWS[0]);
    // Blanks within a time come from recognised text.
    let is_time = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | ',' | '-' | ' ' | '\t');
    let is_stamp = start.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if !is_stamp
        || !start.contains([':', '.', ','])
        || !start.chars().all(|c| is_time(c) || c.is_alphabetic())
    {
        return None;
    }
    let start: String = start.split_whitespace().collect();
    let tight = rest.replace(": ", ":").replace(", ", ",");
    let end = tight.split_whitespace().next().unwrap_or_default();
    let times = Times {
        start: seconds(&start),
        end: seconds(end),
    };
    // In prose an arrow has no times around it.
    let (start, end) = (times.start.is_some(), times.end.is_some());
    (start && end || strict && (start || end)).then_some(times)
}

/// `[hours:]minutes:seconds[.fraction]` in seconds; the fraction may follow a comma, and thousandths a third colon.
/// A time before the beginning is the beginning.
fn seconds(stamp: &str) -> Option<f64> {
    let (stamp, negative) = match stamp.strip_prefix('-') {
        Some(stamp) => (stamp, true),
        None => (stamp, false),
    };
    let stamp = stamp.replace(',', ".");
    let mut parts: Vec<&str> = stamp.split(':').collect();
    let thousandths = match parts.len() {
        4 => parts
            .pop()
            .filter(|last| last.len() == 3)
            .map_or(Some(0.0), |last| {
                last.parse::<f64>().ok().map(|thousandths| thousandths / 1000.0)
            })?,
        _ => 0.0,
    };
    let numeric = stamp.bytes().all(|b| matches!(b, b'0'..=b'9' | b':' | b'.'));
    if !numeric || !(2..=3).contains(&parts.len()) {
        return None;
    }
    let whole = parts
        .iter()
        .try_fold(0.0, |total, part| Some(total * 60.0 + part.parse::<f64>().ok()?))?;
    Some(if negative { 0.0 } else { whole + thousandths })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<(f64, String)> {
        let text = |cue: &Cue<'_>| {
            cue.lines
                .iter()
                .filter(|line| !line.trim().is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join("|")
        };
        read(source).iter().map(|cue| (cue.start, text(cue))).collect()
    }

    fn of(cues: &[(f64, &str)]) -> Vec<(f64, String)> {
        cues.iter()
            .map(|(start, text)| (*start, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn cues_need_no_blank_line_between_them() {
        let source = "1\n00:00:05,000 --> 00:00:09,000\nHeat slowly.\n2\n00:00:10,000 --> 00:00:14,000\nIn the year\n1969\n\
4\n00:00:15,000 --> 00:00:19,000\nit cooled.";
        assert_eq!(
            found(source),
            of(&[
                (5.0, "Heat slowly."),
                (10.0, "In the year|1969"),
                (15.0, "it cooled.")
            ])
        );
    }

    #[test]
    fn a_cue_may_have_blank_lines() {
        let source = "1\n00:00:01,000 --> 00:00:06,000\nKept for twenty minutes.\n\nThen offered.\n \n\n2\n\n00:00:07,000 --> 00:00:11,000\n\nNever refunded.\n";
        assert_eq!(
            found(source),
            of(&[
                (1.0, "Kept for twenty minutes.|Then offered."),
                (7.0, "Never refunded.")
            ])
        );
    }

    #[test]
    fn files_without_numbers_keep_their_numbers() {
        let source =
            "00:01,000 --> 00:02,000\nThe answer is\n42\n\n00:03,000 --> 00:04,000\nNOTE this is text\n";
        assert_eq!(
            found(source),
            of(&[(1.0, "The answer is|42"), (3.0, "NOTE this is text")])
        );
    }

    #[test]
    fn times_as_they_are_found() {
        let at = |line: &str| times(line).and_then(|times| Some((times.start?, times.end?)));
        assert_eq!(
            at("0:00:01.5 --> 0:00:03,25  X1:100 X2:600 Y1:050"),
            Some((1.5, 3.25))
        );
        assert_eq!(at("00:00:04,000-->00:00:06,000"), Some((4.0, 6.0)));
        assert_eq!(at("00:00:07:500 --> 00:00:09:000"), Some((7.5, 9.0)));
        assert_eq!(
            at("100:00:01.000 --> 100:00:03.500 line:0 align:start"),
            Some((360_001.0, 360_003.5))
        );
        assert_eq!(at("00: 00: 01, 000 –> 00: 00: 02, 000"), Some((1.0, 2.0)));
        assert_eq!(at("00:01:02,000 → 00:01:04,000"), Some((62.0, 64.0)));
        assert_eq!(at("-00:00:01,000 --> 00:00:01,000"), Some((0.0, 1.0)));
        for text in [
            "x --> y",
            "00:00 -->",
            "a function (x) -> y",
            "12 -> 13",
            "nan:inf --> 1",
            "3:2 -> the ratio",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn a_cue_with_an_unreadable_time_is_still_said() {
        let source = "1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n2\n00:0O:03,000 --> 00:00:04,000\nTwo.\n\n3\n00:00:05,000 --> \nThree.\n";
        assert_eq!(
            found(source),
            of(&[(1.0, "One."), (2.0, "Two."), (5.0, "Three.")])
        );
    }

    #[test]
    fn comments_of_webvtt_hold_no_cue() {
        let source = "WEBVTT\n\nNOTE 00:01.000 --> 00:02.000\nold\n\n00:03.000 --> 00:04.000\nnew\n\n00:05.000 --> 00:06.000\nSTYLE\n";
        assert_eq!(found(source), of(&[(3.0, "new"), (5.0, "STYLE")]));
    }
}
