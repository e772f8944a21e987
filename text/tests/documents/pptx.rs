//! Presentations.

use smartcourse_text::{SourceKind, chunk};

use crate::{archive, extract, places, relations};

const NAMES: &str = "xmlns:p='http://schemas.openxmlformats.org/presentationml/2006/main' xmlns:a='http://schemas.openxmlformats.org/drawingml/2006/main' \
xmlns:r='http://schemas.openxmlformats.org/officeDocument/2006/relationships' xmlns:dgm='http://schemas.openxmlformats.org/drawingml/2006/diagram'";

/// A shape for a place of the layout.
fn shape(place: &str, paragraphs: &[&str]) -> String {
    let paragraphs: String = paragraphs
        .iter()
        .map(|text| format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"))
        .collect();
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id='2' name='x'/><p:nvPr>{place}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"
    )
}

fn slide(shapes: &str, more: &str) -> String {
    format!("<p:sld {NAMES} {more}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>")
}

/// Three slides in another order than their names, the second of them hidden.
pub(crate) fn presentation() -> Vec<u8> {
    let title = |text| shape("<p:ph type='title'/>", &[text]);
    let table = "<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id='5' name='t'/></p:nvGraphicFramePr><a:graphic><a:graphicData><a:tbl><a:tblPr firstRow='1'/>\
<a:tr><a:tc><a:txBody><a:p><a:r><a:t>Port</a:t></a:r></a:p></a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>Use</a:t></a:r></a:p></a:txBody></a:tc></a:tr>\
<a:tr><a:tc gridSpan='2'><a:txBody><a:p><a:r><a:t>25</a:t></a:r></a:p></a:txBody></a:tc><a:tc hMerge='1'><a:txBody><a:p/></a:txBody></a:tc></a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame>";
    let diagram = "<p:graphicFrame><a:graphic><a:graphicData><dgm:relIds r:dm='d'/></a:graphicData></a:graphic></p:graphicFrame>";
    let numbered = "<p:sp><p:nvSpPr><p:cNvPr id='9' name='n'/><p:nvPr/></p:nvSpPr><p:txBody><a:p><a:pPr><a:buAutoNum type='arabicPeriod'/></a:pPr><a:r><a:t>First</a:t></a:r></a:p>\
<a:p><a:pPr><a:buAutoNum type='arabicPeriod'/></a:pPr><a:r><a:t>Second</a:t></a:r><a:br/><a:r><a:t>line</a:t></a:r></a:p></p:txBody></p:sp>";
    let first = shape("<p:ph idx='1'/>", &["Arches press.", "Beams bend."])
        + &title("Bridges")
        + &shape("<p:ph type='sldNum' idx='4'/>", &["1"])
        + &shape("<p:ph type='ftr' idx='3'/>", &["ACME confidential"])
        + &shape("<p:ph type='body' idx='7'/>", &["No bullets.", "Here."])
        + "<p:sp><p:nvSpPr><p:cNvPr id='8' name='h' hidden='1'/><p:nvPr/></p:nvSpPr><p:txBody><a:p><a:r><a:t>unseen</a:t></a:r></a:p></p:txBody></p:sp>";
    let third = title("Ports") + table + "<p:grpSp>" + numbered + "</p:grpSp>" + diagram;
    let notes = format!(
        "<p:notes {NAMES}><p:cSld><p:spTree>{}{}{}</p:spTree></p:cSld></p:notes>",
        shape("<p:ph type='sldImg'/>", &[]),
        shape("<p:ph type='body' idx='1'/>", &["Say why arches press outwards."]),
        shape("<p:ph type='sldNum' idx='5'/>", &["1"]),
    );
    let layout = format!(
        "<p:sldLayout {NAMES}><p:cSld><p:spTree><p:sp><p:nvSpPr><p:cNvPr id='1' name='l'/><p:nvPr><p:ph type='body' idx='7'/></p:nvPr></p:nvSpPr>\
<p:txBody><a:lstStyle><a:lvl1pPr><a:buNone/></a:lvl1pPr></a:lstStyle><a:p><a:r><a:t>Click to edit</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sldLayout>"
    );
    let data = format!(
        "<dgm:dataModel {NAMES}><dgm:ptLst><dgm:pt><dgm:t><a:p><a:r><a:t>Plan</a:t></a:r></a:p></dgm:t></dgm:pt><dgm:pt type='pres'><dgm:t><a:p><a:r><a:t>Plan</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst></dgm:dataModel>"
    );
    archive(&[
        (
            "_rels/.rels",
            &relations(&[("r", "officeDocument", "ppt/presentation.xml")]),
        ),
        (
            "ppt/presentation.xml",
            &format!(
                "<p:presentation {NAMES}><p:sldIdLst><p:sldId id='256' r:id='b'/><p:sldId id='257' r:id='c'/><p:sldId id='258' r:id='a'/></p:sldIdLst></p:presentation>"
            ),
        ),
        (
            "ppt/_rels/presentation.xml.rels",
            &relations(&[
                ("a", "slide", "slides/slide1.xml"),
                ("b", "slide", "slides/slide2.xml"),
                ("c", "slide", "slides/slide3.xml"),
            ]),
        ),
        ("ppt/slides/slide1.xml", &slide(&third, "")),
        (
            "ppt/slides/_rels/slide1.xml.rels",
            &relations(&[("d", "diagramData", "../diagrams/data1.xml")]),
        ),
        ("ppt/diagrams/data1.xml", &data),
        ("ppt/slides/slide2.xml", &slide(&first, "")),
        (
            "ppt/slides/_rels/slide2.xml.rels",
            &relations(&[
                ("n", "notesSlide", "../notesSlides/notesSlide9.xml"),
                ("l", "slideLayout", "../slideLayouts/l.xml"),
            ]),
        ),
        ("ppt/notesSlides/notesSlide9.xml", &notes),
        ("ppt/slideLayouts/l.xml", &layout),
        ("ppt/slides/slide3.xml", &slide(&title("Never shown"), "show='0'")),
    ])
}

#[test]
fn slides_are_pages_in_their_order_with_their_notes() {
    let document = extract(SourceKind::Pptx, &presentation());
    assert_eq!(
        document.text,
        "Bridges\n\n- Arches press.\n- Beams bend.\n\nNo bullets.\n\nHere.\n\nSay why arches press outwards.\n\n\
Ports\n\nPort | Use\n25\n\n1. First\n2. Second\nline\n\n- Plan"
    );
    let expected = [
        (Some(1), ""),
        (Some(1), "Bridges"),
        (Some(3), ""),
        (Some(3), "Ports"),
    ];
    assert_eq!(
        places(&document),
        expected.map(|(page, path)| (page, path.to_owned()))
    );
    // What is quoted of a slide names it.
    let chunks = chunk(&document, 150);
    let cited: Vec<_> = chunks.iter().map(|chunk| (chunk.page, &*chunk.heading)).collect();
    assert_eq!(cited, [(Some(1), "Bridges"), (Some(3), "Ports")]);
}
