//! What a reader sees of a PDF, and in which order.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use lopdf::{Dictionary, Document as Pdf, Stream, dictionary};
use smartcourse_text::{Document, SourceKind, extract};

/// Text in Courier, whose letters are 0.6 of its size wide, at a place counted from the lower left corner.
fn at(x: f64, y: f64, size: f64, text: &str) -> String {
    format!("BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET ")
}

/// Lines of a column, 14 points apart.
fn column(x: f64, y: f64, lines: &[&str]) -> String {
    let lines = lines.iter().enumerate();
    lines
        .map(|(number, line)| at(x, y - 14.0 * number as f64, 10.0, line))
        .collect()
}

fn document(pages: &[&str]) -> Document {
    extract(
        SourceKind::Pdf,
        &common::bytes(common::pdf(pages, |_| Dictionary::new())),
    )
    .unwrap()
}

fn text(page: &str) -> String {
    document(&[page]).text
}

/// The text of each page, as it is cited.
fn cited(pages: &[&str]) -> Vec<String> {
    let document = document(pages);
    let starts: Vec<usize> = document.anchors.iter().map(|anchor| anchor.start).collect();
    let ends = starts.iter().skip(1).copied().chain([document.text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| document.text[*start..end].trim().to_owned())
        .collect()
}

const SEEN: &str = "Readers see this line of words.";

#[test]
fn what_cannot_be_seen_is_no_text() {
    let seen = at(50.0, 700.0, 12.0, SEEN);
    let hidden = at(50.0, 650.0, 12.0, "Nobody sees that secret.");
    for (how, page) in [
        ("clipped", format!("{seen} q 0 0 600 600 re W n {hidden} Q")),
        (
            "clipped by two boxes",
            format!("{seen} q 0 600 20 200 re W n 0 0 600 842 re W n {hidden} Q"),
        ),
        ("without ink", format!("{seen} 3 Tr {hidden}")),
        ("white on white", format!("{seen} 1 g {hidden}")),
        (
            "grey on the same grey",
            format!("{seen} .5 g 0 640 600 30 re f {hidden}"),
        ),
        ("under a box", format!("{seen} {hidden} 0 g 40 640 400 30 re f")),
        (
            "off the page",
            format!("{seen} {}", at(700.0, 650.0, 12.0, "Nobody sees that secret.")),
        ),
        (
            "above the page",
            format!("{seen} {}", at(50.0, 900.0, 12.0, "Nobody sees that secret.")),
        ),
        (
            "without height",
            format!("{seen} {}", at(50.0, 650.0, 0.01, "Nobody sees that secret.")),
        ),
    ] {
        assert_eq!(text(&page), SEEN, "{how}");
    }
}

#[test]
fn what_stands_out_is_text() {
    let line = at(50.0, 700.0, 12.0, SEEN);
    for (how, page) in [
        (
            "white on a dark box",
            format!("0 g 40 690 400 30 re f 1 g {line}"),
        ),
        (
            "white on a dark shape",
            format!("0 g 40 690 m 440 690 l 460 705 l 440 730 l 40 730 l 30 700 l f 1 g {line}"),
        ),
        (
            "black on a white box over a dark one",
            format!("0 g 0 0 600 842 re f 1 g 40 690 400 30 re f 0 g {line}"),
        ),
        ("within its clip", format!("q 40 690 400 30 re W n {line} Q")),
        ("filled and stroked", format!("2 Tr {line}")),
        ("over the edge of the page", at(50.0, 700.0, 40.0, SEEN)),
    ] {
        assert_eq!(text(&page), SEEN, "{how}");
    }
}

#[test]
fn part_of_a_line_may_be_clipped() {
    // The box ends after "Readers see".
    let page = format!(
        "q 40 690 92 30 re W n {} Q {}",
        at(50.0, 700.0, 12.0, SEEN),
        at(50.0, 600.0, 12.0, "Below.")
    );
    assert_eq!(text(&page), "Readers see\n\nBelow.");
}

#[test]
fn recognised_text_over_a_scan_is_text() {
    let page = format!(
        "q 595 0 0 842 0 0 cm /Im Do Q 3 Tr {}",
        at(50.0, 700.0, 12.0, SEEN)
    );
    let pdf = common::pdf(&[&page], |pdf: &mut Pdf| {
        let image = dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => 1, "Height" => 1, "ColorSpace" => "DeviceGray", "BitsPerComponent" => 8,
        };
        let image = pdf.add_object(Stream::new(image, vec![200]));
        dictionary! { "XObject" => dictionary! { "Im" => image } }
    });
    assert_eq!(extract(SourceKind::Pdf, &common::bytes(pdf)).unwrap().text, SEEN);
}

