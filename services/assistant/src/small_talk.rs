//! What people say to an assistant that asks nothing of the course: greetings, thanks, farewells and insults.

use smartcourse_retrieval::words;

/// Words of something that is no question.
const MOST: usize = 8;
/// What is said beside a courtesy, in English, German, Spanish and French.
const FILLERS: [&str; 67] = [
    "a",
    "again",
    "alles",
    "all",
    "and",
    "are",
    "aux",
    "been",
    "but",
    "das",
    "de",
    "du",
    "es",
    "et",
    "for",
    "gut",
    "have",
    "helpful",
    "i",
    "idea",
    "is",
    "ist",
    "it",
    "lot",
    "me",
    "mir",
    "mucho",
    "much",
    "muy",
    "now",
    "of",
    "one",
    "pas",
    "para",
    "please",
    "por",
    "pour",
    "really",
    "sehr",
    "so",
    "that",
    "the",
    "there",
    "this",
    "to",
    "todos",
    "tout",
    "toi",
    "today",
    "very",
    "vous",
    "was",
    "work",
    "y",
    "you",
    "your",
    "und",
    "u",
    "an",
    "such",
    "today",
    "help",
    "hilfe",
    "ayuda",
    "aide",
    "explanation",
    "tag",
];
const THANKS: [&str; 15] = [
    "thanks",
    "thank",
    "thx",
    "ty",
    "danke",
    "dankeschön",
    "dank",
    "vielen",
    "gracias",
    "merci",
    "appreciated",
    "cheers",
    "beaucoup",
    "muchas",
    "mille",
];
const AGREED: [&str; 37] = [
    "ok",
    "okay",
    "k",
    "yes",
    "no",
    "yep",
    "nope",
    "sure",
    "fine",
    "good",
    "great",
    "cool",
    "nice",
    "perfect",
    "awesome",
    "alright",
    "right",
    "got",
    "understood",
    "understand",
    "see",
    "makes",
    "sense",
    "super",
    "klar",
    "verstanden",
    "genau",
    "prima",
    "vale",
    "bueno",
    "entendido",
    "claro",
    "si",
    "sí",
    "oui",
    "bien",
    "compris",
];
const GREETINGS: [&str; 21] = [
    "hello",
    "hi",
    "hey",
    "hallo",
    "moin",
    "servus",
    "hola",
    "bonjour",
    "salut",
    "morning",
    "afternoon",
    "evening",
    "guten",
    "morgen",
    "abend",
    "buenos",
    "buenas",
    "días",
    "tardes",
    "howdy",
    "greetings",
];
const FAREWELLS: [&str; 15] = [
    "bye", "goodbye", "ciao", "tschüss", "adios", "adiós", "revoir", "au", "later", "night", "tomorrow",
    "hasta", "luego", "bis", "bald",
];
const INSULTS: [&str; 20] = [
    "stupid",
    "idiot",
    "dumb",
    "useless",
    "suck",
    "sucks",
    "hate",
    "moron",
    "shit",
    "fuck",
    "fucking",
    "crap",
    "worthless",
    "blöd",
    "dumm",
    "idiota",
    "estúpido",
    "nul",
    "stupide",
    "annoying",
];

/// What is answered to small talk; `None` for a question.
pub(crate) fn reply(said: &str) -> Option<&'static str> {
    let words = words(said);
    let among = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let lists: [&[&str]; 6] = [&FILLERS, &THANKS, &AGREED, &GREETINGS, &FAREWELLS, &INSULTS];
    let known = |word: &String| lists.iter().any(|list| list.contains(&word.as_str()));
    if words.is_empty() || words.len() > MOST || !words.iter().all(known) {
        return None;
    }
    // What asks is small talk only when it begins as such.
    let begins = |list: &[&str]| words.first().is_some_and(|word| list.contains(&word.as_str()));
    if said.trim_end().ends_with('?') && !begins(&GREETINGS) && !begins(&THANKS) {
        return None;
    }
    if among(&INSULTS) {
        return Some(
            "I may have missed what you need. Ask me about the course in other words, or in a whole sentence.",
        );
    }
    if among(&THANKS) {
        return Some("You are welcome. Ask me anything else about the course.");
    }
    if among(&FAREWELLS) {
        return Some("Goodbye. The course is here when you come back.");
    }
    if among(&GREETINGS) {
        return Some("Hello. Ask me something about this course, and I answer from its lessons.");
    }
    among(&AGREED).then_some("Good. Ask me anything else about the course.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courtesies_are_told_from_questions() {
        for said in [
            "thanks",
            "Thank you very much!",
            "ok",
            "OK, got it, thanks",
            "hi there",
            "bye",
            "you are stupid",
            "danke",
            "Great!",
            "hallo",
            "gracias",
            "yes please",
            "thank you so much for the help",
            "that makes sense",
        ] {
            assert!(reply(said).is_some(), "{said}");
        }
        for said in [
            "What is a greeting?",
            "Is it good?",
            "Why?",
            "hello world program",
            "it",
            "thank-you letters",
            "What does OK mean?",
            "and why?",
            "the one",
            "",
            "How does one say thanks in Japan?",
            "help",
            "please help me",
            "and the tag?",
            "and the garbage?",
        ] {
            assert!(reply(said).is_none(), "{said}");
        }
    }
}
