//! Searching the live versions the gateway names.

use html_escape::encode_quoted_attribute;
use smartcourse_platform::{
    Result,
    error::Problems,
    page,
    ports::search::{Hit, Scope},
};
use smartcourse_proto::{
    content::{Candidates, CandidatesRequest, SearchHit, SearchPage, SearchRequest, SearchScope},
    ids::VersionId,
    limits,
};

use crate::State;

/// Courses a search over all of them goes on with: what ranks lower than so many is not looked at.
const MAX_CANDIDATES: i64 = 500;

/// Courses whose texts have the words, in any version.
pub(crate) async fn candidates(state: &State, request: CandidatesRequest) -> Result<Candidates> {
    let query = request.q.replace('\0', " ");
    let (search, q) = (&state.deps.search, query.trim());
    let found = search.candidates(q, request.lesson_text, MAX_CANDIDATES).await?;
    Ok(Candidates {
        course_ids: found.into_iter().map(|course| course.0).collect(),
    })
}

pub(crate) async fn search(state: &State, request: SearchRequest) -> Result<SearchPage> {
    Problems::only_text("q", &request.q, limits::SEARCH_WORDS)?;
    let limit = page::limit(request.limit)?;
    let scopes: Vec<Scope> = request.scopes.iter().flat_map(keywords).collect();
    // The database takes no NUL, and no word has one.
    let query = request.q.replace('\0', " ");
    let search = &state.deps.search;
    let found = search.find(query.trim(), &scopes, &request.cursor, limit).await?;
    Ok(SearchPage {
        items: found.hits.into_iter().map(hit).collect(),
        next_cursor: found.next,
    })
}

/// What of a version may be searched.
fn keywords(scope: &SearchScope) -> impl Iterator<Item = Scope> {
    let version = VersionId::new(scope.course_id, scope.version);
    let text = scope.lesson_text.then(|| Scope::text(version));
    std::iter::once(Scope::course(version)).chain(text)
}

fn hit(hit: Hit) -> SearchHit {
    SearchHit {
        course_id: hit.version.course_id.0,
        version: hit.version.version,
        lesson_id: Some(hit.unit.lesson_id).filter(|id| !id.is_empty()),
        title: hit.title,
        highlight: highlight(&hit.snippet),
        score: f64::from(hit.score),
    }
}

/// Escapes a snippet for HTML and turns its markers into tags: the only markup that can be in it.
fn highlight(snippet: &str) -> String {
    let mut html = String::with_capacity(snippet.len() + 16);
    let mut open = false;
    for c in encode_quoted_attribute(snippet).chars() {
        match c {
            '\u{2}' if !open => {
                html.push_str("<mark>");
                open = true;
            }
            '\u{3}' if open => {
                html.push_str("</mark>");
                open = false;
            }
            '\u{2}' | '\u{3}' => {}
            c => html.push(c),
        }
    }
    if open {
        html.push_str("</mark>");
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_markers_become_tags() {
        assert_eq!(
            highlight("a \u{2}<b>\u{3} & \"c\""),
            "a <mark>&lt;b&gt;</mark> &amp; &quot;c&quot;"
        );
        assert_eq!(highlight("\u{3}cut \u{2}off"), "cut <mark>off</mark>");
        assert_eq!(
            highlight("<script>alert('x')</script>"),
            "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;"
        );
    }
}
