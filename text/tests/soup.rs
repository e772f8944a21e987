//! Whatever the bytes, there is a text with places in it, or a reason.

use proptest::prelude::*;
use smartcourse_text::{SourceKind, extract};

/// Pieces that the formats give a meaning, in no order.
const PIECES: [&str; 44] = [
    "<div hidden>",
    "</div>",
    "<p>",
    "<table><tr><td>",
    "<th rowspan=9>",
    "</table>",
    "<!--",
    "-->",
    "<style>.a{display:none}",
    "</style>",
    "<script>",
    "<pre>",
    "</pre>",
    "<template>",
    "<math><annotation encoding='application/x-tex'>",
    "<h2>",
    "&shy;",
    "&#0;",
    "<",
    "$",
    "$$",
    "\\(",
    "\\)",
    "\\begin{a}",
    "\\end{a}",
    "`",
    "```\n",
    "|---|\n",
    "| a | b |\n",
    "---\n",
    "+++\n",
    "# ",
    "- ",
    "1. ",
    "> ",
    "\n\n",
    "\n",
    "é",
    "\u{f8f1}",
    "WEBVTT\n\n",
    "NOTE ",
    "00:01.000 --> 00:02,500\n",
    "7\n",
    "word ",
];

fn holds(kind: SourceKind, bytes: &[u8]) {
    match extract(kind, bytes) {
        Err(error) => assert!(!error.is_retryable(), "{error}"),
        Ok(document) => {
            assert!(
                !document
                    .text
                    .chars()
                    .any(|c| c.is_control() && c != '\n' && c != '\t'),
                "{:?}",
                document.text
            );
            let starts: Vec<usize> = document.anchors.iter().map(|anchor| anchor.start).collect();
            assert!(starts.is_sorted(), "{starts:?}");
            assert!(
                starts.iter().all(|start| document.text.is_char_boundary(*start)),
                "{starts:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for kind in SourceKind::ALL {
            holds(kind, &bytes);
        }
    }

    #[test]
    fn any_markup(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40)) {
        for kind in SourceKind::ALL {
            holds(kind, pieces.concat().as_bytes());
        }
    }
}
