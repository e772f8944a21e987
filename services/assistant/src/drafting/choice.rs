//! Which of all that the lessons gave a draft takes.

use std::collections::HashSet;

use smartcourse_proto::assistant::{DraftKind, Drafted};

/// What a draft has at most.
const SENTENCES: usize = 24;
const OBJECTIVES: usize = 10;
const TERMS: usize = 60;
pub(super) const QUESTIONS: usize = 10;

/// What a draft of this kind takes, in its order.
pub(super) fn of(kind: DraftKind, parts: Vec<Drafted>) -> Vec<Drafted> {
    let mut chosen = match kind {
        DraftKind::Summary => most(parts, SENTENCES),
        DraftKind::Objectives => most(named_once(parts), OBJECTIVES),
        _ => most(named_once(parts), TERMS),
    };
    if kind == DraftKind::Glossary {
        chosen.sort_by_key(|drafted| drafted.term().to_lowercase());
    }
    chosen
}

/// Those that tell most, in the order they came in.
pub(super) fn most(parts: Vec<Drafted>, many: usize) -> Vec<Drafted> {
    let mut by_weight: Vec<usize> = (0..parts.len()).collect();
    // Stable: of equals the first.
    by_weight.sort_by(|a, b| parts[*b].weight.total_cmp(&parts[*a].weight));
    let kept: HashSet<usize> = by_weight.into_iter().take(many).collect();
    let parts = parts.into_iter().enumerate();
    parts
        .filter(|(place, _)| kept.contains(place))
        .map(|(_, drafted)| drafted)
        .collect()
}

/// What is defined twice is taken where it is defined first.
pub(super) fn named_once(parts: Vec<Drafted>) -> Vec<Drafted> {
    let mut names = HashSet::new();
    let is_new = |drafted: &Drafted| {
        drafted
            .term
            .as_ref()
            .is_none_or(|term| names.insert(term.to_lowercase()))
    };
    let mut parts = parts;
    parts.retain(is_new);
    parts
}
