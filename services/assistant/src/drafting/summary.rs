//! The sentences of a lesson that tell most of it: SumBasic (Nenkova & Vanderwende, The Impact of Frequency on Summarization, 2005).

use std::collections::HashMap;

use smartcourse_proto::{assistant::Drafted, content::Passage};

use super::piece::{Lesson, Sentence};

/// Sentences for one that is told, and told of a lesson at most.
const OF: usize = 12;
const MOST: usize = 4;
/// Sentences whose passages a model sums up: some three thousand words at most.
const TO_BE_TOLD: usize = 20;

/// What tells most, in the order of the lesson.
pub(super) fn of(lesson: &Lesson<'_>) -> Vec<Drafted> {
    let mut chosen = telling(&lesson.sentences, (lesson.sentences.len() / OF + 1).min(MOST));
    chosen.sort_unstable_by_key(|(place, _)| *place);
    let drafted = |(place, weight): (usize, f64)| {
        let sentence = &lesson.sentences[place];
        sentence.drafted(sentence.text.to_owned(), weight)
    };
    chosen.into_iter().map(drafted).collect()
}

/// The passages of the sentences that tell most, in the order of the lesson.
pub(super) fn passages(lesson: &Lesson<'_>) -> Vec<Passage> {
    let mut places: Vec<usize> = telling(&lesson.sentences, TO_BE_TOLD)
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    places.sort_unstable();
    let mut passages: Vec<&Passage> = places
        .iter()
        .map(|place| lesson.sentences[*place].passage)
        .collect();
    passages.dedup_by(|a, b| std::ptr::eq(*a, *b));
    passages.into_iter().cloned().collect()
}

/// The places of so many sentences that tell most, the first the most, and how much each tells: the mean probability of its terms among
/// those of all sentences. What was told tells less again.
pub(super) fn telling(sentences: &[Sentence<'_>], many: usize) -> Vec<(usize, f64)> {
    let mut counts: HashMap<&str, f64> = HashMap::new();
    for term in sentences.iter().flat_map(|sentence| &sentence.terms) {
        *counts.entry(term).or_default() += 1.0;
    }
    let all: f64 = counts.values().sum();
    let mut probability: HashMap<&str, f64> = counts
        .into_iter()
        .map(|(term, count)| (term, count / all))
        .collect();
    let mut left: Vec<usize> = (0..sentences.len())
        .filter(|place| !sentences[*place].terms.is_empty())
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < many {
        let weight = |place: usize| {
            let terms = &sentences[place].terms;
            terms.iter().map(|term| probability[term.as_str()]).sum::<f64>() / terms.len() as f64
        };
        // Of equals the first.
        let best = left.iter().map(|place| (*place, weight(*place)));
        let Some((place, weight)) = best.rev().max_by(|a, b| a.1.total_cmp(&b.1)) else {
            break;
        };
        for term in &sentences[place].terms {
            if let Some(probability) = probability.get_mut(term.as_str()) {
                *probability *= *probability;
            }
        }
        left.retain(|other| *other != place);
        chosen.push((place, weight));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::{super::piece::tests::lesson, *};

    #[test]
    fn what_is_spoken_of_most_is_told_first_and_once() {
        let passages = lesson(
            "1",
            &[
                "Sagas undo steps by their compensations.",
                "Compensations undo the steps of sagas one by one.",
                "A saga undoes its steps by compensations in reverse.",
                "The lake near the town freezes every winter.",
            ],
        );
        let lesson = Lesson::of(&passages);
        let told = telling(&lesson.sentences, 2);
        assert_ne!(told[0].0, 3);
        assert!(told[0].1 > told[1].1);
        assert_eq!(of(&lesson).len(), 1);
    }
}
