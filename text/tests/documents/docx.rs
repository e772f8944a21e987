//! Word documents.

use smartcourse_text::SourceKind;

use crate::{archive, extract, places, relations};

const NAMES: &str = "xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main' \
xmlns:m='http://schemas.openxmlformats.org/officeDocument/2006/math' xmlns:v='urn:schemas-microsoft-com:vml' \
xmlns:mc='http://schemas.openxmlformats.org/markup-compatibility/2006' xmlns:wps='http://schemas.microsoft.com/office/word/2010/wordprocessingShape'";

const STYLES: &str = "<w:style w:type='paragraph' w:default='1' w:styleId='Standard'><w:name w:val='Normal'/></w:style>\
<w:style w:type='paragraph' w:styleId='Titel'><w:name w:val='Title'/></w:style>\
<w:style w:type='paragraph' w:styleId='berschrift1'><w:name w:val='heading 1'/><w:pPr><w:outlineLvl w:val='0'/></w:pPr></w:style>\
<w:style w:type='paragraph' w:styleId='Kapitel'><w:name w:val='Kapitel'/><w:basedOn w:val='berschrift1'/></w:style>\
<w:style w:type='paragraph' w:styleId='X2'><w:name w:val='Überschrift 2'/></w:style>\
<w:style w:type='paragraph' w:styleId='Verzeichnis1'><w:name w:val='toc 1'/></w:style>\
<w:style w:type='paragraph' w:styleId='Quelltext'><w:name w:val='Source Code'/></w:style>\
<w:style w:type='character' w:styleId='Geheim'><w:name w:val='Secret'/><w:rPr><w:vanish/></w:rPr></w:style>";

const NUMBERING: &str = "<w:abstractNum w:abstractNumId='0'><w:lvl w:ilvl='0'><w:start w:val='1'/><w:numFmt w:val='decimal'/><w:lvlText w:val='%1.'/></w:lvl>\
<w:lvl w:ilvl='1'><w:numFmt w:val='bullet'/><w:lvlText w:val='o'/></w:lvl></w:abstractNum>\
<w:num w:numId='1'><w:abstractNumId w:val='0'/></w:num>";

/// A document of this body, with notes.
pub(crate) fn document(body: &str) -> Vec<u8> {
    let part = |name: &str, inner: &str| format!("<?xml version='1.0'?><w:{name} {NAMES}>{inner}</w:{name}>");
    archive(&[
        (
            "_rels/.rels",
            &relations(&[("r", "officeDocument", "word/document.xml")]),
        ),
        (
            "word/_rels/document.xml.rels",
            &relations(&[
                ("a", "styles", "styles.xml"),
                ("b", "numbering", "numbering.xml"),
                ("c", "footnotes", "footnotes.xml"),
                ("d", "endnotes", "/word/endnotes.xml"),
                ("e", "header", "header1.xml"),
                ("f", "comments", "comments.xml"),
            ]),
        ),
        (
            "word/document.xml",
            &part("document", &format!("<w:body>{body}</w:body>")),
        ),
        ("word/styles.xml", &part("styles", STYLES)),
        ("word/numbering.xml", &part("numbering", NUMBERING)),
        (
            "word/footnotes.xml",
            &part(
                "footnotes",
                &format!("<w:footnote w:id='2'>{}</w:footnote>", p("", "The note.")),
            ),
        ),
        (
            "word/endnotes.xml",
            &part(
                "endnotes",
                &format!("<w:endnote w:id='2'>{}</w:endnote>", p("", "At the end.")),
            ),
        ),
        ("word/header1.xml", &part("hdr", &p("", "running head"))),
        ("word/comments.xml", &part("comments", &p("", "a comment"))),
    ])
}

/// A paragraph in a style.
fn p(style: &str, text: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val='{style}'/></w:pPr>{}</w:p>", r(text))
}

fn r(text: &str) -> String {
    format!("<w:r><w:t xml:space='preserve'>{text}</w:t></w:r>")
}

fn text(body: &str) -> String {
    extract(SourceKind::Docx, &document(body)).text
}

#[test]
fn headings_are_told_by_level_and_by_name() {
    let body = p("Titel", "Brücken")
        + &p("Kapitel", "Bögen")
        + &p("", "Ein Bogen trägt.")
        + &p("X2", "Steine")
        + &p("", "Sie drücken.");
    let document = extract(SourceKind::Docx, &document(&body));
    assert_eq!(
        document.text,
        "Brücken\n\nBögen\n\nEin Bogen trägt.\n\nSteine\n\nSie drücken."
    );
    let paths: Vec<String> = places(&document).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["Brücken", "Brücken/Bögen", "Brücken/Bögen/Steine"]);
}

#[test]
fn list_items_have_their_numbers_and_go_on() {
    let item = |level: u8, text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='1'/></w:numPr></w:pPr>{}</w:p>",
            r(text)
        )
    };
    let body =
        item(0, "Open") + &item(1, "inner") + &item(0, "Read") + &p("", "Then wait.") + &item(0, "Close");
    assert_eq!(
        text(&body),
        "1. Open\n  - inner\n2. Read\n\nThen wait.\n\n3. Close"
    );
}