#[test]
fn turned_lines_are_lines() {
    let lines = [
        "The stratosphere begins at a height of about eleven",
        "kilometres over Europe. Its ozone layer absorbs",
        "radiation from the sun.",
    ];
    let expected = lines.join(" ");
    let lines = column(72.0, 500.0, &lines);
    for turn in [
        "0 1 -1 0 595 0 cm",
        "0 -1 1 0 0 842 cm",
        "-1 0 0 -1 595 842 cm",
        "0.98 0.17 -0.17 0.98 60 -60 cm",
    ] {
        assert_eq!(text(&format!("q {turn} {lines} Q")), expected, "{turn}");
    }
}

#[test]
fn columns_are_read_one_after_the_other_and_tables_by_rows() {
    let left = [
        "The committee reviewed the annual",
        "report of the observatory and found",
        "that the new mirror had been ground",
        "with an error of nine nanometres.",
    ];
    let right = [
        "A second telescope was bought for",
        "the students of the first year, who",
        "use it on clear nights in winter to",
        "measure the moons of Jupiter.",
    ];
    let columns = |shift: f64| {
        format!(
            "{} {} {} {}",
            at(150.0, 760.0, 12.0, "A title over both of the columns"),
            column(40.0, 700.0, &left),
            column(300.0, 700.0 - shift, &right),
            at(290.0, 30.0, 10.0, "4"),
        )
    };
    let expected = format!(
        "A title over both of the columns\n\n{}\n\n{}\n\n4",
        left.join(" "),
        right.join(" ")
    );
    for shift in [0.0, 5.0] {
        assert_eq!(text(&columns(shift)), expected, "{shift}");
    }
    let rows = [
        ("Northern school", "1871"),
        ("Harbour school", "1904"),
        ("Hill school", "1956"),
        ("Lower school", "1960"),
    ];
    let table: String = rows
        .iter()
        .enumerate()
        .map(|(number, (name, year))| {
            let y = 700.0 - 15.0 * number as f64;
            at(72.0, y, 11.0, name) + &at(300.0, y, 11.0, year)
        })
        .collect();
    assert_eq!(
        text(&table),
        "Northern school 1871\n\nHarbour school 1904\n\nHill school 1956\n\nLower school 1960"
    );
}

#[test]
fn a_column_of_lists_and_cells_beside_one_of_prose_is_read_by_itself() {
    let left = [
        "These widgets survive what people",
        "do to them, and they are measured",
        "by everybody who has one of these:",
        "1. one of tin",
        "2. one of iron",
    ];
    let right = [
        "We measured each widget ten times",
        "and wrote the outcome down, since",
        "paper does not crash. Afterwards",
        "the differences between them were",
        "compared by somebody who had not",
        "seen any of them before the day.",
    ];
    let cells = at(40.0, 616.0, 10.0, "Tin")
        + &at(130.0, 616.0, 10.0, "78")
        + &at(40.0, 602.0, 10.0, "Iron")
        + &at(130.0, 602.0, 10.0, "111");
    let page = column(40.0, 700.0, &left) + &cells + &column(300.0, 700.0, &right);
    let expected = format!(
        "{}\n\n1. one of tin\n\n2. one of iron\n\nTin 78\n\nIron 111\n\n{}",
        left[..3].join(" "),
        right.join(" ")
    );
    assert_eq!(text(&page), expected);
}

#[test]
fn what_runs_with_the_pages_goes_and_other_numbers_stay() {
    let page = |number: usize, body: &str| {
        format!(
            "{} {} {}",
            at(50.0, 800.0, 9.0, "Botany, an introduction"),
            column(50.0, 700.0, &[body]),
            at(290.0, 40.0, 9.0, &number.to_string())
        )
    };
    let pages = [
        page(7, "Leaves are green."),
        page(8, "Roots are brown."),
        page(9, "Stems are long."),
    ];
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    assert_eq!(
        cited(&pages),
        ["Leaves are green.", "Roots are brown.", "Stems are long."]
    );

    let alone = |text: &str, number: &str| column(50.0, 700.0, &[text]) + &at(50.0, 600.0, 10.0, number);
    let pages = [
        alone("How many spokes has it?", "36"),
        alone("When was it founded?", "1956"),
        alone("And the other one?", "1871"),
    ];
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    assert_eq!(
        cited(&pages),
        [
            "How many spokes has it?\n\n36",
            "When was it founded?\n\n1956",
            "And the other one?\n\n1871"
        ]
    );

    let headings = [
        alone("Exercise 1", "Count the spokes."),
        alone("Exercise 2", "Count the wheels."),
    ];
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    assert!(cited(&headings)[1].starts_with("Exercise 2"));
}

