//! Questions that are about the platform or the assistant and not about what a course teaches.

use smartcourse_retrieval::words;

/// Who speaks of themselves or to the assistant, in English, German, Spanish and French: what is asked in general is of the course.
const PERSONAL: [&str; 24] = [
    "i", "my", "me", "mine", "we", "our", "you", "your", "ich", "mein", "meine", "meinen", "wir", "du",
    "dein", "mi", "mis", "yo", "tu", "tus", "je", "mon", "ma", "vous",
];
const SELF: &str = "I answer questions about this course from its lessons, and show where each statement stands. What the lessons do not say \
                    I do not know.";
const CERTIFICATE: &str = "A certificate is issued when all lessons of the course are completed and its quizzes are passed. You find it with \
                           your enrollment.";
const ENROLLMENT: &str = "You enroll on the page of a course, and leave it with your enrollment, which frees the seat. A completed course is \
                          not left.";
const PROGRESS: &str = "What you have completed, and how many attempts a quiz leaves you, is shown with your progress in the course. I cannot \
                        see or change it.";
const ACCOUNT: &str = "I cannot see or change accounts. Ask an administrator of the platform.";

/// What each topic goes by, and what is said to it.
const TOPICS: [(&[&str], &str); 4] = [
    (
        &[
            "certificate",
            "certificates",
            "zertifikat",
            "zertifikate",
            "certificado",
            "certificat",
        ],
        CERTIFICATE,
    ),
    (
        &[
            "enroll",
            "enrol",
            "enrolled",
            "enrollment",
            "unenroll",
            "einschreiben",
            "eingeschrieben",
            "inscribirme",
            "inscribo",
            "inscrire",
            "inscris",
        ],
        ENROLLMENT,
    ),
    (
        &[
            "progress",
            "grade",
            "grades",
            "score",
            "attempts",
            "fortschritt",
            "note",
            "versuche",
            "progreso",
            "nota",
            "intentos",
            "progression",
            "tentatives",
        ],
        PROGRESS,
    ),
    (
        &[
            "password",
            "account",
            "login",
            "email",
            "passwort",
            "konto",
            "contraseña",
            "cuenta",
            "compte",
        ],
        ACCOUNT,
    ),
];
/// What asks for the assistant itself, as it begins.
const OF_ITSELF: [&str; 16] = [
    "who are you",
    "what are you",
    "what can you",
    "what do you do",
    "how can you help",
    "how do you work",
    "are you a",
    "are you an",
    "can you help",
    "wer bist du",
    "was kannst du",
    "bist du ein",
    "quién eres",
    "qué puedes",
    "qui es tu",
    "que peux tu",
];

/// What is said to a question that no course answers and that is about the platform; `None` for any other.
pub(crate) fn reply(question: &str) -> Option<&'static str> {
    let asked = words(question);
    if OF_ITSELF.iter().any(|begins| asked.starts_with(&words(begins))) {
        return Some(SELF);
    }
    let among = |list: &[&str]| asked.iter().any(|word| list.contains(&word.as_str()));
    let topic = TOPICS.iter().find(|(topic, _)| among(topic));
    topic.filter(|_| among(&PERSONAL)).map(|(_, reply)| *reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_platform_is_told_from_what_a_course_teaches() {
        for (question, about) in [
            ("Who are you?", SELF),
            ("can you help me", SELF),
            ("¿Quién eres?", SELF),
            ("How do I get my certificate?", CERTIFICATE),
            ("Wann bekomme ich mein Zertifikat?", CERTIFICATE),
            ("How can I unenroll?", ENROLLMENT),
            ("What is my grade?", PROGRESS),
            ("How do I change my password?", ACCOUNT),
        ] {
            assert_eq!(reply(question), Some(about), "{question}");
        }
        for question in [
            "What is a TLS certificate?",
            "How are passwords hashed?",
            "What can a saga do?",
            "How do I write a saga?",
            "",
        ] {
            assert_eq!(reply(question), None, "{question}");
        }
    }
}
