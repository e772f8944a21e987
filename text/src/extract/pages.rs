//! Archives of pages: books and sites.

mod book;
mod site;

use std::collections::HashMap;

use super::{
    archive::{Archive, linked},
    html::Page,
};
use crate::{Document, ExtractError};

pub(super) use book::extract as book;
pub(super) use site::extract as site;

/// Ways to other pages, which are no text of this one.
const WAYS: &str = "nav, [role=navigation], [role=doc-toc] { display: none !important }";

/// The pages of an archive while they are read.
struct Pages<'a> {
    archive: Archive<'a>,
    /// The stylesheets that pages link to, by their names.
    styles: HashMap<String, String>,
}

impl<'a> Pages<'a> {
    fn of(archive: Archive<'a>) -> Self {
        Self {
            archive,
            styles: HashMap::new(),
        }
    }

    /// The page of this name, if it is there.
    fn open(&mut self, name: &str) -> Result<Option<Page>, ExtractError> {
        Ok(self.archive.text(name)?.map(|source| Page::parse(&source)))
    }

    /// The text of the page of this name, with the stylesheets it links to and `more` of them.
    fn text(
        &mut self,
        name: &str,
        page: &Page,
        more: &str,
        title: Option<&str>,
    ) -> Result<Document, ExtractError> {
        let mut styles = String::new();
        for sheet in page
            .stylesheets()
            .into_iter()
            .filter_map(|sheet| linked(name, sheet))
        {
            if !self.styles.contains_key(&sheet) {
                let text = self.archive.text(&sheet)?.unwrap_or_default();
                self.styles.insert(sheet.clone(), text);
            }
            styles.push_str(&self.styles[&sheet]);
            styles.push('\n');
        }
        styles.push_str(WAYS);
        styles.push_str(more);
        Ok(page.text(&styles, title))
    }
}
