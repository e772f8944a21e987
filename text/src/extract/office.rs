//! Documents and presentations of office programs, by way of the HTML their readers might be shown.

mod docx;
mod flow;
mod math;
mod odt;
mod package;
mod pptx;

pub(super) use docx::extract as docx;
pub(super) use odt::extract as odt;
pub(super) use pptx::extract as pptx;

/// Elements within elements that are read. What nests deeper is no document a person made.
const MAX_DEPTH: usize = 400;
