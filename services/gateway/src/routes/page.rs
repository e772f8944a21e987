//! The query of a list that comes in pages.

use serde::Deserialize;
use utoipa::IntoParams;

/// Where a page of a list starts and how long it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub(crate) limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub(crate) cursor: String,
}
