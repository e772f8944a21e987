//! Notebooks.

use smartcourse_text::{ExtractError, SourceKind};

use crate::{extract, places};

#[test]
fn prose_code_and_what_it_printed() {
    let notebook = r###"{"nbformat": 4, "metadata": {}, "cells": [
{"cell_type": "markdown", "source": ["# Bridges\n", "\n", "Loads are *summed*.\n", "\n", "<!-- unclosed"]},
{"cell_type": "code", "source": "for x in loads:\n    print(x < 3)", "metadata": {}, "outputs": [
  {"output_type": "stream", "name": "stdout", "text": ["\u001b[31mTrue\u001b[0m\n", "10%\r100%\n"]},
  {"output_type": "execute_result", "data": {"text/plain": ["   a\n", "0  1"], "text/html": "<table><thead><tr><th></th><th>a</th></tr></thead><tr><th>0</th><td>1</td></tr></table>"}},
  {"output_type": "display_data", "data": {"text/plain": "<Figure size 640x480>", "image/png": "iVBORw0KGgo="}},
  {"output_type": "execute_result", "data": {"text/plain": "x**2", "text/latex": "$x^2$"}},
  {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": ["\u001b[0;31m-----"]}]},
{"cell_type": "raw", "source": "not shown"},
{"cell_type": "code", "source": "secret()", "metadata": {"jupyter": {"source_hidden": true, "outputs_hidden": true}}, "outputs": [{"output_type": "stream", "text": "folded"}]},
{"cell_type": "code", "source": "install()", "metadata": {"tags": ["remove-cell"]}, "outputs": []},
{"cell_type": "markdown", "source": "## Next\n\nThe end."}]}"###;
    let document = extract(SourceKind::Notebook, notebook.as_bytes());
    assert_eq!(
        document.text,
        "Bridges\n\nLoads are summed.\n\nfor x in loads:\n    print(x < 3)\n\nTrue\n100%\n\n| a\n0 | 1\n\n$x^2$\n\n\
ZeroDivisionError: division by zero\n\nNext\n\nThe end."
    );
    let paths: Vec<String> = places(&document).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["Bridges", "Bridges/Next"]);
}

#[test]
fn the_third_format() {
    let notebook = r#"{"nbformat": 3, "worksheets": [{"cells": [
{"cell_type": "heading", "level": 2, "source": "Loads"},
{"cell_type": "code", "input": ["1 + 1"], "outputs": [{"output_type": "pyout", "text": ["2"]}, {"output_type": "display_data", "png": "iVBO", "text": "<Figure>"}]},
{"cell_type": "html", "source": "<b>Bold</b>"}]}]}"#;
    assert_eq!(
        extract(SourceKind::Notebook, notebook.as_bytes()).text,
        "Loads\n\n1 + 1\n\n2\n\nBold"
    );
}

#[test]
fn what_is_no_notebook_is_damaged() {
    let deep = "[".repeat(100_000);
    for source in ["{\"cells\": [", "{\"cells\": 3}", "[]", "not JSON", &deep] {
        assert_eq!(
            smartcourse_text::extract(SourceKind::Notebook, source.as_bytes()),
            Err(ExtractError::DamagedFile)
        );
    }
    let empty = r#"{"nbformat": 4, "cells": []}"#;
    assert_eq!(
        smartcourse_text::extract(SourceKind::Notebook, empty.as_bytes()),
        Err(ExtractError::NoText)
    );
}