#[test]
fn rows_of_tables_are_lines_under_their_header() {
    let cell = |text: &str, more: &str| format!("<w:tc><w:tcPr>{more}</w:tcPr>{}</w:tc>", p("", text));
    let row = |cells: &str| format!("<w:tr>{cells}</w:tr>");
    let table = format!(
        "<w:tbl><w:tblPr><w:tblLook w:val='04A0'/></w:tblPr>{}{}{}<w:tr><w:trPr><w:del w:id='1'/></w:trPr>{}</w:tr></w:tbl>",
        row(&(cell("Port", "") + &cell("Use", ""))),
        row(&(cell("Mail", "<w:vMerge w:val='restart'/>") + &cell("25", ""))),
        row(&(cell("", "<w:vMerge/>") + &cell("587", ""))),
        cell("gone", "") + &cell("0", ""),
    );
    assert_eq!(text(&table), "Port | Use\nMail | 25\nMail | 587");
    let frame = format!(
        "<w:tbl><w:tr><w:tc>{}{}</w:tc></w:tr></w:tbl>",
        p("", "One."),
        p("", "Two.")
    );
    assert_eq!(text(&frame), "One.\n\nTwo.");
}

#[test]
fn what_no_reader_sees_is_no_text() {
    let body = "<w:p><w:r><w:t>kept </w:t></w:r><w:del><w:r><w:delText>deleted</w:delText><w:t>deleted</w:t></w:r></w:del>\
<w:ins><w:r><w:t>added</w:t></w:r></w:ins><w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t> here</w:t></w:r></w:moveTo>\
<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:rPr><w:rStyle w:val='Geheim'/></w:rPr><w:t>secret</w:t></w:r>\
<w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>.</w:t></w:r><w:r><w:commentReference w:id='1'/></w:r></w:p>"
        .to_owned()
        + &p("Verzeichnis1", "Bögen 3")
        + "<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val='Table of Contents'/></w:docPartObj></w:sdtPr><w:sdtContent>"
        + &p("", "Inhalt")
        + "</w:sdtContent></w:sdt><w:p><w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:t>Click here</w:t></w:r></w:sdtContent></w:sdt></w:p>";
    assert_eq!(text(&body), "kept added here.");
}

#[test]
fn fields_show_their_result() {
    let field = |kind: &str| format!("<w:r><w:fldChar w:fldCharType='{kind}'/></w:r>");
    let code = |text: &str| format!("<w:r><w:instrText>{text}</w:instrText></w:r>");
    // A field in the code of another.
    let body = format!(
        "<w:p>{}{}{}{}{}{}{}{}{}{}{}{}</w:p>",
        r("On page "),
        field("begin"),
        code("IF "),
        field("begin"),
        code("PAGE"),
        field("separate"),
        r("7"),
        field("end"),
        field("separate"),
        r("seven"),
        field("end"),
        r(", <w:fldSimple/>").replace("<w:fldSimple/>", "see below"),
    );
    assert_eq!(text(&body), "On page seven, see below");
    assert_eq!(
        text(
            "<w:p><w:fldSimple w:instr='REF x'><w:r><w:t>Figure 2</w:t></w:r></w:fldSimple><w:hyperlink><w:r><w:t> linked</w:t></w:r></w:hyperlink></w:p>"
        ),
        "Figure 2 linked"
    );
}

#[test]
fn text_boxes_are_there_once_and_notes_after_their_paragraph() {
    let inner = format!("<w:txbxContent>{}</w:txbxContent>", p("", "In a box."));
    let body = format!(
        "<w:p>{}<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wps:txbx>{inner}</wps:txbx></w:drawing></mc:Choice>\
<mc:Fallback><w:pict><v:textbox>{inner}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r><w:r><w:footnoteReference w:id='2'/></w:r>{}<w:r><w:endnoteReference w:id='2'/></w:r></w:p>{}",
        r("Before"),
        r(" and after."),
        p("", "Next."),
    );
    assert_eq!(
        text(&body),
        "Before and after.\n\nIn a box.\n\nThe note.\n\nAt the end.\n\nNext."
    );
}

#[test]
fn signs_that_are_elements() {
    let body = "<w:p><w:r><w:t>Fuß</w:t><w:softHyphen/><w:t>gänger</w:t><w:tab/><w:t>E</w:t><w:noBreakHyphen/><w:t>Mail</w:t><w:br/><w:t>10</w:t></w:r>\
<w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:t>3</w:t></w:r><w:r><w:t> a &amp; b &lt;c&gt;</w:t></w:r></w:p>";
    assert_eq!(text(body), "Fußgänger E-Mail\n10^3 a & b <c>");
}

#[test]
fn code_keeps_its_lines() {
    let body = p("Quelltext", "if x:")
        + &p("Quelltext", "    go()")
        + &p("", "Prose.")
        + "<w:p><w:r><w:rPr><w:rFonts w:ascii='Consolas'/></w:rPr><w:t xml:space='preserve'>  ls -l</w:t></w:r></w:p>";
    assert_eq!(text(&body), "if x:\n    go()\n\nProse.\n\n  ls -l");
}

#[test]
fn formulas_are_typed_in_a_line() {
    let t = |text: &str| format!("<m:r><m:t>{text}</m:t></m:r>");
    let body = format!(
        "<w:p>{}<m:oMath>{}<m:f><m:num>{}</m:num><m:den>{}</m:den></m:f><m:sSup><m:e>{}</m:e><m:sup>{}</m:sup></m:sSup>\
<m:rad><m:deg/><m:e>{}</m:e></m:rad><m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr><m:sub>{}</m:sub><m:sup>{}</m:sup><m:e>{}</m:e></m:nary></m:oMath></w:p>",
        r("So "),
        t("E="),
        t("a+b"),
        t("2"),
        t("c"),
        t("2"),
        t("x"),
        t("i=1"),
        t("n"),
        t("i"),
    );
    assert_eq!(text(&body), "So E=(a+b)/2c^2√(x)∑_(i=1)^n i");
}
