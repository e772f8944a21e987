//! What the fields of requests may hold at most: the services check it, and the OpenAPI document says it. Texts are counted in
//! characters.

use std::ops::RangeInclusive;

/// An e-mail address.
pub const EMAIL: usize = 254;
/// The name of a person.
pub const PERSON: usize = 200;
/// A password.
pub const PASSWORD: RangeInclusive<usize> = 8..=128;

/// The title of a course, a module or a lesson.
pub const TITLE: usize = 200;
/// The description of a course.
pub const DESCRIPTION: usize = 20_000;
/// The category of a course.
pub const CATEGORY: usize = 100;
/// Digits before the point of a price.
pub const PRICE_DIGITS: u32 = 10;

/// Modules of a course.
pub const MODULES: usize = 1_000;
/// Lessons of a course.
pub const LESSONS: usize = 10_000;
/// The id of a module or a lesson.
pub const PART_ID: usize = 64;
/// The id of a question or of an option.
pub const QUIZ_ID: usize = 200;
/// The text of a question or of an option.
pub const QUIZ_TEXT: usize = 2_000;
/// Options or texts given to one question.
pub const GIVEN: usize = 100;
/// One of them.
pub const GIVEN_TEXT: usize = 2_000;

/// Words to find in the list of courses.
pub const CATALOGUE_WORDS: usize = 200;
/// Words to search for.
pub const SEARCH_WORDS: usize = 500;
/// A question to the assistant.
pub const QUESTION: usize = 2_000;
/// What passages are looked for by: a question, and the one before it.
pub const RETRIEVED: usize = 2 * QUESTION + 1;

/// The name of a file.
pub const FILENAME: usize = 255;
/// The type of a file, as its client declares it.
pub const CONTENT_TYPE: usize = 255;
