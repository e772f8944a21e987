//! The blocks of a document as HTML, which is then read as any page is.

use html_escape::encode_text_to_string;

/// Typefaces all of whose letters are of one width; what is set in them is code.
const MONOSPACED: [&str; 12] = [
    "courier",
    "consolas",
    "menlo",
    "monaco",
    "mono",
    "lucida console",
    "source code",
    "fira code",
    "inconsolata",
    "cascadia",
    "typewriter",
    "terminal",
];

/// Appends `text` to `html`.
pub(super) fn escape(text: &str, html: &mut String) {
    encode_text_to_string(text, html);
}

/// Whether code is set in `typeface`.
pub(super) fn is_monospaced(typeface: &str) -> bool {
    let typeface = typeface.to_lowercase();
    MONOSPACED.iter().any(|name| typeface.contains(name))
}

/// Whether a style of this name is for code.
pub(super) fn is_style_of_code(name: &str) -> bool {
    let name = name.to_lowercase();
    ["code", "preformatted", "listing", "quelltext"]
        .iter()
        .any(|word| name.contains(word))
}

/// Whether a style of this name, in the languages office programs speak, is that of a heading, and of which level.
pub(super) fn heading_of(style: &str) -> Option<u8> {
    let style = style.to_lowercase();
    let level = style.chars().next_back().and_then(|last| last.to_digit(10))?;
    let word = style.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ' || c == '_');
    let words = [
        "heading",
        "überschrift",
        "titre",
        "título",
        "titulo",
        "titolo",
        "kop",
        "rubrik",
        "overskrift",
        "otsikko",
        "nagłówek",
        "nadpis",
        "заголовок",
        "标题",
        "標題",
        "見出し",
        "제목",
        "başlık",
        "címsor",
        "επικεφαλίδα",
    ];
    words
        .contains(&word)
        .then(|| u8::try_from(level).unwrap_or(1).clamp(1, 9))
}

/// A row of a table.
#[derive(Default)]
pub(super) struct Row {
    /// Whether it says what the cells below it are.
    pub(super) is_header: bool,
    pub(super) cells: Vec<Cell>,
}

/// A cell of a table.
#[derive(Default)]
pub(super) struct Cell {
    /// Its blocks.
    pub(super) html: String,
    /// Rows it reaches over, at least 1.
    pub(super) rows: usize,
}

/// The document so far.
#[derive(Default)]
pub(super) struct Flow {
    html: String,
    /// The open lists, each with whether it is numbered.
    lists: Vec<bool>,
    /// Whether lines of code are open.
    code: bool,
    /// Whether the document has a title, under which its headings stand.
    titled: bool,
}

impl Flow {
    /// The HTML, when everything is written.
    pub(super) fn finish(mut self) -> String {
        self.close();
        self.html
    }

    /// The title of the whole.
    pub(super) fn title(&mut self, html: &str) {
        self.titled = false;
        self.heading(1, html);
        self.titled = true;
    }

    pub(super) fn heading(&mut self, level: u8, html: &str) {
        self.close();
        let level = (level + u8::from(self.titled)).clamp(1, 6);
        self.html.push_str(&format!("<h{level}>{html}</h{level}>"));
    }

    pub(super) fn paragraph(&mut self, html: &str) {
        self.close();
        self.html.push_str("<p>");
        self.html.push_str(html);
        self.html.push_str("</p>");
    }

    /// A line of code, with those before and after it.
    pub(super) fn code(&mut self, html: &str) {
        if self.code {
            self.html.push('\n');
        } else {
            self.close();
            // The first line break of it is no part of it.
            self.html.push_str("<pre>\n");
            self.code = true;
        }
        self.html.push_str(html);
    }

    /// An item of the list of this depth, counted from 0, with its number if it has one.
    pub(super) fn item(&mut self, depth: usize, number: Option<i64>, html: &str) {
        if self.code {
            self.close();
        }
        let depth = depth.min(8) + 1;
        while self.lists.len() > depth
            || (self.lists.len() == depth && self.lists.last() != Some(&number.is_some()))
        {
            self.close_list();
        }
        while self.lists.len() < depth {
            let innermost = self.lists.len() + 1 == depth;
            match number.filter(|_| innermost) {
                Some(number) => self.html.push_str(&format!("<ol start={number}>")),
                None => self.html.push_str("<ul>"),
            }
            self.lists.push(innermost && number.is_some());
        }
        self.html.push_str("<li>");
        self.html.push_str(html);
        self.html.push_str("</li>");
    }

    /// A table. One of a single column only puts a frame around what is in it.
    pub(super) fn table(&mut self, rows: &[Row]) {
        self.close();
        if rows.iter().all(|row| row.cells.len() < 2) {
            for cell in rows.iter().flat_map(|row| &row.cells) {
                self.html.push_str(&cell.html);
            }
            return;
        }
        self.html.push_str("<table>");
        let heads = rows.iter().take_while(|row| row.is_header).count();
        for (part, rows) in [("thead", &rows[..heads]), ("tbody", &rows[heads..])] {
            self.html.push_str(&format!("<{part}>"));
            for row in rows {
                self.html.push_str("<tr>");
                for cell in &row.cells {
                    match cell.rows {
                        ..2 => self.html.push_str("<td>"),
                        rows => self.html.push_str(&format!("<td rowspan={rows}>")),
                    }
                    self.html.push_str(&cell.html);
                    self.html.push_str("</td>");
                }
                self.html.push_str("</tr>");
            }
            self.html.push_str(&format!("</{part}>"));
        }
        self.html.push_str("</table>");
    }

    /// Closes what the next block is no part of.
    fn close(&mut self) {
        if std::mem::take(&mut self.code) {
            self.html.push_str("</pre>");
        }
        while !self.lists.is_empty() {
            self.close_list();
        }
    }

    fn close_list(&mut self) {
        if let Some(numbered) = self.lists.pop() {
            self.html.push_str(if numbered { "</ol>" } else { "</ul>" });
        }
    }
}
