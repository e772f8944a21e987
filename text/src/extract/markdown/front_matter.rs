//! The settings that tools for web pages keep at the beginning of a text.

/// `source` without YAML between lines of `---`, or TOML between lines of `+++`, at its very beginning.
pub(super) fn without(source: &str) -> &str {
    let (open, closes): (_, &[&str]) = match source.lines().next().map(str::trim_end) {
        Some(line @ "---") => (line, &["---", "..."]),
        Some(line @ "+++") => (line, &["+++"]),
        _ => return source,
    };
    let mut at = 0;
    for (number, line) in source.split_inclusive('\n').enumerate() {
        let trimmed = line.trim_end();
        // A rule across the page opens nothing.
        if number == 1 && !closes.contains(&trimmed) && !is_setting(trimmed, open) {
            return source;
        }
        at += line.len();
        if number > 0 && closes.contains(&trimmed) {
            return &source[at..];
        }
    }
    source
}

/// Whether `line` begins settings: a comment, a table, or a key with its value.
fn is_setting(line: &str, open: &str) -> bool {
    let separator = if open == "---" { ':' } else { '=' };
    let key = line.split_once(separator).map(|(key, _)| key.trim());
    let is_key = |key: &str| {
        let key = key.trim_matches(['"', '\'']);
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c))
    };
    line.starts_with('#') && !line.starts_with("##") || line.starts_with('[') || key.is_some_and(is_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_go_and_rules_stay() {
        assert_eq!(without("---\ntitle: \"x\"\nlist:\n  - a\n---\n\n# T"), "\n# T");
        assert_eq!(without("+++\ntitle = \"x\"\n[params]\na = 1\n+++\n# T"), "# T");
        assert_eq!(without("--- \n# comment\nkey: v\n...\ntext"), "text");
        assert_eq!(without("---\n---\ntext"), "text");
        for text in [
            "---\n\nA rule above.\n\n---\nend",
            "---\nA sentence that goes on\n---\n",
            "---\ntitle: never closed",
            "text\n---\na: b\n---\n",
        ] {
            assert_eq!(without(text), text);
        }
    }
}
