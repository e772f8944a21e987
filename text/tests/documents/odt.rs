//! Texts of OpenDocument.

use smartcourse_text::{ExtractError, SourceKind};

use crate::{archive, extract, places};

const NAMES: &str = "xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0' \
xmlns:style='urn:oasis:names:tc:opendocument:xmlns:style:1.0' xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' \
xmlns:draw='urn:oasis:names:tc:opendocument:xmlns:drawing:1.0' xmlns:xlink='http://www.w3.org/1999/xlink' xmlns:svg='urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0' xmlns:dc='http://purl.org/dc/elements/1.1/'";

const STYLES: &str = "<style:style style:name='T1' style:family='text'><style:text-properties text:display='none'/></style:style>\
<style:style style:name='P1' style:family='paragraph' style:parent-style-name='Preformatted_20_Text'/>\
<style:style style:name='P2' style:family='paragraph' style:parent-style-name='Title'/>\
<text:list-style style:name='L1'><text:list-level-style-number text:level='1' style:num-format='1'/><text:list-level-style-bullet text:level='2'/></text:list-style>";

pub(crate) fn document(body: &str) -> Vec<u8> {
    archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        (
            "content.xml",
            &format!(
                "<office:document-content {NAMES}><office:automatic-styles>{STYLES}</office:automatic-styles><office:body><office:text>{body}</office:text></office:body></office:document-content>"
            ),
        ),
        (
            "styles.xml",
            &format!(
                "<office:document-styles {NAMES}><office:styles><style:style style:name='Preformatted_20_Text' style:display-name='Preformatted Text'/>\
<style:style style:name='Title'/></office:styles><office:master-styles><text:p>running head</text:p></office:master-styles></office:document-styles>"
            ),
        ),
        (
            "Object 1/content.xml",
            "<math><semantics><mi>x</mi><annotation encoding='StarMath 5.0'>x^2 over y</annotation></semantics></math>",
        ),
    ])
}

fn text(body: &str) -> String {
    extract(SourceKind::Odt, &document(body)).text
}

#[test]
fn headings_lists_and_tables() {
    let body = "<text:p text:style-name='P2'>Bridges</text:p><text:h text:outline-level='1'>Arches</text:h><text:p>They press.</text:p>\
<text:list text:style-name='L1'><text:list-item><text:p>One</text:p><text:list><text:list-item><text:p>inner</text:p></text:list-item></text:list></text:list-item>\
<text:list-item><text:p>Two</text:p></text:list-item></text:list><text:p>Between.</text:p>\
<text:list text:style-name='L1' text:continue-numbering='true'><text:list-item><text:p>Three</text:p></text:list-item></text:list>\
<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Port</text:p></table:table-cell><table:table-cell><text:p>Use</text:p></table:table-cell></table:table-row></table:table-header-rows>\
<table:table-row><table:table-cell table:number-rows-spanned='2'><text:p>Mail</text:p></table:table-cell><table:table-cell><text:p>25</text:p></table:table-cell></table:table-row>\
<table:table-row><table:covered-table-cell/><table:table-cell><text:p>587</text:p></table:table-cell></table:table-row></table:table>";
    let document = extract(SourceKind::Odt, &document(body));
    assert_eq!(
        document.text,
        "Bridges\n\nArches\n\nThey press.\n\n1. One\n  - inner\n2. Two\n\nBetween.\n\n3. Three\n\nPort | Use\nMail | 25\nMail | 587"
    );
    let paths: Vec<String> = places(&document).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["Bridges", "Bridges/Arches"]);
}

#[test]
fn what_no_reader_sees_is_no_text() {
    let body = "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion></text:changed-region></text:tracked-changes>\
<text:p>kept<text:change text:change-id='1'/><office:annotation><dc:creator>Ann</dc:creator><text:p>a comment</text:p></office:annotation> words\
<text:span text:style-name='T1'>hidden</text:span><text:hidden-text text:is-hidden='true' text:string-value='x'>unseen</text:hidden-text></text:p>\
<text:section text:display='none'><text:p>not shown</text:p></text:section><text:section><text:p>Shown.</text:p></text:section>\
<text:table-of-content><text:index-body><text:p>Arches 3</text:p></text:index-body></text:table-of-content>";
    assert_eq!(text(body), "kept words\n\nShown.");
}

#[test]
fn boxes_notes_signs_and_code() {
    let body = "<text:p>Fuß\u{ad}gänger<text:tab/>gehen<text:s text:c='3'/>hier<text:line-break/>weiter\
<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>The note.</text:p></text:note-body></text:note>\
<draw:frame><draw:text-box><text:p>In a box.</text:p></draw:text-box><svg:desc>a picture</svg:desc></draw:frame>, \
<draw:frame><draw:object xlink:href='./Object 1'/></draw:frame>.</text:p>\
<text:p text:style-name='P1'>if x:</text:p><text:p text:style-name='P1'><text:s text:c='4'/>go()</text:p>";
    assert_eq!(
        text(body),
        "Fußgänger gehen hier\nweiter, x^2 over y.\n\nThe note.\n\nIn a box.\n\nif x:\n    go()"
    );
}

#[test]
fn a_text_with_a_password_says_so() {
    let manifest = "<manifest><file-entry full-path='content.xml'><encryption-data/></file-entry></manifest>";
    let locked = archive(&[("META-INF/manifest.xml", manifest), ("content.xml", "\u{1}\u{2}")]);
    assert_eq!(
        smartcourse_text::extract(SourceKind::Odt, &locked),
        Err(ExtractError::Protected)
    );
}
