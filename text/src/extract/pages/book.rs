//! Books in EPUB.

use std::collections::{HashMap, HashSet};

use super::Pages;
use crate::{
    Document, ExtractError,
    extract::{
        archive::{Archive, linked},
        xml::{self, attribute, child, children, find, name},
    },
};

/// What typefaces are disguised by, which readers undo without asking anybody.
const OF_TYPEFACES: [&str; 2] = [
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
];

/// Extracts the book `bytes`: its pages in the order they are read, without the table of contents.
/// [`ExtractError::Protected`] when one of them is encrypted.
pub(in super::super) fn extract(bytes: &[u8]) -> Result<Document, ExtractError> {
    let mut archive = Archive::open(bytes)?;
    let container = archive.required("META-INF/container.xml")?;
    let container = xml::parse(&container)?;
    let package = find(container.root_element(), "rootfile").and_then(|root| attribute(root, "full-path"));
    let package = package.ok_or(ExtractError::DamagedFile)?;
    let text = archive.required(package)?;
    let pages = order(&text, package)?;
    let encrypted = encrypted(&mut archive)?;
    if pages.iter().any(|page| encrypted.contains(page)) {
        return Err(ExtractError::Protected);
    }
    let mut reader = Pages::of(archive);
    let mut document = Document::default();
    let mut found = false;
    for name in pages {
        if let Some(page) = reader.open(&name)? {
            document.append(reader.text(&name, &page, "", None)?, None);
            found = true;
        }
    }
    match found {
        true => Ok(document),
        false => Err(ExtractError::DamagedFile),
    }
}

/// The names of the pages in the order they are read, by the `package` of this text.
fn order(text: &str, package: &str) -> Result<Vec<String>, ExtractError> {
    let document = xml::parse(text)?;
    let root = document.root_element();
    let part = |named| child(root, named);
    let (Some(manifest), Some(spine)) = (part("manifest"), part("spine")) else {
        return Err(ExtractError::DamagedFile);
    };
    let guide = part("guide")
        .into_iter()
        .flat_map(|guide| children(guide, "reference"));
    let contents: HashSet<String> = guide
        .filter(|reference| attribute(*reference, "type") == Some("toc"))
        .filter_map(|reference| linked(package, attribute(reference, "href")?))
        .collect();
    let mut pages = HashMap::new();
    for item in children(manifest, "item") {
        let is_contents = attribute(item, "properties")
            .is_some_and(|properties| properties.split_whitespace().any(|property| property == "nav"));
        let is_page = attribute(item, "media-type").is_some_and(|kind| kind.contains("html"));
        let file = attribute(item, "href").and_then(|reference| linked(package, reference));
        if let (Some(id), Some(file)) = (attribute(item, "id"), file)
            && is_page
            && !is_contents
            && !contents.contains(&file)
        {
            pages.insert(id, file);
        }
    }
    // A page is read once, however often it is named.
    let named = children(spine, "itemref").filter_map(|item| pages.remove(attribute(item, "idref")?));
    Ok(named.collect())
}

/// The names of the files nobody can read without a key.
fn encrypted(archive: &mut Archive<'_>) -> Result<HashSet<String>, ExtractError> {
    let Some(text) = archive.text("META-INF/encryption.xml")? else {
        return Ok(HashSet::new());
    };
    let document = xml::parse(&text)?;
    let data = document
        .descendants()
        .filter(|node| name(*node) == "EncryptedData");
    let files = data.filter_map(|data| {
        let method = find(data, "EncryptionMethod").and_then(|method| attribute(method, "Algorithm"));
        let file = find(data, "CipherReference").and_then(|file| attribute(file, "URI"))?;
        let is_typeface = method.is_some_and(|method| OF_TYPEFACES.contains(&method));
        (!is_typeface).then(|| linked("", file)).flatten()
    });
    Ok(files.collect())
}
