//! Sites of plain pages, packed into one file.

use std::collections::HashSet;

use super::Pages;
use crate::{
    Document, ExtractError,
    extract::archive::{Archive, linked},
};

/// What stands at the foot of each page of a site.
const FEET: &str = " body > footer, [role=banner], [role=contentinfo] { display: none !important }";

/// Extracts the site `bytes`: the pages as `index.html` links to them, each before what only it links to, then the
/// others by name. One without a heading has its title.
pub(in super::super) fn extract(bytes: &[u8]) -> Result<Document, ExtractError> {
    let archive = Archive::open(bytes)?;
    let mut names: Vec<String> = archive.names();
    names.retain(|name| is_page(name));
    names.sort_by_cached_key(|name| by_numbers(name));
    let index = names.iter().filter(|name| is_index(name));
    let index = index.min_by_key(|name| name.matches('/').count());
    let known: HashSet<&String> = names.iter().collect();
    let mut pages = Pages::of(archive);
    let mut document = Document::default();
    let mut named = HashSet::new();
    for first in index.into_iter().chain(&names) {
        // The next one last.
        let mut due = match named.insert(first.clone()) {
            true => vec![first.clone()],
            false => Vec::new(),
        };
        while let Some(name) = due.pop() {
            let Some(page) = pages.open(&name)? else { continue };
            let links = page.links().into_iter().filter_map(|link| target(&name, link));
            let new: Vec<String> = links
                .filter(|link| known.contains(link) && named.insert(link.clone()))
                .collect();
            due.extend(new.into_iter().rev());
            let title = page.title().filter(|_| !page.has_heading());
            document.append(pages.text(&name, &page, FEET, title.as_deref())?, None);
        }
    }
    Ok(document)
}

/// The page that `link` on the page `name` leads to.
fn target(name: &str, link: &str) -> Option<String> {
    let is_directory = link.split(['#', '?']).next()?.ends_with('/');
    let target = linked(name, link)?;
    match is_directory {
        true => Some(format!("{target}/index.html").trim_start_matches('/').to_owned()),
        false => Some(target),
    }
}

/// Whether a file is a page that people are meant to see.
fn is_page(name: &str) -> bool {
    let is_hidden = name
        .split('/')
        .any(|part| part.starts_with('.') || part == "__MACOSX");
    let name = name.to_ascii_lowercase();
    !is_hidden
        && [".html", ".htm", ".xhtml"]
            .iter()
            .any(|extension| name.ends_with(extension))
}

fn is_index(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    file.split('.').next() == Some("index")
}

/// A name as people sort it: the second chapter before the tenth.
fn by_numbers(name: &str) -> Vec<(u64, char)> {
    let mut key = Vec::new();
    let mut number: Option<u64> = None;
    for c in name.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(
                number
                    .unwrap_or(0)
                    .saturating_mul(10)
                    .saturating_add(u64::from(digit)),
            );
            continue;
        }
        key.extend(number.take().map(|number| (number + 1, '0')));
        key.push((0, c));
    }
    key.extend(number.map(|number| (number.saturating_add(1), '0')));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_their_numbers() {
        let mut names = ["c10.html", "c2.html", "b/1.html", "c2a.html"];
        names.sort_by_key(|name| by_numbers(name));
        assert_eq!(names, ["b/1.html", "c2.html", "c2a.html", "c10.html"]);
    }

    #[test]
    fn only_pages_are_read() {
        assert!(is_page("a/B.HTM") && is_page("index.xhtml"));
        assert!(!is_page("__MACOSX/a.html") && !is_page("a/.git/b.html") && !is_page("a.css"));
        assert!(is_index("site/Index.html") && !is_index("index2.html"));
    }
}
