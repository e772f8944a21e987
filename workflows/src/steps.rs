//! The seven steps of a publish, as people read them.

/// A step's name in the API and its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Stable name.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
}

/// The steps in order; step *n* of the API is `STEPS[n - 1]`.
pub const STEPS: [Step; 7] = [
    Step {
        name: "validate_course",
        label: "Validating",
    },
    Step {
        name: "save_content",
        label: "Saving content",
    },
    Step {
        name: "upload_assets",
        label: "Uploading files",
    },
    Step {
        name: "extract_text",
        label: "Extracting text",
    },
    Step {
        name: "generate_embeddings",
        label: "Generating embeddings",
    },
    Step {
        name: "update_search_index",
        label: "Updating search index",
    },
    Step {
        name: "publish",
        label: "Publishing",
    },
];

/// The label of step `number` (1 to 7); empty outside of that.
pub fn label(number: u8) -> &'static str {
    number
        .checked_sub(1)
        .and_then(|index| STEPS.get(usize::from(index)))
        .map_or("", |step| step.label)
}

/// `Step 3/7: Uploading files`
pub fn headline(number: u8) -> String {
    format!("Step {number}/{}: {}", STEPS.len(), label(number))
}