#[test]
fn words_and_sentences_go_on_over_pages() {
    let first = column(50.0, 100.0, &["Before it ends, the keeper must sound the pneu-"]);
    let second = column(
        50.0,
        780.0,
        &["matic horn once in every minute. The log is written at noon."],
    );
    let third = column(50.0, 780.0, &["A new page begins here."]);
    assert_eq!(
        cited(&[&first, &second, &third]),
        [
            "Before it ends, the keeper must sound the pneumatic horn once in every minute.",
            "The log is written at noon.",
            "A new page begins here."
        ]
    );
    assert_eq!(
        cited(&[&first, "", &third, "0 0 1 1 re f"]),
        [
            "Before it ends, the keeper must sound the pneu-",
            "",
            "A new page begins here.",
            ""
        ]
    );
}

#[test]
fn a_note_at_the_foot_does_not_cut_a_sentence() {
    let first = column(50.0, 120.0, &["The sentence that begins on this page is by no"])
        + &at(50.0, 60.0, 7.0, "1 A note about it.");
    let second = column(50.0, 780.0, &["means over. Another one is."]);
    assert_eq!(
        cited(&[&first, &second]),
        [
            "1 A note about it.\n\nThe sentence that begins on this page is by no means over.",
            "Another one is."
        ]
    );
}

#[test]
fn what_is_drawn_twice_is_there_once() {
    let twice: String = [0.0, 0.4]
        .iter()
        .map(|shift| at(72.0 + shift, 760.0, 14.0, "Safety rules of the hall"))
        .collect();
    let letters: String = "Wear all goggles"
        .char_indices()
        .flat_map(|(place, c)| {
            [0.0, 0.3].map(|shift| at(72.0 + 7.2 * place as f64 + shift, 700.0, 12.0, &c.to_string()))
        })
        .collect();
    assert_eq!(
        text(&(twice + &letters)),
        "Safety rules of the hall\n\nWear all goggles"
    );
}

#[test]
fn accents_stand_on_their_letters() {
    // The accent before its letter, after it, and raised over a capital.
    let page = at(50.0, 700.0, 12.0, "Schl")
        + &at(78.8, 700.0, 12.0, "\\250")
        + &at(78.8, 700.0, 12.0, "ussel")
        + &at(50.0, 660.0, 12.0, "Cafe")
        + &at(71.6, 660.0, 12.0, "\\264")
        + &at(50.0, 620.0, 12.0, "Ol")
        + &at(50.0, 623.0, 12.0, "\\250")
        + &at(50.0, 580.0, 12.0, "2^10 ~ 1 K, `code`");
    assert_eq!(text(&page), "Schlüssel\n\nCafé\n\nÖl\n\n2^10 ~ 1 K, `code`");
}

#[test]
fn spaced_and_raised_letters_are_of_their_words() {
    let page = at(50.0, 700.0, 12.0, "The sum E = mc")
        + &at(150.8, 705.0, 7.0, "2")
        + &at(158.0, 700.0, 12.0, "is known.")
        + "BT /F1 12 Tf 4 Tc 1 0 0 1 50 650 Tm (SPACED WORDS) Tj ET 0 Tc";
    assert_eq!(text(&page), "The sum E = mc2 is known.\n\nSPACED WORDS");
}

#[test]
fn a_pdf_may_begin_after_other_bytes() {
    let file = common::bytes(common::two_pages());
    for lead in [
        "\n",
        "\u{feff}",
        "--abc\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.pdf\"\r\n\r\n",
    ] {
        let file = [lead.as_bytes(), &file].concat();
        assert!(
            extract(SourceKind::Pdf, &file)
                .unwrap()
                .text
                .ends_with("without owning it.")
        );
    }
}
