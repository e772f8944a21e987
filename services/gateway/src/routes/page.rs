//! The query of a list that comes in pages.

use serde::Deserialize;
use utoipa::IntoParams;

/// Where a page of a list starts and how long it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Items at most; none or 0 stands for the default.
    #[serde(default)]
    pub(crate) limit: i32,
    /// `next_cursor` of the page before, as it came; none or an empty one is the first page.
    #[serde(default)]
    pub(crate) cursor: String,
}
